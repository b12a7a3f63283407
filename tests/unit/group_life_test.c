/* How groups and their members come and go: spawn, ends, stale refs, shutdown, what is used up. In simulation,
 * on one or two workers. */
#include "group_helpers.h"
#include "mem.h"
#include "sched.h"

/* ---- lives ---- */

TEST(group_life, a_stale_ref_never_reaches_a_successor)
{
    struct crew crew;
    struct puppet later[8] = {{0}};
    crew_open(&crew, 1);
    leat_ref stale = crew.members[0].ref;
    for (int i = 0; i < 4; i++) {
        leat_stop(crew.rig.controller, i == 0 ? stale : later[i - 1].ref);
        rig_run(&crew.rig, 0);
        leat_ref next = crew_spawn(&crew, &later[i]);
        CHECK_EQ(member_index(next), member_index(stale));
        CHECK_EQ(member_slot(next), member_slot(stale));
        CHECK_EQ(member_generation(next), member_generation(stale) + 1u + (unsigned)i);
        tell(&crew, stale, 1);
        rig_run(&crew.rig, 0);
        CHECK_EQ(later[i].seen_len, 0);
    }
    leat_ref last = later[3].ref;
    leat_stop(crew.rig.controller, crew.group);
    rig_run(&crew.rig, 0);
    CHECK_EQ(later[3].finis, 1);
    CHECK_EQ(leat_send(crew.rig.controller, last, 1, NULL, 0), -ESRCH);
    CHECK_EQ(leat_send(crew.rig.controller, crew.group, 1, NULL, 0), -ESRCH);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &puppet_behavior, 4, 0, &crew.group), 0);
    for (int i = 4; i < 7; i++) {
        leat_ref next = crew_spawn(&crew, &later[i]);
        CHECK_EQ(member_slot(next), member_slot(stale)); /* the next group there */
        CHECK(member_generation(next) > member_generation(last));
    }
    tell(&crew, stale, 1);
    tell(&crew, last, 1);
    leat_kill(crew.rig.controller, last);
    leat_stop(crew.rig.controller, last);
    leat_monitor(crew.rig.controller, last, 8);
    rig_run(&crew.rig, 0);
    CHECK_EQ(later[4].seen_len + later[5].seen_len + later[6].seen_len, 0);
    CHECK_EQ(later[4].finis, 0);
    CHECK_EQ(rig_last(&crew.rig).kind, LEAT_EVENT_DOWN);
    CHECK_EQ(rig_last(&crew.rig).status, -ESRCH);
    CHECK(leat_ref_equal(rig_last(&crew.rig).from, last));
    crew_close(&crew);
    for (int i = 0; i < 8; i++) {
        puppet_free(&later[i]);
    }
}

TEST(group_life, a_full_group_and_a_failing_init)
{
    struct crew crew;
    struct puppet failing = {.init_status = -EPERM}, extra = {0}, *arg = &failing;
    crew_open(&crew, CREW_MAX - 1);
    CHECK_EQ(leat_spawn_member(crew.rig.controller, crew.group, &arg, sizeof(arg), 3), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -EPERM);
    CHECK_EQ(spawned(&crew.rig).spawned.child.id, 0);
    CHECK_EQ(failing.finis, 0);
    CHECK_EQ(crew_spawn(&crew, &crew.members[CREW_MAX - 1]).id, crew.members[CREW_MAX - 1].ref.id);
    arg = &extra;
    CHECK_EQ(leat_spawn_member(crew.rig.controller, crew.group, &arg, sizeof(arg), 3), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -ENOSPC);
    CHECK_EQ(extra.inits, 0);
    leat_stop(crew.rig.controller, crew.members[4].ref);
    rig_run(&crew.rig, 0);
    crew_spawn(&crew, &extra);
    CHECK_EQ(extra.inits, 1);
    crew_close(&crew);
    puppet_free(&failing);
    puppet_free(&extra);
}

