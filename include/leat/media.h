/* A media server to compose services from, the library leat::media: browsers publish by WHIP (RFC 9725), browsers
 * watch by WHEP (draft-ietf-wish-whep). docs/guide/whip-whep.md shows it in use.
 *
 *   struct leat_media_config config = leat_media_config_default();
 *   leat_addr_parse("127.0.0.1:8080", &config.local);
 *   leat_media_open(&config, &media);
 *   leat_media_start(media, controller);             LEAT_MEDIA_READY comes, or DOWN
 *   count = leat_media_routes(media, routes, LEAT_MEDIA_ROUTES_MAX);   for a leat_httpd_config
 *   ... leat_httpd_open, _start; the runtime runs ...
 *   leat_media_close(media);                         after leat_runtime_close
 *
 * A stream is a name, made by the first POST that names it. Its media is on the bus: whoever subscribes to
 * leat_media_channel hears it, a recorder, a probe, or a model; whoever publishes there is heard by viewers.
 *
 * What it does not do: a stream has one audio and one video track at most; with simulcast all its viewers are shown the
 * same layer, the best that flows; no TURN, no ICE over TCP, no data channels, no recording.
 *
 * What clients send never aborts the process. At SHUTDOWN both sides are told goodbye. */
#ifndef LEAT_MEDIA_H
#define LEAT_MEDIA_H

#include <leat/actor.h>
#include <leat/dtls.h>
#include <leat/httpd.h>
#include <leat/rtp.h>
#include <leat/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_media leat_media;

#define LEAT_MEDIA_STREAM_MAX 64u /* bytes of a stream's name: [A-Za-z0-9._-]; "endpoint" is none */

enum leat_media_use {
    LEAT_MEDIA_PUBLISH,
    LEAT_MEDIA_VIEW,
    LEAT_MEDIA_LIST, /* may everybody know that this stream is there? */
};

/* What is asked about a request. */
struct leat_media_question {
    enum leat_media_use use;
    leat_http_str       stream; /* empty: of /whip/endpoint and /whep/endpoint, the token is to name it */
    leat_http_str       token;  /* of Authorization: Bearer; data is NULL without one */
};

enum leat_media_verdict {
    LEAT_MEDIA_DENY,  /* 401, with WWW-Authenticate */
    LEAT_MEDIA_ALLOW, /* who publishes gets 409 while another does, until that one has been silent for 2 s */
    LEAT_MEDIA_OWNER, /* who publishes takes the stream over from another publisher at once; else as ALLOW */
};

/* Answers it; the stream's name, with its NUL, goes into ret_stream if the question has none, and is not read else: without a
 * name of a stream there the answer is DENY. Asked about each POST, each request to a session, and LIST for each stream
 * of a list. Called by the actor that answers HTTP, on its worker: it must not block. Tokens are to be compared in constant time. */
typedef enum leat_media_verdict leat_media_authorize(void *context,
                                                     const struct leat_media_question *question,
                                                     char ret_stream[LEAT_MEDIA_STREAM_MAX + 1]);

#define LEAT_MEDIA_ADDRESSES_MAX 16u
#define LEAT_MEDIA_ORIGINS_MAX 16u

struct leat_media_config {
    struct leat_addr local;   /* UDP. A wildcard takes all addresses of that family, [::] both */
    uint32_t         workers; /* 0 to workers-1 carry media; default 1. They share a port among themselves: DOWN
                                 says -EADDRINUSE if another server has it */
    bool port_each; /* worker i has local.port + i, instead of all sharing one with hand-over */
    const struct leat_addr *advertised; /* candidates in the place of the interfaces' addresses, for NAT; port 0: the
                                           bound one. Copied */
    uint32_t           advertised_count; /* at most LEAT_MEDIA_ADDRESSES_MAX */
    leat_dtls_context *dtls;     /* NULL: one of its own. The server holds a reference */
    leat_media_authorize *authorize; /* NULL: everybody may do everything, the endpoints' token is the stream's name,
                                        "demo" without one */
    void       *authorize_context;
    const char *const *origins; /* CORS: "https://example.org", "*"; loopback origins are always allowed. Copied */
    uint32_t    origin_count;
    bool        loopback_hosts; /* only requests whose Host is a loopback name or address; else 403 */
    bool        no_wait; /* a viewer without a publisher gets 409 and Retry-After; else it waits */
    uint32_t    sessions_max;            /* in all; default 10,000. Above each of them: 503 and Retry-After */
    uint32_t    stream_sessions_max;     /* of a stream; default sessions_max */
    uint32_t    address_sessions_max;    /* of a client's IP address; 0: no limit, the default */
    uint32_t    streams_max;             /* default 1,000 */
    leat_time   expire_ns;               /* a silent session ends; at most 30 s, the default */
    const char *ice_servers; /* a Link header's value for clients (RFC 9725, 4.6); NULL: none; copied */
    uint64_t    unix_ns; /* as in struct leat_httpd_config */
};

