/* ICE-lite (RFC 8445, 2.5) without I/O, for a server that many clients reach at one UDP port: a
 * gate, which tells the owner of the port whose datagram an address's first one is, and an agent
 * for each session, which answers checks, proves addresses and tells where media goes.
 *
 * What holds for all of it:
 * - Thread: a gate and an agent are each used by one thread at a time. Nothing blocks.
 * - Time: monotonic nanoseconds, told with each call; it never goes back.
 * - Memory: a gate allocates when it is opened and for each entry, an agent only when it is opened
 *   (about 4 KiB); never for a datagram.
 * - Errors: 0 or a negative errno; out-parameters are untouched on failure. What comes from the
 *   network never aborts the process; it is counted and dropped.
 *
 * What an agent promises about bad input:
 * - Nothing is answered before its MESSAGE-INTEGRITY was found to be right.
 * - To an address that has not answered a Binding request of ours (random transaction, integrity by
 *   the client's password) go at most 3 times the bytes that came from it: answers here, all else
 *   by leat_ice_allow. A source address that somebody made up is therefore no amplifier.
 * - Media moves to another address only after that one has answered. */
#ifndef LEAT_ICE_H
#define LEAT_ICE_H

#include <leat/addr.h>
#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- credentials ---- */

#define LEAT_ICE_UFRAG_MAX 256u /* bytes (RFC 8445, 5.3) */
#define LEAT_ICE_PWD_MAX 256u

/* 0-terminated. */
struct leat_ice_credentials {
    char ufrag[LEAT_ICE_UFRAG_MAX + 1];
    char pwd[LEAT_ICE_PWD_MAX + 1];
};

/* Random ones: the ufrag is `prefix` and LEAT_ICE_UFRAG_RANDOM characters more (48 bits), the
 * password 24 characters (144 bits). Equal ufrags are unlikely, not impossible:
 * leat_ice_gate_add tells. -EINVAL: the prefix has more than 32 characters or one that is no
 * ice-char (A-Z a-z 0-9 + /); -EIO: no random bytes. Any thread. */
#define LEAT_ICE_UFRAG_RANDOM 8u
LEAT_API int leat_ice_credentials_make(const char *prefix, struct leat_ice_credentials *ret);

/* Takes what an offer says. -EINVAL: not ice-chars, or not 4..256 of them in the ufrag and
 * 22..256 in the password. Any thread. */
LEAT_API int leat_ice_credentials_set(const char *ufrag, size_t ufrag_len, const char *pwd,
                                      size_t pwd_len, struct leat_ice_credentials *ret);

/* ---- a gate: which session a client's first datagram is for ---- */

typedef struct leat_ice_gate leat_ice_gate;

/* A table of at most `max` ufrags (1 or more). -ENOMEM; -EIO: no random bytes, the table is
 * keyed with them. */
LEAT_API int leat_ice_gate_open(size_t max, leat_ice_gate **ret);

/* NULL is allowed. */
LEAT_API void leat_ice_gate_close(leat_ice_gate *gate);

/* Lets in who knows these local credentials; `user` is the caller's. Both are copied. -EEXIST: the
 * ufrag is there already; -ENOSPC: `max` are; -ENOMEM. */
LEAT_API int leat_ice_gate_add(leat_ice_gate *gate, const struct leat_ice_credentials *local,
                               uint64_t user);

/* -ENOENT: there is none. */
LEAT_API int leat_ice_gate_remove(leat_ice_gate *gate, const char *ufrag);

LEAT_API size_t leat_ice_gate_len(const leat_ice_gate *gate);

enum leat_ice_verdict {
    LEAT_ICE_PASSED,        /* a Binding request of somebody who knows the password */
    LEAT_ICE_MALFORMED,     /* not STUN, or broken (a wrong FINGERPRINT too) */
    LEAT_ICE_NOT_A_CHECK,   /* not a Binding request, or without USERNAME or MESSAGE-INTEGRITY */
    LEAT_ICE_UNKNOWN_UFRAG, /* of nobody here */
    LEAT_ICE_BAD_INTEGRITY, /* a known ufrag, another password */
    LEAT_ICE_VERDICTS       /* how many there are */
};

/* Checks a datagram; *ret_user is set only with PASSED: give the datagram to that session's agent.
 * Everything else deserves no answer. */
LEAT_API enum leat_ice_verdict leat_ice_gate_check(const leat_ice_gate *gate, const void *data,
                                                   size_t len, uint64_t *ret_user);

/* The local ufrag that a Binding request is for, not checked: what stands before ':' in USERNAME,
 * pointing into the datagram. -EBADMSG: not a sound Binding request with such a USERNAME. */
LEAT_API int leat_ice_username(const void *data, size_t len, const char **ret_ufrag,
                               size_t *ret_len);

/* ---- an agent: the ICE-lite side of one session ---- */

typedef struct leat_ice leat_ice;

#define LEAT_ICE_TUPLES_MAX 8u

/* A path: the client's address, and ours that it sends to and is answered from. */
struct leat_ice_tuple {
    struct leat_addr remote;
    struct leat_addr local; /* all 0: not known */
};

struct leat_ice_config {
    struct leat_ice_credentials local, remote;
    uint64_t                    tie_breaker; /* random */
    /* Silence after which a tuple is over; default 30 s. Silence is when there is no valid check and
     * no answer to ours: after half of it the selected tuple is asked, if it is verified. */
    leat_time consent_ns;
};

/* No credentials, tie-breaker 0, 30 s. */
LEAT_API void leat_ice_config_default(struct leat_ice_config *ret);

/* All of *config is copied. -EINVAL: credentials that leat_ice_credentials_set would not give, or
 * consent_ns 0 or above 30 s (RFC 7675, 5.1); -ENOMEM. */
