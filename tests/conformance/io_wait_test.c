/* Conformance of the backends: waiting. Deadlines, waking, fairness. What needs a real clock or a
 * second thread runs against those of the kernel only: the simulation never waits. */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "io_rig.h"

#define KERNELS(name)                                                                              \
    static void name(const struct io_ops *ops);                                                    \
    BACKEND_URING(name)                                                                            \
    TEST(io_epoll, name)                                                                           \
    {                                                                                              \
        name(&io_epoll);                                                                           \
    }                                                                                              \
    TEST(io_poll, name)                                                                            \
    {                                                                                              \
        name(&io_poll);                                                                            \
    }                                                                                              \
    static void name(const struct io_ops *ops)

#define LATE_NS (500 * LEAT_MS) /* grossly: the machine may be busy */

KERNELS(deadline_is_neither_early_nor_late)
{
    static const leat_time spans[] = {50 * LEAT_US, 1300 * LEAT_US, 20 * LEAT_MS, 1};
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    rig_socket(&rig, "127.0.0.1");
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        leat_time deadline = ops->now(rig.io) + spans[i];
        CHECK_EQ(ops->turn(rig.io, deadline, rig.done, DONE_LEN), 0);
        leat_time now = ops->now(rig.io);
        CHECK(now >= deadline);
        CHECK(now < deadline + LATE_NS);
    }
    rig_close(&rig);
}

KERNELS(deadline_in_the_past_does_not_wait)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    rig_socket(&rig, "127.0.0.1");
    leat_time start = ops->now(rig.io);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(ops->turn(rig.io, 0, rig.done, DONE_LEN), 0);
        CHECK_EQ(ops->turn(rig.io, 1, rig.done, DONE_LEN), 0);
        CHECK_EQ(ops->turn(rig.io, start, rig.done, DONE_LEN), 0);
    }
    CHECK(ops->now(rig.io) < start + LATE_NS);
    rig_close(&rig);
}

static void ignore(int signal_number)
{
    (void)signal_number;
}

KERNELS(a_signal_does_not_end_the_wait)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct sigaction action = {.sa_handler = ignore};
    struct sigaction before;
    sigaction(SIGUSR1, &action, &before);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec every = {.it_value.tv_nsec = 5000000, .it_interval.tv_nsec = 5000000};
    timer_settime(timer, 0, &every, NULL);
    leat_time deadline = ops->now(rig.io) + 30 * LEAT_MS;
    CHECK_EQ(ops->turn(rig.io, deadline, rig.done, DONE_LEN), 0);
    CHECK(ops->now(rig.io) >= deadline);
    timer_delete(timer);
    sigaction(SIGUSR1, &before, NULL);
    rig_close(&rig);
}

/* ---- wake ---- */

KERNELS(wake_before_the_wait_counts_once)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    leat_time start = ops->now(rig.io);
    for (int i = 0; i < 5; i++) {
        ops->wake(rig.io);
    }
    CHECK_EQ(ops->turn(rig.io, LEAT_NEVER, rig.done, DONE_LEN), 0);
    CHECK(ops->now(rig.io) < start + LATE_NS);
    leat_time deadline = ops->now(rig.io) + 10 * LEAT_MS;
    CHECK_EQ(ops->turn(rig.io, deadline, rig.done, DONE_LEN), 0);
    CHECK(ops->now(rig.io) >= deadline);
    rig_close(&rig);
}

static void pause_ns(long ns)
{
    struct timespec span = {.tv_nsec = ns};
    nanosleep(&span, NULL);
}

static void *wake_later(void *arg)
{
    struct io *io = arg;
    pause_ns(10 * 1000 * 1000);
    io->base.ops->wake(io);
    return NULL;
}

KERNELS(wake_from_another_thread)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    rig_socket(&rig, "127.0.0.1");
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        leat_time start = ops->now(rig.io);
        REQUIRE(pthread_create(&thread, NULL, wake_later, rig.io) == 0);
        CHECK_EQ(ops->turn(rig.io, LEAT_NEVER, rig.done, DONE_LEN), 0);
        CHECK(ops->now(rig.io) >= start + 5 * LEAT_MS);
        pthread_join(thread, NULL);
    }
    rig_close(&rig);
}

static void *free_later(void *arg)
{
    pause_ns(10 * 1000 * 1000);
    leat_buf_unref(arg);
    return NULL;
}