LEAT_API struct leat_media_config leat_media_config_default(void);

/* Any thread. -EINVAL: a setting is wrong; -ENOMEM. */
LEAT_API int leat_media_open(const struct leat_media_config *config, leat_media **ret);

/* Spawns ports and signaling. The controller receives LEAT_MEDIA_READY with the struct leat_addr bound (of the first
 * worker), or DOWN with its status. Once. */
LEAT_API int leat_media_start(leat_media *media, leat_controller *controller);
#define LEAT_MEDIA_READY 0x4d450001u

/* The routes of WHIP and WHEP, for leat_httpd_open; after _start. Returns how many. Patterns live as long as `media`.
 *   POST GET HEAD OPTIONS           /whip/:stream  /whep/:stream       (:stream may be "endpoint")
 *   PATCH DELETE GET HEAD OPTIONS   /whip/:stream/:session  /whep/:stream/:session
 *   GET HEAD OPTIONS                /streams       those that LEAT_MEDIA_LIST allows, by name:
 *     [{"name":"demo","live":true,"viewers":2,"audio":"opus","video":"VP8","width":640,"height":480}]
 *     live: the publisher is connected; audio, video, width and height are left out where not known.
 * What is wrong is answered with a problem document (RFC 9457). A body is at most 64 KiB: leave body_len_max of
 * leat_httpd_config no less. */
#define LEAT_MEDIA_ROUTES_MAX 24u
LEAT_API size_t leat_media_routes(leat_media *media, struct leat_httpd_route *routes, size_t cap);

/* Only when the runtime has been closed, or was never given it. NULL is allowed. */
LEAT_API void leat_media_close(leat_media *media);

/* ---- media on the bus ---- */

/* What is published on the channel of a stream. */
enum leat_media_message {
    LEAT_MEDIA_PACKETS = 0x4d450100, /* a batch (leat_batch_len, _at) of packets, about a frame, of all layers:
                                        leat_media_packet_of. A packet may come again */
    LEAT_MEDIA_REPORT,               /* struct leat_rtp_report */
    LEAT_MEDIA_STATE,                /* struct leat_media_state: when it changes, and each second */
    LEAT_MEDIA_WANT_KEY,             /* on the back channel, to the publisher: struct leat_media_want */
    LEAT_MEDIA_WANT_PACKET,          /* the same: a packet once more */
};

struct leat_media_state {
    uint32_t source;    /* base of the publisher's sources */
    uint16_t width, height;
    uint8_t  best_layer; /* of video that flows: what viewers are shown */
    uint8_t  layers;     /* bit i: layer i flows */
    uint8_t  kinds;      /* bit: enum leat_media_kind is published */
    uint8_t  live;       /* 0: the publisher has left */
};

struct leat_media_want {
    uint64_t  index;  /* WANT_PACKET */
    leat_time since;  /* WANT_KEY: a key frame counts if it began to arrive after this; event->now: only a new one,
                         0: any will do, so that nothing is asked for if there has been one */
    uint32_t  source; /* WANT_PACKET */
    uint8_t   layer;  /* WANT_KEY: best_layer of the state. If it does not flow the best one is asked */
    uint8_t   zero[3];
};

/* The channel of a stream, and the one back to its publisher. The caller closes it: leat_channel_close. -EINVAL: no name
 * of a stream; else as leat_channel_open. */
LEAT_API int leat_media_channel(const char *stream, leat_channel *ret);
LEAT_API int leat_media_back_channel(const char *stream, leat_channel *ret);

/* A slice of a batch: what is known of the packet, and its plaintext bytes, header included. Lent with the slice. NULL: no
 * packet. */
LEAT_API const struct leat_rtp_packet *leat_media_packet_of(leat_slice slice,
                                                            const uint8_t **ret_bytes, size_t *ret_len);

/* ---- what happens ---- */

struct leat_media_stats {
    uint64_t streams, publishers, viewers; /* now; connected or not yet */
    uint64_t connected;                    /* of both, now */
    uint64_t posts, refused;               /* since start, like all below; also for want of a token */
    uint64_t expired, closed, replaced;
    uint64_t packets_in, bytes_in;
    uint64_t packets_out, bytes_out;       /* to viewers, repeats included */
    uint64_t repeats, repeats_unknown;
    uint64_t key_requests;
    uint64_t lost_in, repaired_in;         /* missing on the publishers' way; of those, come later */
    uint64_t handovers;                    /* datagrams that arrived at another worker */
    uint64_t dropped;                      /* datagrams that were nothing, or not in their time */
    uint64_t unauthenticated;              /* STUN without a session, or with a wrong password */
    uint64_t handshakes_delayed;           /* steps of DTLS that waited for their share */
};

/* Any thread; never blocks. */
LEAT_API void leat_media_stats(const leat_media *media, struct leat_media_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
