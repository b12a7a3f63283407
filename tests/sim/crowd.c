/* Each input gives an actor some outputs to make; each pop draws one of them. Their number is
 * bounded for a life, so that every run comes to rest. */
#include "crowd.h"

#include <errno.h>
#include <string.h>

#define HANDS 3u  /* sockets one may have at once */
#define BURST 80u /* more than a drain gives before it gives way */
#define PEERS_MAX 4u

enum hand_state { HAND_FREE, HAND_OPENING, HAND_OPEN, HAND_CLOSING };

struct hand {
    uint8_t state;
    uint32_t id; /* in the ledger */
    leat_sock sock;
};

struct actor {
    uint32_t me;
    uint32_t outputs; /* left */
    uint32_t todo;
    uint32_t ticks; /* left */
    uint32_t seq;
    bool goes;  /* stops when nothing is left to do */
    bool stays; /* does not even stop when the runtime does */
    leat_time wish;
    struct draw draw;
    leat_slice kept; /* a body it holds on to */
    struct seat child;
    struct hand hands[HANDS];
    struct leat_addr peers[PEERS_MAX];
    leat_outbox(4) out;
};

static struct person *self(const struct actor *actor)
{
    return &ledger.people[actor->me];
}

uint32_t crowd_somebody(struct draw *draw)
{
    if (ledger.people_len == 1) {
        return 0;
    }
    for (int i = 0; i < 8; i++) { /* mostly somebody alive */
        uint32_t index = 1 + draw_below(draw, ledger.people_len - 1);
        const struct person *person = &ledger.people[index];
        if (person->known && (!person->ended || draw_percent(draw, 20))) {
            return index;
        }
    }
    return 0;
}

leat_slice crowd_body(struct letter_body *letter, struct draw *draw)
{
    leat_slice body = {0};
    uint32_t head = (uint32_t)sizeof(*letter);
    uint32_t len = head + DATAGRAM_MIN + draw_below(draw, draw_percent(draw, 10) ? 4000 : 200);
    if (leat_buf_alloc(len, &body) == 0) {
        letter->len = len;
        memcpy(leat_slice_data(body), letter, sizeof(*letter));
        datagram_fill(leat_slice_data(body) + head, len - head, letter->id);
    }
    return body;
}

/* ---- what it may do ---- */

/* Somebody's socket's address, mostly one that is open. */
static bool somewhere(struct actor *actor, struct leat_addr *ret)
{
    for (uint32_t i = 0; i < 8 && ledger.sockets_len > 1; i++) {
        const struct opened *opened =
            &ledger.sockets[1 + draw_below(&actor->draw, ledger.sockets_len - 1)];
        if (opened->state == SOCK_OPEN || (opened->local.port != 0 && i == 7)) {
            *ret = opened->local;
            return true;
        }
    }
    return false;
}

static struct hand *open_hand(struct actor *actor)
{
    uint32_t first = draw_below(&actor->draw, HANDS);
    for (uint32_t i = 0; i < HANDS; i++) {
        struct hand *hand = &actor->hands[(first + i) % HANDS];
        if (hand->state == HAND_OPEN) {
            return hand;
        }
    }
    return NULL;
}

/* One datagram, or a train of equal ones and a shorter one. */
static leat_slice datagrams(struct actor *actor, uint32_t *ret_size)
{
    leat_slice body = {0};
    uint32_t size =
        DATAGRAM_MIN + draw_below(&actor->draw, draw_percent(&actor->draw, 5) ? 3000 : 60);
    uint32_t n = draw_percent(&actor->draw, 25) ? 2 + draw_below(&actor->draw, 5) : 1;
    uint32_t rest = n > 1 ? DATAGRAM_MIN + draw_below(&actor->draw, size - DATAGRAM_MIN + 1) : size;
    uint32_t len = (n - 1) * size + rest;
    if (leat_buf_alloc(len, &body) < 0) {
        return body;
    }
    for (uint32_t at = 0; at < len; at += size) {
        datagram_fill(leat_slice_data(body) + at, len - at < size ? len - at : size,
                      actor->me << 16 | actor->seq++);
    }
    *ret_size = n > 1 ? size : 0;
    return body;
}

