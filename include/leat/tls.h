/* TLS 1.2 and 1.3 without I/O, as a filter: what the network brought in, what is to be read out;
 * what is to be said in, what is to be sent out (RFC 8446, RFC 5246; SNI: RFC 6066; ALPN: RFC
 * 7301).
 *
 * This is the library leat::tls. It needs OpenSSL 3.0 and nothing else of leat: it has no socket
 * and no thread. What holds for all of it:
 *
 * - Thread: a connection is used by one thread at a time; a context by any number of threads at
 *   once. Nothing blocks, but leat_tls_context_open, which may read a file, and that only when
 *   it says so.
 * - Time: deadlines are given and told. OpenSSL itself reads the system's clock when it judges a
 *   certificate, unless leat_tls_options.unix_time tells the time, and for the ages of session
 *   tickets.
 * - Errors: 0 or a negative errno; out-parameters are untouched on failure. What a peer sends
 *   never aborts the process: it becomes an ERROR event. OpenSSL's error queue is left empty.
 * - Memory: OpenSSL allocates; how much is in protocols/tls/README.md. What a peer can make a
 *   connection hold is bounded, also in the handshake. */
#ifndef LEAT_TLS_H
#define LEAT_TLS_H

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bytes ---- */

/* Somebody else's bytes. */
typedef struct leat_tls_bytes {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t         len;
} leat_tls_bytes;

static inline leat_tls_bytes leat_tls_bytes_of(const void *data, size_t len)
{
    leat_tls_bytes bytes;
    bytes.data = (const uint8_t *)data;
    bytes.len = len;
    return bytes;
}

/* Where bytes are written: what is written is appended. */
struct leat_tls_out {
    uint8_t *data;
    size_t   cap;
    size_t   len; /* set to 0 by the caller at first */
};

/* Why something failed, in words for a log; a line without its end. */
struct leat_tls_why {
    char text[160];
};

/* ---- a context: what the connections of a service have in common ---- */

typedef struct leat_tls_context leat_tls_context;

enum leat_tls_role { LEAT_TLS_SERVER, LEAT_TLS_CLIENT };

/* A certificate and what proves it. All PEM. */
struct leat_tls_certificate {
    leat_tls_bytes chain; /* the certificate itself first, then those that lead to the root */
    leat_tls_bytes key;   /* its private key, not encrypted */
};

#define LEAT_TLS_CERTIFICATES_MAX 256u
#define LEAT_TLS_PROTOCOLS_MAX 16u

/* All of it is copied by leat_tls_context_open. */
struct leat_tls_config {
    enum leat_tls_role role;
    /* Server: at least one. Which one a client is shown: that whose names (subject alternative
     * names) have the name it asks for, else that with a wildcard for it, else the first. There
     * may be several for a name, with keys of different kinds. Client: none, or one to show when
     * a server asks for it. */
    const struct leat_tls_certificate *certificates;
    size_t                             certificate_count;
    /* PEM: whom to trust. Client: empty is the system's bundle, read now: $SSL_CERT_FILE, or
     * where distributions put it. Server: empty is to ask for no certificate; otherwise a client
     * must show one that is signed by these. */
    leat_tls_bytes trust;
    bool           unverified; /* client: anybody may answer. Only for tests: nothing is secure then */
    /* ALPN, the best first: "http/1.1". A server that has some refuses who offers only others;
     * who offers none is let in, and OPENED tells. */
    const char *const *protocols;
    size_t             protocol_count;
    leat_time          handshake_ns; /* the handshake must be done so long after leat_tls_open */
};

/* No certificates, no protocols, 10 s. */
LEAT_API void leat_tls_config_default(enum leat_tls_role role, struct leat_tls_config *ret);

/* Checks all of it, so that what can be known to be wrong is known now. The caller owns one
 * reference. -EINVAL: something is wrong, *ret_why (may be NULL) says what; -ENOENT: the system
 * has no bundle; -ENOMEM. Reads a file only for the system's bundle. */
LEAT_API int leat_tls_context_open(const struct leat_tls_config *config,
                                   struct leat_tls_why *ret_why, leat_tls_context **ret);

/* One reference more, and less; each connection holds one too. Any thread. NULL is allowed. */
LEAT_API leat_tls_context *leat_tls_context_ref(leat_tls_context *context);
LEAT_API void              leat_tls_context_unref(leat_tls_context *context);

/* Puts other certificates in the place of all there were. Handshakes from now on show them;
 * connections live on. On failure those there were stay: -EINVAL, *ret_why (may be NULL) says
 * why; -ENOMEM. Any thread. */
LEAT_API int leat_tls_context_reload(leat_tls_context                  *context,
                                     const struct leat_tls_certificate *certificates, size_t count,
                                     struct leat_tls_why *ret_why);

/* Session tickets (a client that comes back saves a round of asymmetric cryptography) are sealed
 * with a key of the context: 16 bytes name, 32 AES, 32 HMAC. The first is random. This sets
 * another, NULL: a random one; several processes that share a name may set the same. Tickets of
 * the key before are still taken, older ones are not. A ticket is good for 2 hours: call it
 * every few hours, not more often. -EINVAL: a client's context; -EIO: no random bytes. Any
 * thread. */
#define LEAT_TLS_TICKET_KEY_LEN 80u
LEAT_API int leat_tls_context_rotate(leat_tls_context *context, const uint8_t *key);

/* ---- a connection ---- */

typedef struct leat_tls leat_tls;

