/* The oracles of the bus. Each function is told of one thing that happened and says what cannot be. */
#include "bus_ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct bus_ledger bus_ledger;

void bus_ledger_open(uint64_t seed)
{
    ledger_open(seed);
    memset(&bus_ledger, 0, sizeof(bus_ledger));
    bus_ledger.people_len = 1;
    bus_ledger.rooms_len = 1;
    bus_ledger.requests_len = 1;
    bus_ledger.pubs_len = 1;
}

/* ---- people ---- */

uint32_t bus_person(void)
{
    if (bus_ledger.people_len == BUS_PEOPLE_MAX) {
        return NOBODY;
    }
    bus_ledger.people[bus_ledger.people_len].worker = WORKER_UNKNOWN;
    return bus_ledger.people_len++;
}

static uint32_t person_of(leat_ref ref)
{
    uint32_t guess = bus_ledger.at_slot[(uint32_t)ref.id % BUS_SLOTS];
    if (guess != 0 && leat_ref_equal(bus_ledger.people[guess].ref, ref)) {
        return guess;
    }
    for (uint32_t i = 1; i < bus_ledger.people_len; i++) {
        if (bus_ledger.people[i].known && leat_ref_equal(bus_ledger.people[i].ref, ref)) {
            return i;
        }
    }
    return 0;
}

void bus_person_known(uint32_t index, leat_ref ref)
{
    struct listener *person = &bus_ledger.people[index];
    EXPECT(!person->known || leat_ref_equal(person->ref, ref), "%u is not who it was to be", index);
    person->ref = ref;
    person->known = true;
    bus_ledger.at_slot[(uint32_t)ref.id % BUS_SLOTS] = (uint16_t)index;
}

/* ---- who is in ---- */

/* Who was IN is so no more: what was published meanwhile may arrive, and need not. */
static void falter(uint32_t channel, uint32_t who)
{
    struct pair *pair = &bus_ledger.pairs[channel][who];
    if (pair->state != PAIR_IN) {
        return;
    }
    pair->state = PAIR_UNSURE;
    for (uint32_t id = pair->since; id < bus_ledger.pubs_len; id++) {
        if (bus_ledger.pubs[id].channel == channel && bus_ledger.copies[id][who] == COPY_REQUIRED) {
            bus_ledger.copies[id][who] = COPY_NONE;
        }
    }
}

void bus_person_ended(uint32_t index)
{
    bus_ledger.people[index].ended = true;
    for (uint32_t channel = 1; channel < bus_ledger.rooms_len; channel++) {
        falter(channel, index);
        bus_ledger.pairs[channel][index].state = PAIR_OUT;
        bus_ledger.pairs[channel][index].is_strict = true;
    }
    for (uint32_t id = 1; id < bus_ledger.pubs_len; id++) {
        if (bus_ledger.copies[id][index] == COPY_REQUIRED) {
            bus_ledger.copies[id][index] = COPY_NONE;
        }
    }
}

uint32_t bus_room_open(uint32_t name)
{
    uint32_t at = bus_ledger.named[name];
    if (at == 0 && bus_ledger.rooms_len == BUS_CHANNELS_MAX) {
        return 0;
    }
    char text[16];
    snprintf(text, sizeof(text), "sim/%u", name);
    leat_channel id = LEAT_CHANNEL_NONE;
    int status = leat_channel_open(text, &id);
    EXPECT(status == 0, "cannot open %s: %d", text, status);
    if (at == 0) {
        at = bus_ledger.rooms_len++;
        bus_ledger.rooms[at] = (struct room){.id = id, .name = name};
        bus_ledger.named[name] = at;
    }
    EXPECT(leat_channel_equal(bus_ledger.rooms[at].id, id), "%s has two ids", text);
    bus_ledger.rooms[at].uses++;
    return at;
}

void bus_room_close(uint32_t at)
{
    struct room *room = &bus_ledger.rooms[at];
    leat_channel_close(room->id);
    if (room->uses > 0 && --room->uses == 0) {
        room->is_closed = true;
        bus_ledger.named[room->name] = 0;
        for (uint32_t who = 1; who < bus_ledger.people_len; who++) {
            falter(at, who);
        }
    }
}

/* ---- requests ---- */

