/* Sending across threads: through the door of the receiver's cell. The sender is inside the door
 * from before it looks at the generation until its node is pushed and, if it was the first, the bell
 * is rung; the owner does not use the cell again while anybody is inside. */
#include <errno.h>
#include <string.h>

#include "host.h"

_Static_assert((int)LEAT_OUTPUT_SEND == (int)LEAT_EVENT_MESSAGE,
               "a SEND becomes a MESSAGE where it lies");

/* Where the ref of the member lies. */
#define MEMBER_AT (LEAT_INLINE_MAX - sizeof(leat_ref))

union node *member_item(struct host *host, union node *node, leat_ref member)
{
    uint8_t kind = node->head.kind;
    LEAT_ASSERT((kind & NODE_TO_MEMBER) == 0);
    bool has_room =
        kind != LEAT_EVENT_DATA &&
        (!is_message(kind) || node->head.len <= MEMBER_AT || node->head.len == LEAT_LEN_BODY);
    if (LEAT_LIKELY(has_room)) {
        node->head.kind = (uint8_t)(kind | NODE_TO_MEMBER);
        memcpy(node->event.payload + MEMBER_AT, &member, sizeof(member));
        return node;
    }
    union node *envelope = pool_take(host->pool);
    if (envelope != NULL) {
        envelope->head.kind = NODE_MEMBER | NODE_TO_MEMBER;
        envelope->head.len = 0;
        memcpy(envelope->event.payload, &node, sizeof(node));
        memcpy(envelope->event.payload + MEMBER_AT, &member, sizeof(member));
    }
    return envelope;
}

union node *member_open(struct host *host, union node *item, leat_ref *ret_member)
{
    LEAT_ASSERT((item->head.kind & NODE_TO_MEMBER) != 0);
    memcpy(ret_member, item->event.payload + MEMBER_AT, sizeof(*ret_member));
    item->head.kind &= (uint8_t)~NODE_TO_MEMBER;
    if (item->head.kind != NODE_MEMBER) {
        return item;
    }
    union node *node;
    memcpy(&node, item->event.payload, sizeof(node));
    node->event.from = item->event.from;
    pool_give(host->pool, item);
    return node;
}

int host_post_member(struct host *host, leat_ref to, leat_ref from, union node *node, bool reserved)
{
    if (!ref_is_member(to)) {
        return -ESRCH; /* nobody has such a slot */
    }
    leat_ref group = registry_home(host->registry, to);
    if (leat_ref_equal(group, LEAT_REF_NONE)) {
        return -ESRCH;
    }
    union node *item = member_item(host, node, to);
    if (item == NULL) {
        return -ENOMEM;
    }
    int status =
        reserved ? host_post_reserved(host, group, from, item) : host_post(host, group, from, item);
    if (LEAT_UNLIKELY(status < 0)) { /* the node stays the caller's, as it was */
        if (item == node) {
            node->head.kind &= (uint8_t)~NODE_TO_MEMBER;
        } else {
            pool_give(host->pool, item);
        }
    }
    return status;
}

/* Inside, and the cell is still the one meant; otherwise outside again and false. */
static bool enter(struct cell *cell, leat_ref to, uint32_t *ret_inside)
{
    *ret_inside = door_enter(&cell->door);
    if (load_acquire_u64(&cell->identity) == to.id) { /* a cell never used yet has 0: nobody's */
        return true;
    }
    door_leave(&cell->door);
    return false;
}

int host_post_remote(struct host *host, struct cell *cell, leat_ref to, leat_ref from,
                     union node *node, bool reserved)
{
    uint32_t inside;
    if (!enter(cell, to, &inside)) {
        return -ESRCH;
    }
    if (!reserved && box_is_full(&cell->box, box_used(&cell->box, &cell->door, inside))) {
        door_leave(&cell->door);
        return -EAGAIN;
    }
    node->event.from = from;
    if (door_push(&cell->door.data, node)) {
        bell_ring(&host->registry->hosts[cell_owner(cell)]->bell, &cell->door);
        door_leave(&cell->door);
    }
    return 0;
}

/* True for the first who asks a life for it. The others are few at a time, so the halves of the
 * counter stay apart. */
static bool ask(struct cell *cell, uint32_t unit)
{
    uint32_t before = fetch_add_seq_u32(&cell->asked, unit);
    if ((before & unit * 0xffff) == 0) {
        return true;
    }
    fetch_sub_seq_u32(&cell->asked, unit);
    return false;
}

int host_post_stop(struct host *host, leat_ref to, leat_ref from, union node *node)
{
    if (ref_is_member(to)) { /* `asked` is the group's: of these many may be on their way */
        return host_post_member(host, to, from, node, false);
    }
    struct cell *cell = registry_cell(host->registry, to);
    uint32_t inside;
    if (cell == NULL || !enter(cell, to, &inside)) {
        return -ESRCH;
    }
    if (!ask(cell, ASKED_STOP)) {
        door_leave(&cell->door);
        return -EALREADY;
    }
    /* Still inside, so the actor cannot end between the mark and the post. */
    int status = host_post_reserved(host, to, from, node);
    door_leave(&cell->door);
    return status;
}

int host_post_control(struct host *host, leat_ref to, union node *node)
{
    leat_ref home = registry_home(host->registry, to);
    struct cell *cell = registry_cell(host->registry, home);
    uint32_t inside;
    if (cell == NULL || !enter(cell, home, &inside)) {
        return -ESRCH;
    }
    if (node->head.kind == NODE_KILL && !ref_is_member(to) && !ask(cell, ASKED_KILL)) {
        door_leave(&cell->door);
        return -EALREADY;
    }
    if (door_push(&cell->door.control, node)) {
        bell_ring(&host->registry->hosts[cell_owner(cell)]->bell, &cell->door);
    }
    door_leave(&cell->door);
    return 0;
}
