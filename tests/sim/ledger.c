/* The oracles. Each function is told of one thing that happened and says what cannot be. */
#include "ledger.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct ledger ledger;

void ledger_open(uint64_t seed)
{
    memset(&ledger, 0, sizeof(ledger));
    ledger.seed = seed;
    ledger.people_len = 1;
    ledger.letters_len = 1;
    ledger.watches_len = 1;
    ledger.sockets_len = 1;
}

void ledger_fail(const char *format, ...)
{
    if (ledger.failures++ >= 10) {
        return;
    }
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "seed %llu, at %llu ns: %s\n", (unsigned long long)ledger.seed,
            (unsigned long long)(ledger.clock != NULL ? leat_controller_now(ledger.clock) : 0),
            text);
}

uint32_t ledger_person(uint32_t parent)
{
    if (ledger.people_len == PEOPLE_MAX) {
        return NOBODY;
    }
    ledger.people[ledger.people_len] = (struct person){.parent = parent, .wish = LEAT_NEVER};
    return ledger.people_len++;
}

/* ---- letters ---- */

bool ledger_send(uint32_t from, uint32_t to, bool wait, struct letter_body *ret)
{
    if (ledger.letters_len == LETTERS_MAX) {
        return false;
    }
    uint32_t id = ledger.letters_len++;
    ledger.letters[id] = (struct letter){.previous = ledger.last[from][to],
                                         .from = (uint16_t)from,
                                         .to = (uint16_t)to,
                                         .state = LETTER_SENT,
                                         .wait = wait,
                                         .at = leat_controller_now(ledger.clock)};
    ledger.last[from][to] = id;
    *ret =
        (struct letter_body){.id = id, .from = from, .to = to, .to_ref = ledger.people[to].ref.id};
    return true;
}

/* What the sender sent to the receiver up to `id` has arrived, or was refused. */
static bool all_before_resolved(uint32_t id)
{
    for (; id != 0; id = ledger.letters[id].previous) {
        const struct letter *letter = &ledger.letters[id];
        if (letter->state == LETTER_DELIVERED) {
            return true; /* and so was what came before it, as was checked then */
        }
        if (letter->state == LETTER_SENT && !letter->cut) {
            return false;
        }
    }
    return true;
}

static void receive_broadcast(uint32_t me, const struct letter_body *body)
{
    uint32_t seq = body->id & ~LETTER_BROADCAST;
    struct person *from = &ledger.people[body->from < PEOPLE_MAX ? body->from : 0];
    uint32_t desk = from->desk;
    EXPECT(desk > 0 && desk <= DESKS_MAX, "a broadcast from %u, who is no controller", body->from);
    if (desk == 0 || desk > DESKS_MAX) {
        return;
    }
    uint32_t *last = &ledger.people[me].broadcast[desk - 1];
    EXPECT(seq > *last, "%u was given broadcast %u after %u", me, seq, *last);
    *last = seq;
    ledger.copies++;
}

void ledger_receive(uint32_t me, const struct leat_event *event)
{
    size_t len;
    struct letter_body body;
    const uint8_t *bytes = leat_event_payload(event, &len);
    EXPECT(len >= sizeof(body), "%u was given a message of %zu bytes", me, len);
    if (len < sizeof(body)) {
        return;
    }
    memcpy(&body, bytes, sizeof(body));
    EXPECT(event->type == ~body.id, "%u was given letter %u with type %u", me, body.id,
           event->type);
    if ((body.id & LETTER_BROADCAST) != 0) {
        receive_broadcast(me, &body);
        return;
    }
    if (body.id == 0 || body.id >= ledger.letters_len) {
        ledger_fail("%u was given letter %u, which was never sent", me, body.id);
        return;
    }
    struct letter *letter = &ledger.letters[body.id];
    const struct person *person = &ledger.people[me];
    EXPECT(letter->state == LETTER_SENT, "letter %u from %u to %u was given after it was %s",
           body.id, letter->from, letter->to,
           letter->state == LETTER_REFUSED ? "refused" : "given");
    EXPECT(letter->to == me && body.to_ref == person->ref.id,
           "letter %u was meant for %u (%llx) and reached %u (%llx)", body.id, letter->to,
           (unsigned long long)body.to_ref, me, (unsigned long long)person->ref.id);
    EXPECT(event->from.id == ledger.people[letter->from].ref.id,
           "letter %u is from %u, but its event says %llx", body.id, letter->from,
           (unsigned long long)event->from.id);
    EXPECT(all_before_resolved(letter->previous),
           "letter %u from %u to %u has overtaken letter %u, or that is lost", body.id,
           letter->from, letter->to, letter->previous);
    EXPECT(body.len == (event->len == LEAT_LEN_BODY ? len : 0), "letter %u has lost its body",
           body.id);
    if (body.len > 0) {
        uint32_t at = (uint32_t)sizeof(body);
        EXPECT(datagram_check(bytes + at, (uint32_t)len - at), "the body of letter %u was changed",
               body.id);
    }
    letter->state = LETTER_DELIVERED;
    ledger.delivered++;
}

