/* What the actors of leat::media have in common. See docs/adr/0015-webrtc-media.md.
 *
 *   media.c        open, start, close, routes, statistics
 *   addresses.c    the addresses that answers offer as candidates
 *   port.c         an actor on each worker: the socket, the gate, hand-over
 *   handover.c     which session of another worker an address belongs to
 *   session.c      what publisher and viewer share: a peer, its datagrams, its share of handshakes
 *   publisher.c    an actor for each publisher: SRTP in, batches out
 *   viewer.c       a group's member for each viewer: trains of SRTP out
 *   fanout.c       of one stream on one worker: the ring that answers NACKs, coalesced wishes
 *   ring.c         the last packets of a source, by index
 *   credentials.c  the ICE credentials of sessions
 *   packet.c       packets as they travel on the bus
 *   signaling*.c   the actor that answers HTTP and holds streams and sessions
 *   roster.c       its tables of both
 *   whip.c         the rules of WHIP and WHEP on requests, without an actor
 *
 * Functions that one file offers the others begin with media_: the archives of services share one namespace. */
#ifndef MEDIA_MEDIA_H
#define MEDIA_MEDIA_H

#include <leat/media.h>
#include <leat/webrtc.h>

struct media_fanout;

/* A programmer's error, or a broken invariant; never what a client sent. */
#define ENSURE(expr) ((expr) ? (void)0 : media_fail(#expr, __FILE__, __LINE__))
__attribute__((noreturn, cold)) void media_fail(const char *expr, const char *file, int line);

/* Figures of one worker: written by its actors, read by any thread. What struct leat_media_stats has besides is
 * signaling's. */
struct media_counters {
    uint64_t connected; /* now */
    uint64_t expired, closed;
    uint64_t packets_in, bytes_in;
    uint64_t packets_out, bytes_out;
    uint64_t repeats, repeats_unknown;
    uint64_t key_requests;
    uint64_t lost_in, repaired_in;
    uint64_t handovers;
    uint64_t dropped;
    uint64_t unauthenticated;
    uint64_t handshakes_delayed;
};

#define MEDIA_ICE_KEY_LEN 32u

/* One worker's share of the server. Only actors on that worker touch it, but for its counters, for `port`
 * (media_port_of), and for what is set before its port is spawned. */
struct media_worker {
    /* Set by who opens the server. */
    leat_media                     *media;
    const struct leat_media_config *config;  /* with defaults filled in, and strings copied */
    struct media_worker            *workers; /* all of them, config->workers, by index */
    uint32_t                        index;
    leat_dtls_context              *dtls;
    leat_ref                        signaling;
    leat_ice_gate                  *gate;    /* ufrag -> id of the ref of the session, on this worker */
    struct leat_addr                local;   /* to bind: of all but the first worker with the port that the first one got */
    uint64_t                        unix_ns; /* wall time when the runtime's clock was 0 */
    uint8_t ice_key[MEDIA_ICE_KEY_LEN]; /* random, the same on all workers: passwords are made with it */

    leat_ref             port;     /* the actor: media_port_of */
    leat_sock            sock;     /* its socket, once it is open */
    struct leat_addr     bound;
    struct media_fanout *fanouts;  /* a list, by stream */
    uint32_t             sessions; /* that live */
    uint32_t             viewers;  /* of those, viewers that are connected */
    leat_time            handshake_next; /* budget: when the next step may be done */
    struct media_counters counters;
} __attribute__((aligned(64)));

/* What the actors of a server share. Nobody writes it after the start, but for what is atomic. */
struct leat_media {
    struct leat_media_config config; /* what it points to is owned below */
    struct media_worker     *workers; /* config.workers of them */
    leat_ref                 starter; /* to be told LEAT_MEDIA_READY */
    leat_ref                 signaling; /* for the routes */
    bool                     is_started;
    struct leat_addr         advertised[LEAT_MEDIA_ADDRESSES_MAX];
    struct leat_addr         addresses[LEAT_MEDIA_ADDRESSES_MAX]; /* candidates, without a port where it is the bound one */
    uint32_t                 address_count;
    uint32_t                 near_from; /* those from here on are for clients on this machine only */
    char                    *origins[LEAT_MEDIA_ORIGINS_MAX];
    char                    *ice_servers;
    struct leat_media_stats  stats; /* signaling's part, written with media_count */
};

/* Finds where a client may reach `media`, into its addresses. -errno. */
int media_addresses_find(leat_media *media);

/* The candidates of a session on that worker, whose port is bound, the most wanted first; `is_near`: the client is on this
 * machine. How many there are. */
size_t media_candidates(const struct media_worker *worker, bool is_near,
                        struct leat_addr ret[LEAT_MEDIA_ADDRESSES_MAX]);

/* The port of a worker, from any worker; LEAT_REF_NONE before it is there. */
static inline leat_ref media_port_of(const struct media_worker *worker)
{
    return (leat_ref){__atomic_load_n(&worker->port.id, __ATOMIC_RELAXED)};
}

