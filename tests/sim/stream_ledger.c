/* The oracles of streams. Each function is told of one thing that happened and says what cannot be. */
#include "stream_ledger.h"

#include <errno.h>
#include <string.h>

#include "sched.h"
#include "sim_sock.h"

#define WAIT_MAX 65536u /* sched/streams.c: bytes that wait at a socket, but for one read */
#define READ_MAX 16384u /* io/sim_tcp.c */
#define COST_MIN 2048u
#define ACCEPTS_MAX 16u         /* of one turn */
#define BODY_MAX 65536u         /* that the crowd writes */
#define CLOSE_NS (5 * LEAT_SEC) /* what is queued at a CLOSE has to leave in that */

struct stream_ledger stream_ledger;

void stream_ledger_open(uint64_t seed)
{
    ledger_open(seed);
    memset(&stream_ledger, 0, sizeof(stream_ledger));
    stream_ledger.people_len = 1;
    stream_ledger.ends_len = 1;
}

static leat_time now(void)
{
    return leat_controller_now(ledger.clock);
}

/* ---- people ---- */

uint32_t stream_person(void)
{
    if (stream_ledger.people_len == FOLK_MAX) {
        return NOBODY;
    }
    stream_ledger.people[stream_ledger.people_len] = (struct folk){.worker = NO_WORKER};
    return stream_ledger.people_len++;
}

void stream_person_known(uint32_t who, leat_ref ref)
{
    stream_ledger.people[who].ref = ref;
    stream_ledger.people[who].known = true;
    stream_ledger.at_slot[(uint32_t)ref.id % FOLK_SLOTS] = (uint16_t)who;
}

void stream_person_ended(uint32_t who)
{
    stream_ledger.people[who].ended = true;
    for (uint32_t i = 1; i < stream_ledger.ends_len; i++) {
        struct end *end = &stream_ledger.ends[i];
        if (end->owner == who && end->state != END_OVER) {
            end->is_orphan = true;
            end->left = end->state == END_CLOSING ? end->left : now();
            end->is_reset = end->is_reset || !end->is_given;
            end->finish = end->finish || !end->is_reset;
            end->state = END_OVER;
        }
    }
}

/* ---- ends ---- */

static uint32_t end_new(uint32_t owner, uint32_t place, bool listens)
{
    if (stream_ledger.ends_len == ENDS_MAX) {
        return 0;
    }
    stream_ledger.ends[stream_ledger.ends_len] =
        (struct end){.owner = owner, .place = place, .listens = listens, .is_given = true};
    return stream_ledger.ends_len++;
}

uint32_t stream_end_new(uint32_t owner, uint32_t place, bool listens)
{
    uint64_t begun = stream_ledger.ends_len - stream_ledger.accepted;
    return begun < ENDS_MAX / 2 ? end_new(owner, place, listens) : 0; /* each may be accepted */
}

/* The place of a socket, or where it would be. */
static uint16_t *end_slot(leat_sock sock)
{
    uint64_t at = (sock.id ^ sock.id >> 24 ^ sock.id >> 50) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    while (true) {
        uint16_t *slot = &stream_ledger.at_sock[at++ % END_SLOTS];
        if (*slot == 0 || stream_ledger.ends[*slot].sock.id == sock.id) {
            return slot;
        }
    }
}

static uint32_t end_find(leat_sock sock)
{
    return *end_slot(sock);
}

static void end_is(uint32_t id, leat_sock sock)
{
    *end_slot(sock) = (uint16_t)id;
    stream_ledger.ends[id].sock = sock;
    stream_ledger.ends[id].state = END_OPEN;
    stream_ledger.ends[id].is_known = true;
}

static uint8_t byte_at(uint32_t end, uint64_t at)
{
    if (at < sizeof(end)) {
        return (uint8_t)(end >> 8 * at);
    }
    return (uint8_t)(end * 29 + at * 131 + (at >> 8) * 7 + (at >> 16));
}

leat_slice stream_bytes(uint32_t end, uint32_t len)
{
    leat_slice body = {0};
    if (leat_buf_alloc(len, &body) < 0) {
        return body;
    }
    uint8_t *bytes = leat_slice_data(body);
    struct end *at = &stream_ledger.ends[end];
    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = byte_at(end, at->sent + i);
    }
    at->sent += len;
    return body;
}

