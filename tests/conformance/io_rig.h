/* What the conformance cases of io stand on: one backend with a pool, in the kernel or in a
 * simulated world, and a way to wait for its completions. A case is written once, BACKENDS(name)
 * makes it one per backend, KERNEL_BACKENDS(name) leaves out the simulated one. */
#ifndef LEAT_TESTS_IO_RIG_H
#define LEAT_TESTS_IO_RIG_H

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <leat/leat.h>

#include "check.h"
#include "io.h"
#include "mem.h"
#include "pool.h"
#include "sim.h"

#define DONE_LEN 64

struct rig {
    const struct io_ops *ops;
    struct pools         pools;
    struct pool         *pool;
    struct sim_world    *world;
    struct io           *io;
    struct io_config     config;
    struct io_done       done[DONE_LEN]; /* reaped, not yet looked at: from `next` on */
    unsigned             done_len;
    unsigned             next;
    int                  fds;
};

/* Some machines forbid io_uring: Docker's seccomp filter does. */
#ifdef LEAT_HAVE_URING
#define BACKEND_URING(name)                                                                        \
    TEST(io_uring, name)                                                                           \
    {                                                                                              \
        char why[256] = "";                                                                        \
        if (io_uring.probe(why, sizeof(why)) < 0) {                                                \
            SKIP(why);                                                                             \
        }                                                                                          \
        name(&io_uring);                                                                           \
    }
#else
#define BACKEND_URING(name)
#endif

#define KERNEL_BACKENDS(name)                                                                      \
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

#define BACKENDS(name)                                                                             \
    static void name(const struct io_ops *ops);                                                    \
    TEST(io_sim, name)                                                                             \
    {                                                                                              \
        name(&io_sim);                                                                             \
    }                                                                                              \
    KERNEL_BACKENDS(name)

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

/* Everything but the backend. */
static inline void rig_begin(struct rig *rig, const struct io_ops *ops, uint32_t trains_max,
                             uint32_t queue_len_max)
{
    static const struct leat_sim_config quiet; /* no loss, no delay */
    memset(rig, 0, sizeof(*rig));
    rig->fds = count_fds();
    rig->ops = ops;
    rig->pool = pool_open(&rig->pools, 0, trains_max);
    REQUIRE(rig->pool != NULL);
    pool_set_current(rig->pool);
    if (ops == &io_sim) {
        rig->world = sim_world_open(1, &quiet);
        REQUIRE(rig->world != NULL);
    }
    rig->config = (struct io_config){
        .pool = rig->pool, .send_queue_len_max = queue_len_max, .stream_queue_max = 65536, .world = rig->world};
}

static inline void rig_open(struct rig *rig, const struct io_ops *ops, uint32_t trains_max,
                            uint32_t queue_len_max)
{
    rig_begin(rig, ops, trains_max, queue_len_max);
    REQUIRE(ops->init(&rig->config, &rig->io) == 0);
}

/* Nothing may be left: no buffer, no descriptor. */
static inline void rig_close(struct rig *rig)
{
    for (; rig->next < rig->done_len; rig->next++) {
        leat_buf_unref(rig->done[rig->next].body.buf);
    }
    if (rig->io != NULL) {
        rig->ops->fini(rig->io);
    }
    CHECK_EQ(pool_bufs_out(rig->pool), 0);
    CHECK_EQ(pool_nodes_out(rig->pool), 0);
    if (rig->world != NULL) {
        sim_world_close(rig->world);
    }
    pool_set_current(NULL);
    pools_fini(&rig->pools);
    CHECK_EQ(count_fds(), rig->fds);
}

/* The next completion, whatever it is; false: none came for `patience_ns`. */
static inline bool rig_next_within(struct rig *rig, leat_time patience_ns, struct io_done *ret)
{
    leat_time deadline = rig->ops->now(rig->io) + patience_ns;
    while (rig->next == rig->done_len) {
        rig->next = 0;
        rig->done_len = rig->ops->turn(rig->io, deadline, rig->done, DONE_LEN);
        if (rig->done_len > 0) {
            break;
        }
        if (rig->world != NULL) { /* virtual time passes when nothing happens */
            leat_time next = sim_world_next(rig->world);
            if (next > deadline) {
                return false;
            }
            sim_world_advance(rig->world, next);
        } else if (rig->ops->now(rig->io) >= deadline) {
            return false;
        }
    }
    *ret = rig->done[rig->next++];
    return true;
}

/* The next completion must come, and be of that kind. */
static inline struct io_done rig_expect(struct rig *rig, enum io_done_kind kind)
{
    struct io_done done = {0};
    REQUIRE(rig_next_within(rig, 5 * LEAT_SEC, &done));
    if (done.kind != kind) {
        fprintf(stderr, "completion %d, status %d; expected %d\n", (int)done.kind, done.status,
                (int)kind);
    }
    REQUIRE(done.kind == kind);
    return done;
}