void ledger_refuse(uint32_t me, const struct letter_body *body, int status)
{
    if (body->id == 0 || body->id >= ledger.letters_len) {
        ledger_fail("%u was refused letter %u, which was never sent", me, body->id);
        return;
    }
    struct letter *letter = &ledger.letters[body->id];
    EXPECT(letter->from == me, "letter %u of %u was refused to %u", body->id, letter->from, me);
    EXPECT(letter->state == LETTER_SENT, "letter %u was refused after it was %s", body->id,
           letter->state == LETTER_REFUSED ? "refused" : "given");
    leat_time waited = leat_controller_now(ledger.clock) - letter->at;
    if (status == -ETIMEDOUT) {
        EXPECT(letter->wait && waited >= ledger.send_wait_ns, "letter %u timed out after %llu ns",
               body->id, (unsigned long long)waited);
        ledger.timeouts++;
    } else if (letter->wait) {
        EXPECT(letter->to == me || ledger.people[letter->to].desk > 0,
               "letter %u was to wait for %u but was refused: %d", body->id, letter->to, status);
    } else {
        EXPECT(status == -EAGAIN, "letter %u was refused: %d", body->id, status);
    }
    letter->state = LETTER_REFUSED;
    ledger.refused++;
}

/* ---- monitors and children ---- */

uint32_t ledger_watch(uint32_t watcher, uint32_t watched)
{
    if (ledger.watches_len == WATCHES_MAX) {
        return 0;
    }
    ledger.watches[ledger.watches_len] =
        (struct watch){.watcher = watcher, .watched = watched, .state = WATCH_POSTED};
    return ledger.watches_len++;
}

static struct person *person_of(leat_ref ref)
{
    uint16_t *guess = &ledger.guesses[(ref.id ^ ref.id >> 32) % GUESSES];
    if (*guess != 0 && ledger.people[*guess].ref.id == ref.id) {
        return &ledger.people[*guess];
    }
    for (uint32_t i = 1; i < ledger.people_len; i++) {
        if (ledger.people[i].known && ledger.people[i].ref.id == ref.id) {
            *guess = (uint16_t)i;
            return &ledger.people[i];
        }
    }
    return NULL;
}

void ledger_down(uint32_t me, const struct leat_event *event)
{
    struct person *dead = person_of(event->from);
    uint64_t id = event->down.cookie;
    ledger.downs++;
    if (dead == NULL) {
        ledger_fail("%u was told that %llx is down, who never was", me,
                    (unsigned long long)event->from.id);
        return;
    }
    uint32_t index = (uint32_t)(dead - ledger.people);
    if (!dead->born) {
        dead->ended = true; /* its init failed, or it was killed before that */
    }
    EXPECT(dead->ended, "%u was told that %u is down, who is not", me, index);
    EXPECT(all_before_resolved(ledger.last[index][me]),
           "%u was told that %u is down before letter %u", me, index, ledger.last[index][me]);
    if (id == 0) {
        EXPECT(!dead->born && dead->parent == me && dead->downs++ == 0,
               "%u was told without a monitor that %u is down", me, index);
        return;
    }
    if (id >= ledger.watches_len) {
        ledger_fail("%u was given DOWN with cookie %llu", me, (unsigned long long)id);
        return;
    }
    struct watch *watch = &ledger.watches[id];
    EXPECT(watch->watcher == me && watch->watched == index,
           "monitor %u of %u on %u fired at %u for %u", (uint32_t)id, watch->watcher,
           watch->watched, me, index);
    EXPECT(watch->state == WATCH_POSTED, "monitor %u fired after it had %s", (uint32_t)id,
           watch->state == WATCH_FIRED ? "fired" : "been refused");
    watch->state = WATCH_FIRED;
}