/* ---- outputs ---- */

void stream_gave(uint32_t end, uint32_t to, uint64_t cookie)
{
    struct end *at = &stream_ledger.ends[end];
    at->owner = to;
    at->cookie = cookie;
    at->is_known = false;
    at->is_paused = false;
    at->is_given = true;
}

void stream_closes(uint32_t end, bool is_reset)
{
    struct end *at = &stream_ledger.ends[end];
    at->state = END_CLOSING;
    at->is_closed = true;
    at->left = now();
    at->is_reset = is_reset;
    at->finish = at->finish || !is_reset;
}

void stream_write_back(uint32_t end, uint32_t me, uint32_t len, bool waited, int status)
{
    struct end *at = &stream_ledger.ends[end];
    at->sent -= len;
    stream_ledger.refused++;
    bool may = status == (waited ? -ETIMEDOUT : -EAGAIN) || status == -EPIPE || status == -EBADF ||
               (status == -ENOMEM && stream_ledger.is_starved);
    EXPECT(may, "a write of %u to %u was refused: %d", me, end, status);
    at->is_broken = at->is_broken || (status == -EPIPE && !at->finish);
    EXPECT(status != -EPIPE || at->finish || at->status != 0 || at->state != END_OVER,
           "%u was told that %u is broken", me, end);
    at->refused[me] = (uint16_t)(at->refused[me] + (status == -EAGAIN));
}

/* ---- events ---- */

static bool may_fail(const struct end *end, int status)
{
    switch (status) {
    case -EADDRINUSE:
        return end->listens;
    case -ECONNREFUSED:
    case -ENOENT:
        return !end->listens;
    case -ETIMEDOUT:
    case -ECONNRESET: /* it was connected, and reset at once */
        return !end->listens;
    case -ENOMEM:
        return stream_ledger.is_starved;
    default:
        return false;
    }
}

static void opened(uint32_t me, const struct leat_event *event)
{
    uint64_t id = event->opened.cookie;
    if (id == 0 || id >= stream_ledger.ends_len) {
        ledger_fail("%u was given OPENED with cookie %llu", me, (unsigned long long)id);
        return;
    }
    struct end *end = &stream_ledger.ends[id];
    EXPECT(end->owner == me && end->state == END_OPENING, "OPENED for %u of %u given to %u",
           (uint32_t)id, end->owner, me);
    if (event->status < 0) {
        EXPECT(event->sock.id == 0, "OPENED says %d and names a socket", event->status);
        EXPECT(may_fail(end, event->status), "OPENED of %u says %d", (uint32_t)id, event->status);
        end->state = END_OVER;
        stream_ledger.failed++;
        return;
    }
    EXPECT(end_find(event->sock) == 0, "socket %llx was opened twice",
           (unsigned long long)event->sock.id);
    EXPECT(end->listens || stream_ledger.listened[end->place] > 0,
           "%u has connected to a place where nobody has listened", (uint32_t)id);
    end_is((uint32_t)id, event->sock);
    stream_ledger.opened++;
}

/* The end an event is about; NULL: said why. */
static struct end *about(uint32_t me, const struct leat_event *event)
{
    uint32_t id = end_find(event->sock);
    if (id == 0) {
        ledger_fail("%u was given event %u of an unknown socket %llx", me, event->kind,
                    (unsigned long long)event->sock.id);
        return NULL;
    }
    struct end *end = &stream_ledger.ends[id];
    EXPECT(end->owner == me, "%u was given event %u of %u, which is %u's", me, event->kind, id,
           end->owner);
    EXPECT(end->state != END_OVER, "%u was given event %u of %u, which is over", me, event->kind,
           id);
    return end;
}

/* What is held back by PAUSE, and by CLOSE, and comes after GIVEN. */
static bool is_due(uint32_t me, const struct leat_event *event, const struct end *end)
{
    uint32_t id = (uint32_t)(end - stream_ledger.ends);
    EXPECT(end->is_known, "%u was given event %u of %u before GIVEN", me, event->kind, id);
    EXPECT(!end->is_paused, "%u was given event %u of %u, which is paused", me, event->kind, id);
    EXPECT(end->state == END_OPEN, "%u was given event %u of %u, which it has closed", me,
           event->kind, id);
    EXPECT(end->is_given || event->kind == LEAT_EVENT_SOCK_CLOSED,
           "%u was given event %u of %u, which nobody was given", me, event->kind, id);
    EXPECT(!end->finished || event->kind == LEAT_EVENT_SOCK_CLOSED,
           "%u was given event %u of %u after FINISHED", me, event->kind, id);
    return true;
}

