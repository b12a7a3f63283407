/* io_uring that is refused after it has started, and one that cannot be had for all workers. */
#include "../conformance/io_rig.h"

#ifndef LEAT_HAVE_URING

TEST(uring_broken, none)
{
    SKIP("built without io_uring");
}

#else

#include <time.h>

#include "uring_streams.h"

/* ---- a ring that is refused after it has started ---- */

struct lines {
    unsigned errors;
    char     text[4096];
};

static void take_line(void *context, enum leat_log_level level, const char *text)
{
    struct lines *lines = context;
    size_t len = strlen(lines->text);
    lines->errors += level == LEAT_LOG_ERROR;
    snprintf(lines->text + len, sizeof(lines->text) - len, "%s\n", text);
}

static leat_time cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

/* After that everything has ended, it says so once, and sleeps. */
static int expect_the_end(struct rig *rig, const struct lines *lines, unsigned closed)
{
    struct io_done done;
    while (closed > 0) {
        NEED(rig_next_within(rig, LEAT_SEC, &done));
        leat_buf_unref(done.body.buf);
        if (done.kind == IO_DONE_CLOSED) {
            NEED(done.status == -EPERM);
            closed--;
        }
    }
    NEED(rig->io->base.stats.sockets == 0);
    NEED(lines->errors == 1 && strstr(lines->text, "a seccomp filter") != NULL);
    struct io_op open = {.kind = IO_OP_OPEN, .token = 1, .open.local = address("127.0.0.1", 0)};
    struct io_op listen = {.kind = IO_OP_LISTEN, .token = 2, .listen.local = open.open.local};
    NEED(io_uring.submit(rig->io, &open) == 0);
    NEED(io_uring.submit(rig->io, &listen) == 0);
    for (int i = 0; i < 2; i++) {
        NEED(rig_next_within(rig, LEAT_SEC, &done));
        NEED(done.kind == IO_DONE_OPENED && done.status == -EPERM);
    }
    leat_time start = io_uring.now(rig->io);
    leat_time busy = cpu_ns();
    for (int i = 0; i < 4; i++) { /* a wake from before may still be there */
        NEED(io_uring.turn(rig->io, start + 200 * LEAT_MS, &done, 1) == 0);
    }
    NEED(io_uring.now(rig->io) - start >= 200 * LEAT_MS);
    NEED(cpu_ns() - busy < 20 * LEAT_MS);
    io_uring.wake(rig->io);
    NEED(io_uring.turn(rig->io, LEAT_NEVER, &done, 1) == 0);
    NEED(lines->errors == 1);
    return 0;
}

static int refused_later(const void *arg)
{
    const int number = *(const int *)arg;
    struct rig rig;
    struct lines lines = {0};
    rig_begin(&rig, &io_uring, 32, 64);
    rig.config.log = take_line;
    rig.config.log_context = &lines;
    NEED(io_uring.init(&rig.config, &rig.io) == 0);
    if (number == SYS_io_uring_register) { /* before its first turn */
        refuse(number, EPERM);
        struct io_op open = {.kind = IO_OP_OPEN, .token = 1, .open.local = address("127.0.0.1", 0)};
        NEED(io_uring.submit(rig.io, &open) == 0);
        NEED(expect_the_end(&rig, &lines, 1) == 0);
        rig_close(&rig);
        return 0;
    }
    struct end udp = rig_socket(&rig, "127.0.0.1");
    struct end listener = listen_here(&rig);
    int fds[4];
    uint32_t armed = bring_into(&rig, ARMED, &listener, &fds[0]);
    bring_into(&rig, SENDING, &listener, &fds[1]);
    bring_into(&rig, LINGERING, &listener, &fds[2]);
    bring_into(&rig, HALF_CLOSED, &listener, &fds[3]);
    refuse(number, EPERM);
    NEED(write_body(&rig, armed, 100) == 0);
    rig_send(&rig, udp.sock, &udp.addr, 10, 1);
    NEED(expect_the_end(&rig, &lines, 5) == 0);
    char byte;
    NEED(recv(fds[0], &byte, 1, 0) <= 0); /* the peers hear of it at once */
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    rig_close(&rig);
    return 0;
}

/* Refused while an actor sends, with something to be read again and something read. */
static int refused_while_sending(const void *arg)
{
    (void)arg;
    struct rig rig;
    struct lines lines = {0};
    struct io_done done[8];
    rig_begin(&rig, &io_uring, 32, 64);
    rig.config.log = take_line;
    rig.config.log_context = &lines;
    NEED(io_uring.init(&rig.config, &rig.io) == 0);
    struct end udp = rig_socket(&rig, "127.0.0.1");
    struct end listener = listen_here(&rig);
    int fd;
    uint32_t sock = bring_into(&rig, ARMED, &listener, &fd);
    int closing_fd;
    uint32_t closing = bring_into(&rig, ARMED, &listener, &closing_fd);
    struct end closing_udp = rig_socket(&rig, "127.0.0.1");
    for (uint32_t i = 0; i < 4; i++) {
        rig_send(&rig, udp.sock, &udp.addr, 10 + i % 2, i);
    }
    NEED(io_uring.turn(rig.io, io_uring.now(rig.io) + LEAT_SEC, done, 1) == 1);
    leat_buf_unref(done[0].body.buf);
    NEED(sock_of(&rig, udp.sock)->filled_first != URING_NONE);
    refuse(SYS_io_uring_enter, EPERM);
    set_reads(&rig, sock, true);
    NEED(write_body(&rig, closing, 100) == 0);
    close_stream(&rig, closing, false);
    rig_send(&rig, closing_udp.sock, &udp.addr, 10, 1);
    close_stream(&rig, closing_udp.sock, false);
    while (write_body(&rig, sock, 30000) == 0) {
    }
    unsigned closed = 0;
    for (int i = 0; i < 4; i++) {
        unsigned n = io_uring.turn(rig.io, 0, done, 8);
        for (unsigned at = 0; at < n; at++) {
            NEED(done[at].kind == IO_DONE_CLOSED || closed == 0); /* the last word */
            closed += done[at].kind == IO_DONE_CLOSED;
            NEED(done[at].kind != IO_DONE_CLOSED || done[at].status == -EPERM);
        }
    }
    NEED(closed == 5);
    NEED(expect_the_end(&rig, &lines, 0) == 0);
    close(fd);
    close(closing_fd);
    rig_close(&rig);
    return 0;
}

