/* The actors of the simulated streams: they listen, connect, write, give, pause, finish, close, reset, are
 * busy with other things and end as drawn, also with connections half done. */
#include "stream_crowd.h"

#include <errno.h>
#include <string.h>

#define BURST 80u /* outputs of a drain that gives way */
#define PLACES_SHARED 1u
#define PLACE_LONELY 4u /* hardly anybody listens there */

struct stream_taste stream_taste;

struct actor {
    struct draw draw;
    uint32_t me;
    uint32_t outputs; /* it may still pop, but for its end */
    uint32_t todo;    /* after this input */
    bool leaving, goes, winds, has_begun;
    uint32_t writing; /* the end that its last output is for; 0: it was another, or is settled */
    uint32_t len;     /* of that */
    bool waits;       /* it may */
    struct {          /* the GIVE popped last, as it was before */
        uint32_t end, to;
        uint64_t cookie;
        bool was_known, was_paused, was_given;
        uint64_t before;
    } gift;
    struct seat child;
};

static struct folk *self(const struct actor *actor)
{
    return &stream_ledger.people[actor->me];
}

uint32_t stream_somebody(struct draw *draw)
{
    if (stream_ledger.people_len == 1) {
        return 0;
    }
    uint32_t whom = 1 + draw_below(draw, stream_ledger.people_len - 1);
    return stream_ledger.people[whom].known ? whom : 0;
}

/* ---- places ---- */

static void place_address(uint32_t place, struct leat_addr *ret)
{
    static const char *const texts[PLACES] = {"127.0.0.1:5000", "[::1]:5001", NULL, NULL,
                                              "127.0.0.1:5004"};
    *ret = (struct leat_addr){0};
    if (texts[place] != NULL) {
        int status = leat_addr_parse(texts[place], ret);
        EXPECT(status == 0, "no address: %s", texts[place]);
    }
}

static const char *place_path(uint32_t place)
{
    return place == 2 ? "/run/simulated.sock" : place == 3 ? "@simulated" : NULL;
}

static uint32_t some_place(struct actor *actor, bool to_connect)
{
    for (uint32_t i = 0; i < 8 && to_connect; i++) { /* mostly where somebody has listened */
        uint32_t place = draw_below(&actor->draw, PLACES);
        if (stream_ledger.listened[place] > 0) {
            return place;
        }
    }
    return draw_percent(&actor->draw, 95) ? draw_below(&actor->draw, PLACE_LONELY) : PLACE_LONELY;
}

/* One of its own that is open, though it need not have heard of it; 0: none. */
static uint32_t own_end(struct actor *actor, bool with_listeners)
{
    uint32_t n = stream_ledger.ends_len;
    uint32_t first = draw_below(&actor->draw, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = (first + i) % n;
        const struct end *end = &stream_ledger.ends[id];
        if (id != 0 && end->owner == actor->me && end->state == END_OPEN &&
            (with_listeners || !end->listens)) {
            return id;
        }
    }
    return 0;
}

/* ---- outputs ---- */

static bool act_write(struct actor *actor, struct leat_output *ret)
{
    uint32_t id = own_end(actor, false);
    if (id == 0 || stream_ledger.ends[id].finish) {
        return false;
    }
    uint32_t max = draw_percent(&actor->draw, stream_taste.large) ? 65536
                   : draw_percent(&actor->draw, 30)               ? 4
                                                                  : 3000;
    uint32_t len = 1 + draw_below(&actor->draw, max);
    leat_slice body = stream_bytes(id, len);
    if (body.buf == NULL) {
        EXPECT(stream_ledger.is_starved, "no memory for %u bytes", len);
        return false;
    }
    leat_output_write(ret, stream_ledger.ends[id].sock, body);
    actor->writing = id;
    actor->len = len;
    actor->waits = draw_percent(&actor->draw, 30);
    if (actor->waits) {
        leat_output_wait(ret);
        stream_ledger.waits++;
    }
    return true;
}

