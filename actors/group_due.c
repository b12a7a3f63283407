/* The deadlines of a group's members: a heap in which each member knows its place, so that one can be
 * moved or taken out at once: kept beside the heap, not with the members, which are far apart. Invariant:
 * due[i].at <= at of its children; due[places[n] - 1] is that of index n. */
#include "group.h"

static void place(struct group *group, uint32_t at, struct due due)
{
    group->due[at] = due;
    group->places[due.index] = at + 1;
}

static void sift_up(struct group *group, uint32_t at, struct due due)
{
    while (at > 0 && group->due[(at - 1) / 4].at > due.at) {
        place(group, at, group->due[(at - 1) / 4]);
        at = (at - 1) / 4;
    }
    place(group, at, due);
}

static void sift_down(struct group *group, uint32_t at, struct due due)
{
    for (;;) {
        uint32_t first = at * 4 + 1;
        if (first >= group->due_len) {
            break;
        }
        uint32_t last = first + 4 < group->due_len ? first + 4 : group->due_len;
        uint32_t least = first;
        for (uint32_t i = first + 1; i < last; i++) {
            if (group->due[i].at < group->due[least].at) {
                least = i;
            }
        }
        if (group->due[least].at >= due.at) {
            break;
        }
        place(group, at, group->due[least]);
        at = least;
    }
    place(group, at, due);
}

/* Puts an entry where one has become free. */
static void settle(struct group *group, uint32_t at, struct due due)
{
    if (at > 0 && group->due[(at - 1) / 4].at > due.at) {
        sift_up(group, at, due);
    } else {
        sift_down(group, at, due);
    }
}

void due_set(struct group *group, struct member *member, leat_time at)
{
    uint32_t index = member_index(member->header.self);
    struct due due = {.at = at, .index = index};
    uint32_t place_now = group->places[index];
    if (place_now == 0) {
        if (at != LEAT_NEVER) {
            LEAT_ASSERT(group->due_len < group->members_max);
            sift_up(group, group->due_len++, due);
        }
        return;
    }
    place_now--;
    LEAT_ASSERT(group->due[place_now].index == index);
    if (at != LEAT_NEVER) {
        settle(group, place_now, due);
        return;
    }
    group->places[index] = 0;
    struct due last = group->due[--group->due_len];
    if (place_now < group->due_len) {
        settle(group, place_now, last);
    }
}