static bool act_send(struct actor *actor, struct leat_output *ret, bool with_body)
{
    uint32_t to = crowd_somebody(&actor->draw);
    bool wait = draw_percent(&actor->draw, 40);
    struct letter_body letter;
    if (to == 0 || !ledger_send(actor->me, to, wait, &letter)) {
        return false;
    }
    if (with_body) {
        leat_slice body = crowd_body(&letter, &actor->draw);
        leat_output_send_body(ret, ledger.people[to].ref, ~letter.id, body);
    } else {
        leat_output_send(ret, ledger.people[to].ref, ~letter.id, &letter, sizeof(letter));
    }
    if (wait) {
        ret->full = LEAT_FULL_WAIT;
        self(actor)->waiting = letter.id;
    }
    return true;
}

static bool act_spawn(struct actor *actor, struct leat_output *ret)
{
    uint32_t child = ledger_person(actor->me);
    if (child == NOBODY) {
        return false;
    }
    uint32_t kind = draw_below(&actor->draw, CROWD_KINDS);
    actor->child = (struct seat){
        .index = child, .outputs = actor->outputs / 2, .seed = draw_bits(&actor->draw)};
    actor->outputs -= actor->outputs / 2;
    ledger.people[child].asked = true;
    leat_output_spawn(ret, &crowd[kind], &actor->child, crowd_seat_size(kind), child);
    static const int32_t where[] = {LEAT_WORKER_SAME, LEAT_WORKER_BEST, 0};
    ret->spawn.worker = where[draw_below(&actor->draw, 3)];
    return true;
}

static bool act_monitor(struct actor *actor, struct leat_output *ret)
{
    uint32_t whom = crowd_somebody(&actor->draw);
    uint32_t id = whom != 0 ? ledger_watch(actor->me, whom) : 0;
    if (id != 0) {
        leat_output_monitor(ret, ledger.people[whom].ref, id);
    }
    return id != 0;
}

static bool act_stop(struct actor *actor, struct leat_output *ret)
{
    uint32_t whom = crowd_somebody(&actor->draw);
    if (whom == 0) {
        return false;
    }
    leat_output_stop(ret);
    ret->to = ledger.people[whom].ref;
    if (whom == actor->me) {
        self(actor)->leaving = true;
    } else if (ledger.people[whom].desk == 0) {
        ledger.people[whom].stopped = true;
    }
    return true;
}

static bool act_open(struct actor *actor, struct leat_output *ret)
{
    for (uint32_t i = 0; i < HANDS; i++) {
        struct hand *hand = &actor->hands[i];
        if (hand->state != HAND_FREE) {
            continue;
        }
        bool trains = draw_percent(&actor->draw, 50);
        hand->id = ledger_socket(actor->me, trains);
        if (hand->id == 0) {
            return false;
        }
        struct leat_addr local;
        leat_addr_from_host(draw_percent(&actor->draw, 20) ? "::1" : "127.0.0.1", 0, &local);
        if (draw_percent(&actor->draw, 30)) {
            local.port = (uint16_t)(7000 + draw_below(&actor->draw, 6)); /* somebody may have it */
        }
        leat_output_open(ret, &local, hand->id);
        ret->open.flags = (trains ? LEAT_UDP_TRAINS : 0u) |
                          (draw_percent(&actor->draw, 50) ? LEAT_UDP_REUSEPORT : 0u);
        hand->state = HAND_OPENING;
        return true;
    }
    return false;
}

static bool act_data(struct actor *actor, struct leat_output *ret)
{
    struct hand *hand = open_hand(actor);
    struct leat_addr peer;
    if (hand == NULL || !somewhere(actor, &peer)) {
        return false;
    }
    uint32_t size = 0;
    leat_slice body = datagrams(actor, &size);
    leat_output_data(ret, hand->sock, &peer, body);
    ret->segment_size = size;
    ret->full = draw_percent(&actor->draw, 50) ? LEAT_FULL_WAIT : LEAT_FULL_REFUSE;
    return true;
}

