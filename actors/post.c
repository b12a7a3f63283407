/* Sending across threads: through the door of the receiver's cell. The sender is inside the door
 * from before it looks at the generation until its node is pushed and, if it was the first, the bell
 * is rung; the owner does not use the cell again while anybody is inside. */
#include <errno.h>

#include "host.h"

_Static_assert((int)LEAT_OUTPUT_SEND == (int)LEAT_EVENT_MESSAGE,
               "a SEND becomes a MESSAGE where it lies");

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
    struct cell *cell = registry_cell(host->registry, to);
    uint32_t inside;
    if (cell == NULL || !enter(cell, to, &inside)) {
        return -ESRCH;
    }
    if (node->head.kind == NODE_KILL && !ask(cell, ASKED_KILL)) {
        door_leave(&cell->door);
        return -EALREADY;
    }
    if (door_push(&cell->door.control, node)) {
        bell_ring(&host->registry->hosts[cell_owner(cell)]->bell, &cell->door);
    }
    door_leave(&cell->door);
    return 0;
}