/* Whether somebody else has asked for the opposite and was not answered yet. */
static bool crosses(uint32_t requester, uint32_t subscriber, uint32_t channel, bool is_subscribe)
{
    const struct pair *pair = &bus_ledger.pairs[channel][subscriber];
    uint32_t left = is_subscribe ? pair->unsubs : pair->subs;
    for (uint32_t id = bus_ledger.requests_len; left > 0 && id-- > 1;) {
        const struct request *other = &bus_ledger.requests[id];
        if (other->subscriber == subscriber && other->channel == channel && !other->is_answered &&
            other->is_subscribe != is_subscribe) {
            if (other->requester != requester) {
                return true;
            }
            left--;
        }
    }
    return false;
}

uint32_t bus_ask(uint32_t requester, uint32_t subscriber, uint32_t channel, bool is_subscribe)
{
    if (bus_ledger.requests_len == BUS_REQUESTS_MAX) {
        return 0;
    }
    uint32_t id = bus_ledger.requests_len++;
    struct pair *pair = &bus_ledger.pairs[channel][subscriber];
    pair->changes++;
    bus_ledger.requests[id] =
        (struct request){.requester = requester,
                         .subscriber = subscriber,
                         .channel = channel,
                         .is_subscribe = is_subscribe,
                         .was_closed = bus_ledger.rooms[channel].is_closed,
                         .changes = pair->changes,
                         .before = (uint8_t)pair->state,
                         .was_alone = pair->subs + pair->unsubs == 0,
                         .crosses = crosses(requester, subscriber, channel, is_subscribe)};
    if (is_subscribe) {
        pair->subs++;
        pair->last_sub = id;
        if (pair->state == PAIR_OUT) {
            pair->state = PAIR_UNSURE;
        }
    } else {
        pair->unsubs++;
        pair->last_unsub = id;
        falter(channel, subscriber);
    }
    return id;
}

static struct request *request_ends(uint32_t me, uint64_t cookie)
{
    if (cookie == 0 || cookie >= bus_ledger.requests_len) {
        ledger_fail("%u was given an answer with cookie %llu", me, (unsigned long long)cookie);
        return NULL;
    }
    struct request *request = &bus_ledger.requests[cookie];
    EXPECT(request->requester == me, "request %u of %u was answered to %u", (uint32_t)cookie,
           request->requester, me);
    EXPECT(!request->is_answered, "request %u of %u was answered twice", (uint32_t)cookie, me);
    if (request->is_answered) {
        return NULL;
    }
    request->is_answered = true;
    struct pair *pair = &bus_ledger.pairs[request->channel][request->subscriber];
    if (request->is_subscribe) {
        pair->subs--;
    } else {
        pair->unsubs--;
    }
    return request;
}

void bus_ask_refused(uint32_t me, uint64_t cookie, int status)
{
    const struct request *request = request_ends(me, cookie);
    if (request != NULL) {
        const struct listener *person = &bus_ledger.people[request->subscriber];
        EXPECT(status == -ESRCH && (person->ended || person->killed),
               "request %u of %u about %u was refused: %d", (uint32_t)cookie, me,
               request->subscriber, status);
    }
}

static void check_subscribed(uint32_t id, const struct request *request, int status)
{
    const struct pair *pair = &bus_ledger.pairs[request->channel][request->subscriber];
    const struct room *room = &bus_ledger.rooms[request->channel];
    const struct listener *person = &bus_ledger.people[request->subscriber];
    EXPECT(status == 0 || (status == -EBADF && room->is_closed) ||
               (status == -ESRCH && (person->ended || person->killed)) ||
               (status == -ECANCELED && pair->last_unsub != 0),
           "subscribe %u of %u to room %u: %d", id, request->subscriber, request->channel, status);
    EXPECT(!request->was_closed || status != 0, "%u has subscribed to room %u, which is closed",
           request->subscriber, request->channel);
    bus_ledger.cancelled += status == -ECANCELED;
}

