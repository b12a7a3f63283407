/* The simulated world: a clock that only its owner moves, one generator, and a network in which
 * every address is local, as on one host. Deterministic: nothing depends on a pointer's value, a
 * real clock or the C library's rand, so the same calls with the same seed do the same. Bounded:
 * what does not fit is lost, as on a network. One thread. */
#include "sim_stream.h"

#include <errno.h>

#include "mem.h"

#define BUCKETS 1024u
#define PORT_FIRST 32768u /* of those given for port 0 */
#define PORT_LAST 60999u
#define RESEND_NS (200 * LEAT_MS) /* of a stream, doubled the first three times */
#define RESENDS_MAX 8

struct sim_world {
    uint64_t               random[4];
    struct leat_sim_config config;
    leat_time              now;
    leat_time              cut_until; /* nothing that is sent before arrives */
    uint64_t               seq;
    uint64_t               serial;
    uint32_t               attached;
    uint32_t               port_next;
    struct sim_port       *buckets[BUCKETS]; /* by port */
    uint32_t               heap_len;
    struct sim_flight     *heap[SIM_HEAP_LEN]; /* earliest first */
    struct sim_counters    counters;
};

/* ---- the generator: xoshiro256** 1.0 by Blackman and Vigna, seeded by splitmix64 ---- */

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t sim_world_random(struct sim_world *world)
{
    uint64_t *s = world->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint32_t sim_world_below(struct sim_world *world, uint32_t n)
{
    LEAT_ASSERT(n > 0);
    return (uint32_t)((sim_world_random(world) >> 32) * n >> 32);
}

/* True with probability p; draws nothing where there is nothing to decide. */
static bool chance(struct sim_world *world, double p)
{
    return p > 0 && (double)(sim_world_random(world) >> 11) * 0x1p-53 < p;
}

/* ---- life and clock ---- */

struct sim_world *sim_world_open(uint64_t seed, const struct leat_sim_config *config)
{
    LEAT_ASSERT(config->delay_min_ns <= config->delay_max_ns);
    struct sim_world *world = mem_zalloc(sizeof(*world), 64);
    if (world == NULL) {
        return NULL;
    }
    world->config = *config;
    world->port_next = PORT_FIRST;
    for (int i = 0; i < 4; i++) {
        world->random[i] = splitmix(&seed);
    }
    return world;
}

/* Those that the actors have closed, and the world still keeps. */
static void free_streams(struct sim_world *world, uint32_t bucket)
{
    struct sim_port *port = world->buckets[bucket];
    while (port != NULL) {
        struct sim_port *next = port->next;
        if (port->is_stream) {
            sim_stream_free(world, (struct sim_stream *)(void *)port);
        }
        port = next;
    }
}

void sim_world_close(struct sim_world *world)
{
    LEAT_ASSERT(world->attached == 0);
    for (uint32_t i = 0; i < BUCKETS; i++) {
        free_streams(world, i);
    }
    for (uint32_t i = 0; i < world->heap_len; i++) {
        mem_free(world->heap[i]);
    }
    mem_free(world);
}

void sim_world_attach(struct sim_world *world)
{
    world->attached++;
}

void sim_world_detach(struct sim_world *world)
{
    LEAT_ASSERT(world->attached > 0);
    world->attached--;
}

leat_time sim_world_now(const struct sim_world *world)
{
    return world->now;
}

leat_time sim_world_next(const struct sim_world *world)
{
    return world->heap_len == 0 ? LEAT_NEVER : world->heap[0]->at;
}

void sim_world_advance(struct sim_world *world, leat_time to)
{
    LEAT_ASSERT(to >= world->now);
    world->now = to;
    sim_deliver(world);
}

struct sim_counters sim_world_counters(const struct sim_world *world)
{
    return world->counters;
}

void sim_world_cut(struct sim_world *world, leat_time until)
{
    world->cut_until = until;
}

bool sim_world_reset(struct sim_world *world, uint32_t nth)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        struct sim_port *port = world->buckets[(nth + i) % BUCKETS];
        for (; port != NULL; port = port->next) {
            if (port->is_stream && sim_stream_reset(world, (struct sim_stream *)(void *)port)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- what is on its way: a binary heap ---- */

static bool earlier(const struct sim_flight *a, const struct sim_flight *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void heap_push(struct sim_world *world, struct sim_flight *flight)
{
    LEAT_ASSERT(world->heap_len < SIM_HEAP_LEN);
    uint32_t i = world->heap_len++;
    for (; i > 0 && earlier(flight, world->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        world->heap[i] = world->heap[(i - 1) / 2];
    }
    world->heap[i] = flight;
}

static struct sim_flight *heap_pop(struct sim_world *world)
{
    LEAT_ASSERT(world->heap_len > 0);
    struct sim_flight *top = world->heap[0];
    struct sim_flight *moved = world->heap[--world->heap_len];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= world->heap_len) {
            break;
        }
        if (child + 1 < world->heap_len && earlier(world->heap[child + 1], world->heap[child])) {
            child++;
        }
        if (!earlier(world->heap[child], moved)) {
            break;
        }
        world->heap[i] = world->heap[child];
        i = child;
    }
    world->heap[i] = moved;
    return top;
}

/* ---- sockets ---- */

static struct sim_port **bucket(struct sim_world *world, uint16_t port)
{
    return &world->buckets[port % BUCKETS];
}

/* Whether the socket takes datagrams to that address; the exact address is more than any. */
static int match(const struct sim_port *port, const struct leat_addr *to)
{
    if (port->bound.port != to->port) {
        return 0;
    }
    if (memcmp(port->bound.ip, to->ip, sizeof(to->ip)) == 0) {
        return 2;
    }
    bool family = leat_addr_is_v4(&port->bound) == leat_addr_is_v4(to) ||
                  (port->dual_stack && leat_addr_is_v4(to));
    return addr_is_wildcard(&port->bound) && family ? 1 : 0;
}

/* Whether the two could not tell whose a datagram is. */
static bool conflict(struct sim_world *world, const struct sim_port *port)
{
    for (const struct sim_port *other = *bucket(world, port->bound.port); other != NULL;
         other = other->next) {
        bool overlap = match(port, &other->bound) > 0 || match(other, &port->bound) > 0;
        overlap = overlap && port->is_stream == other->is_stream &&
                  (!port->is_stream || other->listens); /* connections are beside each other */
        if (overlap && !(port->reuseport && other->reuseport)) {
            return true;
        }
    }
    return false;
}

static int bind_any_port(struct sim_world *world, struct sim_port *port)
{
    bool reuseport = port->reuseport;
    port->reuseport = false; /* a port nobody has */
    int status = -EADDRINUSE;
    for (uint32_t i = PORT_FIRST; i <= PORT_LAST && status < 0; i++) {
        port->bound.port = (uint16_t)world->port_next;
        world->port_next = world->port_next == PORT_LAST ? PORT_FIRST : world->port_next + 1;
        status = conflict(world, port) ? -EADDRINUSE : 0;
    }
    port->reuseport = reuseport;
    return status;
}

int sim_bind(struct sim_world *world, struct sim_port *port, const struct leat_addr *bound)
{
    LEAT_ASSERT(port->inbox == NULL);
    port->bound = *bound;
    port->bound.zero = 0;
    int status = 0;
    if (bound->port == 0) {
        status = bind_any_port(world, port);
    } else if (conflict(world, port)) {
        status = -EADDRINUSE;
    }
    if (status < 0) {
        return status;
    }
    sim_join(world, port);
    return 0;
}

void sim_join(struct sim_world *world, struct sim_port *port)
{
    struct sim_port **at = bucket(world, port->bound.port);
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = port;
    port->next = NULL;
    port->serial = ++world->serial;
}

void sim_unbind(struct sim_world *world, struct sim_port *port)
{
    struct sim_port **at = bucket(world, port->bound.port);
    while (*at != port) {
        LEAT_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = port->next;
    for (struct sim_flight *flight; (flight = sim_inbox_take(port)) != NULL;) {
        mem_free(flight);
    }
}

/* As match, for a flight that looks for a receiver: a datagram, or a SYN. */
static int takes(const struct sim_port *port, const struct sim_flight *flight)
{
    bool fits = flight->kind == SIM_SYN ? port->listens : !port->is_stream;
    return fits ? match(port, &flight->to) : 0;
}

/* The socket a datagram is for; among several that share the address the peer decides, always in
 * the same way. */
static struct sim_port *find_receiver(struct sim_world *world, const struct sim_flight *flight)
{
    int best = 1;
    uint32_t n = 0;
    for (struct sim_port *port = *bucket(world, flight->to.port); port; port = port->next) {
        int score = takes(port, flight);
        n = score > best ? 1 : n + (score == best);
        best = score > best ? score : best;
    }
    if (n == 0) {
        return NULL;
    }
    uint64_t hash = flight->from.port;
    for (size_t i = 0; i < sizeof(flight->from.ip); i++) {
        hash = (hash ^ flight->from.ip[i]) * UINT64_C(0x100000001b3);
    }
    uint32_t nth = (uint32_t)((hash ^ hash >> 32) % n);
    struct sim_port *port = *bucket(world, flight->to.port);
    while (takes(port, flight) != best || nth-- > 0) {
        port = port->next;
    }
    return port;
}

struct sim_port *sim_find_listener(struct sim_world *world, const struct sim_flight *syn)
{
    return find_receiver(world, syn);
}

struct sim_port *sim_find(struct sim_world *world, const struct leat_addr *bound, uint64_t serial)
{
    struct sim_port *port = *bucket(world, bound->port);
    while (port != NULL && port->serial != serial) {
        port = port->next;
    }
    return port;
}

/* ---- sending ---- */

static leat_time delay(struct sim_world *world)
{
    leat_time span = world->config.delay_max_ns - world->config.delay_min_ns;
    if (span == 0) {
        return world->config.delay_min_ns;
    }
    uint64_t drawn = sim_world_random(world);
    return world->config.delay_min_ns + (span == UINT64_MAX ? drawn : drawn % (span + 1));
}

/* Takes the flight: it leaves now. */
static void launch(struct sim_world *world, struct sim_flight *flight)
{
    if (world->heap_len >= SIM_FLIGHTS_MAX) {
        world->counters.overflowed++;
        mem_free(flight);
        return;
    }
    flight->at = world->now + delay(world);
    if (chance(world, world->config.reorder)) {
        world->counters.reordered++;
        flight->at += delay(world);
    }
    flight->seq = world->seq++;
    heap_push(world, flight);
}

bool sim_has_room(const struct sim_world *world)
{
    return world->heap_len < SIM_FLIGHTS_MAX + SIM_FLIGHTS_MAX / 2;
}

bool sim_launch(struct sim_world *world, struct sim_flight *flight, leat_time *last_at)
{
    leat_time at = world->now + delay(world);
    leat_time sent = world->now;
    int losses = 0;
    while (losses <= RESENDS_MAX &&
           (sent < world->cut_until || chance(world, world->config.loss))) {
        leat_time again = RESEND_NS << (losses < 3 ? losses : 3);
        sent += again;
        at += again;
        losses++;
        world->counters.lost++;
    }
    if (losses > RESENDS_MAX || world->heap_len == SIM_HEAP_LEN) {
        mem_free(flight);
        return false;
    }
    if (chance(world, world->config.reorder)) {
        at += delay(world);
    }
    *last_at = at > *last_at ? at : *last_at;
    flight->at = *last_at;
    flight->seq = world->seq++;
    heap_push(world, flight);
    return true;
}

bool sim_launch_alarm(struct sim_world *world, struct sim_flight *flight, leat_time at)
{
    if (world->heap_len == SIM_HEAP_LEN) {
        mem_free(flight);
        return false;
    }
    flight->at = at;
    flight->seq = world->seq++;
    heap_push(world, flight);
    return true;
}

void sim_cancel(struct sim_world *world, struct sim_flight *flight)
{
    for (uint32_t i = 0; i < world->heap_len; i++) {
        if (world->heap[i] == flight) {
            flight->at = 0; /* to the top, and off */
            flight->seq = 0;
            for (; i > 0; i = (i - 1) / 2) {
                world->heap[i] = world->heap[(i - 1) / 2];
            }
            world->heap[0] = flight;
            mem_free(heap_pop(world));
            return;
        }
    }
    LEAT_UNREACHABLE();
}

static struct sim_flight *copy(const struct sim_flight *flight)
{
    struct sim_flight *twin = mem_alloc(sizeof(*twin) + flight->len, 16);
    if (twin != NULL) {
        memcpy(twin, flight, sizeof(*twin) + flight->len);
    }
    return twin;
}

/* As the kernel chooses it where all addresses are local. */
static void source_address(const struct sim_port *port, const struct leat_addr *to,
                           const struct leat_addr *local, struct leat_addr *ret)
{
    static const uint8_t loopback_v4[4] = {127, 0, 0, 1};
    const struct leat_addr *chosen = &port->bound;
    if (local != NULL && !addr_is_wildcard(local) && !addr_is_group(local)) {
        chosen = local;
    } else if (addr_is_wildcard(chosen)) {
        chosen = to;
    }
    *ret = *chosen;
    ret->port = port->bound.port;
    ret->scope_id = 0;
    if (chosen == to && leat_addr_is_v4(to) && to->ip[12] == 127) {
        memcpy(ret->ip + 12, loopback_v4, 4);
    }
}

void sim_source(const struct sim_port *port, const struct leat_addr *to, struct leat_addr *ret)
{
    source_address(port, to, NULL, ret);
}

void sim_send(struct sim_world *world, const struct sim_port *port, const struct leat_addr *to,
              const struct leat_addr *local, const uint8_t *bytes, uint32_t len)
{
    LEAT_ASSERT(len <= LEAT_DATAGRAM_LEN_MAX);
    world->counters.sent++;
    if (world->now < world->cut_until || chance(world, world->config.loss)) {
        world->counters.lost++;
        return;
    }
    struct sim_flight *flight = mem_alloc(sizeof(*flight) + len, 16);
    if (flight == NULL) {
        world->counters.overflowed++;
        return;
    }
    *flight = (struct sim_flight){.sender = port->serial, .to = *to, .len = len};
    source_address(port, to, local, &flight->from);
    if (len > 0) {
        memcpy(flight->bytes, bytes, len);
    }
    struct sim_flight *twin = chance(world, world->config.duplicate) ? copy(flight) : NULL;
    launch(world, flight);
    if (twin != NULL) {
        world->counters.duplicated++;
        launch(world, twin);
    }
}

/* ---- arriving ---- */

/* Nobody is there: the flight turns round, as an ICMP error would, and may be lost as well. */
static void refuse(struct sim_world *world, struct sim_flight *flight)
{
    world->counters.refused++;
    if (flight->error != 0 || addr_is_group(&flight->to) ||
        chance(world, world->config.loss)) {
        mem_free(flight);
        return;
    }
    struct leat_addr peer = flight->to;
    flight->to = flight->from;
    flight->from = peer;
    flight->error = -ECONNREFUSED;
    flight->len = 0;
    launch(world, flight);
}

void sim_deliver(struct sim_world *world)
{
    while (world->heap_len > 0 && world->heap[0]->at <= world->now) {
        struct sim_flight *flight = heap_pop(world);
        if (flight->kind != SIM_DATAGRAM) {
            sim_stream_arrived(world, flight);
            continue;
        }
        struct sim_port *port = flight->error != 0
                                    ? sim_find(world, &flight->to, flight->sender)
                                    : find_receiver(world, flight);
        if (port == NULL) {
            refuse(world, flight);
        } else if (port->inbox_len == SIM_INBOX_MAX) {
            world->counters.overflowed++;
            mem_free(flight);
        } else {
            flight->next = NULL;
            if (port->inbox == NULL) {
                port->inbox = flight;
            } else {
                port->inbox_last->next = flight;
            }
            port->inbox_last = flight;
            port->inbox_len++;
            world->counters.delivered += flight->error == 0;
        }
    }
}

struct sim_flight *sim_inbox_take(struct sim_port *port)
{
    struct sim_flight *flight = port->inbox;
    if (flight != NULL) {
        LEAT_ASSERT(port->inbox_len > 0);
        port->inbox = flight->next;
        port->inbox_len--;
    }
    return flight;
}
