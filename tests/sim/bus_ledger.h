/* The ledger of one simulated run of the bus: who there is, who asked to hear what, what was published,
 * and what became of each copy. A simulation has one thread: all write into the same ledger, and what
 * contradicts it is reported at once, with the seed (ledger_fail).
 *
 * Somebody is IN a channel from the SUBSCRIBED that answers the last request about it until an
 * unsubscribe is asked for or the channel is closed: what is published then is required to arrive, or to
 * be refused. He is OUT from the UNSUBSCRIBED that answers the last one until a subscribe is asked for:
 * nothing may arrive. In between, and where requests of several people cross, either may happen. */
#ifndef LEAT_TESTS_SIM_BUS_LEDGER_H
#define LEAT_TESTS_SIM_BUS_LEDGER_H

#include "ledger.h"

#define BUS_PEOPLE_MAX 160u
#define BUS_CHANNELS_MAX 16u /* lives of channels in one run; 0 stands for broadcasts */
#define BUS_NAMES 5u
#define BUS_PUBS_MAX 1500u
#define BUS_REQUESTS_MAX 6000u
#define BUS_SLOTS 8192u

struct listener {
    leat_ref ref;
    bool known; /* its ref is */
    bool born;  /* its init has succeeded; a controller: it is open */
    bool ended;
    bool killed; /* by force, or asked to stop: it may end at any time */
    bool is_desk;
    bool is_roomy; /* its mailbox is never full */
    bool open;     /* between an input and the pop that returned false */
    uint8_t kind;
    uint16_t worker; /* seen at its first transition */
};

#define WORKER_UNKNOWN UINT16_MAX

struct pair {
    enum { PAIR_OUT, PAIR_UNSURE, PAIR_IN } state;
    bool is_strict;                /* OUT: it said so itself, so nothing is left in its mailbox */
    uint16_t subs, unsubs;         /* requests that are not answered */
    uint32_t changes;              /* requests so far */
    uint32_t last_sub, last_unsub; /* the last asked for */
    uint32_t since;                /* IN: the first message required; OUT: the first forbidden */
};

struct request {
    uint32_t requester, subscriber, channel;
    bool is_subscribe, is_answered;
    bool was_closed; /* when it was asked */
    uint32_t changes;
    uint8_t before; /* pair's state when it was asked */
    bool was_alone; /* no other request was on its way then */
    bool crosses;   /* one of the other kind was, of somebody else: either may have come first */
};

enum copy { COPY_NONE, COPY_REQUIRED, COPY_GIVEN, COPY_TOLD };

struct pub {
    uint32_t from, channel;
    uint32_t previous; /* of the same publisher on the same channel; 0: none */
    bool is_safe;
    bool was_summed;  /* its publisher had no room to hear of each loss: one word said "some" */
    bool was_closed;  /* the channel, when it was published */
    bool handed_back; /* to its publisher */
    uint8_t kind;     /* enum pub_kind */
    const void *at;   /* where its bytes are */
    uint32_t len;
    uint32_t given;
    uint32_t worker;   /* broadcasts: the one meant, or ANY */
    uint32_t behavior; /* broadcasts: the kind meant, or ANY */
};

#define ANY UINT32_MAX

enum pub_kind { PUB_INLINE, PUB_BODY, PUB_BATCH };

struct room {
    leat_channel id;
    uint32_t name, uses;
    bool is_closed;
    uint32_t pubs;  /* messages published on it */
    uint32_t known; /* of them, since somebody was confirmed */
    bool was_confirmed;
    uint64_t given, told;
};

struct bus_ledger {
    struct listener people[BUS_PEOPLE_MAX]; /* index 0 is nobody, and so on */
    uint32_t people_len;
    struct room rooms[BUS_CHANNELS_MAX];
    uint32_t rooms_len;
    uint32_t named[BUS_NAMES]; /* the room that has the name now; 0: none */
    struct pair pairs[BUS_CHANNELS_MAX][BUS_PEOPLE_MAX];
    struct request requests[BUS_REQUESTS_MAX];
    uint32_t requests_len;
    struct pub pubs[BUS_PUBS_MAX];
    uint32_t pubs_len;
    uint8_t copies[BUS_PUBS_MAX][BUS_PEOPLE_MAX];                    /* enum copy */
    uint16_t last[BUS_CHANNELS_MAX][BUS_PEOPLE_MAX][BUS_PEOPLE_MAX]; /* given: to whom, from whom */
    uint16_t newest[BUS_CHANNELS_MAX][BUS_PEOPLE_MAX];               /* published, by whom */
    uint16_t at_slot[BUS_SLOTS];

    uint64_t sends, letters; /* SEND outputs, and those given */
    uint64_t published, given, told, handed_back, answers;
    uint64_t subscribed, unsubscribed, cancelled, walk_pauses;
};

extern struct bus_ledger bus_ledger;

/* What a message of the bus carries: in its payload, or at the start of its body. */
struct pub_body {
    uint32_t id;
    uint32_t from;
    uint32_t sequence;
};

void bus_ledger_open(uint64_t seed);

/* Someone new; NOBODY: there are enough. */
uint32_t bus_person(void);

/* Somebody whose ref is known now. */
void bus_person_known(uint32_t index, leat_ref ref);
void bus_person_ended(uint32_t index);

/* A room for a name: the one that is open, with one use more, or a new one; 0: there are enough. */
uint32_t bus_room_open(uint32_t name);
void bus_room_close(uint32_t room);

/* A request about to be made; its cookie. 0: there are enough. */
uint32_t bus_ask(uint32_t requester, uint32_t subscriber, uint32_t channel, bool is_subscribe);
void bus_ask_refused(uint32_t me, uint64_t cookie, int status);
void bus_answer(uint32_t me, const struct leat_event *event);

/* A message about to be published; 0: there are enough. */
uint32_t bus_publish_new(uint32_t from, uint32_t channel, bool is_safe, struct pub_body *ret);
void bus_publish_back(uint32_t me, const struct leat_output *output, int status);
uint32_t bus_broadcast_new(uint32_t from, uint32_t worker, uint32_t kind, struct pub_body *ret);
void bus_given(uint32_t me, const struct leat_event *event);
void bus_told(uint32_t me, const struct leat_event *event);

/* After each step of the simulation. */
void bus_check_step(leat_runtime *runtime);

/* Nothing is left to happen and nobody is about to end. */
void bus_check_quiet(leat_runtime *runtime);

/* The runtime has ended. */
void bus_check_end(leat_runtime *runtime);

#endif