void ledger_spawned(uint32_t me, const struct leat_event *event)
{
    uint64_t index = event->spawned.cookie;
    if (index == 0 || index >= ledger.people_len) {
        ledger_fail("%u was given SPAWNED with cookie %llu", me, (unsigned long long)index);
        return;
    }
    struct person *child = &ledger.people[index];
    EXPECT(child->parent == me && child->asked && !child->answered,
           "%u was given SPAWNED for %u, whom %u asked for", me, (uint32_t)index, child->parent);
    child->answered = true;
    if (event->status == 0) {
        EXPECT(child->born && leat_ref_equal(child->ref, event->spawned.child),
               "SPAWNED names %llx for %u", (unsigned long long)event->spawned.child.id,
               (uint32_t)index);
    } else {
        EXPECT(!child->born && leat_ref_equal(event->spawned.child, LEAT_REF_NONE),
               "SPAWNED says %d for %u, who was born", event->status, (uint32_t)index);
        child->ended = true;
    }
}

/* ---- sockets ---- */

uint32_t ledger_socket(uint32_t owner, bool trains)
{
    if (ledger.sockets_len == SOCKETS_MAX) {
        return 0;
    }
    ledger.sockets[ledger.sockets_len] =
        (struct opened){.owner = owner, .trains = trains, .state = SOCK_OPENING};
    return ledger.sockets_len++;
}

struct opened *ledger_socket_find(leat_sock sock)
{
    for (uint32_t i = ledger.sockets_len; i-- > 1;) {
        if (ledger.sockets[i].sock.id == sock.id) {
            return &ledger.sockets[i];
        }
    }
    return NULL;
}

static void socket_opened(uint32_t me, const struct leat_event *event)
{
    uint64_t id = event->opened.cookie;
    if (id == 0 || id >= ledger.sockets_len) {
        ledger_fail("%u was given OPENED with cookie %llu", me, (unsigned long long)id);
        return;
    }
    struct opened *opened = &ledger.sockets[id];
    EXPECT(opened->owner == me && opened->state == SOCK_OPENING,
           "OPENED for socket %u of %u given to %u", (uint32_t)id, opened->owner, me);
    if (event->status < 0) {
        EXPECT(event->sock.id == 0, "OPENED says %d and names a socket", event->status);
        opened->state = SOCK_FAILED;
        return;
    }
    EXPECT(ledger_socket_find(event->sock) == NULL, "socket %llx was opened twice",
           (unsigned long long)event->sock.id);
    EXPECT(event->opened.local.port != 0, "a socket without a port");
    opened->state = SOCK_OPEN;
    opened->sock = event->sock;
    opened->local = event->opened.local;
}

static bool was_told(uint32_t me, leat_sock sock)
{
    for (uint32_t i = 0; i < ledger.closings_len; i++) {
        if (ledger.closings[i].person == me && ledger.closings[i].sock.id == sock.id) {
            return true;
        }
    }
    return false;
}

static void socket_closed(uint32_t me, struct opened *opened)
{
    if (opened->owner == me) {
        opened->state = SOCK_CLOSED;
    } else if (ledger.closings_len < CLOSINGS_MAX) {
        ledger.closings[ledger.closings_len].person = me;
        ledger.closings[ledger.closings_len++].sock = opened->sock;
    }
}

static void socket_data(uint32_t me, const struct opened *opened, const struct leat_event *event)
{
    const uint8_t *bytes = leat_slice_data(event->data.body);
    uint32_t len = event->data.body.len;
    uint32_t size = event->segment_size;
    if (size != 0) {
        EXPECT(size < len, "%u was given a train of %u bytes with segments of %u", me, len, size);
        EXPECT(opened->owner != me || opened->trains, "%u was given a train it did not ask for",
               me);
        ledger.trains++;
    }
    ledger.datagrams++;
    for (uint32_t at = 0; at < len && size <= len; at += size != 0 ? size : len) {
        uint32_t one = size == 0 || len - at < size ? len - at : size;
        EXPECT(datagram_check(bytes + at, one), "%u was given a datagram that nobody sent", me);
        ledger.segments++;
    }
    const struct leat_addr *local = leat_event_local(event);
    EXPECT(opened->closing || ledger.people[opened->owner].ended ||
               (local != NULL && local->port == opened->local.port),
           "a datagram that did not arrive at its socket's port");
}

