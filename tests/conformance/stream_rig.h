/* What the conformance cases of streams stand on: a runtime of one worker that the test drives itself,
 * on any backend, and actors that write a known pattern and check what they are given against it. A
 * case is written once; STREAMS(name) makes it one per backend, and it is run over IPv4, IPv6, a Unix
 * path and an abstract name. */
#ifndef LEAT_TESTS_STREAM_RIG_H
#define LEAT_TESTS_STREAM_RIG_H

#include <dirent.h>
#include <unistd.h>

#include "tmp.h"
#include "unit/helpers.h"
#include "sched.h"

enum stream_kind {
    KIND_V4,
    KIND_V6,
    KIND_UNIX,
    KIND_ABSTRACT,
    KINDS,
};

static inline int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (dir != NULL && readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* ---- the runtime ---- */

struct net {
    struct rig rig;
    enum stream_kind kind;
    char path[108];
    int fds;
};

static inline bool net_is_sim(const struct net *net)
{
    return net->rig.runtime->world != NULL;
}

static inline struct leat_config net_config(const char *io)
{
    struct leat_config config = leat_config_default();
    config.workers = 1;
    config.io = io;
    config.sim.delay_min_ns = 10 * LEAT_US;
    config.sim.delay_max_ns = 200 * LEAT_US;
    return config;
}

static inline void net_open(struct net *net, const struct leat_config *config,
                            enum stream_kind kind)
{
    static unsigned serial;
    memset(net, 0, sizeof(*net));
    net->kind = kind;
    net->fds = count_fds();
    snprintf(net->path, sizeof(net->path), "%s%s/leat-test-%d-%u",
             kind == KIND_ABSTRACT ? "@" : "", tmp_folder(), (int)getpid(), ++serial);
    struct leat_config own = *config;
    pthread_mutex_init(&net->rig.lines.lock, NULL);
    own.log = lines_add;
    own.log_context = &net->rig.lines;
    REQUIRE(leat_runtime_open(&own, &net->rig.runtime) == 0);
    REQUIRE(leat_controller_open(net->rig.runtime, &net->rig.controller) == 0);
}

static inline bool net_is_unix(const struct net *net)
{
    return net->kind == KIND_UNIX || net->kind == KIND_ABSTRACT;
}

/* Some turns of the loop; in simulation the next two milliseconds. */
static inline void net_turn(struct net *net)
{
    if (net_is_sim(net)) {
        rig_run(&net->rig, 2 * LEAT_MS);
        return;
    }
    struct worker *worker = net->rig.runtime->workers[0];
    worker_enter(worker);
    for (int i = 0; i < 4; i++) {
        worker_round(worker, worker_is_ready(worker)
                                 ? 0
                                 : leat_controller_now(net->rig.controller) + 200 * LEAT_US);
    }
    worker_leave(worker);
}

#define AWAIT(net, condition)                                                                      \
    do {                                                                                           \
        leat_time until_ = leat_controller_now((net)->rig.controller) + 20 * LEAT_SEC;             \
        while (!(condition) && leat_controller_now((net)->rig.controller) < until_) {              \
            net_turn(net);                                                                         \
        }                                                                                          \
        CHECK(condition);                                                                          \
    } while (0)

/* Turns for a while. */
static inline void net_pass(struct net *net, leat_time ns)
{
    leat_time until = leat_controller_now(net->rig.controller) + ns;
    while (leat_controller_now(net->rig.controller) < until) {
        net_turn(net);
    }
}

static inline void net_poke(struct net *net, const struct puppet *puppet)
{
    CHECK_EQ(leat_send(net->rig.controller, puppet->ref, POKE, NULL, 0), 0);
    net_turn(net);
}

static inline uint64_t net_sockets(struct net *net)
{
    struct leat_worker_stats stats;
    leat_stats_workers(net->rig.runtime, &stats, 1);
    return stats.sockets;
}

/* Nothing may be left: the pools balance (leat_runtime_close says so), no descriptor, no file. */
static inline void net_close(struct net *net)
{
    leat_runtime_stop(net->rig.runtime);
    leat_controller_close(net->rig.controller);
    CHECK_EQ(leat_runtime_close(net->rig.runtime), 0);
    free(net->rig.got);
    CHECK_EQ(count_fds(), net->fds);
    CHECK(net->kind != KIND_UNIX || access(net->path, F_OK) != 0);
}

/* ---- the pattern ---- */

static inline uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 131 + (at >> 8) * 7 + (at >> 16));
}

