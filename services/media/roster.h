/* What signaling knows: streams by name, sessions by number and by id. Plain tables of one
 * actor. */
#ifndef MEDIA_ROSTER_H
#define MEDIA_ROSTER_H

#include "media.h"
#include "whip.h"

struct session;

enum group_phase { GROUP_NONE, GROUP_SPAWNING, GROUP_READY };

/* The viewers of a stream on one worker. */
struct group {
    leat_ref ref;
    enum group_phase phase;
};

struct stream {
    uint64_t id; /* never used again */
    char name[LEAT_MEDIA_STREAM_MAX + 1];
    leat_channel media, back;
    struct session *sessions;  /* a list */
    struct session *publisher; /* the newest that does not end; others may be on their way out */
    uint32_t session_count, viewers;
    struct leat_media_state state; /* as the publisher told it */
    struct group groups[];         /* by worker */
};

enum session_phase {
    SESSION_WAITS,    /* for its group */
    SESSION_SPAWNING, /* SPAWNED will come */
    SESSION_LIVE,
    SESSION_ENDING, /* it has been told so, or is to be: DOWN will come */
};

struct session {
    uint64_t number;          /* in messages and cookies; never used again */
    char id[WHIP_ID_LEN + 1]; /* in its URL */
    enum leat_media_use use;
    enum session_phase phase;
    struct stream *stream;
    struct session *stream_next, *stream_prev;
    struct session *id_next;
    struct session *todo_next, *waiting_next, *waiting_prev;
    bool in_todo, in_waiting;
    leat_ref ref;
    uint32_t worker;
    uint8_t address[16]; /* who it is counted for */
    uint64_t etag;       /* random, of this ICE session */
    char *remote;        /* "ufrag pwd" of the client */
    bool connected;
    bool is_silent;  /* a publisher from which nothing has come for 2 s */
    bool is_doomed;  /* it is to end as soon as it has begun */
    bool has_failed; /* it cannot begin */
    bool owes_end;   /* it has not been told to end */
    uint64_t order;  /* of POSTs: a publisher that has begun replaces those before it */
    struct leat_rtp_track *tracks; /* a publisher's, without fmtp */
    size_t track_count;

    /* From the POST to its answer. */
    struct session_setup *setup; /* until it is the session's own */
    bool is_given;               /* on its way there */
    struct leat_httpd_exchange exchange;
    leat_slice answer; /* the SDP */
    char *origin;      /* for CORS; NULL: none */
};

#define ROSTER_BUCKETS 4096u

struct roster {
    uint32_t workers;
    struct stream **streams; /* sorted by name */
    uint32_t stream_count, stream_cap;
    uint64_t stream_last;
    struct session **slots; /* by the low half of the number */
    uint32_t *generations;
    uint32_t *free_slots;
    uint32_t slot_cap, free_count;
    uint32_t session_count, viewers;
    uint64_t order_last;
    uint32_t worker_sessions[LEAT_WORKERS_MAX];
    struct session *ids[ROSTER_BUCKETS];
};

void roster_init(struct roster *roster, uint32_t workers);
void roster_fini(struct roster *roster); /* frees all that is in it */

struct stream *roster_stream(const struct roster *roster, leat_http_str name);
struct stream *roster_stream_by_id(const struct roster *roster, uint64_t id);

/* Makes it, and opens its channels. -ENOMEM, -ENOSPC. */
int roster_stream_add(struct roster *roster, leat_http_str name, struct stream **ret);

/* A stream without sessions goes; its channels are closed. */
void roster_stream_remove(struct roster *roster, struct stream *stream);

/* A session with a number and an id, in the stream, on that worker. -ENOMEM; -EIO: no random
 * bytes. */
int roster_session_add(struct roster *roster, struct stream *stream, enum leat_media_use use,
                       uint32_t worker, struct session **ret);
void roster_session_remove(struct roster *roster, struct session *session); /* frees it */

struct session *roster_session(const struct roster *roster, uint64_t number); /* NULL: no more */
struct session *roster_session_by_id(const struct roster *roster, leat_http_str id);

/* The worker with the fewest sessions. */
uint32_t roster_worker(const struct roster *roster);

/* What sessions of a client are counted under: its IPv4 address, the first 64 bits of its IPv6
 * one. */
void roster_address(const struct leat_addr *peer, uint8_t ret[16]);
uint32_t roster_address_count(const struct roster *roster, const uint8_t address[16]);

#endif