static void check_unsubscribed(uint32_t id, const struct request *request, int status)
{
    const struct pair *pair = &bus_ledger.pairs[request->channel][request->subscriber];
    bool is_sure = request->was_alone && pair->changes == request->changes &&
                   !bus_ledger.rooms[request->channel].is_closed &&
                   !bus_ledger.people[request->subscriber].ended;
    EXPECT(status == 0 || status == -ENOENT, "unsubscribe %u: %d", id, status);
    EXPECT(!is_sure || request->before != PAIR_IN || status == 0,
           "%u was subscribed to room %u, and unsubscribe %u says %d", request->subscriber,
           request->channel, id, status);
    EXPECT(!is_sure || request->before != PAIR_OUT || status == -ENOENT,
           "%u was not subscribed to room %u, and unsubscribe %u says %d", request->subscriber,
           request->channel, id, status);
}

void bus_answer(uint32_t me, const struct leat_event *event)
{
    uint64_t id = event->bus.cookie;
    const struct request *request = request_ends(me, id);
    if (request == NULL) {
        return;
    }
    struct room *room = &bus_ledger.rooms[request->channel];
    struct pair *pair = &bus_ledger.pairs[request->channel][request->subscriber];
    const struct listener *person = &bus_ledger.people[request->subscriber];
    bus_ledger.answers++;
    EXPECT(event->kind == (request->is_subscribe ? LEAT_EVENT_SUBSCRIBED : LEAT_EVENT_UNSUBSCRIBED),
           "request %u was answered by event %u", (uint32_t)id, event->kind);
    EXPECT(leat_channel_equal(event->channel, room->id) &&
               leat_ref_equal(event->bus.subscriber, person->ref),
           "the answer to request %u is about another", (uint32_t)id);
    if (event->kind == LEAT_EVENT_SUBSCRIBED) {
        check_subscribed((uint32_t)id, request, event->status);
        if (event->status == 0 && pair->unsubs == 0 && id > pair->last_unsub && !request->crosses &&
            pair->state != PAIR_IN && !room->is_closed && !person->ended) {
            pair->state = PAIR_IN;
            pair->since = bus_ledger.pubs_len;
            room->was_confirmed = true;
            bus_ledger.subscribed++;
        }
        return;
    }
    check_unsubscribed((uint32_t)id, request, event->status);
    if (pair->subs == 0 && id > pair->last_sub && !request->crosses && pair->state != PAIR_OUT) {
        pair->state = PAIR_OUT;
        pair->is_strict = me == request->subscriber;
        pair->since = bus_ledger.pubs_len;
        bus_ledger.unsubscribed++;
    }
}

/* ---- messages ---- */

static uint32_t pub_new(uint32_t from, uint32_t channel, struct pub_body *ret)
{
    if (bus_ledger.pubs_len == BUS_PUBS_MAX) {
        return 0;
    }
    uint32_t id = bus_ledger.pubs_len++;
    uint16_t *newest = &bus_ledger.newest[channel][from];
    bus_ledger.pubs[id] = (struct pub){.from = from, .channel = channel, .previous = *newest};
    *newest = (uint16_t)id;
    *ret = (struct pub_body){.id = id, .from = from, .sequence = id};
    return id;
}

uint32_t bus_publish_new(uint32_t from, uint32_t channel, bool is_safe, struct pub_body *ret)
{
    uint32_t id = pub_new(from, channel, ret);
    if (id == 0) {
        return 0;
    }
    struct room *room = &bus_ledger.rooms[channel];
    bus_ledger.pubs[id].is_safe = is_safe;
    bus_ledger.pubs[id].was_closed = room->is_closed;
    bus_ledger.published++;
    room->pubs++;
    room->known += room->was_confirmed;
    for (uint32_t who = 1; who < bus_ledger.people_len && !room->is_closed; who++) {
        if (bus_ledger.pairs[channel][who].state == PAIR_IN) {
            bus_ledger.copies[id][who] = COPY_REQUIRED;
        }
    }
    return id;
}

uint32_t bus_broadcast_new(uint32_t from, uint32_t worker, uint32_t kind, struct pub_body *ret)
{
    uint32_t id = pub_new(from, 0, ret);
    if (id == 0) {
        return 0;
    }
    bus_ledger.pubs[id].worker = worker;
    bus_ledger.pubs[id].behavior = kind;
    for (uint32_t who = 1; who < bus_ledger.people_len; who++) {
        const struct listener *person = &bus_ledger.people[who];
        if (person->born && !person->ended && person->is_roomy && !person->is_desk &&
            (worker == ANY || worker == person->worker) && (kind == ANY || kind == person->kind)) {
            bus_ledger.copies[id][who] = COPY_REQUIRED;
        }
    }
    return id;
}