static inline leat_slice pattern_body(uint64_t at, uint32_t len)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(len, &body), 0);
    for (uint32_t i = 0; i < len; i++) {
        leat_slice_data(body)[i] = pattern(at + i);
    }
    return body;
}

/* ---- an actor with one connection, or a listener ---- */

struct end {
    struct puppet puppet;
    struct net *net;
    leat_sock listener;
    leat_sock sock;
    struct leat_addr local;

    /* what it does */
    bool echoes;
    bool finishes;    /* answers the peer's FINISHED with its own, when it has written all */
    bool keeps;       /* a listener: keeps what it accepts, the last is `sock` */
    leat_ref give_to; /* a listener: gives what it accepts */
    uint64_t want;    /* bytes to write in all */
    uint32_t chunk;   /* in bodies of this length */

    /* what became of it */
    uint64_t written;
    uint64_t received, inputs;
    uint64_t bad; /* bytes that do not fit the pattern */
    uint64_t accepted;
    unsigned opened, given, finished, closed, writable;
    int opened_status, closed_status;
    bool is_full;
    bool owes_finish;
    leat_slice kept; /* an echo that was refused */
};

static inline void end_pump(struct end *end)
{
    if (end->sock.id == 0) {
        return;
    }
    if (!end->is_full && end->written < end->want) { /* one an input: a refusal is known before the next */
        uint64_t left = end->want - end->written;
        uint32_t len = left < end->chunk ? (uint32_t)left : end->chunk;
        leat_output_write(puppet_put(&end->puppet), end->sock, pattern_body(end->written, len));
        end->written += len;
        leat_output_send(puppet_put(&end->puppet), end->puppet.ref, POKE, NULL, 0);
        return;
    }
    if (end->owes_finish && end->written == end->want && !end->is_full) {
        end->owes_finish = false;
        leat_output_finish(puppet_put(&end->puppet), end->sock);
    }
}

static inline void end_data(struct end *end, const struct leat_event *event)
{
    const uint8_t *bytes = leat_slice_data(event->body);
    for (uint32_t i = 0; i < event->body.len; i++) {
        end->bad += bytes[i] != pattern(end->received + i);
    }
    end->received += event->body.len;
    end->inputs++;
    if (end->echoes) {
        leat_output_reply(puppet_put(&end->puppet), event, leat_slice_ref(event->body));
    }
}

static inline void end_event(struct puppet *self, const struct leat_event *event)
{
    struct end *end = self->context;
    switch (event->kind) {
    case LEAT_EVENT_OPENED:
        end->opened++;
        end->opened_status = event->status;
        end->sock = event->sock;
        end->local = event->opened.local;
        break;
    case LEAT_EVENT_GIVEN:
        end->given++;
        end->sock = event->sock;
        break;
    case LEAT_EVENT_ACCEPTED:
        end->accepted++;
        if (end->keeps) {
            end->sock = event->accepted.sock;
        } else {
            leat_output_give(puppet_put(self), event->accepted.sock,
                             end->give_to.id != 0 ? end->give_to : self->ref, 4712);
        }
        break;
    case LEAT_EVENT_DATA:
        end_data(end, event);
        break;
    case LEAT_EVENT_FINISHED:
        end->finished++;
        end->owes_finish |= end->finishes;
        break;
    case LEAT_EVENT_WRITABLE:
        end->writable++;
        end->is_full = false;
        if (end->kept.buf != NULL) {
            leat_output_write(puppet_put(self), end->sock, end->kept);
            end->kept = (leat_slice){0};
            leat_output_resume(puppet_put(self), end->sock);
        }
        break;
    case LEAT_EVENT_SOCK_CLOSED:
        end->closed++;
        end->closed_status = event->status;
        end->sock = LEAT_SOCK_NONE;
        end->owes_finish = false;
        end->is_full = false;
        CHECK(end->kept.buf == NULL); /* it was told that it may try */
        break;
    default:
        break;
    }
    end_pump(end);
}