static bool act_listen(struct actor *actor, struct leat_output *ret)
{
    struct leat_addr local;
    uint32_t place = some_place(actor, false);
    uint32_t id = stream_end_new(actor->me, place, true);
    if (id == 0) {
        return false;
    }
    place_address(place, &local);
    leat_output_listen(ret, &local, id);
    ret->path = place_path(place);
    ret->listen.backlog = draw_below(&actor->draw, 4);
    ret->options = place == PLACES_SHARED ? LEAT_STREAM_REUSEPORT : 0;
    stream_ledger.listened[place]++;
    return true;
}

static bool act_connect(struct actor *actor, struct leat_output *ret)
{
    struct leat_addr peer;
    uint32_t place = some_place(actor, true);
    uint32_t id = stream_end_new(actor->me, place, false);
    if (id == 0) {
        return false;
    }
    stream_ledger.ends[id].connects = true;
    place_address(place, &peer);
    leat_time timeout =
        draw_percent(&actor->draw, 30) ? LEAT_MS * draw_below(&actor->draw, 3) : 3 * LEAT_SEC;
    leat_output_connect(ret, &peer, timeout, id);
    ret->path = place_path(place);
    return true;
}

static bool give_to(struct actor *actor, uint32_t id, uint32_t to, struct leat_output *ret)
{
    struct end *end = &stream_ledger.ends[id];
    actor->gift.end = id;
    actor->gift.to = to;
    actor->gift.cookie = draw_bits(&actor->draw);
    actor->gift.was_known = end->is_known;
    actor->gift.was_paused = end->is_paused;
    actor->gift.was_given = end->is_given;
    actor->gift.before = end->cookie;
    leat_output_give(ret, end->sock, stream_ledger.people[to].ref, actor->gift.cookie);
    stream_gave(id, to, actor->gift.cookie);
    return true;
}

static bool act_give(struct actor *actor, struct leat_output *ret)
{
    uint32_t id = own_end(actor, false);
    uint32_t to = draw_percent(&actor->draw, 30) ? actor->me : stream_somebody(&actor->draw);
    for (uint32_t i = 0; i < 8 && to != 0 && stream_ledger.people[to].worker != self(actor)->worker;
         i++) {
        to = stream_somebody(&actor->draw); /* mostly one on this worker */
    }
    return id != 0 && to != 0 && give_to(actor, id, to, ret);
}

static bool act_pause(struct actor *actor, struct leat_output *ret, bool resumes)
{
    uint32_t id = own_end(actor, true);
    for (uint32_t i = 0; resumes && i < stream_ledger.ends_len; i++) {
        const struct end *end = &stream_ledger.ends[i];
        id = end->owner == actor->me && end->state == END_OPEN && end->is_paused ? i : id;
    }
    if (id == 0) {
        return false;
    }
    stream_ledger.ends[id].is_paused = !resumes;
    if (resumes) {
        leat_output_resume(ret, stream_ledger.ends[id].sock);
    } else {
        leat_output_pause(ret, stream_ledger.ends[id].sock);
    }
    return true;
}

static bool finish(struct actor *actor, uint32_t id, struct leat_output *ret)
{
    leat_output_finish(ret, stream_ledger.ends[id].sock);
    stream_ledger.ends[id].finish = true;
    actor->writing = id;
    actor->len = 0;
    return true;
}

static bool act_finish(struct actor *actor, struct leat_output *ret)
{
    uint32_t id = own_end(actor, false);
    return id != 0 && finish(actor, id, ret);
}

static bool act_close(struct actor *actor, struct leat_output *ret)
{
    uint32_t id = own_end(actor, true);
    if (id == 0) {
        return false;
    }
    bool is_reset = draw_percent(&actor->draw, 30);
    leat_output_close(ret, stream_ledger.ends[id].sock);
    ret->options = is_reset ? LEAT_STREAM_RESET : 0;
    stream_closes(id, is_reset);
    return true;
}

static bool act_send(struct actor *actor, struct leat_output *ret)
{
    uint32_t whom = draw_percent(&actor->draw, 40) ? actor->me : stream_somebody(&actor->draw);
    if (whom == 0) {
        return false;
    }
    leat_output_send(ret, stream_ledger.people[whom].ref, 0, NULL, 0);
    stream_ledger.sends++;
    return true;
}