static bool act_data_many(struct actor *actor, struct leat_output *ret)
{
    struct hand *hand = open_hand(actor);
    uint32_t len = 0;
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        len += somewhere(actor, &actor->peers[len]);
    }
    if (hand == NULL || len == 0) {
        return false;
    }
    uint32_t size = 0;
    leat_slice body = datagrams(actor, &size);
    leat_output_clear(ret, LEAT_OUTPUT_DATA_MANY);
    ret->sock = hand->sock;
    ret->segment_size = size;
    ret->data_many.body = body;
    ret->data_many.peers = actor->peers;
    ret->data_many.peers_len = len;
    ret->full = draw_percent(&actor->draw, 50) ? LEAT_FULL_WAIT : LEAT_FULL_REFUSE;
    return true;
}

static bool act_route(struct actor *actor, struct leat_output *ret)
{
    struct hand *hand = open_hand(actor);
    struct leat_addr peer;
    uint32_t whom = crowd_somebody(&actor->draw);
    if (hand == NULL || whom == 0 || !somewhere(actor, &peer)) {
        return false;
    }
    leat_ref target = draw_percent(&actor->draw, 15) ? LEAT_REF_NONE : ledger.people[whom].ref;
    leat_output_route(ret, hand->sock, &peer, target);
    ret->flags = draw_percent(&actor->draw, 50) ? LEAT_UDP_TRAINS : 0;
    ledger.sockets[hand->id].trains |= whom == actor->me && ret->flags != 0;
    return true;
}

static bool act_close(struct actor *actor, struct leat_output *ret)
{
    struct hand *hand = open_hand(actor);
    if (hand != NULL) {
        leat_output_close(ret, hand->sock);
        ledger.sockets[hand->id].closing = true;
        hand->state = HAND_CLOSING;
    }
    return hand != NULL;
}

static bool act_leave(struct actor *actor, struct leat_output *ret, bool well)
{
    self(actor)->leaving = true;
    if (well) {
        leat_output_stop(ret);
    } else {
        leat_output_fail(ret, -EPROTO);
    }
    return true;
}

static bool act(struct actor *actor, struct leat_output *ret)
{
    uint32_t drawn = draw_below(&actor->draw, 1000);
    return drawn < 440   ? act_send(actor, ret, false)
           : drawn < 510 ? act_send(actor, ret, true)
           : drawn < 560 ? act_spawn(actor, ret)
           : drawn < 610 ? act_monitor(actor, ret)
           : drawn < 617 ? act_stop(actor, ret)
           : drawn < 660 ? act_open(actor, ret)
           : drawn < 860 ? act_data(actor, ret)
           : drawn < 900 ? act_data_many(actor, ret)
           : drawn < 965 ? act_route(actor, ret)
           : drawn < 980 ? act_close(actor, ret)
           : drawn < 984 ? act_leave(actor, ret, drawn < 982)
                         : false;
}

/* ---- the behaviour ---- */

static int actor_init(void *state, const void *arg, leat_time now)
{
    struct actor *actor = state;
    struct seat seat = {0};
    memcpy(&seat, arg, SEAT_SHORT);
    struct person *person = &ledger.people[seat.index];
    leat_ref ref = leat_self(actor);
    EXPECT(!person->born && !person->ended, "init of %u for the second time", seat.index);
    EXPECT(!person->known || leat_ref_equal(person->ref, ref), "%u is not who it was to be",
           seat.index);
    person->ref = ref;
    person->known = true;
    person->now = now;
    actor->me = seat.index;
    actor->outputs = seat.outputs;
    actor->draw.state = seat.seed;
    actor->ticks = draw_below(&actor->draw, 12);
    actor->wish = LEAT_NEVER;
    actor->stays = draw_percent(&actor->draw, 10);
    if (draw_percent(&actor->draw, 3)) {
        person->ended = true;
        return -EACCES;
    }
    actor->todo = draw_below(&actor->draw, 4);
    if (actor->ticks > 0) {
        actor->wish = now + draw_below(&actor->draw, 1000000);
    }
    person->open = true;
    person->born = true;
    return 0;
}

static void on_message(struct actor *actor, const struct leat_event *event)
{
    ledger_receive(actor->me, event);
    if (event->len == LEAT_LEN_BODY && actor->kept.buf == NULL && draw_percent(&actor->draw, 30)) {
        actor->kept = leat_slice_ref(event->body);
    } else if (actor->kept.buf != NULL && draw_percent(&actor->draw, 50)) {
        leat_buf_unref(actor->kept.buf);
        actor->kept.buf = NULL;
    }
}

