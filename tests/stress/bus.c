/* The bus under pressure: actors on all workers publish all the time, others subscribe, unsubscribe and
 * end, threads outside publish and listen through controllers that come and go, one opens and closes the
 * channels, one looks at the figures. What a publisher sends on a channel arrives in order, nothing
 * comes that was not asked for or after UNSUBSCRIBED, and in the end every copy is accounted for. */
#include "stress.h"

#define NAMES 6u
#define PUBLISHERS 6u /* actors */
#define THREADS 2u    /* of each kind */
#define SOURCES (PUBLISHERS + THREADS)
#define HERD 40u

static leat_runtime *runtime;
static leat_time until;
static atomic_ullong channels[NAMES]; /* the ids now */
static atomic_uint alive;             /* listeners */
static atomic_ullong heard, told, asked;

struct note {
    uint32_t source;
    uint32_t sequence; /* of the source, over all channels */
};

enum { TYPE_MORE = 1, TYPE_NOTE };

static leat_channel some_channel(struct random *random)
{
    return (leat_channel){.id = atomic_load(&channels[random_below(random, NAMES)])};
}

/* The note as a body, or as a batch of two. False: no memory. */
static bool body_for(const struct note *note, struct random *random, leat_slice *ret)
{
    leat_slice first, second;
    if (leat_buf_alloc(64 + random_below(random, 3000), &first) < 0) {
        return false;
    }
    memcpy(leat_slice_data(first), note, sizeof(*note));
    *ret = first;
    if (random_below(random, 3) == 0 && leat_buf_alloc(100, &second) == 0) {
        memcpy(leat_slice_data(second), note, sizeof(*note));
        if (leat_batch_alloc(2, ret) < 0) {
            leat_buf_unref(second.buf);
            *ret = first;
            return true;
        }
        leat_batch_add(ret, first);
        leat_batch_add(ret, second);
    }
    return true;
}

static struct note note_of(const struct leat_event *event)
{
    struct note note = {.source = SOURCES}, again;
    size_t len;
    const void *bytes = leat_event_payload(event, &len);
    if (event->len == LEAT_LEN_BODY && leat_batch_len(event->body) > 0) {
        EXPECT(leat_batch_len(event->body) == 2, "a batch of %u", leat_batch_len(event->body));
        memcpy(&again, leat_slice_data(leat_batch_at(event->body, 1)), sizeof(again));
        bytes = leat_slice_data(leat_batch_at(event->body, 0));
        EXPECT(memcmp(bytes, &again, sizeof(again)) == 0, "a batch has changed");
    }
    EXPECT(event->type == TYPE_NOTE && len >= sizeof(note), "a note of %zu bytes", len);
    memcpy(&note, bytes, sizeof(note));
    EXPECT(note.source < SOURCES, "a note from nobody");
    note.source %= SOURCES;
    return note;
}

/* ---- who listens: an actor or a controller ---- */

struct ear {
    leat_channel channel;
    enum { EAR_FREE, EAR_ASKED, EAR_IN, EAR_LEAVING } state;
    uint32_t last[SOURCES];
};

struct ears {
    struct ear ear[3];
};

static struct ear *ear_of(struct ears *ears, leat_channel channel)
{
    for (uint32_t i = 0; i < 3; i++) {
        if (ears->ear[i].state != EAR_FREE && leat_channel_equal(ears->ear[i].channel, channel)) {
            return &ears->ear[i];
        }
    }
    return NULL;
}

static struct ear *ear_free(struct ears *ears)
{
    for (uint32_t i = 0; i < 3; i++) {
        if (ears->ear[i].state == EAR_FREE) {
            return &ears->ear[i];
        }
    }
    return NULL;
}

static void hear(struct ears *ears, const struct leat_event *event)
{
    struct ear *ear = ear_of(ears, event->channel);
    EXPECT(ear != NULL, "event %u on channel %llx, which nobody asked for", event->kind,
           (unsigned long long)event->channel.id);
    if (ear == NULL) {
        return;
    }
    if (event->kind == LEAT_EVENT_PUBLISHED) {
        struct note note = note_of(event);
        EXPECT(note.sequence > ear->last[note.source], "note %u of %u after %u", note.sequence,
               note.source, ear->last[note.source]);
        ear->last[note.source] = note.sequence;
        atomic_fetch_add_explicit(&heard, 1, memory_order_relaxed);
        return;
    }
    bool is_in = event->kind == LEAT_EVENT_SUBSCRIBED;
    EXPECT(ear->state == (is_in ? EAR_ASKED : EAR_LEAVING), "event %u in state %u", event->kind,
           ear->state);
    EXPECT(event->status == 0 || event->status == (is_in ? -EBADF : -ENOENT), "event %u: %d",
           event->kind, event->status);
    ear->state = is_in && event->status == 0 ? EAR_IN : EAR_FREE;
}

/* ---- listeners ---- */

struct listener {
    struct ears ears;
    struct random random;
    uint32_t life;
    bool goes, acts;
};

