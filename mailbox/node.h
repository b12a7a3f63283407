/* A message on its way: one cache line that is, in turn, the output an actor fills in, the link of
 * a mailbox, and the event the receiver is given. Nothing is copied between the three: the link
 * lies where the output has its cookie and the event its time, neither of which a queued message
 * needs. */
#ifndef LEAT_NODE_H
#define LEAT_NODE_H

#include <stddef.h>

#include <leat/actor.h>

union node {
    union node *next; /* while queued or free */
    struct {
        union node *next;
        uint8_t     kind; /* enum leat_event_kind, or a folder's own from NODE_KIND_INTERNAL on */
        uint8_t     len;
        uint16_t    pool; /* index of the pool it goes home to */
        uint32_t    type;
    } head;
    struct leat_event  event;
    struct leat_output output;
};

#define NODE_KIND_INTERNAL 0x40

_Static_assert(sizeof(union node) == 64, "a node is one cache line");
_Static_assert(offsetof(struct leat_event, kind) == offsetof(struct leat_output, kind), "kind");
_Static_assert(offsetof(struct leat_event, len) == offsetof(struct leat_output, len), "len");
_Static_assert(offsetof(struct leat_event, type) == offsetof(struct leat_output, type), "type");
_Static_assert(offsetof(struct leat_event, from) == offsetof(struct leat_output, to), "from, to");
_Static_assert(offsetof(struct leat_event, channel) == offsetof(struct leat_output, channel),
               "channel");
_Static_assert(offsetof(struct leat_event, payload) == offsetof(struct leat_output, payload),
               "payload");
_Static_assert(offsetof(struct leat_event, body) == offsetof(struct leat_output, body), "body");

#endif
