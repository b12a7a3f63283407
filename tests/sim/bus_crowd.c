/* The actors of the simulated bus: they subscribe, unsubscribe, publish, broadcast, open and close
 * channels, send, spawn and end as drawn, also in the middle of a walk. */
#include "bus_crowd.h"

#include <errno.h>
#include <string.h>

#define BURST 80u /* outputs of a drain that gives way */

struct bus_taste bus_taste;

struct actor {
    struct draw draw;
    uint32_t me;
    uint32_t outputs; /* it may still pop, but for its end */
    uint32_t todo;    /* after this input */
    bool leaving, goes;
    leat_slice kept;
    struct seat child;
};

bool bus_is_roomy(uint32_t kind)
{
    return kind >= 3;
}

uint32_t bus_somebody(struct draw *draw)
{
    uint32_t whom = 1 + draw_below(draw, bus_ledger.people_len - 1);
    return bus_ledger.people[whom].known ? whom : 0;
}

uint32_t bus_some_room(struct draw *draw)
{
    if (draw_percent(draw, 90)) {
        return bus_ledger.named[draw_below(draw, bus_taste.rooms)];
    }
    return bus_ledger.rooms_len > 1 ? 1 + draw_below(draw, bus_ledger.rooms_len - 1) : 0;
}

/* ---- bodies ---- */

static leat_slice bytes_of(const struct pub_body *body, uint32_t len)
{
    uint32_t front = body != NULL ? (uint32_t)sizeof(*body) : 0;
    leat_slice slice = {0};
    int status = leat_buf_alloc(front + len, &slice);
    EXPECT(status == 0, "no body: %d", status);
    if (body != NULL) {
        memcpy(leat_slice_data(slice), body, front);
    }
    datagram_fill(leat_slice_data(slice) + front, len, len);
    return slice;
}

static uint32_t some_len(struct draw *draw)
{
    return draw_percent(draw, 20) ? 3000 : DATAGRAM_MIN + draw_below(draw, 200);
}

leat_slice bus_body(const struct pub_body *body, struct draw *draw)
{
    struct pub *pub = &bus_ledger.pubs[body->id];
    leat_slice slice = bytes_of(body, some_len(draw));
    pub->kind = PUB_BODY;
    if (draw_percent(draw, 35)) {
        leat_slice batch;
        uint32_t len = 1 + draw_below(draw, 4);
        int status = leat_batch_alloc(len, &batch);
        EXPECT(status == 0, "no batch: %d", status);
        leat_batch_add(&batch, slice);
        for (uint32_t i = 1; i < len; i++) {
            leat_batch_add(&batch, bytes_of(NULL, some_len(draw)));
        }
        pub->kind = PUB_BATCH;
        slice = batch;
    }
    pub->at = leat_slice_data(slice);
    pub->len = slice.len;
    return slice;
}

/* ---- outputs ---- */

static struct listener *self(const struct actor *actor)
{
    return &bus_ledger.people[actor->me];
}

static bool act_request(struct actor *actor, struct leat_output *ret)
{
    uint32_t room = bus_some_room(&actor->draw);
    bool meddles = draw_percent(&actor->draw, bus_taste.meddles);
    uint32_t whom = meddles ? bus_somebody(&actor->draw) : actor->me;
    bool is_subscribe = draw_percent(&actor->draw, 60);
    uint32_t id = room != 0 && whom != 0 ? bus_ask(actor->me, whom, room, is_subscribe) : 0;
    if (id == 0) {
        return false;
    }
    leat_channel channel = bus_ledger.rooms[room].id;
    if (is_subscribe) {
        leat_output_subscribe(ret, channel, id);
    } else {
        leat_output_unsubscribe(ret, channel, id);
    }
    if (whom != actor->me || draw_percent(&actor->draw, 30)) {
        ret->subscriber = bus_ledger.people[whom].ref;
    }
    return true;
}

static bool act_publish(struct actor *actor, struct leat_output *ret)
{
    struct pub_body body;
    uint32_t room = bus_some_room(&actor->draw);
    bool is_safe = draw_percent(&actor->draw, bus_taste.safe);
    uint32_t id = room != 0 ? bus_publish_new(actor->me, room, is_safe, &body) : 0;
    if (id == 0) {
        return false;
    }
    leat_channel channel = bus_ledger.rooms[room].id;
    if (draw_percent(&actor->draw, 40)) {
        leat_output_publish_body(ret, channel, ~id, bus_body(&body, &actor->draw));
    } else {
        leat_output_publish(ret, channel, ~id, &body, sizeof(body));
    }
    ret->flags = is_safe ? LEAT_PUBLISH_SAFE : 0;
    ret->cookie = id;
    return true;
}