static int listener_init(void *self, const void *arg, leat_time now)
{
    struct listener *me = self;
    uint32_t seed;
    memcpy(&seed, arg, sizeof(seed));
    me->random.state = now + seed;
    me->life = 20 + random_below(&me->random, 2000);
    me->acts = true;
    atomic_fetch_add(&alive, 1);
    return 0;
}

static void listener_on_event(void *self, const struct leat_event *event)
{
    struct listener *me = self;
    if (event->kind == LEAT_EVENT_PUBLISHED || event->kind == LEAT_EVENT_SUBSCRIBED ||
        event->kind == LEAT_EVENT_UNSUBSCRIBED) {
        hear(&me->ears, event);
    }
    me->life -= me->life > 0;
    me->goes = me->life == 0 || event->kind == LEAT_EVENT_SHUTDOWN;
    me->acts = event->kind != LEAT_EVENT_PUBLISHED || random_below(&me->random, 16) == 0;
}

static bool listener_pop(void *self, leat_time now, struct leat_output *ret)
{
    struct listener *me = self;
    (void)now;
    if (me->goes) {
        leat_output_stop(ret);
        return true;
    }
    if (!me->acts) {
        return false;
    }
    me->acts = random_below(&me->random, 3) == 0; /* in the same drain too */
    struct ear *ear = ear_free(&me->ears);
    leat_channel channel = some_channel(&me->random);
    if (ear != NULL && ear_of(&me->ears, channel) == NULL) {
        *ear = (struct ear){.channel = channel, .state = EAR_ASKED};
        leat_output_subscribe(ret, channel, 0);
        atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
        return true;
    }
    ear = &me->ears.ear[random_below(&me->random, 3)];
    if (ear->state == EAR_IN) {
        ear->state = EAR_LEAVING;
        leat_output_unsubscribe(ret, ear->channel, 0);
        return true;
    }
    return false;
}

static void listener_fini(void *self)
{
    (void)self;
    atomic_fetch_sub(&alive, 1);
}

#define LISTENER(its_name, len)                                                                    \
    {                                                                                              \
        .name = (its_name), .state_size = sizeof(struct listener), .mailbox_len_max = (len),       \
        .init = listener_init, .on_event = listener_on_event, .pop_output = listener_pop,          \
        .fini = listener_fini                                                                      \
    }

static const struct leat_behavior listeners[2] = {LISTENER("listener", 100), LISTENER("small", 2)};

/* ---- publishers ---- */

struct publisher {
    struct random random;
    struct note note;
    uint32_t todo;
    bool goes, more;
};

static int publisher_init(void *self, const void *arg, leat_time now)
{
    struct publisher *me = self;
    memcpy(&me->note.source, arg, sizeof(me->note.source));
    me->random.state = now + me->note.source;
    me->more = true;
    return 0;
}

static void publisher_on_event(void *self, const struct leat_event *event)
{
    struct publisher *me = self;
    me->goes = event->kind == LEAT_EVENT_SHUTDOWN;
    if (event->kind == LEAT_EVENT_REFUSED) {
        EXPECT(event->status == -EAGAIN, "refused: %d", event->status);
        EXPECT(event->bus.cookie <= me->note.sequence && event->bus.cookie > 0, "cookie %llu",
               (unsigned long long)event->bus.cookie);
        atomic_fetch_add_explicit(&told, 1, memory_order_relaxed);
        return;
    }
    me->todo = 1 + random_below(&me->random, 4);
    me->more = true;
}

static bool publisher_pop(void *self, leat_time now, struct leat_output *ret)
{
    struct publisher *me = self;
    if (me->goes) {
        leat_output_stop(ret);
        return true;
    }
    leat_slice body;
    if (me->todo > 0) {
        me->todo--;
        me->note.sequence++;
        leat_channel channel = some_channel(&me->random);
        if (random_below(&me->random, 2) == 0 && body_for(&me->note, &me->random, &body)) {
            leat_output_publish_body(ret, channel, TYPE_NOTE, body);
        } else {
            leat_output_publish(ret, channel, TYPE_NOTE, &me->note, sizeof(me->note));
        }
        ret->flags = random_below(&me->random, 3) == 0 ? LEAT_PUBLISH_SAFE : 0;
        ret->cookie = me->note.sequence;
        return true;
    }
    bool more = me->more && now < until;
    me->more = false;
    if (more) {
        leat_output_send(ret, leat_self(self), TYPE_MORE, NULL, 0);
    }
    return more;
}

static const struct leat_behavior publisher = {.name = "publisher",
                                               .state_size = sizeof(struct publisher),
                                               .init = publisher_init,
                                               .on_event = publisher_on_event,
                                               .pop_output = publisher_pop};

/* ---- threads outside ---- */