TEST(uring_broken, a_ring_refused_while_something_is_sent)
{
    need_uring();
    int status = in_child(refused_while_sending, NULL);
    CHECK_EQ(status == 77 ? 0 : status, 0);
}

TEST(uring_broken, a_ring_refused_later_ends_its_sockets_and_sleeps)
{
    need_uring();
    static const int numbers[] = {SYS_io_uring_enter, SYS_io_uring_register};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int status = in_child(refused_later, &numbers[i]);
        CHECK_EQ(status == 77 ? 0 : status, 0);
    }
}

/* ---- the same under actors ---- */

struct witness {
    leat_outbox(2) out;
    int closed;
};

static int witness_init(void *state, const void *arg, leat_time now)
{
    struct witness *self = state;
    struct leat_addr local = address("127.0.0.1", 0);
    (void)arg;
    (void)now;
    leat_output_open(leat_outbox_put(&self->out), &local, 0);
    leat_output_listen(leat_outbox_put(&self->out), &local, 0);
    return 0;
}

static int witnessed[2]; /* of SOCK_CLOSED: how many, with which status */

static void witness_on_event(void *state, const struct leat_event *event)
{
    struct witness *self = state;
    if (event->kind == LEAT_EVENT_SOCK_CLOSED) {
        witnessed[0]++;
        witnessed[1] = event->status;
        if (++self->closed == 2) {
            leat_output_stop(leat_outbox_put(&self->out));
        }
    }
}

static bool witness_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct witness *)state)->out, ret);
}

static const struct leat_behavior witness = {.name = "witness",
                                             .state_size = sizeof(struct witness),
                                             .init = witness_init,
                                             .on_event = witness_on_event,
                                             .pop_output = witness_pop_output};

static int refused_under_actors(const void *arg)
{
    (void)arg;
    struct lines lines = {0};
    struct leat_config config = leat_config_default();
    leat_runtime *runtime;
    leat_controller *controller;
    config.workers = 1;
    config.io = "uring";
    config.log = take_line;
    config.log_context = &lines;
    NEED(leat_runtime_open(&config, &runtime) == 0);
    NEED(leat_controller_open(runtime, &controller) == 0);
    NEED(leat_spawn(controller, &witness, NULL, 0, 0, NULL) == 0);
    leat_controller_close(controller);
    refuse(SYS_io_uring_enter, EPERM);
    NEED(leat_runtime_run(runtime) == 0); /* until its actor has heard of both */
    NEED(leat_runtime_close(runtime) == 0);
    NEED(witnessed[0] == 2 && witnessed[1] == -EPERM);
    NEED(lines.errors == 1);
    return 0;
}

TEST(uring_broken, actors_hear_of_it)
{
    need_uring();
    int status = in_child(refused_under_actors, NULL);
    CHECK_EQ(status == 77 ? 0 : status, 0);
}

/* ---- "auto" is one backend for all workers ---- */

/* Locked memory for the probe, and for some workers. */
static int too_little_for_all(const void *arg)
{
    (void)arg;
    struct rlimit low = {.rlim_cur = 350000, .rlim_max = 350000};
    NEED(setrlimit(RLIMIT_MEMLOCK, &low) == 0);
    if (geteuid() == 0) {
        NEED(setresgid(47110, 47110, 47110) == 0);
        NEED(setresuid(47110, 47110, 47110) == 0); /* without CAP_IPC_LOCK */
    }
    struct lines lines = {0};
    struct leat_config config = leat_config_default();
    leat_runtime *runtime = NULL;
    config.workers = 8;
    config.log = take_line;
    config.log_context = &lines;
    config.io = "auto";
    NEED(leat_runtime_open(&config, &runtime) == 0);
    bool counts = strcmp(leat_io_name(runtime), "uring") != 0;
    NEED(leat_runtime_close(runtime) == 0);
    if (!counts) {
        return 77;
    }
    NEED(strstr(lines.text, "all workers use \"epoll\" instead") != NULL);
    NEED(strstr(lines.text, "raise the limit of locked memory (ulimit -l)") != NULL);
    NEED(lines.errors == 0);
    lines = (struct lines){0};
    config.io = "uring"; /* by name it is that or nothing */
    NEED(leat_runtime_open(&config, &runtime) < 0);
    NEED(lines.errors == 1);
    NEED(strstr(lines.text, "raise the limit of locked memory (ulimit -l)") != NULL);
    return 0;
}

TEST(uring_broken, auto_falls_back_for_all_workers)
{
    need_uring();
    int status = in_child(too_little_for_all, NULL);
    if (status == 77) {
        SKIP("this kernel does not count the memory of rings");
    }
    CHECK_EQ(status, 0);
}

#endif