static bool act_broadcast(struct actor *actor, struct leat_output *ret)
{
    struct pub_body body;
    int worker = (int)draw_below(&actor->draw, 3) - 1;
    worker = self(actor)->worker == WORKER_UNKNOWN && worker < 0 ? 0 : worker;
    uint32_t kind =
        draw_percent(&actor->draw, 50) ? draw_below(&actor->draw, BUS_KINDS) : (uint32_t)ANY;
    uint32_t where = worker > 0 ? ANY : worker == 0 ? 0 : self(actor)->worker;
    uint32_t id = bus_broadcast_new(actor->me, where, kind, &body);
    if (id == 0) {
        return false;
    }
    leat_output_broadcast(ret,
                          worker > 0    ? LEAT_WORKER_ALL
                          : worker == 0 ? 0
                                        : LEAT_WORKER_SAME,
                          kind != ANY ? &bus_crowd[kind] : NULL, ~id, &body, sizeof(body));
    if (draw_percent(&actor->draw, 30)) {
        ret->len = LEAT_LEN_BODY;
        ret->body = bus_body(&body, &actor->draw);
    }
    return true;
}

static bool act_send(struct actor *actor, struct leat_output *ret)
{
    uint32_t whom = bus_somebody(&actor->draw);
    if (whom == 0) {
        return false;
    }
    leat_output_send(ret, bus_ledger.people[whom].ref, 0, NULL, 0);
    bus_ledger.sends++;
    return true;
}

static bool act_spawn(struct actor *actor, struct leat_output *ret)
{
    uint32_t child = bus_person();
    if (child == NOBODY) {
        return false;
    }
    uint32_t kind = draw_below(&actor->draw, BUS_KINDS);
    bus_ledger.people[child].kind = (uint8_t)kind;
    bus_ledger.people[child].is_roomy = bus_is_roomy(kind);
    actor->child = (struct seat){
        .index = child, .outputs = actor->outputs / 2, .seed = draw_bits(&actor->draw)};
    actor->outputs -= actor->outputs / 2;
    leat_output_spawn(ret, &bus_crowd[kind], &actor->child, SEAT_SHORT, child);
    ret->spawn.worker = draw_percent(&actor->draw, 50) ? LEAT_WORKER_BEST : LEAT_WORKER_SAME;
    return true;
}

static bool act_end(struct actor *actor, struct leat_output *ret)
{
    uint32_t whom = draw_percent(&actor->draw, 50) ? bus_somebody(&actor->draw) : actor->me;
    if (whom == 0 || bus_ledger.people[whom].is_desk) {
        return false;
    }
    bus_ledger.people[whom].killed = true;
    actor->leaving = whom == actor->me;
    if (actor->leaving && draw_percent(&actor->draw, 50)) {
        leat_output_fail(ret, -EPROTO);
    } else {
        leat_output_stop_other(ret, bus_ledger.people[whom].ref);
    }
    return true;
}

/* No output: it is the program's own doing, from wherever it likes. */
static bool act_open_or_close(struct actor *actor)
{
    uint32_t name = draw_below(&actor->draw, bus_taste.rooms);
    if (bus_ledger.named[name] != 0 && draw_percent(&actor->draw, 60)) {
        bus_room_close(bus_ledger.named[name]);
    } else {
        bus_room_open(name);
    }
    return false;
}

static bool act(struct actor *actor, struct leat_output *ret)
{
    if (draw_below(&actor->draw, 1000) < bus_taste.ends) {
        return act_end(actor, ret);
    }
    if (draw_below(&actor->draw, 1000) < 8) {
        return act_open_or_close(actor);
    }
    uint32_t drawn = draw_below(&actor->draw, 100);
    uint32_t upto = bus_taste.publish;
    if (drawn < upto) {
        return act_publish(actor, ret);
    }
    if (drawn < (upto += bus_taste.subscribe)) {
        return act_request(actor, ret);
    }
    if (drawn < (upto += bus_taste.broadcast)) {
        return act_broadcast(actor, ret);
    }
    if (drawn < upto + bus_taste.children) {
        return act_spawn(actor, ret);
    }
    return act_send(actor, ret);
}

/* ---- the behaviour ---- */