TEST(group_life, no_memory_for_a_group)
{
    struct crew crew;
    leat_ref group;
    crew_open(&crew, 1);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &puppet_behavior, 4, 0, &group), 0);
    CHECK_EQ(leat_spawn_member(crew.rig.controller, group, NULL, 0, 1), 0);
    mem_fail_after(1);
    rig_run(&crew.rig, 0);
    mem_fail_after(0);
    size_t len = crew.rig.got_len;
    CHECK_EQ(crew.rig.got[len - 2].kind, LEAT_EVENT_DOWN);
    CHECK_EQ(crew.rig.got[len - 2].status, -ENOMEM);
    CHECK_EQ(crew.rig.got[len - 1].kind, LEAT_EVENT_SPAWNED);
    CHECK_EQ(crew.rig.got[len - 1].status, -ESRCH);
    crew_close(&crew);
}

/* What is used up is retired: an index within its group, the slot with its last index. */
TEST(group_life, generations_are_used_up)
{
    struct crew crew;
    struct puppet later[3] = {{0}};
    crew_open(&crew, 1);
    struct cell *cell = registry_cell(&crew.rig.runtime->registry, crew.group);
    leat_stop(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    uint32_t slot = cell->group->slot;
    member_at(cell->group, 0)->header.self = member_ref(slot, 0, MEMBER_GENERATION_MAX - 1);
    leat_ref last = crew_spawn(&crew, &later[0]);
    CHECK_EQ(member_generation(last), MEMBER_GENERATION_MAX);
    tell(&crew, last, 1);
    leat_stop(crew.rig.controller, last);
    rig_run(&crew.rig, 0);
    CHECK_EQ(later[0].seen_len, 1);
    CHECK_EQ(member_index(crew_spawn(&crew, &later[1])), 1);
    leat_stop(crew.rig.controller, crew.group);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &puppet_behavior, 4, 0, &crew.group), 0);
    CHECK(member_slot(crew_spawn(&crew, &later[2])) != slot);
    crew_close(&crew);
    for (int i = 0; i < 3; i++) {
        puppet_free(&later[i]);
    }
}

TEST(group_life, members_count_against_actors_max)
{
    struct rig rig;
    struct leat_config config = rig_config();
    config.actors_max = 100;
    leat_ref group;
    live = 0;
    rig_open(&rig, &config);
    CHECK_EQ(leat_spawn_group(rig.controller, &counter_behavior, 1000, 0, &group), 0);
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(leat_spawn_member(rig.controller, group, NULL, 0, 0), 0);
        rig_run(&rig, 0);
        CHECK_EQ(spawned(&rig).status, i < 99 ? 0 : -ENOSPC);
    }
    CHECK_EQ(live, 99);
    rig_close(&rig);
}

TEST(group_life, spawning_what_is_no_group)
{
    struct crew crew;
    struct puppet actor = {0};
    static const uint8_t arg[100];
    crew_open(&crew, 1);
    rig_spawn(&crew.rig, &actor);
    rig_run(&crew.rig, 0);
    leat_controller *controller = crew.rig.controller;
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, 0, 0, NULL), -EINVAL);
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, LEAT_GROUP_MEMBERS_MAX + 1, 0, NULL),
             -EINVAL);
    CHECK_EQ(leat_spawn_group(controller, NULL, 1, 0, NULL), -EINVAL);
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, 1, 7, NULL), -EINVAL);
    CHECK_EQ(leat_spawn_member(controller, crew.members[0].ref, arg, 100, 1), -EINVAL);
    CHECK_EQ(leat_spawn_member(controller, LEAT_REF_NONE, arg, 100, 1), -ESRCH);
    CHECK_EQ(leat_spawn_member(controller, actor.ref, arg, 100, 1), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -EINVAL);
    CHECK_EQ(leat_spawn_member(controller, leat_controller_ref(controller), arg, 100, 2), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(spawned(&crew.rig).status, -EINVAL);
    CHECK_EQ(spawned(&crew.rig).spawned.cookie, 2);
    leat_spawn_member(controller, crew.group, arg, 100, 3); /* still in the box at the end */
    crew_close(&crew);
    puppet_free(&actor);
}