static inline void end_refused(struct puppet *self, struct leat_output *output, int status)
{
    struct end *end = self->context;
    if (output->kind == LEAT_OUTPUT_DATA && status == -EAGAIN) {
        end->is_full = true;
        if (end->echoes) { /* nothing more until there is room */
            CHECK(end->kept.buf == NULL);
            end->kept = output->data.body;
            leat_output_pause(puppet_put(self), end->sock);
            return;
        }
        end->written -= output->data.body.len;
    }
    leat_output_release(output);
}

static inline void end_spawn(struct net *net, struct end *end)
{
    end->net = net;
    end->puppet.on_event = end_event;
    end->puppet.on_refused = end_refused;
    end->puppet.context = end;
    end->chunk = end->chunk == 0 ? 1000 : end->chunk;
    rig_spawn(&net->rig, &end->puppet);
    net_turn(net);
}

static inline struct leat_addr net_addr(const struct net *net, uint16_t port)
{
    struct leat_addr addr = {0};
    CHECK_EQ(leat_addr_from_host(net->kind == KIND_V6 ? "::1" : "127.0.0.1", port, &addr), 0);
    return addr;
}

static inline struct leat_output *put_listen(struct end *end)
{
    struct leat_addr local = net_addr(end->net, 0);
    struct leat_output *out = puppet_put(&end->puppet);
    leat_output_listen(out, net_is_unix(end->net) ? NULL : &local, 4711);
    out->path = net_is_unix(end->net) ? end->net->path : NULL;
    return out;
}

static inline struct leat_output *put_connect(struct end *end, const struct end *to)
{
    struct leat_output *out = puppet_put(&end->puppet);
    leat_output_connect(out, net_is_unix(end->net) ? NULL : &to->local, 5 * LEAT_SEC, 4711);
    out->path = net_is_unix(end->net) ? end->net->path : NULL;
    return out;
}

/* A listener that has been opened. */
static inline void end_listen(struct net *net, struct end *end)
{
    end_spawn(net, end);
    put_listen(end);
    net_poke(net, &end->puppet);
    AWAIT(net, end->opened == 1);
    REQUIRE(end->opened_status == 0);
    end->listener = end->sock;
}

/* A connection to it, on its way. */
static inline void end_connect(struct net *net, struct end *end, const struct end *to)
{
    end_spawn(net, end);
    put_connect(end, to);
    net_poke(net, &end->puppet);
}

static inline void end_free(struct end *end)
{
    CHECK_EQ(end->bad, 0);
    leat_buf_unref(end->kept.buf);
    puppet_free(&end->puppet);
}

/* ---- cases ---- */

/* IPv6 is not on every machine. */
static inline bool kind_is_here(const char *io, enum stream_kind kind)
{
    if (kind != KIND_V6 || strcmp(io, "sim") == 0) {
        return true;
    }
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool here = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return here;
}

#define STREAMS_ON(backend, name)                                                                  \
    TEST(backend, name)                                                                            \
    {                                                                                              \
        for (enum stream_kind kind = 0; kind < KINDS; kind++) {                                    \
            if (kind_is_here(#backend, kind)) {                                                    \
                name(#backend, kind);                                                              \
            }                                                                                      \
        }                                                                                          \
    }

/* Some machines forbid io_uring: Docker's seccomp filter does. */
#ifdef LEAT_HAVE_URING
#define NEED_IO(io)                                                                                \
    do {                                                                                           \
        char why_[256] = "";                                                                       \
        if (strcmp(io, "uring") == 0 && io_uring.probe(why_, sizeof(why_)) < 0) {                  \
            SKIP(why_);                                                                            \
        }                                                                                          \
    } while (0)

#define STREAMS_ON_URING(name)                                                                     \
    TEST(uring, name)                                                                              \
    {                                                                                              \
        NEED_IO("uring");                                                                          \
        for (enum stream_kind kind = 0; kind < KINDS; kind++) {                                    \
            if (kind_is_here("uring", kind)) {                                                     \
                name("uring", kind);                                                               \
            }                                                                                      \
        }                                                                                          \
    }
#else
#define STREAMS_ON_URING(name)
#endif

#define STREAMS(name)                                                                              \
    static void name(const char *io, enum stream_kind kind);                                       \
    STREAMS_ON_URING(name)                                                                         \
    STREAMS_ON(epoll, name)                                                                        \
    STREAMS_ON(poll, name)                                                                         \
    STREAMS_ON(sim, name)                                                                          \
    static void name(const char *io, enum stream_kind kind)

#endif