LEAT_API int leat_ice_open(const struct leat_ice_config *config, leat_time now, leat_ice **ret);

/* Wipes the passwords, frees it. NULL is allowed. */
LEAT_API void leat_ice_close(leat_ice *ice);

/* --- in. Each of these may have outputs: before the next of them, take leat_ice_event and
 * leat_ice_transmit until both say false. That is asserted. --- */

/* A STUN datagram (leat_stun_is) from `from` to `local`; NULL: not known. */
LEAT_API void leat_ice_receive(leat_ice *ice, leat_time now, const struct leat_addr *from,
                               const struct leat_addr *local, const void *data, size_t len);

/* When leat_ice_timeout is to be called; LEAT_NEVER after EXPIRED. */
LEAT_API leat_time leat_ice_deadline(const leat_ice *ice);

/* Does what is due; nothing when it is called early. */
LEAT_API void leat_ice_timeout(leat_ice *ice, leat_time now);

/* An ICE restart (RFC 8445, 9): from now on these credentials count. Checks with those before are
 * answered still, and the selected tuple stays, until a check with the new ones nominates:
 * RESTARTED. Keep both local ufrags in the gate until then. A restart before that forgets the
 * credentials in between and keeps those before the first. -EINVAL: as leat_ice_open, or a local
 * ufrag that is in use already; -ENOTCONN: after EXPIRED. */
LEAT_API int leat_ice_restart(leat_ice *ice, const struct leat_ice_credentials *local,
                              const struct leat_ice_credentials *remote);

/* --- out --- */

struct leat_ice_datagram {
    struct leat_ice_tuple tuple; /* send to .remote, from .local */
    const uint8_t        *data;  /* lent until the next call with this agent */
    size_t                len;
};

/* What is to be sent now: answers, and requests of ours. False: nothing more. */
LEAT_API bool leat_ice_transmit(leat_ice *ice, struct leat_ice_datagram *ret);

enum leat_ice_event_kind {
    LEAT_ICE_ADDED,     /* a new tuple's check was valid: what comes from it may be routed to us */
    LEAT_ICE_VERIFIED,  /* its address has answered: no bound on what is sent there any more */
    LEAT_ICE_SELECTED,  /* send media here from now on */
    LEAT_ICE_DROPPED,   /* a tuple is no more: silent for consent_ns, pushed out by newer ones, or
                           of before a restart. Never the selected one; EXPIRED drops none */
    LEAT_ICE_RESTARTED, /* the new credentials have nominated `tuple`; the old are forgotten */
    LEAT_ICE_EXPIRED    /* silence on the selected tuple (or no valid check at all) for consent_ns:
                           nothing is sent or answered from now on. The last event */
};

struct leat_ice_event {
    enum leat_ice_event_kind kind;
    struct leat_ice_tuple    tuple; /* EXPIRED: that was selected, or zeros */
};

/* What happened, in order. False: nothing more. */
LEAT_API bool leat_ice_event(leat_ice *ice, struct leat_ice_event *ret);

/* --- the media path --- */

/* Whether a datagram that is not STUN may be taken from this tuple: only from one whose check was
 * valid. Counts its bytes for what may be sent there. */
LEAT_API bool leat_ice_admit(leat_ice *ice, const struct leat_addr *from,
                             const struct leat_addr *local, size_t len);

/* Where media goes: the tuple nominated last that is verified; before there is one, that whose
 * check was valid first, until another is verified earlier. Where a third of consent_ns passes
 * without a check, the next verified one that is checked takes its place. False: nowhere yet, or
 * no more. */
LEAT_API bool leat_ice_selected(const leat_ice *ice, struct leat_ice_tuple *ret);

/* Whether `bytes` more of UDP payload may be sent to the selected tuple now; if so they are
 * accounted. Always for a verified one. Ask for each datagram (or train of them), send it only
 * if true. */
LEAT_API bool leat_ice_allow(leat_ice *ice, size_t bytes);

struct leat_ice_counters {
    uint64_t requests;          /* Binding requests that came, good and bad */
    uint64_t answered;          /* with success */
    uint64_t malformed;         /* not sound STUN; or authentic but with a broken attribute: 400 */
    uint64_t unknown_ufrag;     /* requests without the credentials' names */
    uint64_t bad_integrity;     /* requests and answers with another password, or none */
    uint64_t unknown_attribute; /* answered with 420 */
    uint64_t role_conflict;     /* answered with 487 */
    uint64_t stray;             /* answers to nothing we asked that address; indications */
    uint64_t verified;          /* tuples */
    uint64_t moved;             /* the selected tuple, from one to another */
    uint64_t refused;           /* sends that would have gone beyond 3 times what was received */
};

/* Lives as long as the agent. */
LEAT_API const struct leat_ice_counters *leat_ice_counters(const leat_ice *ice);

/* ---- a client's check, for those who are the other side: load generators, tests ---- */

#define LEAT_ICE_CHECK_MAX 640u /* bytes of the longest */

struct leat_ice_check {
    const struct leat_ice_credentials *local, *remote; /* seen from who sends it */
    const uint8_t                     *transaction;    /* LEAT_STUN_TRANSACTION_LEN random bytes */
    uint64_t                           tie_breaker;
    uint32_t                           priority;
    bool                               controlling; /* ICE-CONTROLLING, else ICE-CONTROLLED */
    bool                               use_candidate;
};

/* Writes a Binding request: USERNAME remote:local, integrity by the remote password. -ENOBUFS,
 * -EIO. */
LEAT_API int leat_ice_check_write(const struct leat_ice_check *check, void *data, size_t cap,
                                  size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