TEST(group_life, an_actor_spawns_a_group_and_members)
{
    struct rig rig;
    struct puppet parent = {0}, child = {0}, *arg = &child;
    struct leat_config config = rig_config();
    config.workers = 2;
    rig_open(&rig, &config);
    rig_spawn(&rig, &parent);
    rig_run(&rig, 0);
    leat_output_spawn_group(puppet_put(&parent), &box_of_4, 2, 11);
    parent.outputs[0].group.worker = 1;
    parent.outputs[0].group.mailbox_len_max = 100;
    leat_output_spawn_group(puppet_put(&parent), &box_of_4, 0, 12);
    rig_poke(&rig, &parent);
    struct leat_event event = puppet_nth(&parent, LEAT_EVENT_SPAWNED, 0);
    CHECK_EQ(event.status, 0);
    CHECK_EQ(event.spawned.cookie, 11);
    leat_ref group = event.spawned.child;
    CHECK_EQ(parent.refusals_len, 1);
    leat_output_spawn_member(puppet_put(&parent), group, &arg, sizeof(arg), 13);
    rig_poke(&rig, &parent);
    event = puppet_nth(&parent, LEAT_EVENT_SPAWNED, 1);
    CHECK_EQ(event.status, 0);
    CHECK_EQ(event.spawned.cookie, 13);
    CHECK(leat_ref_equal(event.spawned.child, child.ref));
    leat_output_monitor(puppet_put(&parent), child.ref, 14);
    leat_output_monitor(puppet_put(&parent), group, 15);
    leat_output_stop_other(puppet_put(&parent), child.ref);
    leat_output_stop_other(puppet_put(&parent), group);
    leat_output_spawn_member(puppet_put(&parent), group, &arg, sizeof(arg), 16);
    rig_poke(&rig, &parent);
    leat_output_spawn_member(puppet_put(&parent), group, &arg, sizeof(arg), 17);
    rig_poke(&rig, &parent);
    CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_DOWN, 0).down.cookie, 14);
    CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_DOWN, 1).down.cookie, 15);
    for (size_t i = 2; i < 4; i++) {
        CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_SPAWNED, i).status, -ESRCH);
        CHECK_EQ(puppet_nth(&parent, LEAT_EVENT_SPAWNED, i).spawned.cookie, 14 + i);
    }
    CHECK_EQ(child.finis, 1);
    rig_close(&rig);
    puppet_free(&parent);
    puppet_free(&child);
}