void bus_publish_back(uint32_t me, const struct leat_output *output, int status)
{
    uint64_t id = output->cookie;
    if (id == 0 || id >= bus_ledger.pubs_len) {
        ledger_fail("%u was handed back message %llu", me, (unsigned long long)id);
        return;
    }
    struct pub *pub = &bus_ledger.pubs[id];
    EXPECT(pub->from == me && pub->is_safe && status == -EAGAIN,
           "message %u of %u was handed back to %u: %d", (uint32_t)id, pub->from, me, status);
    EXPECT(!pub->handed_back && pub->given == 0, "message %u was handed back after it was given",
           (uint32_t)id);
    EXPECT(output->flags == LEAT_PUBLISH_SAFE && output->type == ~(uint32_t)id &&
               leat_channel_equal(output->channel, bus_ledger.rooms[pub->channel].id),
           "message %u came back changed", (uint32_t)id);
    pub->handed_back = true;
    bus_ledger.handed_back++;
    bus_ledger.published--;
    bus_ledger.rooms[pub->channel].pubs--;
    bus_ledger.rooms[pub->channel].known -= bus_ledger.rooms[pub->channel].was_confirmed;
    memset(bus_ledger.copies[id], COPY_NONE, sizeof(bus_ledger.copies[id]));
}

/* Its publisher's earlier messages on the channel have come, or may have been refused. */
static void check_gap(uint32_t me, uint32_t id)
{
    for (uint32_t at = bus_ledger.pubs[id].previous; at != 0; at = bus_ledger.pubs[at].previous) {
        if (bus_ledger.copies[at][me] == COPY_GIVEN) {
            return; /* what came before it was looked at then */
        }
        EXPECT(bus_ledger.copies[at][me] != COPY_REQUIRED,
               "%u was given message %u of %u before message %u, or that is lost", me, id,
               bus_ledger.pubs[id].from, at);
    }
}

static void check_bytes(uint32_t me, uint32_t id, const struct leat_event *event)
{
    const struct pub *pub = &bus_ledger.pubs[id];
    bool is_body = event->len == LEAT_LEN_BODY;
    EXPECT(is_body == (pub->kind != PUB_INLINE), "message %u has lost its body", id);
    if (!is_body || pub->kind == PUB_INLINE) {
        return;
    }
    EXPECT(leat_slice_data(event->body) == pub->at && event->body.len == pub->len,
           "message %u of %u bytes was copied, or cut to %u, on its way to %u", id, pub->len,
           event->body.len, me);
    EXPECT((leat_batch_len(event->body) > 0) == (pub->kind == PUB_BATCH), "message %u is no batch",
           id);
}

/* The id of a message, from its bytes; 0: it cannot be. */
static uint32_t pub_of(uint32_t me, const struct leat_event *event)
{
    size_t len = 0;
    const uint8_t *bytes = leat_event_payload(event, &len);
    struct pub_body body = {0};
    leat_slice first;
    if (event->len == LEAT_LEN_BODY && leat_batch_len(event->body) > 0) {
        for (uint32_t i = 1; i < leat_batch_len(event->body); i++) {
            leat_slice slice = leat_batch_at(event->body, i);
            EXPECT(datagram_check(leat_slice_data(slice), slice.len), "a slice of a batch changed");
        }
        first = leat_batch_at(event->body, 0);
        bytes = leat_slice_data(first);
        len = first.len;
    }
    if (len >= sizeof(body)) {
        memcpy(&body, bytes, sizeof(body));
    }
    if (body.id == 0 || body.id >= bus_ledger.pubs_len || body.sequence != body.id ||
        event->type != ~body.id) {
        ledger_fail("%u was given a message of %zu bytes that nobody published", me, len);
        return 0;
    }
    if (event->len == LEAT_LEN_BODY && leat_batch_len(event->body) == 0) {
        uint32_t at = (uint32_t)sizeof(body);
        EXPECT(datagram_check(bytes + at, (uint32_t)len - at), "the body of message %u was changed",
               body.id);
    }
    return body.id;
}