static void accepted(uint32_t me, const struct leat_event *event)
{
    const struct end *listener = about(me, event);
    if (listener == NULL || !is_due(me, event, listener)) {
        return;
    }
    EXPECT(listener->listens, "%u was given ACCEPTED of a connection", me);
    EXPECT(end_find(event->accepted.sock) == 0, "socket %llx was accepted twice",
           (unsigned long long)event->accepted.sock.id);
    uint32_t id = end_new(me, listener->place, false);
    EXPECT(id != 0, "more connections than ever began");
    if (id == 0) {
        return;
    }
    end_is(id, event->accepted.sock);
    stream_ledger.ends[id].is_given = false;
    stream_ledger.accepted++;
}

static void given(uint32_t me, const struct leat_event *event)
{
    struct end *end = about(me, event);
    if (end != NULL) {
        EXPECT(!end->is_paused && end->state == END_OPEN, "%u was given %u, which it had %s", me,
               (uint32_t)(end - stream_ledger.ends), end->is_paused ? "paused" : "closed");
        EXPECT(!end->is_known && event->given.cookie == end->cookie,
               "%u was given %u with cookie %llu, not %llu", me,
               (uint32_t)(end - stream_ledger.ends), (unsigned long long)event->given.cookie,
               (unsigned long long)end->cookie);
        end->is_known = true;
        stream_ledger.given++;
    }
}

static void data(uint32_t me, const struct leat_event *event)
{
    struct end *end = about(me, event);
    if (end == NULL || !is_due(me, event, end)) {
        return;
    }
    uint32_t id = (uint32_t)(end - stream_ledger.ends);
    const uint8_t *bytes = leat_slice_data(event->body);
    EXPECT(event->body.len > 0 && !end->listens, "%u was given no bytes of %u", me, id);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < event->body.len; i++, end->got++) {
        if (end->got < sizeof(end->head)) {
            end->head |= (uint32_t)bytes[i] << 8 * end->got;
            end->from = end->got == sizeof(end->head) - 1 ? end->head : 0;
            continue;
        }
        wrong += bytes[i] != byte_at(end->from, end->got);
    }
    stream_ledger.bytes += event->body.len;
    EXPECT(wrong == 0, "%u was given %u bytes of %u that nobody wrote there", me, wrong, id);
    if (end->from == 0) {
        return;
    }
    if (end->from >= stream_ledger.ends_len) {
        ledger_fail("%u reads from %u, which never was", id, end->from);
        end->from = 0;
        return;
    }
    const struct end *peer = &stream_ledger.ends[end->from];
    EXPECT(end->got <= peer->sent, "%u has read %llu bytes of %u, which has sent %llu", id,
           (unsigned long long)end->got, end->from, (unsigned long long)peer->sent);
    EXPECT(peer->from == 0 || peer->from == id, "%u reads from %u, which reads from %u", id,
           end->from, peer->from);
    EXPECT(peer->place == end->place, "%u and %u have met, but not at one place", id, end->from);
}

static void finished(uint32_t me, const struct leat_event *event)
{
    struct end *end = about(me, event);
    if (end == NULL || !is_due(me, event, end)) {
        return;
    }
    end->finished = true;
    stream_ledger.finished++;
    if (end->from != 0) {
        const struct end *peer = &stream_ledger.ends[end->from];
        EXPECT(peer->finish, "%u was given FINISHED, but %u has not", me, end->from);
        EXPECT(end->got + peer->unsure >= peer->sent, "FINISHED at %llu of the %llu bytes of %u",
               (unsigned long long)end->got, (unsigned long long)peer->sent, end->from);
    }
}