static int actor_init(void *state, const void *arg, leat_time now)
{
    struct actor *actor = state;
    struct seat seat = {0};
    (void)now;
    memcpy(&seat, arg, SEAT_SHORT);
    actor->me = seat.index;
    actor->outputs = seat.outputs;
    actor->draw.state = seat.seed;
    struct listener *person = self(actor);
    EXPECT(!person->born && !person->ended, "init of %u for the second time", seat.index);
    bus_person_known(seat.index, leat_self(actor));
    if (draw_percent(&actor->draw, 3)) {
        bus_person_ended(seat.index);
        return -EACCES;
    }
    actor->todo = 1 + draw_below(&actor->draw, 6);
    person->born = true;
    person->open = true;
    return 0;
}

static void actor_on_event(void *state, const struct leat_event *event)
{
    struct actor *actor = state;
    struct listener *person = self(actor);
    EXPECT(!person->open, "%u was given input %u with its drain open", actor->me, event->kind);
    EXPECT(!actor->leaving && !person->ended, "%u was given input %u after its end", actor->me,
           event->kind);
    person->open = true;
    actor->todo = draw_percent(&actor->draw, 3) ? BURST : draw_below(&actor->draw, 3);
    switch (event->kind) {
    case LEAT_EVENT_MESSAGE:
        if (event->type == 0) {
            bus_ledger.letters++;
            break;
        }
        bus_given(actor->me, event);
        break;
    case LEAT_EVENT_PUBLISHED:
        bus_given(actor->me, event);
        break;
    case LEAT_EVENT_SUBSCRIBED:
    case LEAT_EVENT_UNSUBSCRIBED:
        bus_answer(actor->me, event);
        break;
    case LEAT_EVENT_REFUSED:
        bus_told(actor->me, event);
        break;
    case LEAT_EVENT_SHUTDOWN:
        actor->goes = draw_percent(&actor->draw, 80);
        break;
    default:
        EXPECT(event->kind == LEAT_EVENT_SPAWNED, "%u was given event %u", actor->me, event->kind);
    }
    bool has_body = event->len == LEAT_LEN_BODY &&
                    (event->kind == LEAT_EVENT_MESSAGE || event->kind == LEAT_EVENT_PUBLISHED);
    if (has_body && actor->kept.buf == NULL && draw_percent(&actor->draw, 20)) {
        actor->kept = leat_slice_ref(event->body);
    } else if (actor->kept.buf != NULL && draw_percent(&actor->draw, 50)) {
        leat_buf_unref(actor->kept.buf);
        actor->kept.buf = NULL;
    }
}

static bool actor_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct actor *actor = state;
    (void)now;
    EXPECT(self(actor)->open && !actor->leaving, "%u was asked for an output", actor->me);
    while (actor->todo > 0 && actor->outputs > 0) {
        actor->todo--;
        actor->outputs--;
        if (act(actor, ret)) {
            return true;
        }
    }
    if (actor->goes) {
        actor->leaving = true;
        leat_output_stop(ret);
        return true;
    }
    self(actor)->open = false;
    return false;
}

static void actor_on_refused(void *state, struct leat_output *output, int status)
{
    struct actor *actor = state;
    switch (output->kind) {
    case LEAT_OUTPUT_SEND:
        EXPECT(status == -EAGAIN, "a message of %u was refused: %d", actor->me, status);
        break;
    case LEAT_OUTPUT_PUBLISH:
        bus_publish_back(actor->me, output, status);
        break;
    case LEAT_OUTPUT_SUBSCRIBE:
    case LEAT_OUTPUT_UNSUBSCRIBE:
        bus_ask_refused(actor->me, output->cookie, status);
        break;
    default:
        ledger_fail("%u was refused output %u: %d", actor->me, output->kind, status);
    }
    leat_output_release(output);
}

static void actor_fini(void *state)
{
    struct actor *actor = state;
    EXPECT(self(actor)->born && !self(actor)->ended, "fini of %u for the second time", actor->me);
    bus_person_ended(actor->me);
    leat_buf_unref(actor->kept.buf);
}

#define KIND(named, len)                                                                           \
    {                                                                                              \
        .name = named, .state_size = sizeof(struct actor), .mailbox_len_max = (len),               \
        .init = actor_init, .on_event = actor_on_event, .pop_output = actor_pop_output,            \
        .on_refused = actor_on_refused, .fini = actor_fini                                         \
    }

const struct leat_behavior bus_crowd[BUS_KINDS] = {
    KIND("one", 1), KIND("two", 2), KIND("six", 6), KIND("plenty", 1000000), KIND("more", 1000000),
};