void ledger_socket_event(uint32_t me, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_OPENED) {
        socket_opened(me, event);
        return;
    }
    struct opened *opened = ledger_socket_find(event->sock);
    if (opened == NULL) {
        ledger_fail("%u was given event %u of socket %llx, which it was never told of", me,
                    event->kind, (unsigned long long)event->sock.id);
        return;
    }
    EXPECT(opened->owner == me ? opened->state == SOCK_OPEN : !was_told(me, event->sock),
           "%u was given event %u after SOCK_CLOSED", me, event->kind);
    switch (event->kind) {
    case LEAT_EVENT_DATA:
        socket_data(me, opened, event);
        break;
    case LEAT_EVENT_SOCK_CLOSED:
        socket_closed(me, opened);
        break;
    case LEAT_EVENT_WRITABLE:
        ledger.writables++;
        break;
    default:
        EXPECT(event->kind == LEAT_EVENT_SOCK_ERROR && event->status < 0, "event %u, status %d",
               event->kind, event->status);
        ledger.errors++;
    }
}

/* ---- datagrams ---- */

static uint8_t pattern(uint32_t seq, uint32_t at)
{
    return (uint8_t)((seq * 2654435761u + at * 40503u) >> 13);
}

void datagram_fill(uint8_t *bytes, uint32_t len, uint32_t seq)
{
    uint32_t head[3] = {0x6c656174, seq, len};
    memcpy(bytes, head, sizeof(head));
    for (uint32_t i = DATAGRAM_MIN; i < len; i++) {
        bytes[i] = pattern(seq, i);
    }
}

bool datagram_check(const uint8_t *bytes, uint32_t len)
{
    uint32_t head[3];
    if (len < DATAGRAM_MIN) {
        return false;
    }
    memcpy(head, bytes, sizeof(head));
    if (head[0] != 0x6c656174 || head[2] != len) {
        return false;
    }
    for (uint32_t i = DATAGRAM_MIN; i < len; i++) {
        if (bytes[i] != pattern(head[1], i)) {
            return false;
        }
    }
    return true;
}

/* ---- transitions ---- */

static bool may_follow(uint8_t from, uint8_t to)
{
    if (to == LEAT_STATE_STOPPED) {
        return from != LEAT_STATE_STOPPED;
    }
    switch (from) {
    case LEAT_STATE_CREATED:
        return to == LEAT_STATE_WAITING || to == LEAT_STATE_POP_OUTPUT;
    case LEAT_STATE_WAITING:
        return to == LEAT_STATE_ON_TICK || to == LEAT_STATE_ON_INPUT;
    case LEAT_STATE_ON_TICK:
    case LEAT_STATE_ON_INPUT:
    case LEAT_STATE_POP_OUTPUT:
        return to == LEAT_STATE_POP_OUTPUT || to == LEAT_STATE_WAITING;
    default:
        return false;
    }
}

void ledger_trace(void *context, const struct leat_trace *trace)
{
    (void)context;
    struct person *person = person_of(trace->actor);
    EXPECT(may_follow(trace->from, trace->to), "%llx went from state %u to %u",
           (unsigned long long)trace->actor.id, trace->from, trace->to);
    if (person != NULL) { /* else it was killed before its init */
        EXPECT(person->state == trace->from, "%u was in state %u and goes from %u to %u",
               (uint32_t)(person - ledger.people), person->state, trace->from, trace->to);
        person->state = trace->to;
    }
}

/* ---- the end ---- */

static bool is_alive(uint32_t index)
{
    return ledger.people[index].known && !ledger.people[index].ended;
}