static void check_broadcast(uint32_t me, uint32_t id, const struct leat_event *event)
{
    const struct pub *pub = &bus_ledger.pubs[id];
    const struct listener *person = &bus_ledger.people[me];
    EXPECT(event->kind == LEAT_EVENT_MESSAGE &&
               leat_ref_equal(event->from, bus_ledger.people[pub->from].ref),
           "broadcast %u reached %u as event %u", id, me, event->kind);
    EXPECT(!person->is_desk && (pub->worker == ANY || pub->worker == person->worker) &&
               (pub->behavior == ANY || pub->behavior == person->kind),
           "broadcast %u was not for %u", id, me);
}

static void check_published(uint32_t me, uint32_t id, const struct leat_event *event)
{
    const struct pub *pub = &bus_ledger.pubs[id];
    const struct pair *pair = &bus_ledger.pairs[pub->channel][me];
    EXPECT(event->kind == LEAT_EVENT_PUBLISHED &&
               leat_channel_equal(event->channel, bus_ledger.rooms[pub->channel].id),
           "message %u of room %u reached %u as event %u", id, pub->channel, me, event->kind);
    EXPECT(pair->state != PAIR_OUT || (!pair->is_strict && pair->since > id),
           "%u was given message %u of room %u, which it does not hear", me, id, pub->channel);
    EXPECT(!pub->was_closed, "%u was given message %u of room %u, which was closed", me, id,
           pub->channel);
}

void bus_given(uint32_t me, const struct leat_event *event)
{
    uint32_t id = pub_of(me, event);
    if (id == 0) {
        return;
    }
    struct pub *pub = &bus_ledger.pubs[id];
    uint8_t *copy = &bus_ledger.copies[id][me];
    uint16_t *last = &bus_ledger.last[pub->channel][me][pub->from];
    if (pub->channel == 0) {
        check_broadcast(me, id, event);
    } else {
        check_published(me, id, event);
    }
    EXPECT(!pub->handed_back, "message %u was given after it was handed back", id);
    EXPECT(*copy != COPY_GIVEN, "message %u was given to %u twice", id, me);
    EXPECT(*copy != COPY_TOLD, "message %u was given to %u, and refused", id, me);
    EXPECT(id > *last, "%u was given message %u of %u in room %u after message %u", me, id,
           pub->from, pub->channel, *last);
    *last = (uint16_t)id;
    if (bus_ledger.people[me].is_roomy) {
        check_gap(me, id);
    }
    check_bytes(me, id, event);
    *copy = COPY_GIVEN;
    pub->given++;
    bus_ledger.rooms[pub->channel].given++;
    bus_ledger.given++;
}

/* Some on one worker, nobody knows who: only for a publisher whose mailbox was full. */
static void told_of_some(uint32_t me, uint64_t id, int status)
{
    struct pub *pub = &bus_ledger.pubs[id];
    EXPECT(pub->from == me && pub->is_safe && status == -EAGAIN && !bus_ledger.people[me].is_roomy,
           "%u was told that some refused message %u of %u: %d", me, (uint32_t)id, pub->from, status);
    pub->was_summed = true;
}

void bus_told(uint32_t me, const struct leat_event *event)
{
    uint64_t id = event->bus.cookie;
    if (id > 0 && id < bus_ledger.pubs_len &&
        leat_ref_equal(event->bus.subscriber, LEAT_REF_NONE)) {
        told_of_some(me, id, event->status);
        return;
    }
    uint32_t whom = person_of(event->bus.subscriber);
    if (id == 0 || id >= bus_ledger.pubs_len || whom == 0) {
        ledger_fail("%u was told that %llx refused message %llu", me,
                    (unsigned long long)event->bus.subscriber.id, (unsigned long long)id);
        return;
    }
    const struct pub *pub = &bus_ledger.pubs[id];
    uint8_t *copy = &bus_ledger.copies[id][whom];
    EXPECT(pub->from == me && pub->is_safe && event->status == -EAGAIN,
           "%u was told that %u refused message %u of %u: %d", me, whom, (uint32_t)id, pub->from,
           event->status);
    EXPECT(leat_channel_equal(event->channel, bus_ledger.rooms[pub->channel].id),
           "the refusal of message %u is about another channel", (uint32_t)id);
    EXPECT(*copy != COPY_TOLD && *copy != COPY_GIVEN, "%u was told that %u refused message %u %s",
           me, whom, (uint32_t)id, *copy == COPY_TOLD ? "twice" : "that it was given");
    EXPECT(!bus_ledger.people[whom].is_roomy, "%u, who has room, refused message %u", whom,
           (uint32_t)id);
    *copy = COPY_TOLD;
    bus_ledger.rooms[pub->channel].told++;
    bus_ledger.told++;
}

