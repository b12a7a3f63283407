/* What publisher and viewer share. It is a part of their state, not an actor: events go through
 * media_session_event, and its outputs are popped before theirs. */
#ifndef MEDIA_SESSION_H
#define MEDIA_SESSION_H

#include "media.h"

#define SESSION_HELD_MAX 4u
#define SESSION_UFRAG_MAX 47u

/* An address of the client. */
struct session_tuple {
    struct leat_addr peer;
    leat_ref port; /* where its datagrams arrive, if that is not this worker's; else NONE */
};

struct media_session {
    struct media_worker *worker;
    leat_peer *peer;
    leat_ref signaling;
    uint64_t id;
    leat_time give_up; /* it is ended then, unless it is connected */
    leat_time step_at; /* when a step of the handshake may be done; LEAT_NEVER: none waits */
    uint32_t flags;    /* of its routes: enum leat_udp_flags */
    uint32_t overhead; /* once connected: what sealing adds to a packet */
    uint8_t tuple_count, held_count;
    bool is_viewer;
    bool attend;    /* the peer may have something to say */
    bool connected; /* media may flow */
    bool ending;    /* goodbye is to be said, */
    bool parted;    /* and was */
    uint32_t route_type;
    struct port_route route;
    leat_ref also;
    leat_ref arrival; /* the port where what is being handled arrived */
    bool arrival_by_gate;
    struct leat_addr arrival_peer;
    struct leat_addr local; /* lent to a DATA */
    struct session_tuple tuples[LEAT_ICE_TUPLES_MAX];
    leat_slice stray; /* a check for another session, as PORT_DATAGRAM: the port's */
    leat_slice held[SESSION_HELD_MAX]; /* as PORT_DATAGRAM: they wait until the peer has said all */
    char ufrags[2][SESSION_UFRAG_MAX + 1]; /* in the gate: the first, and that of a restart */
};

/* In init; `self` is the actor's. On an error nothing is left. 0; -EEXIST: the ufrag is taken; -EINVAL; -ENOMEM. */
int media_session_init(struct media_session *session, const void *self,
                       const struct session_setup *setup, bool is_viewer, leat_time now);

/* In fini. */
void media_session_fini(struct media_session *session);

/* What is done with SRTP and SRTCP: one datagram, lent. */
typedef void media_session_packet(void *self, leat_time now, enum leat_peer_kind kind,
                                  const uint8_t *data, size_t len);

/* Any event that a session may be given; what it is not concerned with does nothing. */
void media_session_event(struct media_session *session, void *self, const struct leat_event *event,
                         media_session_packet *packet);

/* The next output. When it says false, the actor's own follow, and media_session_end after them. */
bool media_session_pop(struct media_session *session, const void *self, leat_time now,
                       struct leat_output *ret);

/* After the actor's own outputs: goodbye and STOP, if it is to end. */
bool media_session_end(struct media_session *session, const void *self, leat_time now,
                       struct leat_output *ret);

leat_time media_session_deadline(const struct media_session *session);

/* A datagram or a train of media to where media goes. Takes the body; false: there is nowhere to send it, or not yet
 * so much. */
bool media_session_send(struct media_session *session, leat_slice body, uint32_t segment_size,
                        struct leat_output *ret);

/* The same for RTCP in the clear, sealed here. */
bool media_session_send_rtcp(struct media_session *session, const uint8_t *rtcp, size_t len,
                             struct leat_output *ret);

/* An output came back. */
void media_session_refused(struct media_session *session, struct leat_output *output);

#endif
