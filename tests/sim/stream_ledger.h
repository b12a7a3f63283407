/* The ledger of one simulated run of streams: who there is, every end of a connection and every
 * listener, whose it is, what was written to it and what it has brought. A simulation has one thread: all
 * write into the same ledger, and what contradicts it is reported at once, with the seed (ledger_fail).
 *
 * What is written says whose it is: the first bytes of a direction are the number of the end that writes,
 * the rest follows from that number and the place. So whoever reads can tell that it is in order, is all
 * of it, and from whom. */
#ifndef LEAT_TESTS_SIM_STREAM_LEDGER_H
#define LEAT_TESTS_SIM_STREAM_LEDGER_H

#include "ledger.h"

#define FOLK_MAX 100u
#define ENDS_MAX 500u
#define PLACES 5u
#define FOLK_SLOTS 8192u
#define END_SLOTS 2048u /* a power of two, more than ends */

struct folk {
    leat_ref ref;
    bool known; /* its ref is */
    bool born, ended, killed;
    bool open;       /* between an input and the pop that returned false */
    uint32_t worker; /* seen at its first transition */
};

#define NO_WORKER UINT32_MAX

/* One end of a connection, or a listener. */
struct end {
    leat_sock sock;
    uint32_t owner;
    uint32_t place;
    enum { END_OPENING, END_OPEN, END_CLOSING, END_OVER } state;
    bool listens, connects;
    bool is_given; /* it is read: connected, or given to somebody */
    bool is_known; /* its owner has been told of it */
    bool is_paused;
    bool is_closed;  /* its owner has popped CLOSE */
    bool is_reset;   /* its end was RESET, or nobody had wanted it */
    bool is_orphan;  /* its owner has ended */
    bool finish;     /* FINISH was taken */
    bool no_finish;  /* it was not */
    bool finished;   /* the peer's end of it was given */
    bool is_broken;  /* a write was refused: -EPIPE */
    uint64_t cookie; /* of the last GIVE */
    uint32_t from;   /* the peer's number, as it wrote it; 0: not read yet */
    uint32_t head;   /* the same, as far as it has been read */
    uint64_t sent;   /* bytes accepted */
    uint64_t unsure; /* of those the last: their writer was killed while it waited */
    uint64_t got;
    int32_t status;             /* of SOCK_CLOSED */
    leat_time left;             /* when its owner closed it, or ended */
    uint16_t refused[FOLK_MAX]; /* writes of whom, less what WRITABLE he was given */
};

struct stream_ledger {
    struct folk people[FOLK_MAX]; /* index 0 is nobody, and so on */
    uint32_t people_len;
    struct end ends[ENDS_MAX];
    uint32_t ends_len;
    uint16_t at_slot[FOLK_SLOTS];
    uint16_t at_sock[END_SLOTS]; /* ends by socket, open addressing */
    uint32_t listened[PLACES];   /* how often a listener was opened there */
    bool is_faulty;  /* the network was cut, or loses things: connections may time out */
    bool is_starved; /* memory has run out now and then */
    uint32_t resets; /* connections that were reset on their way */
    uint64_t sends, letters;
    uint64_t opened, failed, accepted, given, closed, finished, bytes, writables, refused, waits;
    uint64_t waiting_max, no_reads; /* seen at sockets: bytes that wait, steps with one not read */
};

extern struct stream_ledger stream_ledger;

void stream_ledger_open(uint64_t seed);

uint32_t stream_person(void); /* NOBODY: there are enough */
void stream_person_known(uint32_t who, leat_ref ref);
void stream_person_ended(uint32_t who);

/* One that is about to be opened; 0: there are enough. */
uint32_t stream_end_new(uint32_t owner, uint32_t place, bool listens);

/* The next `len` bytes of an end, which it is about to write. */
leat_slice stream_bytes(uint32_t end, uint32_t len);

/* An event of a socket; false: it is none. */
bool stream_event(uint32_t me, const struct leat_event *event);

/* An output was popped that is about an end, and taken; or handed back. */
void stream_gave(uint32_t end, uint32_t to, uint64_t cookie);
void stream_give_back(uint32_t end, uint32_t me, uint32_t to, uint64_t cookie, bool was_known,
                      int status);
void stream_closes(uint32_t end, bool is_reset);
void stream_write_back(uint32_t end, uint32_t me, uint32_t len, bool waited, int status);

/* After each step of the simulation. */
void stream_check_step(leat_runtime *runtime);

/* Nothing is left to happen, and everybody alive has finished and resumed what is his. */
void stream_check_quiet(void);

/* The runtime has ended. */
void stream_check_end(leat_runtime *runtime);

#endif