/* ---- figures ---- */

static struct leat_worker_stats sum_of(leat_runtime *runtime)
{
    struct leat_worker_stats sum, workers[LEAT_WORKERS_MAX];
    leat_stats_controllers(runtime, &sum);
    size_t len = leat_stats_workers(runtime, workers, LEAT_WORKERS_MAX);
    for (size_t i = 0; i < len; i++) {
        sum.sent += workers[i].sent;
        sum.delivered += workers[i].delivered;
        sum.refused += workers[i].refused;
        sum.dead_letters += workers[i].dead_letters;
        sum.published += workers[i].published;
        sum.spawned += workers[i].spawned;
        sum.stopped += workers[i].stopped;
        sum.walk_pauses += workers[i].walk_pauses;
        sum.actors += workers[i].actors;
    }
    return sum;
}

void bus_check_step(leat_runtime *runtime)
{
    struct leat_worker_stats sum = sum_of(runtime);
    uint64_t given = bus_ledger.given + bus_ledger.letters;
    EXPECT(sum.sent >= sum.delivered + sum.refused + sum.dead_letters,
           "sent %llu, delivered %llu, refused %llu, dead letters %llu",
           (unsigned long long)sum.sent, (unsigned long long)sum.delivered,
           (unsigned long long)sum.refused, (unsigned long long)sum.dead_letters);
    EXPECT(sum.delivered == given, "counted %llu, given %llu", (unsigned long long)sum.delivered,
           (unsigned long long)given);
    EXPECT(sum.published == bus_ledger.published, "counted %llu messages, published %llu",
           (unsigned long long)sum.published, (unsigned long long)bus_ledger.published);
}

/* Has ended; or was before its init, which nobody may have been told. */
static bool is_gone(const struct listener *person)
{
    return person->ended || (person->killed && !person->born);
}

/* What became of all copies in one room. */
static void check_room(uint32_t at, const struct leat_channel_stats *stats)
{
    const struct room *room = &bus_ledger.rooms[at];
    uint64_t in = 0, unsure = 0, lost = 0;
    for (uint32_t who = 1; who < bus_ledger.people_len; who++) {
        if (!is_gone(&bus_ledger.people[who])) {
            in += bus_ledger.pairs[at][who].state == PAIR_IN;
            unsure += bus_ledger.pairs[at][who].state == PAIR_UNSURE;
        }
    }
    EXPECT(stats->subscribers >= in && stats->subscribers <= in + unsure,
           "room %u has %llu subscribers, not %llu", at, (unsigned long long)stats->subscribers,
           (unsigned long long)in);
    for (uint32_t id = 1; id < bus_ledger.pubs_len; id++) {
        for (uint32_t who = 1; who < bus_ledger.people_len; who++) {
            lost += bus_ledger.pubs[id].channel == at &&
                    bus_ledger.copies[id][who] == COPY_REQUIRED &&
                    !is_gone(&bus_ledger.people[who]);
        }
    }
    EXPECT(lost + room->told <= stats->refused,
           "room %u: %llu copies are missing, %llu refusals were told, %llu counted", at,
           (unsigned long long)lost, (unsigned long long)room->told,
           (unsigned long long)stats->refused);
    EXPECT(stats->delivered >= room->given, "room %u: %llu copies given, %llu counted", at,
           (unsigned long long)room->given, (unsigned long long)stats->delivered);
    EXPECT(stats->published >= room->known && stats->published <= room->pubs,
           "room %u: %u messages, %u of them known to all, %llu counted", at, room->pubs,
           room->known, (unsigned long long)stats->published);
}