/* Whether the network, or the peer, can have done that to an end that was not closed by its owner. */
static bool has_cause(const struct end *end, int status)
{
    const struct end *peer = &stream_ledger.ends[end->from];
    bool peer_ends =
        end->from == 0 || peer->state == END_CLOSING || peer->state == END_OVER || peer->finish;
    switch (status) {
    case 0:
        return end->finished && end->finish;
    case -ECONNRESET: /* who closes well says all he has, unless he is not read for so long */
        return stream_ledger.resets > 0 || stream_ledger.is_faulty || stream_ledger.is_starved ||
               (peer_ends && (end->from == 0 || end->finished || peer->is_reset ||
                              now() >= peer->left + CLOSE_NS));
    case -ETIMEDOUT:
        return stream_ledger.is_faulty;
    case -ENOMEM:
        return stream_ledger.is_starved;
    default:
        return false;
    }
}

static void closed(uint32_t me, const struct leat_event *event)
{
    struct end *end = about(me, event);
    if (end == NULL) {
        return;
    }
    uint32_t id = (uint32_t)(end - stream_ledger.ends);
    int status = event->status;
    stream_ledger.closed++;
    if (end->state == END_CLOSING) {
        EXPECT(status == 0 || status == -ETIMEDOUT || status == -ECONNRESET ||
                   (status == -ENOMEM && stream_ledger.is_starved),
               "%u has closed %u, which says %d", me, id, status);
    } else if (is_due(me, event, end)) {
        EXPECT(!end->listens || status < 0, "a listener has ended well by itself");
        EXPECT(has_cause(end, status), "%u has ended by itself: %d", id, status);
        EXPECT(!end->is_broken || status < 0, "%u was broken and has ended well", id);
    }
    end->state = END_OVER;
    end->status = status;
}

static void writable(uint32_t me, const struct leat_event *event)
{
    uint32_t id = end_find(event->sock);
    struct end *end = &stream_ledger.ends[id];
    stream_ledger.writables++;
    EXPECT(end->owner != me || end->state != END_OVER, "%u was given WRITABLE of %u, which is over",
           me, id);
    EXPECT(end->refused[me] > 0, "%u was given WRITABLE of %u, which has refused it nothing", me,
           id);
    end->refused[me] = (uint16_t)(end->refused[me] - (end->refused[me] > 0));
}

bool stream_event(uint32_t me, const struct leat_event *event)
{
    switch (event->kind) {
    case LEAT_EVENT_OPENED:
        opened(me, event);
        return true;
    case LEAT_EVENT_ACCEPTED:
        accepted(me, event);
        return true;
    case LEAT_EVENT_GIVEN:
        given(me, event);
        return true;
    case LEAT_EVENT_DATA:
        data(me, event);
        return true;
    case LEAT_EVENT_FINISHED:
        finished(me, event);
        return true;
    case LEAT_EVENT_WRITABLE:
        writable(me, event);
        return true;
    case LEAT_EVENT_SOCK_CLOSED:
        closed(me, event);
        return true;
    default:
        return false;
    }
}

/* ---- what can be looked at from outside ---- */

/* One socket of the runtime: what waits at it is bounded, and somebody will be told of it. */
static void check_socket(const struct sockets *sockets, const struct socket *socket)
{
    uint64_t cost = 0;
    for (const union node *node = socket->waiting; node != NULL; node = node->next) {
        bool is_long = node->head.kind == LEAT_EVENT_DATA && node->event.body.len > COST_MIN;
        cost += is_long ? node->event.body.len : node->head.kind == LEAT_EVENT_GIVEN ? 0 : COST_MIN;
    }
    uint32_t spare = socket->listens ? ACCEPTS_MAX * COST_MIN : READ_MAX;
    unsigned long long id = socket_id(sockets, socket).id;
    EXPECT(cost == socket->waiting_cost, "%llu bytes wait at %llx, which says %u",
           (unsigned long long)cost, id, socket->waiting_cost);
    EXPECT(cost <= WAIT_MAX + spare + 2 * COST_MIN, "%llu bytes wait at %llx",
           (unsigned long long)cost, id);
    if (cost > stream_ledger.waiting_max) {
        stream_ledger.waiting_max = cost;
    }
    if (socket->state != SOCKET_OPEN && socket->state != SOCKET_ENDING) {
        return;
    }
    bool is_alive = sockets_cell(sockets, socket->owner) != NULL;
    EXPECT(!is_alive || socket->waiting == NULL || socket->is_paused || socket->token == NULL,
           "something waits at %llx, and nobody will be told", id);
    bool reads = socket->reads || socket->state == SOCKET_ENDING || !socket->is_given;
    EXPECT(reads || cost > WAIT_MAX / 2, "%llx is not read, though only %llu bytes wait", id,
           (unsigned long long)cost);
    EXPECT(!socket->reads || cost < WAIT_MAX || socket->state == SOCKET_ENDING,
           "%llx is read, though %llu bytes wait", id, (unsigned long long)cost);
    stream_ledger.no_reads += !reads;
    if (socket->state == SOCKET_OPEN && socket->refused != NULL) {
        const struct sim *sim = (const struct sim *)(const void *)sockets->io;
        const struct sim_tcp *tcp = sim->socks[socket->io]->tcp;
        EXPECT(tcp->closed || tcp->want_writable || tcp->writable,
               "somebody was refused at %llx, and will never be told that there is room", id);
    }
    uint32_t at = end_find(socket_id(sockets, socket));
    const struct end *end = &stream_ledger.ends[at];
    EXPECT(at == 0 || end->state == END_OVER ||
               leat_ref_equal(stream_ledger.people[end->owner].ref, socket->owner),
           "%llx is not %u's, as it should be", id, end->owner);
}

