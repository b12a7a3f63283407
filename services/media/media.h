/* What the actors of leat::media have in common. See docs/adr/0015-webrtc-media.md.
 *
 *   media.c        open, start, close, routes, statistics
 *   port.c         an actor on each worker: the socket, the gate, hand-over
 *   session.c      what publisher and viewer share: a peer, its datagrams, its share of handshakes
 *   publisher.c    an actor for each publisher: SRTP in, batches out
 *   viewer.c       a group's member for each viewer: trains of SRTP out
 *   fanout.c       of one stream on one worker: the ring that answers NACKs, coalesced wishes
 *   signaling*.c   the actor that answers HTTP and holds streams and sessions
 *   whip.c         the rules of WHIP and WHEP on requests, without an actor
 */
#ifndef MEDIA_MEDIA_H
#define MEDIA_MEDIA_H

#include <leat/media.h>
#include <leat/webrtc.h>
#include <stdatomic.h>

struct fanout;

/* One worker's share of the server. Only actors on that worker touch it, but for what is atomic (statistics, written by the worker
 * with plain stores of relaxed order, read by anybody) and what is set before the first session is spawned. */
struct media_worker {
    leat_media       *media;
    uint32_t          index;
    leat_ref          port;   /* the actor */
    leat_sock         sock;   /* its socket, once OPENED */
    struct leat_addr  bound;
    leat_ice_gate    *gate;   /* ufrag -> ref of the session, on this worker */
    struct fanout    *fanouts; /* a list, by stream */
    leat_time         handshake_next; /* budget: when the next step may be done */
};

/* What a session is made of. Allocated by signaling, given to the session by its pointer in the spawn's argument: the session owns
 * it from the moment its init returns 0, signaling frees it with session_setup_free when the spawn fails. */
struct session_setup {
    struct media_worker         *worker;
    leat_ref                     signaling;
    uint64_t                     session;  /* signaling's id, in its messages */
    leat_channel                 media;    /* of the stream; open for as long as signaling has the stream */
    leat_channel                 back;
    uint64_t                     stream;   /* id of the stream, for the fanout */
    struct leat_ice_credentials  local, remote;
    struct leat_dtls_fingerprint fingerprints[LEAT_SDP_FINGERPRINTS_MAX];
    size_t                       fingerprint_count;
    bool                         active;
    struct leat_rtp_track        tracks[LEAT_MEDIA_KINDS];
    size_t                       track_count;
    uint32_t                     source;  /* publisher: base of its sources */
    uint32_t                     ssrcs[LEAT_MEDIA_KINDS], rtx_ssrcs[LEAT_MEDIA_KINDS]; /* viewer */
    char                         cname[24];
    char                        *fmtp;    /* what the tracks' fmtp pointers point into; freed with it */
};
void session_setup_free(struct session_setup *setup);

/* Messages between signaling and sessions. */
enum session_message {
    SESSION_RESTART = 0x4d450200, /* to a session: struct session_restart in a body */
    SESSION_END,                  /* to a session: goodbye, and stop */
    SESSION_CONNECTED,            /* to signaling: uint64_t session */
    SESSION_SILENT,               /* to signaling, of a publisher: nothing for 2 s; uint64_t session */
    SESSION_FLOWING,              /* to signaling: media again */
    PORT_DATAGRAM,                /* port to port, port to session: struct port_datagram in a body */
    PORT_ROUTE,                   /* session to port: struct port_route */
    PORT_UNROUTE,                 /* the same */
};

struct session_restart {
    struct leat_ice_credentials local, remote;
};

#endif
