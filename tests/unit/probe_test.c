/* The public testing kit: one actor without a runtime. */
#include <leat/testing.h>

#include "helpers.h"
#include "mem.h"

static leat_probe *open_puppet(struct puppet *puppet, leat_time now)
{
    leat_probe *probe = leat_probe_open(&puppet_behavior, &puppet, now);
    REQUIRE(probe != NULL);
    return probe;
}

static void drain(leat_probe *probe)
{
    struct leat_output out;
    while (leat_probe_pop(probe, &out)) {
        leat_output_release(&out);
    }
}

TEST(probe, keeps_the_drain_rule)
{
    struct puppet actor = {0};
    struct leat_output out;
    puppet_send(&actor, LEAT_REF_NONE, 1, 1);
    leat_probe *probe = open_puppet(&actor, 5);
    CHECK_EQ(leat_probe_status(probe), 0);
    CHECK_EQ(actor.inits, 1);
    CHECK(leat_ref_equal(actor.ref, leat_probe_ref(probe)));
    CHECK(*(struct puppet **)leat_probe_state(probe) == &actor);
    struct leat_event event = leat_probe_message(7, "hi", 2);
    CHECK_EQ(leat_probe_give(probe, &event), -EBUSY); /* outputs of init are left */
    CHECK(leat_probe_pop(probe, &out));
    CHECK_EQ(out.kind, LEAT_OUTPUT_SEND);
    CHECK_EQ(leat_probe_give(probe, &event), -EBUSY); /* nobody knows yet that it was the last */
    CHECK(!leat_probe_pop(probe, &out));
    CHECK(!leat_probe_pop(probe, &out));
    event.now = 99;
    CHECK_EQ(leat_probe_give(probe, &event), 0);
    CHECK_EQ(event.now, 5); /* the probe's */
    CHECK_EQ(actor.seen_len, 1);
    CHECK_EQ(actor.seen[0].type, 7);
    CHECK(memcmp(actor.seen[0].payload, "hi", 2) == 0);
    drain(probe);
    leat_probe_close(probe);
    CHECK_EQ(actor.finis, 1);
    puppet_free(&actor);
}

TEST(probe, ends_with_stop_and_fail)
{
    for (int how = 0; how < 4; how++) {
        struct puppet actor = {0};
        struct leat_output out;
        struct leat_event event = leat_probe_message(1, NULL, 0);
        leat_probe *probe = open_puppet(&actor, 0);
        drain(probe);
        if (how < 2) {
            leat_output_stop(puppet_put(&actor));
            actor.outputs[0].to = how == 0 ? LEAT_REF_NONE : actor.ref;
        } else {
            leat_output_fail(puppet_put(&actor), how == 2 ? -EIO : 3);
        }
        CHECK_EQ(leat_probe_give(probe, &event), 0);
        CHECK(leat_probe_pop(probe, &out));
        CHECK_EQ(actor.finis, 1);
        CHECK_EQ(leat_probe_status(probe), how < 2 ? 1 : how == 2 ? -EIO : -ECANCELED);
        CHECK(!leat_probe_pop(probe, &out));
        CHECK_EQ(leat_probe_give(probe, &event), -ESRCH);
        CHECK(!leat_probe_advance(probe, LEAT_SEC));
        CHECK_EQ(leat_probe_deadline(probe), LEAT_NEVER);
        leat_probe_close(probe);
        CHECK_EQ(actor.finis, 1);
        puppet_free(&actor);
    }
}

TEST(probe, a_stop_of_another_is_just_an_output)
{
    struct puppet actor = {0};
    struct leat_output out;
    leat_output_stop(puppet_put(&actor));
    actor.outputs[0].to = (leat_ref){.id = 4711};
    leat_probe *probe = open_puppet(&actor, 0);
    CHECK(leat_probe_pop(probe, &out));
    CHECK_EQ(out.to.id, 4711);
    CHECK_EQ(leat_probe_status(probe), 0);
    drain(probe);
    leat_probe_close(probe);
    puppet_free(&actor);
}

TEST(probe, init_may_fail)
{
    struct puppet actor = {.init_status = -EPERM};
    struct leat_output out;
    struct leat_event event = leat_probe_message(1, NULL, 0);
    leat_probe *probe = open_puppet(&actor, 0);
    CHECK_EQ(leat_probe_status(probe), -EPERM);
    CHECK_EQ(leat_probe_give(probe, &event), -ESRCH);
    CHECK(!leat_probe_pop(probe, &out));
    leat_probe_close(probe);
    CHECK_EQ(actor.finis, 0);
    puppet_free(&actor);
}