static bool act_spawn(struct actor *actor, struct leat_output *ret)
{
    uint32_t child = stream_person();
    if (child == NOBODY) {
        return false;
    }
    actor->child = (struct seat){
        .index = child, .outputs = actor->outputs / 2, .seed = draw_bits(&actor->draw)};
    actor->outputs -= actor->outputs / 2;
    leat_output_spawn(ret, &stream_crowd[draw_below(&actor->draw, STREAM_KINDS)], &actor->child,
                      SEAT_SHORT, child);
    ret->spawn.worker = draw_percent(&actor->draw, 20) ? LEAT_WORKER_BEST : LEAT_WORKER_SAME;
    return true;
}

static bool act_end(struct actor *actor, struct leat_output *ret)
{
    uint32_t whom = draw_percent(&actor->draw, 70) ? actor->me : stream_somebody(&actor->draw);
    if (whom == 0) {
        return false;
    }
    stream_ledger.people[whom].killed = true;
    actor->leaving = whom == actor->me;
    if (actor->leaving && draw_percent(&actor->draw, 50)) {
        leat_output_fail(ret, -EPROTO);
    } else {
        leat_output_stop_other(ret, stream_ledger.people[whom].ref);
    }
    return true;
}

static bool act(struct actor *actor, struct leat_output *ret)
{
    const struct stream_taste *taste = &stream_taste;
    if (!actor->has_begun) { /* there is to be somebody to connect to */
        actor->has_begun = true;
        return act_listen(actor, ret);
    }
    if (draw_below(&actor->draw, 1000) < taste->ends) {
        return act_end(actor, ret);
    }
    uint32_t drawn = draw_below(&actor->draw, 100);
    uint32_t upto = taste->write;
    if (drawn < upto) {
        return act_write(actor, ret);
    }
    if (drawn < (upto += taste->connect)) {
        return act_connect(actor, ret);
    }
    if (drawn < (upto += taste->listen)) {
        return act_listen(actor, ret);
    }
    if (drawn < (upto += taste->pause)) {
        return act_pause(actor, ret, false);
    }
    if (drawn < (upto += taste->resume)) {
        return act_pause(actor, ret, true);
    }
    if (drawn < (upto += taste->finish)) {
        return act_finish(actor, ret);
    }
    if (drawn < (upto += taste->close)) {
        return act_close(actor, ret);
    }
    if (drawn < (upto += taste->give)) {
        return act_give(actor, ret);
    }
    if (drawn < upto + taste->spawn) {
        return act_spawn(actor, ret);
    }
    return act_send(actor, ret);
}

/* What is left to do so that every connection ends well. */
static bool wind(struct actor *actor, struct leat_output *ret)
{
    for (uint32_t id = 1; id < stream_ledger.ends_len; id++) {
        struct end *end = &stream_ledger.ends[id];
        if (end->owner != actor->me || end->state != END_OPEN) {
            continue;
        }
        if (end->listens) {
            leat_output_close(ret, end->sock);
            stream_closes(id, false);
            return true;
        }
        if (end->is_paused) {
            end->is_paused = false;
            leat_output_resume(ret, end->sock);
            return true;
        }
        if (!end->is_given) {
            return give_to(actor, id, actor->me, ret);
        }
        if (!end->finish && !end->no_finish) {
            return finish(actor, id, ret);
        }
    }
    return false;
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
    stream_person_known(seat.index, leat_self(actor));
    actor->todo = 1 + draw_below(&actor->draw, 6);
    actor->has_begun = draw_percent(&actor->draw, 60);
    self(actor)->born = true;
    self(actor)->open = true;
    return 0;
}

static void actor_on_event(void *state, const struct leat_event *event)
{
    struct actor *actor = state;
    struct folk *folk = self(actor);
    EXPECT(!folk->open, "%u was given input %u with its drain open", actor->me, event->kind);
    EXPECT(!actor->leaving && !folk->ended, "%u was given input %u after its end", actor->me,
           event->kind);
    folk->open = true;
    actor->writing = 0;
    actor->todo = draw_percent(&actor->draw, 3) ? BURST : 1 + draw_below(&actor->draw, 4);
    bool is_new = event->kind == LEAT_EVENT_ACCEPTED;
    if (stream_event(actor->me, event)) {
        actor->gift.end = 0;
        if (is_new &&
            draw_percent(&actor->draw, stream_taste.takes)) { /* the next output is GIVE */
            actor->gift.end = stream_ledger.ends_len - 1;
            actor->gift.to = actor->me;
        }
    } else if (event->kind == LEAT_EVENT_MESSAGE) {
        stream_ledger.letters++;
        actor->winds = actor->winds || event->type == STREAM_WIND;
    } else if (event->kind == LEAT_EVENT_SHUTDOWN) {
        actor->goes = draw_percent(&actor->draw, 80);
    } else {
        EXPECT(event->kind == LEAT_EVENT_SPAWNED, "%u was given event %u", actor->me, event->kind);
    }
}