static void check_rooms(leat_runtime *runtime)
{
    struct leat_channel_stats stats[BUS_CHANNELS_MAX];
    size_t len = leat_stats_channels(runtime, stats, BUS_CHANNELS_MAX);
    uint64_t delivered = 0, given = 0;
    for (uint32_t at = 1; at < bus_ledger.rooms_len; at++) {
        size_t found = 0;
        while (found < len && !leat_channel_equal(stats[found].channel, bus_ledger.rooms[at].id)) {
            found++;
        }
        EXPECT(found == len || !bus_ledger.rooms[at].is_closed, "room %u is closed and counted",
               at);
        EXPECT(found < len || bus_ledger.rooms[at].is_closed || !bus_ledger.rooms[at].was_confirmed,
               "room %u is not counted", at);
        if (found < len && !bus_ledger.rooms[at].is_closed) {
            check_room(at, &stats[found]);
            delivered += stats[found].delivered;
            given += bus_ledger.rooms[at].given;
        }
    }
    struct leat_worker_stats sum = sum_of(runtime);
    EXPECT(delivered - given <= sum.dead_letters, "%llu copies were delivered and not given",
           (unsigned long long)(delivered - given));
}

void bus_check_quiet(leat_runtime *runtime)
{
    for (uint32_t id = 1; id < bus_ledger.requests_len; id++) {
        const struct request *request = &bus_ledger.requests[id];
        EXPECT(request->is_answered || bus_ledger.people[request->requester].ended,
               "request %u of %u about %u in room %u was never answered", id, request->requester,
               request->subscriber, request->channel);
    }
    for (uint32_t id = 1; id < bus_ledger.pubs_len; id++) {
        const struct pub *pub = &bus_ledger.pubs[id];
        bool is_heard =
            pub->is_safe && !pub->was_summed && !bus_ledger.people[pub->from].ended;
        for (uint32_t who = 1; who < bus_ledger.people_len; who++) {
            const struct listener *person = &bus_ledger.people[who];
            EXPECT(bus_ledger.copies[id][who] != COPY_REQUIRED || is_gone(person) ||
                       (!person->is_roomy && !is_heard),
                   "message %u of %u in room %u never reached %u%s", id, pub->from, pub->channel,
                   who, is_heard ? ", and its publisher was not told" : "");
        }
    }
    for (uint32_t who = 1; who < bus_ledger.people_len; who++) {
        const struct listener *person = &bus_ledger.people[who];
        EXPECT(!person->born || person->ended || !person->open, "the drain of %u never ended", who);
    }
    struct leat_worker_stats sum = sum_of(runtime);
    EXPECT(sum.sent == sum.delivered + sum.refused + sum.dead_letters,
           "%lld messages are on their way for ever",
           (long long)(sum.sent - sum.delivered - sum.refused - sum.dead_letters));
    check_rooms(runtime);
}

void bus_check_end(leat_runtime *runtime)
{
    struct leat_worker_stats sum = sum_of(runtime);
    uint64_t copies = sum.sent - bus_ledger.sends;
    EXPECT(sum.sent == sum.delivered + sum.refused + sum.dead_letters,
           "sent %llu, delivered %llu, refused %llu, dead letters %llu: %lld are missing",
           (unsigned long long)sum.sent, (unsigned long long)sum.delivered,
           (unsigned long long)sum.refused, (unsigned long long)sum.dead_letters,
           (long long)(sum.sent - sum.delivered - sum.refused - sum.dead_letters));
    EXPECT(sum.delivered == bus_ledger.given + bus_ledger.letters, "counted %llu, given %llu",
           (unsigned long long)sum.delivered,
           (unsigned long long)(bus_ledger.given + bus_ledger.letters));
    EXPECT(copies >= bus_ledger.given + bus_ledger.told, "%llu copies, %llu given, %llu refused",
           (unsigned long long)copies, (unsigned long long)bus_ledger.given,
           (unsigned long long)bus_ledger.told);
    EXPECT(sum.published == bus_ledger.published, "counted %llu messages, published %llu",
           (unsigned long long)sum.published, (unsigned long long)bus_ledger.published);
    EXPECT(sum.spawned == sum.stopped && sum.actors == 0, "spawned %llu, stopped %llu",
           (unsigned long long)sum.spawned, (unsigned long long)sum.stopped);
    bus_ledger.walk_pauses = sum.walk_pauses;
    for (uint32_t i = 1; i < bus_ledger.people_len; i++) {
        EXPECT(!bus_ledger.people[i].born || bus_ledger.people[i].ended ||
                   bus_ledger.people[i].is_desk,
               "%u has no fini", i);
    }
}