/* Nothing comes for a moment. */
static inline void rig_expect_nothing(struct rig *rig)
{
    struct io_done done;
    CHECK(!rig_next_within(rig, 20 * LEAT_MS, &done));
}

static inline struct leat_addr address(const char *host, uint16_t port)
{
    struct leat_addr addr;
    REQUIRE(leat_addr_from_host(host, port, &addr) == 0);
    return addr;
}

/* Opens a socket; its OPENED is taken. */
static inline struct io_done rig_try_socket(struct rig *rig, const char *host, uint16_t port,
                                            uint32_t flags)
{
    static uint64_t token = 1000;
    struct io_op op = {.kind = IO_OP_OPEN, .token = ++token};
    op.open.local = address(host, port);
    op.open.flags = flags;
    REQUIRE(rig->ops->submit(rig->io, &op) == 0);
    struct io_done done = rig_expect(rig, IO_DONE_OPENED);
    CHECK_EQ(done.token, token);
    return done;
}

struct end {
    uint32_t         sock;
    uint64_t         token;
    struct leat_addr addr;
};

static inline struct end rig_socket(struct rig *rig, const char *host)
{
    struct io_done done = rig_try_socket(rig, host, 0, 0);
    REQUIRE(done.status == 0);
    CHECK(done.peer.port != 0);
    return (struct end){.sock = done.sock, .token = done.token, .addr = done.peer};
}

static inline leat_slice body_of(uint32_t len, uint32_t seed)
{
    leat_slice body;
    REQUIRE(leat_buf_alloc(len, &body) == 0);
    uint8_t *bytes = leat_slice_data(body);
    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)((seed + i) * 131u >> 3);
    }
    return body;
}

static inline bool body_is(leat_slice body, uint32_t len, uint32_t seed)
{
    const uint8_t *bytes = leat_slice_data(body);
    bool same = body.len == len;
    for (uint32_t i = 0; same && i < len; i++) {
        same = bytes[i] == (uint8_t)((seed + i) * 131u >> 3);
    }
    return same;
}

/* Submits and returns the status; on an error the body is freed. */
static inline int rig_submit(struct rig *rig, uint32_t sock, const struct leat_addr *peer,
                             const struct leat_addr *local, leat_slice body, uint32_t segment_size)
{
    struct io_op op = {.kind = IO_OP_DATA, .sock = sock};
    op.data.body = body;
    op.data.peer = peer;
    op.data.local = local;
    op.data.segment_size = segment_size;
    int status = rig->ops->submit(rig->io, &op);
    if (status < 0) {
        leat_buf_unref(body.buf);
    }
    return status;
}

static inline void rig_send(struct rig *rig, uint32_t sock, const struct leat_addr *peer,
                            uint32_t len, uint32_t seed)
{
    REQUIRE(rig_submit(rig, sock, peer, NULL, body_of(len, seed), 0) == 0);
}

static inline void rig_close_sock(struct rig *rig, uint32_t sock)
{
    struct io_op op = {.kind = IO_OP_CLOSE, .sock = sock};
    REQUIRE(rig->ops->submit(rig->io, &op) == 0);
}

/* Reads datagrams as they were sent, whether they come as trains or alone. */
struct reader {
    struct io_done done;
    uint32_t       offset;
    bool           full;
};

/* The next datagram: its bytes are lent until the next call. False: none came. */
static inline bool reader_next(struct rig *rig, struct reader *reader, leat_slice *ret)
{
    if (reader->full && reader->offset >= reader->done.body.len) {
        leat_buf_unref(reader->done.body.buf);
        reader->full = false;
    }
    if (!reader->full) {
        if (!rig_next_within(rig, LEAT_SEC, &reader->done)) {
            return false;
        }
        REQUIRE(reader->done.kind == IO_DONE_DATA);
        reader->full = true;
        reader->offset = 0;
    }
    uint32_t size = reader->done.segment_size;
    *ret = leat_slice_sub(reader->done.body, reader->offset, size == 0 ? UINT32_MAX : size);
    reader->offset += ret->len;
    if (ret->len == 0) { /* a zero-length datagram is read once */
        reader->offset = 1;
    }
    return true;
}

static inline void reader_end(struct reader *reader)
{
    if (reader->full) {
        leat_buf_unref(reader->done.body.buf);
    }
}

/* Before the rig, since SKIP leaves the case. */
static inline void need_ipv6(const struct io_ops *ops)
{
    struct rig rig;
    rig_open(&rig, ops, 8, 8);
    struct io_done done = rig_try_socket(&rig, "::1", 0, 0);
    rig_close(&rig);
    if (done.status != 0) {
        SKIP("no IPv6 loopback on this machine");
    }
}

#endif