/* One of the backend: what waits to be sent, and what has arrived. */
static void check_backend(const struct sim *sim, const struct sim_sock *sock)
{
    const struct sim_tcp *tcp = sock->tcp;
    uint64_t queued = 0;
    for (const union node *node = tcp->first; node != NULL; node = node->next) {
        queued += node->event.body.len;
    }
    EXPECT(queued == tcp->queued, "%llu bytes are queued, but %u are said to be",
           (unsigned long long)queued, tcp->queued);
    EXPECT(queued <= sim->stream_queue_max + BODY_MAX, "%llu bytes are queued, of at most %u",
           (unsigned long long)queued, sim->stream_queue_max);
    if (tcp->stream != NULL && !tcp->listens) {
        EXPECT(sim_stream_arrived_len(tcp->stream) + tcp->stream->unsaid <= SIM_WINDOW_LEN &&
                   tcp->stream->window <= SIM_WINDOW_LEN,
               "more has arrived than the window has room for");
    }
}

void stream_check_step(leat_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.workers; i++) {
        const struct worker *worker = runtime->workers[i];
        for (uint32_t at = 0; at < worker->sockets.len; at++) {
            const struct socket *socket = worker->sockets.table[at];
            if (socket->state != SOCKET_FREE) {
                check_socket(&worker->sockets, socket);
            }
        }
        const struct sim *sim = (const struct sim *)(const void *)worker->io;
        for (uint32_t at = 0; at < sim->socks_len; at++) {
            if (sim->socks[at]->tcp != NULL) {
                check_backend(sim, sim->socks[at]);
            }
        }
    }
}

void stream_check_quiet(void)
{
    for (uint32_t id = 1; id < stream_ledger.ends_len; id++) {
        const struct end *end = &stream_ledger.ends[id];
        EXPECT(end->state == END_OVER || stream_ledger.is_faulty || stream_ledger.is_starved,
               "%u of %u is still in state %u: %llu bytes sent, %llu read%s%s", id, end->owner,
               end->state, (unsigned long long)end->sent, (unsigned long long)end->got,
               end->finish ? ", finished" : "", end->finished ? ", heard of the end" : "");
    }
}

void stream_check_end(leat_runtime *runtime)
{
    for (uint32_t who = 1; who < stream_ledger.people_len; who++) {
        const struct folk *folk = &stream_ledger.people[who];
        EXPECT(!folk->born || folk->ended, "%u has never ended", who);
    }
    uint64_t sent = 0, delivered = 0, refused = 0, dead = 0;
    struct leat_worker_stats all[LEAT_WORKERS_MAX + 1];
    size_t len = leat_stats_workers(runtime, all, LEAT_WORKERS_MAX);
    leat_stats_controllers(runtime, &all[len]);
    for (size_t i = 0; i <= len; i++) {
        sent += all[i].sent;
        delivered += all[i].delivered;
        refused += all[i].refused;
        dead += all[i].dead_letters;
    }
    EXPECT(sent == delivered + refused + dead, "sent %llu, delivered %llu, refused %llu, dead %llu",
           (unsigned long long)sent, (unsigned long long)delivered, (unsigned long long)refused,
           (unsigned long long)dead);
}
