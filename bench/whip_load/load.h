/* A load generator for WHIP and WHEP servers: one publisher and many viewers, each a client with
 * a socket, keys and NACKs of its own. What viewers receive is counted and mostly thrown away
 * unread, so that one core of clients keeps up with one core of server.
 *
 *   main.c        flags, the course of a run
 *   report.c      what is read before and after, and printed
 *   join.c        threads that post, and delete at the end
 *   http.c        one blocking request
 *   client.c      what publisher and viewer share: the POST, ICE, DTLS, keys
 *   publisher.c   a thread: frames in time, repeats, key frames that were asked for
 *   viewer.c      what arrives, what is missing */
#ifndef WHIP_LOAD_H
#define WHIP_LOAD_H

#include <leat/webrtc.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>

#define RTP_AUDIO 111
#define RTP_VIDEO 96
#define RTP_RTX 97
#define MISSING_MAX 256u
#define STAMP "LWL1" /* in the payload: then 8 bytes of monotonic time */
#define STAMP_AT 12u

struct options {
    const char *whip, *whep, *token;
    unsigned viewers, kbps, fps, ramp_ms, warm_ms, gop_ms, decrypt, seconds;
    double drop; /* percent of what viewers receive */
    bool rtx, gro, sha1;
    int server_pid;
};
extern struct options options;

leat_time now_ns(void);

/* ---- http.c ---- */

struct http_answer {
    unsigned status; /* 0: none came; why is in body */
    char location[512], etag[200];
    char body[32768];
};

/* Blocks, at most 10 s. `content_type` NULL: no body. */
void http_ask(const char *method, const char *url, const char *content_type, const char *body,
              struct http_answer *ret);

/* ---- client.c ---- */

enum client_state { CLIENT_NEW, CLIENT_CHECKING, CLIENT_SHAKING, CLIENT_UP, CLIENT_DEAD };

struct client {
    /* enum client_state. Until it is CHECKING, or DEAD, all of this is the posting thread's,
     * then the one's that receives; `session` nobody writes any more. */
    _Atomic int state;
    bool publishes;
    int fd;
    uint32_t ssrc; /* video; + 1 audio, + 2 repeats */
    struct sockaddr_storage server;
    socklen_t server_len;
    struct leat_ice_credentials local, remote;
    struct leat_dtls_fingerprint fingerprint;
    leat_dtls *dtls;
    leat_srtp *out, *in;
    uint8_t transaction[LEAT_STUN_TRANSACTION_LEN];
    leat_time posted, up, first, next_check, give_up;
    char session[768]; /* URL, for DELETE */
    char why[160];
};

extern leat_dtls_context *dtls_context;

void client_fail(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Posts an offer, reads the answer, opens a socket and sends the first check. Blocks: for a
 * thread that only posts. */
void client_post(struct client *client);

/* Deletes the session, if there is one. Blocks. */
void client_leave(struct client *client);

/* STUN and DTLS that came. */
void client_control(struct client *client, const uint8_t *data, size_t len);

/* What is due. */
void client_tick(struct client *client, leat_time now);

void client_send(struct client *client, const uint8_t *data, size_t len);
void client_send_rtcp(struct client *client, const uint8_t *plain, size_t len);
void client_end(struct client *client);

/* ---- publisher.c ---- */

struct publisher_counts {
    _Atomic uint64_t packets, key_frames, pli, nacks, repeats, reports, twcc;
};

extern struct client publisher;
extern struct publisher_counts publisher_counts;

/* A thread; ends when `publisher_stop` is set. */
void *publisher_main(void *arg);
extern _Atomic bool publisher_stop;

/* ---- viewer.c ---- */

struct stream {
    uint32_t ssrc;
    uint8_t type; /* payload type */
    bool begun;
    uint16_t highest;
    uint32_t cycles;
    uint32_t last_sr;
    leat_time last_sr_at;
    uint64_t lost; /* given up */
    unsigned missing_len;
    struct {
        uint16_t sequence;
        uint16_t asked;
        leat_time since;
    } missing[MISSING_MAX];
};

/* What one viewer has seen. */
struct counts {
    uint64_t packets, bytes;
    uint64_t gaps, lost, repaired; /* of video: noticed; given up; come after all */
    uint64_t missing;              /* asked for still */
    uint64_t audio_lost;           /* nobody asks for audio again */
    uint64_t repeats, duplicates, nacks, unauthentic, reports;
};

struct viewer {
    struct client client;
    uint32_t random;
    unsigned streams_len;
    struct stream streams[3];
    leat_time next_report, next_nack;
    struct counts counts, before; /* so far; when measuring began */
};

extern struct viewer *viewers; /* options.viewers of them */

/* Reads all there is, at most some. */
void viewer_read(struct viewer *viewer);
void viewer_tick(struct viewer *viewer, leat_time now);

/* ---- join.c ---- */

/* Posts for all viewers, each in its time, and puts those that may go on into the epoll set. */
bool join_begin(int epoll);

/* Waits for what is posted just now; who has not been posted stays out. */
void join_end(void);

/* Deletes all sessions of viewers. A server that does not answer keeps some. */
void leave_all(void);

/* ---- report.c ---- */

struct reading {
    leat_time at;
    double own_s, server_s, buffer_errors;
    long server_kb;
    uint64_t published;
};

struct reading take_reading(void);

/* Whether all viewers are up, were sent something, and nothing was forged. */
bool print_report(const struct reading *before, const struct reading *after);

/* ---- what is measured ---- */

/* Latency of what was decrypted while this is set; tenths of milliseconds, the last slot is
 * "more". */
#define LATENCY_SLOTS 5000u
extern _Atomic bool measuring;
extern uint64_t latency[LATENCY_SLOTS + 1];
extern double latency_max_ms;

#endif