/* Keeps the herd together, and publishes. */
static void *shout(void *context)
{
    uint32_t number = *(uint32_t *)context;
    struct random random = {.state = 1000 + number};
    struct note note = {.source = PUBLISHERS + number};
    leat_controller *controller = stress_controller(runtime);
    while (clock_now() < until) {
        for (uint32_t i = atomic_load(&alive); i < HERD; i++) {
            uint32_t seed = random_below(&random, 1000000);
            int status = leat_spawn(controller, &listeners[random_below(&random, 2)], &seed,
                                    sizeof(seed), (int)random_below(&random, WORKERS), NULL);
            EXPECT(status == 0, "spawn: %s", strerror(-status));
        }
        leat_slice body;
        note.sequence++;
        int status = 0;
        leat_channel channel = some_channel(&random);
        if (random_below(&random, 2) == 0) {
            status = leat_publish(controller, channel, TYPE_NOTE, &note, sizeof(note));
        } else if (body_for(&note, &random, &body)) {
            status = leat_publish_body(controller, channel, TYPE_NOTE, body);
        }
        EXPECT(status == 0 || status == -EAGAIN, "publish: %s", strerror(-status));
        struct leat_event event;
        if (leat_receive(controller, random_below(&random, 3) * 20 * LEAT_US, &event) == 0) {
            leat_event_release(&event);
        }
    }
    leat_controller_close(controller);
    return NULL;
}

static void eavesdrop(leat_controller *controller, struct random *random)
{
    struct ears ears = {0};
    uint32_t n = random_below(random, 100);
    for (uint32_t i = 0; i < n; i++) {
        struct leat_event event;
        struct ear *ear = &ears.ear[random_below(random, 3)];
        leat_channel channel = some_channel(random);
        int status = 0;
        if (ear->state == EAR_FREE && ear_of(&ears, channel) == NULL) {
            *ear = (struct ear){.channel = channel, .state = EAR_ASKED};
            status = leat_subscribe(controller, channel, LEAT_REF_NONE, 0);
        } else if (ear->state == EAR_IN && random_below(random, 8) == 0) {
            ear->state = EAR_LEAVING;
            status = leat_unsubscribe(controller, ear->channel, LEAT_REF_NONE, 0);
        }
        EXPECT(status == 0, "request: %s", strerror(-status));
        while (leat_receive(controller, random_below(random, 2) * 50 * LEAT_US, &event) == 0) {
            hear(&ears, &event);
            leat_event_release(&event);
            if (random_below(random, 40) == 0) {
                break;
            }
        }
    }
}

/* Controllers that listen for a while. */
static void *listen(void *context)
{
    struct random random = {.state = 2000 + *(uint32_t *)context};
    while (clock_now() < until) {
        leat_controller *controller = stress_controller(runtime);
        eavesdrop(controller, &random);
        leat_controller_close(controller);
    }
    return NULL;
}

static void channel_open(uint32_t name)
{
    char text[32];
    leat_channel channel = LEAT_CHANNEL_NONE;
    snprintf(text, sizeof(text), "stress/%u", name);
    int status = leat_channel_open(text, &channel);
    EXPECT(status == 0, "open: %s", strerror(-status));
    atomic_store(&channels[name], channel.id);
}

/* Closes channels and opens them anew, and looks at their figures. */
static void *manage(void *context)
{
    struct random random = {.state = 3000 + *(uint32_t *)context};
    leat_controller *controller = stress_controller(runtime);
    while (clock_now() < until) {
        struct leat_channel_stats stats[NAMES];
        struct leat_event event;
        size_t len = leat_stats_channels(runtime, stats, NAMES);
        EXPECT(len <= NAMES, "%zu channels", len);
        for (size_t i = 0; i < len; i++) {
            EXPECT(strncmp(stats[i].name, "stress/", 7) == 0, "channel %s", stats[i].name);
        }
        if (random_below(&random, 4) == 0) {
            uint32_t name = random_below(&random, NAMES);
            leat_channel_close((leat_channel){.id = atomic_load(&channels[name])});
            channel_open(name);
        }
        leat_receive(controller, LEAT_MS, &event);
    }
    leat_controller_close(controller);
    return NULL;
}

int main(void)
{
    stress_limit("bus");
    struct leat_config config = stress_config();
    config.mailbox_len_max = 200;
    stress_open(&config, &runtime);
    until = clock_now() + stress_time();
    for (uint32_t name = 0; name < NAMES; name++) {
        channel_open(name);
    }
    leat_controller *controller = stress_controller(runtime);
    for (uint32_t i = 0; i < PUBLISHERS; i++) {
        int status = leat_spawn(controller, &publisher, &i, sizeof(i), (int)(i % WORKERS), NULL);
        EXPECT(status == 0, "spawn: %s", strerror(-status));
    }
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct stress_threads threads = {0};
    stress_start(&threads, THREADS, shout);
    stress_start(&threads, THREADS, listen);
    stress_start(&threads, 1, manage);
    stress_join(&threads);
    stress_end(runtime, controller, "bus");
    for (uint32_t name = 0; name < NAMES; name++) {
        leat_channel_close((leat_channel){.id = atomic_load(&channels[name])});
    }
    printf("bus: %llu heard, %llu refusals told, %llu subscriptions\n",
           (unsigned long long)atomic_load(&heard), (unsigned long long)atomic_load(&told),
           (unsigned long long)atomic_load(&asked));
    EXPECT(atomic_load(&heard) > 0 && atomic_load(&asked) > 0, "nothing has happened");
    return stress_result();
}