TEST(probe, time)
{
    struct puppet actor = {.deadline = 100};
    leat_probe *probe = open_puppet(&actor, 10);
    drain(probe);
    CHECK_EQ(leat_probe_deadline(probe), 100);
    CHECK(!leat_probe_advance(probe, 89));
    CHECK(leat_probe_advance(probe, 1));
    CHECK_EQ(actor.seen[0].kind, LEAT_EVENT_DEADLINE);
    CHECK_EQ(actor.seen[0].now, 100);
    CHECK(!leat_probe_advance(probe, 1)); /* not while outputs may be left */
    actor.deadline = 150;
    drain(probe);
    CHECK_EQ(leat_probe_deadline(probe), 150);
    CHECK(leat_probe_advance(probe, 1000));
    CHECK_EQ(actor.seen[1].now, 1101);
    actor.deadline = 0;
    drain(probe);
    CHECK_EQ(leat_probe_deadline(probe), LEAT_NEVER);
    CHECK(!leat_probe_advance(probe, LEAT_SEC));
    leat_probe_close(probe);
    puppet_free(&actor);
}

TEST(probe, refusals_and_bodies)
{
    struct puppet actor = {0};
    struct leat_output out;
    leat_slice body;
    REQUIRE(leat_buf_alloc(8, &body) == 0);
    for (int i = 0; i < 2; i++) {
        leat_output_send_body(puppet_put(&actor), LEAT_REF_NONE, 1, leat_slice_ref(body));
    }
    leat_probe *probe = open_puppet(&actor, 0);
    CHECK(leat_probe_pop(probe, &out));
    leat_probe_refuse(probe, &out, -EAGAIN); /* the puppet frees it */
    CHECK_EQ(actor.refusals_len, 1);
    CHECK_EQ(actor.refusals[0].status, -EAGAIN);
    CHECK(leat_probe_pop(probe, &out));
    leat_output_release(&out);
    CHECK(leat_buf_is_sole(body.buf));
    leat_buf_unref(body.buf);
    drain(probe);
    leat_probe_close(probe);
    puppet_free(&actor);
}

TEST(probe, events_to_give)
{
    static const uint8_t bytes[100] = {1, 2, 3};
    struct leat_event event = leat_probe_message(3, bytes, sizeof(bytes));
    CHECK_EQ(event.kind, LEAT_EVENT_MESSAGE);
    CHECK_EQ(event.len, LEAT_INLINE_MAX); /* cut */
    CHECK(memcmp(event.payload, bytes, LEAT_INLINE_MAX) == 0);
    struct leat_addr peer;
    leat_addr_parse("192.0.2.1:9", &peer);
    event = leat_probe_datagram((leat_sock){.id = 5}, &peer, bytes, sizeof(bytes));
    CHECK_EQ(event.kind, LEAT_EVENT_DATA);
    CHECK_EQ(event.sock.id, 5);
    CHECK_EQ(event.segment_size, 0);
    CHECK_EQ(event.data.body.len, sizeof(bytes));
    CHECK(leat_addr_equal(&event.data.peer, &peer));
    CHECK(memcmp(leat_slice_data(event.data.body), bytes, sizeof(bytes)) == 0);
    CHECK(leat_event_local(&event) == NULL);
    leat_buf_unref(event.data.body.buf);
    event = leat_probe_datagram((leat_sock){.id = 5}, &peer, NULL, 0);
    CHECK_EQ(event.data.body.len, 0);
    leat_buf_unref(event.data.body.buf);
}

static void ignore(void *state, const struct leat_event *event)
{
    (void)event;
    ++*(int *)state;
}

/* An actor without pop_output has nothing left to pop: events may come at once. */
TEST(probe, an_actor_without_outputs)
{
    static const struct leat_behavior plain = {
        .name = "plain", .state_size = sizeof(int), .on_event = ignore};
    struct leat_event event = leat_probe_message(1, NULL, 0);
    leat_probe *probe = leat_probe_open(&plain, NULL, 0);
    REQUIRE(probe != NULL);
    CHECK_EQ(leat_probe_give(probe, &event), 0);
    CHECK_EQ(leat_probe_give(probe, &event), 0);
    CHECK_EQ(*(int *)leat_probe_state(probe), 2);
    leat_probe_close(probe);
}

TEST(probe, without_memory)
{
    struct puppet actor = {0};
    struct puppet *arg = &actor;
    for (uint32_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        CHECK(leat_probe_open(&puppet_behavior, &arg, 0) == NULL);
        mem_fail_after(0);
    }
    CHECK_EQ(actor.inits, 0);
}
