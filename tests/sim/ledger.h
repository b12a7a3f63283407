/* The ledger of one simulated run: who there is, what was sent, watched and opened, and what became
 * of it. A simulation has one thread, so actors and controllers alike write into the same ledger,
 * and whatever contradicts it is reported at once, with the seed. */
#ifndef LEAT_TESTS_SIM_LEDGER_H
#define LEAT_TESTS_SIM_LEDGER_H

#include <leat/leat.h>

#define PEOPLE_MAX 320u
#define DESKS_MAX 24u /* controllers opened in one run */
#define LETTERS_MAX 100000u
#define WATCHES_MAX 4096u
#define SOCKETS_MAX 1024u
#define CLOSINGS_MAX 4096u
#define NOBODY UINT32_MAX
#define GUESSES 1024u

/* An actor or a controller. */
struct person {
    leat_ref ref; /* once it is known */
    uint32_t parent;
    uint32_t desk; /* controllers: their number, from 1 */
    bool known;
    bool born; /* its init has succeeded */
    bool ended;
    bool asked;                    /* its spawn was popped, or done by a controller */
    bool answered;                 /* SPAWNED was given for it */
    bool killed;                   /* leat_kill was called for it */
    bool stopped;                  /* it was asked to stop */
    bool leaving;                  /* it has popped STOP or FAIL */
    bool open;                     /* between an input and the pop that returned false */
    uint8_t downs;                 /* DOWN without a monitor, for a failed init */
    uint8_t state;                 /* as traced */
    leat_time now;                 /* of its last input */
    leat_time settled;             /* when its last drain ended */
    leat_time wish;                /* what deadline() answered last */
    uint32_t waiting;              /* the letter it may be parked with; 0: none */
    uint32_t broadcast[DESKS_MAX]; /* the last received from each controller */
};

enum letter_state { LETTER_SENT = 1, LETTER_DELIVERED, LETTER_REFUSED };

struct letter {
    uint32_t previous; /* of the same sender to the same receiver; 0: none */
    uint16_t from, to;
    uint8_t state;
    bool wait;
    bool cut; /* its sender ended while it waited: it may have gone either way */
    leat_time at;
};

enum watch_state { WATCH_POSTED = 1, WATCH_FIRED, WATCH_REFUSED };

struct watch {
    uint32_t watcher, watched;
    uint8_t state;
};

struct opened {
    leat_sock sock;
    struct leat_addr local;
    uint32_t owner;
    bool trains;
    bool closing; /* its owner has popped CLOSE */
    enum { SOCK_OPENING = 1, SOCK_OPEN, SOCK_CLOSED, SOCK_FAILED } state;
};

struct ledger {
    uint64_t seed;
    uint32_t failures;
    leat_controller *clock; /* any, to ask for the time */
    leat_time send_wait_ns;

    struct person people[PEOPLE_MAX]; /* index 0 is nobody */
    uint32_t people_len;
    uint32_t desks_len;
    uint16_t guesses[GUESSES];             /* where a ref was found last */
    uint32_t last[PEOPLE_MAX][PEOPLE_MAX]; /* letter from, to */
    struct letter letters[LETTERS_MAX];    /* index 0 unused, as below */
    uint32_t letters_len;
    struct watch watches[WATCHES_MAX];
    uint32_t watches_len;
    struct opened sockets[SOCKETS_MAX];
    uint32_t sockets_len;
    struct {
        leat_sock sock;
        uint32_t person;
    } closings[CLOSINGS_MAX]; /* SOCK_CLOSED given to targets of routes */
    uint32_t closings_len;

    uint64_t delivered, refused, parked, broadcasts, copies, datagrams, segments, downs, ticks;
    uint64_t pasts, trains, writables, errors, reuses, timeouts, starved;
};

extern struct ledger ledger; /* of the run that goes on */

/* What a message carries: in its payload, or at the start of its body. */
struct letter_body {
    uint32_t id;
    uint32_t from;
    uint32_t to;
    uint32_t len; /* of the body; 0: inline */
    uint64_t to_ref;
};

#define LETTER_BROADCAST UINT32_C(0x80000000) /* in id */

void ledger_open(uint64_t seed);

/* An oracle has spoken. */
__attribute__((format(printf, 1, 2))) void ledger_fail(const char *format, ...);

#define EXPECT(condition, ...) ((condition) ? (void)0 : ledger_fail(__VA_ARGS__))

/* Someone new; NOBODY: there are enough. */
uint32_t ledger_person(uint32_t parent);

/* A letter on its way. False: there were enough. */
bool ledger_send(uint32_t from, uint32_t to, bool wait, struct letter_body *ret);
void ledger_receive(uint32_t me, const struct leat_event *event);
void ledger_refuse(uint32_t me, const struct letter_body *body, int status);

/* 0: there were enough. */
uint32_t ledger_watch(uint32_t watcher, uint32_t watched);
void ledger_down(uint32_t me, const struct leat_event *event);

void ledger_spawned(uint32_t me, const struct leat_event *event);

uint32_t ledger_socket(uint32_t owner, bool trains);
struct opened *ledger_socket_find(leat_sock sock);
void ledger_socket_event(uint32_t me, const struct leat_event *event);

/* A datagram's bytes: a header and a pattern; and whether some are what they were. */
#define DATAGRAM_MIN 12u
void datagram_fill(uint8_t *bytes, uint32_t len, uint32_t seq);
bool datagram_check(const uint8_t *bytes, uint32_t len);

/* Nothing is left to happen, nobody is about to end: what is still open has been lost. */
void ledger_check_quiet(leat_time now);

/* The runtime has ended. */
void ledger_check_end(leat_runtime *runtime);

/* config.trace: every transition against the table. */
void ledger_trace(void *context, const struct leat_trace *trace);

#endif