static void on_tick(struct actor *actor, const struct leat_event *event)
{
    struct person *person = self(actor);
    EXPECT(person->wish <= event->now, "the deadline of %u, %llu, fired at %llu", actor->me,
           (unsigned long long)person->wish, (unsigned long long)event->now);
    leat_time due = person->wish > person->settled ? person->wish : person->settled;
    EXPECT(event->now <= due, "the deadline of %u, %llu, fired at %llu, late", actor->me,
           (unsigned long long)due, (unsigned long long)event->now);
    ledger.ticks++;
    actor->wish = LEAT_NEVER;
    if (actor->ticks > 0) {
        actor->ticks--;
        uint32_t drawn = draw_below(&actor->draw, 3);
        ledger.pasts += drawn == 0;
        actor->wish = drawn == 0   ? event->now - draw_below(&actor->draw, 2) * event->now
                      : drawn == 1 ? event->now + draw_below(&actor->draw, 5000)
                                   : event->now + draw_below(&actor->draw, 3000000);
    }
}

static struct hand *hand_of(struct actor *actor, const struct leat_event *event)
{
    for (uint32_t i = 0; i < HANDS; i++) {
        struct hand *hand = &actor->hands[i];
        if (event->kind == LEAT_EVENT_OPENED
                ? hand->state == HAND_OPENING && hand->id == event->opened.cookie
                : hand->state > HAND_OPENING && leat_sock_equal(hand->sock, event->sock)) {
            return hand;
        }
    }
    return NULL;
}

static void on_socket(struct actor *actor, const struct leat_event *event)
{
    ledger_socket_event(actor->me, event);
    struct hand *hand = hand_of(actor, event);
    if (event->kind == LEAT_EVENT_OPENED) {
        EXPECT(hand != NULL, "%u has opened no socket %llu", actor->me,
               (unsigned long long)event->opened.cookie);
        if (hand != NULL) {
            hand->sock = event->sock;
            hand->state = event->status == 0 ? HAND_OPEN : HAND_FREE;
        }
    } else if (event->kind == LEAT_EVENT_SOCK_CLOSED) {
        EXPECT(hand == NULL || hand->state == HAND_CLOSING, "%u did not close its socket",
               actor->me);
        if (hand != NULL) {
            hand->state = HAND_FREE;
        }
    } else if (event->kind == LEAT_EVENT_DATA) {
        if (actor->outputs > 0 && draw_percent(&actor->draw, 60)) {
            actor->outputs--;
            struct leat_output *out = leat_outbox_put(&actor->out);
            leat_output_reply(out, event, leat_slice_ref(event->data.body));
            out->segment_size = event->segment_size;
            if (draw_percent(&actor->draw, 50)) {
                out->local = NULL;
            }
        } else if (actor->kept.buf == NULL && draw_percent(&actor->draw, 20)) {
            actor->kept = leat_slice_ref(event->data.body); /* a receive buffer fewer */
        }
    }
}

static void actor_on_event(void *state, const struct leat_event *event)
{
    struct actor *actor = state;
    struct person *person = self(actor);
    EXPECT(!person->open, "%u was given input %u with its drain open", actor->me, event->kind);
    EXPECT(!person->leaving && !person->ended, "%u was given input %u after its end", actor->me,
           event->kind);
    EXPECT(event->now >= person->now && event->now <= leat_controller_now(ledger.clock),
           "%u was given time %llu after %llu", actor->me, (unsigned long long)event->now,
           (unsigned long long)person->now);
    person->now = event->now;
    person->open = true;
    person->waiting = 0;
    actor->todo = draw_percent(&actor->draw, 3) ? BURST : draw_below(&actor->draw, 4);
    switch (event->kind) {
    case LEAT_EVENT_MESSAGE:
        on_message(actor, event);
        break;
    case LEAT_EVENT_SPAWNED:
        ledger_spawned(actor->me, event);
        break;
    case LEAT_EVENT_DEADLINE:
        on_tick(actor, event);
        break;
    case LEAT_EVENT_DOWN:
        ledger_down(actor->me, event);
        break;
    case LEAT_EVENT_SHUTDOWN:
        actor->goes = !actor->stays;
        break;
    default:
        on_socket(actor, event);
    }
    if (event->kind != LEAT_EVENT_DEADLINE && actor->ticks > 0 && draw_percent(&actor->draw, 15)) {
        actor->ticks--; /* moves its deadline, to sooner or later */
        actor->wish = event->now + draw_below(&actor->draw, 3000000);
    }
}