enum leat_tls_event_kind {
    LEAT_TLS_NONE,   /* nothing until more bytes come */
    LEAT_TLS_OPENED, /* the handshake is done: `opened` */
    LEAT_TLS_DATA,   /* bytes that were said, in the caller's buffer: `data` */
    LEAT_TLS_FLUSH,  /* send leat_tls_pending bytes (leat_tls_flush) before more is read */
    LEAT_TLS_CLOSED, /* the peer has said all it had to say (close_notify); writing goes on */
    LEAT_TLS_ERROR   /* `error`; send what is pending, an alert perhaps, and close */
};

/* Texts live as long as the connection. */
struct leat_tls_opened {
    leat_tls_bytes protocol;    /* chosen by ALPN; empty: none */
    const char    *server_name; /* server: whom the client asks for, in its words; NULL: nobody */
    const char    *version;     /* "TLSv1.3" */
    const char    *cipher;      /* "TLS_AES_256_GCM_SHA384" */
    bool           resumed;     /* with a session ticket */
};

struct leat_tls_error {
    /* -EPROTO: what came is not TLS, or against its rules, or the two have nothing in common;
     * -EKEYREJECTED: the peer's certificate is not good, or not that of `host`; `detail` says
     * why; -ECONNRESET: the peer sent an alert; -ECONNABORTED: the connection ended without
     * close_notify, so what was said may be a part; -ETIMEDOUT: the handshake; -ENOMEM. */
    int         status;
    uint8_t     alert;  /* the peer's, with -ECONNRESET (RFC 8446, 6) */
    const char *why;    /* for a log; static storage */
    const char *detail; /* more of it, or ""; static storage */
};

struct leat_tls_event {
    enum leat_tls_event_kind kind;
    union {
        struct leat_tls_opened opened;
        leat_tls_bytes         data;
        struct leat_tls_error  error;
    } u;
};

struct leat_tls_options {
    const char    *host;      /* client, needed: name or numeric address, as in the certificate */
    int64_t        unix_time; /* certificates are judged at it, in seconds; 0: by OpenSSL's clock */
    leat_tls_bytes session;   /* client: of leat_tls_session_save; what is no good is ignored */
};

/* One side of a new connection; a client has its first bytes pending. `options` may be NULL for
 * a server. -EINVAL: a client without a host, or with one that is neither name nor address;
 * -ENOMEM. */
LEAT_API int leat_tls_open(leat_tls_context *context, const struct leat_tls_options *options,
                           leat_time now, leat_tls **ret);

/* Frees it; says nothing to the peer. NULL is allowed. */
LEAT_API void leat_tls_close(leat_tls *tls);

/* ---- in ---- */

/* Takes bytes that arrived off the front of *in and gives at most one event. What was said is
 * appended to *plain, which must have room: records are decrypted until it is full, so who can
 * take on no more does not call. Go on until the event is NONE, with no bytes left too. After an
 * error, or what ended the peer's side, bytes are taken and dropped. */
LEAT_API void leat_tls_read(leat_tls *tls, leat_tls_bytes *in, struct leat_tls_out *plain,
                            struct leat_tls_event *ret);

/* The connection ended. ERROR when the peer had not said that it would, so that a truncated body
 * is not taken for a whole one; otherwise what is still due: CLOSED, ERROR or NONE. Bytes that
 * came before must have been read. */
LEAT_API void leat_tls_eof(leat_tls *tls, struct leat_tls_event *ret);

/* When leat_tls_expire is to be called; LEAT_NEVER once the handshake is done. */
LEAT_API leat_time leat_tls_deadline(const leat_tls *tls);

/* The deadline came: ERROR; NONE when it has not come yet. */
LEAT_API void leat_tls_expire(leat_tls *tls, leat_time now, struct leat_tls_event *ret);

/* ---- out ---- */

#define LEAT_TLS_RECORD_LEN_MAX 16384u /* bytes of one record, before encryption */
#define LEAT_TLS_RECORD_OVERHEAD 32u   /* bytes that encryption adds to one, at most */

/* Bytes that wait to be sent: handshake, alerts, close_notify, answers to what the peer asked. */
LEAT_API size_t leat_tls_pending(const leat_tls *tls);

/* Moves them to *out, as many as there is room for. */
LEAT_API void leat_tls_flush(leat_tls *tls, struct leat_tls_out *out);

/* Room that leat_tls_write needs for `len` bytes, at most, with what is pending. */
LEAT_API size_t leat_tls_write_len(const leat_tls *tls, size_t len);

/* Appends to *out what is pending, then `bytes`, encrypted: all of it, or nothing with -ENOSPC.
 * Nothing is kept; write as much at once as can be, each call makes a record of its own.
 * -ENOTCONN: the handshake is not done; -EPIPE: after leat_tls_finish or an error; -EAGAIN: the
 * peer has begun a message to TLS itself and not ended it; read first. (Nobody does that in good
 * faith: it may be closed.) */
LEAT_API int leat_tls_write(leat_tls *tls, leat_tls_bytes bytes, struct leat_tls_out *out);

/* Says that nothing more will be written: close_notify is pending then. Reading goes on.
 * Idempotent. -ENOTCONN: the handshake is not done; -EPIPE: after an error. */
LEAT_API int leat_tls_finish(leat_tls *tls);

/* Whether the connection is to be closed, once what is pending has been sent: both have
 * finished, or it failed. */
LEAT_API bool leat_tls_is_done(const leat_tls *tls);

/* Client: appends what leat_tls_options.session of the next connection to the same host takes.
 * Servers give tickets some time after OPENED; ask when the connection ends. A ticket is a
 * secret, and for one use. -EAGAIN: there is none; -ENOSPC: 8 KiB suffice. */
LEAT_API int leat_tls_session_save(leat_tls *tls, struct leat_tls_out *out);

#ifdef __cplusplus
}
#endif

#endif