void ledger_check_quiet(leat_time now)
{
    for (uint32_t i = 1; i < ledger.people_len; i++) {
        const struct person *person = &ledger.people[i];
        if (person->desk > 0 || person->ended || !person->asked) {
            continue;
        }
        if (!person->born) {
            EXPECT(person->killed, "%u was asked for and never came", i);
            continue;
        }
        EXPECT(!person->open, "the drain of %u never ended", i);
        EXPECT(!person->killed, "%u was killed and lives", i);
        EXPECT(!person->stopped, "%u was asked to stop and lives", i);
        EXPECT(person->wish > now, "the deadline of %u, %llu, has gone by", i,
               (unsigned long long)person->wish);
    }
    for (uint32_t i = 1; i < ledger.people_len; i++) {
        const struct person *child = &ledger.people[i];
        bool by_actor = child->asked && ledger.people[child->parent].desk == 0;
        EXPECT(!by_actor || child->answered || !is_alive(child->parent),
               "%u was never told what became of %u", child->parent, i);
    }
    for (uint32_t i = 1; i < ledger.letters_len; i++) {
        const struct letter *letter = &ledger.letters[i];
        bool is_lost = letter->state == LETTER_SENT && !letter->cut && is_alive(letter->to) &&
                       ledger.people[letter->to].born;
        EXPECT(!is_lost, "letter %u from %u to %u is lost", i, letter->from, letter->to);
    }
    for (uint32_t i = 1; i < ledger.watches_len; i++) {
        const struct watch *watch = &ledger.watches[i];
        EXPECT(watch->state != WATCH_POSTED || !is_alive(watch->watcher) ||
                   is_alive(watch->watched),
               "monitor %u of %u on %u never fired", i, watch->watcher, watch->watched);
    }
    for (uint32_t i = 1; i < ledger.sockets_len; i++) {
        EXPECT(ledger.sockets[i].state != SOCK_OPENING || !is_alive(ledger.sockets[i].owner),
               "%u never heard of its socket %u", ledger.sockets[i].owner, i);
    }
}

void ledger_check_end(leat_runtime *runtime)
{
    struct leat_worker_stats sum, workers[LEAT_WORKERS_MAX];
    leat_stats_controllers(runtime, &sum);
    size_t len = leat_stats_workers(runtime, workers, LEAT_WORKERS_MAX);
    for (size_t i = 0; i < len; i++) {
        sum.sent += workers[i].sent;
        sum.delivered += workers[i].delivered;
        sum.refused += workers[i].refused;
        sum.dead_letters += workers[i].dead_letters;
        sum.spawned += workers[i].spawned;
        sum.stopped += workers[i].stopped;
        ledger.parked += workers[i].parks;
        ledger.starved += workers[i].recv_starved;
        EXPECT(workers[i].actors == 0, "%llu actors are left",
               (unsigned long long)workers[i].actors);
    }
    uint64_t cut = 0;
    uint64_t copies = sum.sent - (ledger.letters_len - 1);
    for (uint32_t i = 1; i < ledger.letters_len; i++) {
        cut += ledger.letters[i].cut;
    }
    EXPECT(sum.sent == sum.delivered + sum.refused + sum.dead_letters,
           "sent %llu, delivered %llu, refused %llu, dead letters %llu: %lld are missing",
           (unsigned long long)sum.sent, (unsigned long long)sum.delivered,
           (unsigned long long)sum.refused, (unsigned long long)sum.dead_letters,
           (long long)(sum.sent - sum.delivered - sum.refused - sum.dead_letters));
    EXPECT(sum.sent >= ledger.letters_len - 1 && copies >= ledger.copies,
           "sent %llu, popped %u, broadcast %llu", (unsigned long long)sum.sent,
           ledger.letters_len - 1, (unsigned long long)ledger.copies);
    EXPECT(sum.delivered == ledger.delivered + ledger.copies, "counted %llu, delivered %llu",
           (unsigned long long)sum.delivered,
           (unsigned long long)(ledger.delivered + ledger.copies));
    EXPECT(sum.refused >= ledger.refused && sum.refused <= ledger.refused + cut + copies,
           "counted %llu refusals, handed back %llu, %llu cut", (unsigned long long)sum.refused,
           (unsigned long long)ledger.refused, (unsigned long long)cut);
    EXPECT(sum.spawned == sum.stopped, "spawned %llu, stopped %llu",
           (unsigned long long)sum.spawned, (unsigned long long)sum.stopped);
    for (uint32_t i = 1; i < ledger.people_len; i++) {
        EXPECT(!ledger.people[i].born || ledger.people[i].ended, "%u has no fini", i);
    }
}