static bool actor_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct actor *actor = state;
    struct person *person = self(actor);
    EXPECT(person->open && !person->leaving, "%u was asked for an output", actor->me);
    EXPECT(now >= person->now, "%u was asked for an output in the past", actor->me);
    person->waiting = 0;
    if (leat_outbox_pop(&actor->out, ret)) {
        return true;
    }
    while (actor->todo > 0 && actor->outputs > 0) {
        actor->todo--;
        actor->outputs--;
        if (act(actor, ret)) {
            return true;
        }
    }
    if (actor->goes) {
        return act_leave(actor, ret, true);
    }
    person->open = false;
    person->settled = now;
    return false;
}

static void actor_on_refused(void *state, struct leat_output *output, int status)
{
    struct actor *actor = state;
    struct person *person = self(actor);
    struct letter_body letter;
    EXPECT(status < 0, "%u was refused with %d", actor->me, status);
    person->waiting = 0;
    switch (output->kind) {
    case LEAT_OUTPUT_SEND:
        memcpy(&letter,
               output->len == LEAT_LEN_BODY ? leat_slice_data(output->body) : output->payload,
               sizeof(letter));
        EXPECT(output->type == ~letter.id && output->to.id == letter.to_ref,
               "refused letter %u came back changed", letter.id);
        ledger_refuse(actor->me, &letter, status);
        if (output->len == LEAT_LEN_BODY) {
            leat_buf_unref(output->body.buf);
        }
        break;
    case LEAT_OUTPUT_SPAWN:
        ledger.people[output->cookie].asked = false;
        break;
    case LEAT_OUTPUT_MONITOR:
        EXPECT(status == -EAGAIN && output->cookie != 0 && output->cookie < ledger.watches_len,
               "%u was refused monitor %llu: %d", actor->me, (unsigned long long)output->cookie,
               status);
        ledger.watches[output->cookie % WATCHES_MAX].state = WATCH_REFUSED;
        break;
    case LEAT_OUTPUT_DATA:
    case LEAT_OUTPUT_DATA_MANY:
        leat_buf_unref(output->body.buf);
        break;
    case LEAT_OUTPUT_ROUTE:
        break;
    default:
        ledger_fail("%u was refused output %u: %d", actor->me, output->kind, status);
    }
}

static leat_time actor_deadline(const void *state)
{
    const struct actor *actor = state;
    self(actor)->wish = actor->wish;
    return actor->wish;
}

static void actor_fini(void *state)
{
    struct actor *actor = state;
    struct person *person = self(actor);
    struct leat_output out;
    EXPECT(person->born && !person->ended, "fini of %u for the second time", actor->me);
    person->ended = true;
    if (person->waiting != 0) {
        ledger.letters[person->waiting].cut = true;
    }
    while (leat_outbox_pop(&actor->out, &out)) {
        leat_buf_unref(out.body.buf);
    }
    leat_buf_unref(actor->kept.buf);
}

#define KIND(named, len)                                                                           \
    {                                                                                              \
        .name = named, .state_size = sizeof(struct actor), .mailbox_len_max = (len),               \
        .init = actor_init, .on_event = actor_on_event, .pop_output = actor_pop_output,            \
        .on_refused = actor_on_refused, .deadline = actor_deadline, .fini = actor_fini             \
    }

const struct leat_behavior crowd[CROWD_KINDS] = {
    KIND("default", 0), KIND("one", 1),   KIND("two", 2),
    KIND("three", 3),   KIND("eight", 8), KIND("plenty", 64),
};

uint32_t crowd_seat_size(uint32_t kind)
{
    return kind % 2 == 0 ? SEAT_SHORT : (uint32_t)sizeof(struct seat);
}