KERNELS(a_buffer_freed_elsewhere_wakes_the_starved)
{
    struct rig rig;
    rig_open(&rig, ops, 1, 8);
    struct end a = rig_socket(&rig, "127.0.0.1");
    rig_send(&rig, a.sock, &a.addr, 10, 0);
    struct io_done held = rig_expect(&rig, IO_DONE_DATA);
    for (uint32_t i = 1; i < 6; i++) {
        pthread_t thread;
        rig_send(&rig, a.sock, &a.addr, 10, i);
        REQUIRE(pthread_create(&thread, NULL, free_later, held.body.buf) == 0);
        held = rig_expect(&rig, IO_DONE_DATA);
        CHECK(body_is(held.body, 10, i));
        pthread_join(thread, NULL);
    }
    leat_buf_unref(held.body.buf);
    rig_close(&rig);
}

KERNELS(a_datagram_ends_the_wait)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct end a = rig_socket(&rig, "127.0.0.1");
    struct end b = rig_socket(&rig, "127.0.0.1");
    rig_expect_nothing(&rig);
    rig_send(&rig, b.sock, &a.addr, 10, 0);
    leat_time start = ops->now(rig.io);
    unsigned n = ops->turn(rig.io, LEAT_NEVER, rig.done, DONE_LEN);
    CHECK_EQ(n, 1);
    CHECK(ops->now(rig.io) < start + LATE_NS);
    rig.done_len = n;
    rig_close(&rig);
}

/* ---- fairness ---- */

BACKENDS(a_flooded_socket_does_not_starve_another)
{
    struct rig rig;
    rig_open(&rig, ops, 256, 4096);
    struct end flooded = rig_socket(&rig, "127.0.0.1");
    struct end quiet = rig_socket(&rig, "127.0.0.1");
    struct end from = rig_socket(&rig, "127.0.0.1");
    struct io_done done[16];
    unsigned others = 0;
    bool seen = false;
    rig_send(&rig, from.sock, &quiet.addr, 33, 0);
    for (int turn = 0; turn < 200 && !seen; turn++) {
        for (uint32_t i = 0; i < 32; i++) { /* more than a turn takes */
            rig_send(&rig, from.sock, &flooded.addr, 10 + i, i);
        }
        unsigned n = ops->turn(rig.io, 0, done, 16);
        for (unsigned i = 0; i < n; i++) {
            seen |= done[i].kind == IO_DONE_DATA && done[i].sock == quiet.sock;
            others += !seen;
            leat_buf_unref(done[i].body.buf);
        }
    }
    CHECK(seen);
    CHECK(others < 16 * 16);
    rig_close(&rig);
}

/* The quiet one wakes up while the other fills every turn to its end. */
BACKENDS(a_cold_socket_is_seen_beside_a_flood)
{
    enum { CAP = 4 };
    struct rig rig;
    rig_open(&rig, ops, 256, 4096);
    struct end flooded = rig_socket(&rig, "127.0.0.1");
    struct end quiet = rig_socket(&rig, "127.0.0.1");
    struct end from = rig_socket(&rig, "127.0.0.1");
    struct io_done done[CAP];
    int sent_at = -1;
    int seen_at = -1;
    for (int turn = 0; turn < 300 && seen_at < 0; turn++) {
        for (uint32_t i = 0; i < 2 * CAP; i++) {
            rig_send(&rig, from.sock, &flooded.addr, 10 + i, i);
        }
        if (turn == 20) {
            rig_send(&rig, from.sock, &quiet.addr, 33, 0);
            sent_at = turn;
        }
        unsigned n = ops->turn(rig.io, 0, done, CAP);
        CHECK(turn < 10 || n == CAP);
        for (unsigned i = 0; i < n; i++) {
            REQUIRE(done[i].kind == IO_DONE_DATA);
            seen_at = done[i].sock == quiet.sock ? turn : seen_at;
            leat_buf_unref(done[i].body.buf);
        }
    }
    REQUIRE(seen_at >= 0);
    CHECK(seen_at - sent_at <= 16);
    rig_close(&rig);
}

BACKENDS(nothing_to_do_costs_nothing)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(ops->turn(rig.io, 0, rig.done, DONE_LEN), 0);
    }
    CHECK_EQ(rig.io->base.stats.recv_calls, 0);
    CHECK_EQ(rig.io->base.stats.send_calls, 0);
    rig_close(&rig);
}