/* A member is an actor: it is answered, is told of ends, and its own end is told. */
TEST(group_life, members_spawn_and_monitor)
{
    struct crew crew;
    struct puppet child = {0}, *arg = &child;
    crew_open(&crew, 2);
    struct puppet *member = &crew.members[1];
    leat_output_spawn(puppet_put(member), &puppet_behavior, &arg, sizeof(arg), 21);
    leat_output_monitor(puppet_put(member), crew.members[0].ref, 22);
    leat_output_monitor(puppet_put(member), (leat_ref){.id = 12345}, 23);
    rig_poke(&crew.rig, member);
    CHECK(leat_ref_equal(puppet_nth(member, LEAT_EVENT_SPAWNED, 0).spawned.child, child.ref));
    CHECK_EQ(puppet_nth(member, LEAT_EVENT_DOWN, 0).status, -ESRCH);
    leat_output_monitor(puppet_put(&child), member->ref, 24);
    rig_poke(&crew.rig, &child);
    leat_kill(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(puppet_nth(member, LEAT_EVENT_DOWN, 1).down.cookie, 22);
    CHECK_EQ(puppet_nth(member, LEAT_EVENT_DOWN, 1).status, -ECANCELED);
    CHECK_EQ(puppet_count(&crew.members[0], LEAT_EVENT_DOWN), 0);
    leat_kill(crew.rig.controller, crew.group);
    rig_run(&crew.rig, 0);
    CHECK_EQ(puppet_nth(&child, LEAT_EVENT_DOWN, 0).status, -ECANCELED);
    CHECK_EQ(puppet_nth(&child, LEAT_EVENT_DOWN, 0).down.cookie, 24);
    CHECK(leat_ref_equal(puppet_nth(&child, LEAT_EVENT_DOWN, 0).from, member->ref));
    crew_close(&crew);
    puppet_free(&child);
}

TEST(group_life, the_group_ends_with_all_its_members)
{
    for (int kill = 0; kill < 2; kill++) {
        struct crew crew;
        crew_open(&crew, 4);
        leat_monitor(crew.rig.controller, crew.group, 1);
        leat_monitor(crew.rig.controller, crew.members[2].ref, 2);
        tell(&crew, crew.group, 9); /* before a stop */
        if (kill != 0) {
            leat_kill(crew.rig.controller, crew.group);
        } else {
            leat_stop(crew.rig.controller, crew.group);
        }
        tell(&crew, crew.members[0].ref, 9);
        leat_monitor(crew.rig.controller, crew.members[3].ref, 3); /* in the box when it ends */
        rig_run(&crew.rig, 0);
        CHECK_EQ(crew.notes_len, kill != 0 ? 0 : 4);
        CHECK_EQ(rig_count(&crew.rig, LEAT_EVENT_DOWN), 3);
        for (uint32_t i = 0; i < 4; i++) {
            CHECK_EQ(crew.members[i].finis, 1);
        }
        size_t first = crew.rig.got_len - 3;
        uint64_t order = 0;
        for (size_t i = first; i < crew.rig.got_len; i++) {
            CHECK_EQ(crew.rig.got[i].status, kill != 0 ? -ECANCELED : 0);
            order = order * 10 + crew.rig.got[i].down.cookie;
        }
        if (kill == 0) { /* a kill overtakes the monitors */
            CHECK_EQ(order, 231);
        }
        CHECK_EQ(rig_stats(&crew.rig).actors, 0);
        crew_close(&crew);
    }
}

TEST(group_life, a_member_is_killed_at_once)
{
    struct crew crew;
    crew_open(&crew, 2);
    tell(&crew, crew.members[0].ref, 1);
    leat_kill(crew.rig.controller, crew.members[0].ref);
    leat_kill(crew.rig.controller, crew.members[0].ref);
    leat_kill(crew.rig.controller, crew.members[1].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(crew.notes_len, 0);
    CHECK_EQ(crew.members[0].finis, 1);
    CHECK_EQ(crew.members[1].finis, 1);
    CHECK_EQ(rig_stats(&crew.rig).actors, 1);
    CHECK_EQ(rig_stats(&crew.rig).dead_letters, 1);
    crew_close(&crew);
}

/* ---- shutdown ---- */

static void spawn_at_shutdown(struct puppet *self, const struct leat_event *event)
{
    struct crew *crew = crew_of(self);
    static struct puppet *arg;
    note(self, event);
    arg = &crew->members[CREW_MAX - 1];
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        leat_output_spawn_member(puppet_put(self), crew->group, &arg, sizeof(arg), 1);
        self->stays = true;
    } else if (event->kind == LEAT_EVENT_SPAWNED) {
        leat_output_stop(puppet_put(self));
    }
}

TEST(group_life, shutdown_is_told_to_all_and_to_who_comes_later)
{
    struct crew crew;
    crew_open(&crew, 3);
    crew.members[1].on_event = spawn_at_shutdown;
    crew.members[CREW_MAX - 1].context = &crew;
    crew.members[CREW_MAX - 1].on_event = note;
    leat_runtime_stop(crew.rig.runtime);
    leat_time before = leat_controller_now(crew.rig.controller);
    rig_run(&crew.rig, LEAT_SEC / 2);
    CHECK(leat_controller_now(crew.rig.controller) < before + LEAT_SEC / 2); /* it ended by itself */
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(puppet_count(&crew.members[i], LEAT_EVENT_SHUTDOWN), 1);
    }
    CHECK_EQ(puppet_count(&crew.members[CREW_MAX - 1], LEAT_EVENT_SHUTDOWN), 1);
    CHECK_EQ(crew.members[CREW_MAX - 1].finis, 1);
    crew_close(&crew);
}