/* A counter has one writer; the atomic store only keeps a reader from seeing half of it. */
static inline void media_count(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

static inline uint64_t media_counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* The first character of the ufrags of a worker's sessions; and whose a character is. */
_Static_assert(LEAT_WORKERS_MAX <= 64, "an ice-char tells the worker");
static inline char media_worker_char(uint32_t worker)
{
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[worker % 64];
}
uint32_t media_worker_of_char(char c); /* 64: of none */

/* For a session on that worker. -EIO: no random bytes. Any worker. */
int media_credentials_make(const struct media_worker *worker, struct leat_ice_credentials *ret);

/* Whether a check was made by who knows credentials that were made with this key, of any worker; whether its session
 * lives is not asked. Allocates nothing. */
bool media_check_is_authentic(const struct media_worker *worker, const uint8_t *data, size_t len);

/* ---- the actors ---- */

/* Argument: leat_media *. Spawns the ports, tells the starter LEAT_MEDIA_READY, answers HTTP. */
extern const struct leat_behavior media_signaling_behavior;

/* Argument: struct media_worker *. Opens worker->local; says PORT_OPEN to signaling, or fails. */
extern const struct leat_behavior media_port_behavior;

/* Argument of both: struct session_setup *. A viewer is a member of a group, one for each stream and worker, which the
 * first viewer subscribes to setup->media. */
extern const struct leat_behavior media_publisher_behavior;
extern const struct leat_behavior media_viewer_behavior;

/* What a session is made of. Allocated by signaling with malloc, given to the session by its pointer in the spawn's
 * argument: the session owns it from the moment its init returns 0, signaling frees it with session_setup_free when the
 * spawn fails: -EEXIST, the ufrag is there already; -ENOMEM; ... */
struct session_setup {
    struct media_worker         *worker;
    leat_ref                     signaling;
    uint64_t                     session;  /* signaling's id, in its messages */
    leat_channel                 media;    /* of the stream; open for as long as signaling has the stream */
    leat_channel                 back;
    struct leat_ice_credentials  local, remote;
    struct leat_dtls_fingerprint fingerprints[LEAT_SDP_FINGERPRINTS_MAX];
    size_t                       fingerprint_count;
    bool                         active;
    struct leat_rtp_track        tracks[LEAT_MEDIA_KINDS];
    size_t                       track_count;
    uint32_t                     source;  /* publisher: base of its sources */
    uint32_t                     ssrcs[LEAT_MEDIA_KINDS], rtx_ssrcs[LEAT_MEDIA_KINDS]; /* viewer */
    char                         cname[24];
    char                        *fmtp;    /* malloc'ed: what the tracks' fmtp pointers point into; freed with it */
};
void session_setup_free(struct session_setup *setup); /* session.c; NULL is allowed */

/* As a layer in a LEAT_MEDIA_WANT_KEY: whichever the publisher finds best. */
#define MEDIA_LAYER_BEST 0xffu

/* Messages between signaling, sessions and ports. */
enum session_message {
    SESSION_RESTART = 0x4d450200, /* to a session: struct session_restart in a body */
    SESSION_END,                  /* to a session: goodbye, and stop */
    SESSION_CONNECTED,            /* to signaling: uint64_t session */
    SESSION_SILENT,               /* to signaling, of a publisher: nothing for 2 s; uint64_t session */
    SESSION_FLOWING,              /* to signaling: media again */
    PORT_OPEN,                    /* port to signaling: struct port_open */
    PORT_DATAGRAM,                /* port to port, port to session: struct port_datagram and the bytes in a body */
    PORT_ROUTE,                   /* session to port: struct port_route */
    PORT_UNROUTE,                 /* the same */
    SESSION_STATE,                /* to signaling, of a publisher, when it changes: struct session_state */
};

struct session_state {
    uint64_t                session;
    struct leat_media_state state;
};
_Static_assert(sizeof(struct session_state) <= LEAT_INLINE_MAX, "it travels inline");

struct session_restart {
    struct leat_ice_credentials local, remote;
};

struct port_open {
    struct leat_addr bound;
    uint32_t         worker;
    int32_t          status; /* 0; else why not, and the port fails */
};

struct port_datagram {
    struct leat_addr peer, local; /* local: all zero, not known */
    leat_ref         port;        /* where it arrived */
    uint32_t         len;         /* of the bytes behind this */
    uint32_t         by_gate;     /* 1: a port gave it on, of itself: no route leads from that address to the session */
};

struct port_route {
    struct leat_addr peer;
    leat_ref         session;
    uint32_t         worker; /* of the session */
    uint16_t         flags;  /* enum leat_udp_flags of the route */
    uint16_t         proven; /* 1: the address has answered the session: it is its, whoever had it before */
};
_Static_assert(sizeof(struct port_route) <= LEAT_INLINE_MAX, "it travels inline");

#endif