static bool actor_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    struct actor *actor = state;
    (void)now;
    EXPECT(self(actor)->open && !actor->leaving, "%u was asked for an output", actor->me);
    actor->writing = 0;
    if (actor->gift.end != 0 && actor->gift.cookie == 0) {
        return give_to(actor, actor->gift.end, actor->gift.to, ret);
    }
    actor->gift.end = 0;
    actor->gift.cookie = 0;
    if (actor->winds && !actor->goes && wind(actor, ret)) {
        return true;
    }
    while (!actor->winds && actor->todo > 0 && actor->outputs > 0) {
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

static void give_refused(struct actor *actor, int status)
{
    const struct folk *to = &stream_ledger.people[actor->gift.to];
    struct end *end = &stream_ledger.ends[actor->gift.end];
    bool may = (status == -ESRCH &&
                (to->ended || to->killed || !to->born || to->worker != self(actor)->worker)) ||
               (status == -ENOMEM && stream_ledger.is_starved);
    EXPECT(may, "%u could not give %u to %u: %d", actor->me, actor->gift.end, actor->gift.to,
           status);
    end->owner = actor->me;
    end->cookie = actor->gift.before;
    end->is_known = actor->gift.was_known;
    end->is_paused = actor->gift.was_paused;
    end->is_given = actor->gift.was_given;
}

static void actor_on_refused(void *state, struct leat_output *output, int status)
{
    struct actor *actor = state;
    bool starves = status == -ENOMEM && stream_ledger.is_starved;
    switch (output->kind) {
    case LEAT_OUTPUT_SEND:
        EXPECT(status == -EAGAIN || starves, "a message of %u was refused: %d", actor->me, status);
        break;
    case LEAT_OUTPUT_DATA:
        stream_write_back(actor->writing, actor->me, actor->len, actor->waits, status);
        actor->writing = 0;
        break;
    case LEAT_OUTPUT_FINISH: /* the runtime knows that it is over, and SOCK_CLOSED is on its way */
        EXPECT(status == -EBADF, "%u could not finish %u: %d", actor->me, actor->writing, status);
        stream_ledger.ends[actor->writing].no_finish = true;
        break;
    case LEAT_OUTPUT_GIVE:
        give_refused(actor, status);
        break;
    case LEAT_OUTPUT_LISTEN:
    case LEAT_OUTPUT_CONNECT:
        EXPECT(starves, "%u could not open %u: %d", actor->me, (uint32_t)output->cookie, status);
        stream_ledger.ends[output->cookie].state = END_OVER;
        break;
    default:
        EXPECT(starves, "%u was refused output %u: %d", actor->me, output->kind, status);
    }
    leat_output_release(output);
}

static void actor_fini(void *state)
{
    struct actor *actor = state;
    EXPECT(self(actor)->born && !self(actor)->ended, "fini of %u for the second time", actor->me);
    if (actor->writing != 0 && actor->waits) {
        stream_ledger.ends[actor->writing].unsure = actor->len;
    }
    stream_person_ended(actor->me);
}

#define KIND(named, length)                                                                        \
    {                                                                                              \
        .name = named, .state_size = sizeof(struct actor), .mailbox_len_max = (length),            \
        .init = actor_init, .on_event = actor_on_event, .pop_output = actor_pop_output,            \
        .on_refused = actor_on_refused, .fini = actor_fini                                         \
    }

const struct leat_behavior stream_crowd[STREAM_KINDS] = {
    KIND("one", 1),
    KIND("three", 3),
    KIND("ten", 10),
    KIND("plenty", 1000),
};