TEST(group_life, shutdown_ends_an_empty_group_and_one_that_stays)
{
    struct crew crew;
    leat_ref empty, unborn;
    crew_open(&crew, 3);
    crew.members[1].stays = true;
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &box_of_1, 4, 0, &empty), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_monitor(crew.rig.controller, empty, 1), 0);
    CHECK_EQ(leat_monitor(crew.rig.controller, crew.group, 2), 0);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_spawn_group(crew.rig.controller, &box_of_1, 4, 0, &unborn), 0);
    leat_runtime_stop(crew.rig.runtime);
    rig_run(&crew.rig, LEAT_SEC / 2);
    CHECK_EQ(rig_count(&crew.rig, LEAT_EVENT_DOWN), 1);
    CHECK_EQ(rig_last(&crew.rig).down.cookie, 1);
    CHECK_EQ(rig_last(&crew.rig).status, 0);
    CHECK_EQ(crew.members[0].finis, 1);
    CHECK_EQ(crew.members[1].finis, 0);
    rig_run(&crew.rig, LEAT_SEC);
    CHECK_EQ(rig_last(&crew.rig).down.cookie, 2);
    CHECK_EQ(rig_last(&crew.rig).status, -ECANCELED);
    CHECK_EQ(crew.members[1].finis, 1);
    crew_close(&crew);
}

TEST(group_life, run_ends_with_the_last_member)
{
    leat_runtime *runtime;
    leat_controller *controller;
    struct leat_config config = leat_config_default();
    struct puppet member = {.on_event = stop_on_1}, *arg = &member;
    struct crew crew = {.len = 0};
    leat_ref group;
    member.context = &crew;
    config.workers = 2;
    CHECK_EQ(leat_runtime_open(&config, &runtime), 0);
    CHECK_EQ(leat_controller_open(runtime, &controller), 0);
    CHECK_EQ(leat_spawn_group(controller, &puppet_behavior, 4, 1, &group), 0);
    CHECK_EQ(leat_spawn_member(controller, group, &arg, sizeof(arg), 0), 0);
    CHECK_EQ(leat_stop(controller, group), 0);
    leat_controller_close(controller);
    CHECK_EQ(leat_runtime_run(runtime), 0);
    CHECK_EQ(member.finis, 1);
    CHECK_EQ(leat_runtime_close(runtime), 0);
    puppet_free(&member);
}

/* ---- the rest ---- */

TEST(group_life, a_broadcast_reaches_all_members)
{
    struct crew crew;
    crew_open(&crew, 3);
    uint64_t value = 6;
    CHECK_EQ(leat_broadcast(crew.rig.controller, LEAT_WORKER_ALL, &puppet_behavior, 1, &value,
                            sizeof(value)), 0);
    CHECK_EQ(leat_broadcast(crew.rig.controller, LEAT_WORKER_ALL, &box_of_1, 1, &value,
                            sizeof(value)), 0);
    rig_run(&crew.rig, 0);
    CHECK_NOTES(&crew, {0, MESSAGE, 6}, {1, MESSAGE, 6}, {2, MESSAGE, 6});
    crew_close(&crew);
}

TEST(group_life, behaviors_count_members)
{
    struct crew crew;
    struct leat_behavior_stats stats[8];
    crew_open(&crew, 3);
    tell_all(&crew, 1);
    leat_stop(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    CHECK_EQ(leat_stats_behaviors(crew.rig.runtime, stats, 8), 1);
    CHECK_EQ(stats[0].actors, 2);
    CHECK_EQ(stats[0].spawned, 3);
    CHECK_EQ(stats[0].stopped, 1);
    CHECK_EQ(stats[0].inputs, 3);
    CHECK_EQ(rig_stats(&crew.rig).spawned, 4);
    crew_close(&crew);
}

TEST(group_life, subscriptions_have_a_place)
{
    struct crew crew;
    leat_ref unborn;
    crew_open(&crew, 1);
    struct host *host = crew.rig.runtime->workers[0]->host;
    struct subscription **of_member = host_subscriptions(host, crew.members[0].ref);
    struct subscription **of_group = host_subscriptions(host, crew.group);
    REQUIRE(of_member != NULL && of_group != NULL);
    CHECK(of_member != of_group);
    CHECK(*of_member == NULL && *of_group == NULL);
    CHECK(host_subscriptions(host, (leat_ref){.id = crew.group.id + (UINT64_C(1) << 32)}) == NULL);
    leat_spawn_group(crew.rig.controller, &box_of_1, 1, 0, &unborn);
    CHECK(host_subscriptions(host, unborn) != NULL); /* it may be subscribed at once */
    leat_kill(crew.rig.controller, crew.members[0].ref);
    rig_run(&crew.rig, 0);
    CHECK(host_subscriptions(host, crew.members[0].ref) == NULL);
    crew_close(&crew);
}
