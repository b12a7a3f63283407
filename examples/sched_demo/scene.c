/* Producers feed a router, which feeds the consumers in turn; tickers feed some consumers directly. The
 * last consumer of the first set is the one that is stopped, the one before it the one that is slow;
 * tickers send to neither. What is asked of an actor is a message, so the router may have no room for
 * it: then it is an order, which is given again with the next frame. */
#include "scene.h"
#include "bus_load.h"
#include "group_load.h"

#include <errno.h>

#define RING 100u
#define CONSUMERS_PER_WORKER 4
#define CONSUMERS_FIRST_MAX 128
#define PICTURE_MS 33    /* video comes in bursts */
#define NEWS_READERS 16  /* on each worker */
#define VIDEO_VIEWERS 25 /* on each worker */

static leat_ref spawn(struct scene *scene, const struct leat_behavior *behavior, const void *arg,
                      size_t arg_size, int worker)
{
    leat_ref ref = LEAT_REF_NONE;
    const int status =
        leat_spawn(scene->app->controller, behavior, arg, (uint32_t)arg_size, worker, &ref);
    scene->status = scene->status != 0 ? scene->status : status;
    return ref;
}

static leat_ref spawn_relay(struct scene *scene, const struct leat_behavior *behavior,
                            leat_time linger_ns, int worker)
{
    const struct relay_config config = {.linger_ns = linger_ns};
    return spawn(scene, behavior, &config, sizeof(config), worker);
}

static leat_ref spawn_source(struct scene *scene, const struct leat_behavior *behavior,
                             const struct source_config *config, int worker)
{
    return spawn(scene, behavior, config, sizeof(*config), worker);
}

static leat_ref spawn_subscriber(struct scene *scene, leat_channel channel, int worker)
{
    const struct subscriber_config config = {.channel = channel, .linger_ns = 100 * LEAT_MS};
    return spawn(scene, &subscriber_behavior, &config, sizeof(config), worker);
}

static leat_ref spawn_publisher(struct scene *scene, leat_channel channel, uint64_t rate,
                                uint32_t period, int worker)
{
    const struct publisher_config config = {.channel = channel, .rate = rate, .period = period};
    return spawn(scene, &publisher_behavior, &config, sizeof(config), worker);
}

static void order(struct scene *scene, leat_ref to, uint32_t type, const void *payload, size_t len)
{
    if (scene->orders_len == SCENE_ORDERS_MAX) {
        return; /* dozens of keys in a frame, all to mailboxes that are full */
    }
    struct order *order = &scene->orders[scene->orders_len++];
    *order = (struct order){.to = to, .type = type, .len = (uint32_t)len};
    memcpy(order->payload, payload, len);
}

void scene_turn(struct scene *scene)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < scene->orders_len; i++) {
        const struct order *order = &scene->orders[i];
        bool behind = false; /* one to the same actor goes first */
        for (uint32_t k = 0; k < kept; k++) {
            behind = behind || leat_ref_equal(scene->orders[k].to, order->to);
        }
        if (behind || leat_send(scene->app->controller, order->to, order->type, order->payload,
                                order->len) == -EAGAIN) {
            scene->orders[kept++] = *order;
        }
    }
    scene->orders_len = kept;
}

/* ---- the load ---- */

static uint64_t rate_of(const struct scene *scene, uint64_t rate)
{
    const uint64_t loaded = rate * scene->load / 100;
    return loaded > 0 ? loaded : 1;
}

void scene_set_load(struct scene *scene, uint64_t percent)
{
    const uint64_t most = flags_sim(scene->app->flags) ? SCENE_LOAD_SIM_MAX : SCENE_LOAD_MAX;
    scene->load = percent < SCENE_LOAD_MIN ? SCENE_LOAD_MIN : percent > most ? most : percent;
    scene->strained = scene->strained || scene->load > 100;
    const uint64_t messages = rate_of(scene, scene->config.messages);
    const uint64_t datagrams = rate_of(scene, scene->config.datagrams);
    for (int i = 0; i < scene->workers; i++) {
        order(scene, scene->producers[i], RATE, &messages, sizeof(messages));
    }
    order(scene, scene->echo, RATE, &datagrams, sizeof(datagrams));
    const uint64_t news = rate_of(scene, scene->config.publish);
    const uint64_t video = rate_of(scene, 2 * scene->config.publish);
    for (int i = 0; i < scene->workers; i++) {
        order(scene, scene->reporters[i], RATE, &news, sizeof(news));
    }
    order(scene, scene->camera, RATE, &video, sizeof(video));
    scene_turn(scene);
}

void scene_burst(struct scene *scene, uint64_t len)
{
    scene->strained = true;
    for (int i = 0; i < scene->workers; i++) {
        order(scene, scene->producers[i], BURST, &len, sizeof(len));
    }
    scene_turn(scene);
}

bool scene_more(struct scene *scene)
{
    bool any = false;
    for (int i = 0; i < scene->workers && scene->consumers_len < RELAY_TO_MAX; i++) {
        const leat_ref consumer = spawn_relay(scene, &consumer_behavior, 100 * LEAT_MS, i);
        scene->consumers[scene->consumers_len++] = consumer;
        order(scene, scene->router, TO_ADD, &consumer, sizeof(consumer));
        any = true;
    }
    scene_turn(scene);
    return any;
}

static void replace_consumer(struct scene *scene, uint32_t at, leat_ref new, bool stop_old)
{
    const struct replace replace = {scene->consumers[at], new, stop_old};
    scene->consumers[at] = new;
    order(scene, scene->router, TO_REPLACE, &replace, sizeof(replace));
}

bool scene_fewer(struct scene *scene)
{
    bool any = false;
    for (int i = 0; i < scene->workers && scene->consumers_len > scene->consumers_min; i++) {
        replace_consumer(scene, --scene->consumers_len, LEAT_REF_NONE, true);
        any = true;
    }
    scene_turn(scene);
    return any;
}

/* ---- what breaks ---- */

void scene_set_slow(struct scene *scene, bool slow)
{
    if (slow != scene->slow) {
        const uint32_t at = scene->consumers_min - 2;
        const leat_ref old = scene->consumers[at];
        const leat_ref new = spawn_relay(scene, slow ? &slow_behavior : &consumer_behavior,
                                         100 * LEAT_MS, (int)at % scene->workers);
        /* The router may have 1,024 messages for a slow one to take before it hears of this: that one
         * is killed, and they are dead letters. */
        replace_consumer(scene, at, new, slow);
        if (!slow) {
            (void)leat_kill(scene->app->controller, old);
        }
        scene->slow = slow;
        scene->strained = true;
        scene_turn(scene);
    }
}

void scene_set_full(struct scene *scene, bool full)
{
    if (full == scene->full) {
        return;
    }
    scene->full = full;
    if (full) {
        scene->small = spawn_relay(scene, &small_behavior, 100 * LEAT_MS, 0);
        const struct subscriber_config flooder = {
            .channel = scene->video, .linger_ns = 100 * LEAT_MS, .flood = scene->small};
        scene->flooder = spawn(scene, &flooder_behavior, &flooder, sizeof(flooder), 0);
    } else {
        (void)leat_stop(scene->app->controller, scene->flooder);
        (void)leat_stop(scene->app->controller, scene->small);
    }
}

void scene_set_stopped(struct scene *scene, bool stopped)
{
    if (stopped == scene->stopped) {
        return;
    }
    const uint32_t at = scene->consumers_min - 1;
    scene->stopped = stopped;
    if (stopped) {
        (void)leat_stop(scene->app->controller, scene->consumers[at]);
    } else {
        const leat_ref new =
            spawn_relay(scene, &consumer_behavior, 100 * LEAT_MS, (int)at % scene->workers);
        replace_consumer(scene, at, new, false);
        scene_turn(scene);
    }
}

/* ---- who is there ---- */

static void cast_add(struct scene *scene, const char *name, const leat_ref *actor)
{
    scene->cast[scene->cast_len].name = name;
    scene->cast[scene->cast_len++].actor = actor;
}

static void spawn_messages(struct scene *scene)
{
    struct relay_config router = {.linger_ns = 50 * LEAT_MS};
    int first = CONSUMERS_PER_WORKER * scene->workers;
    first = first < CONSUMERS_FIRST_MAX ? first : CONSUMERS_FIRST_MAX;
    for (int i = 0; i < first; i++) {
        scene->consumers[i] =
            spawn_relay(scene, &consumer_behavior, 100 * LEAT_MS, i % scene->workers);
        router.to[router.to_len++] = scene->consumers[i];
    }
    scene->consumers_len = scene->consumers_min = router.to_len;
    scene->router = spawn(scene, &router_behavior, &router, sizeof(router), LEAT_WORKER_BEST);
    for (int i = 0; i < scene->workers; i++) {
        const struct source_config producer = {
            .to = scene->router, .rate = scene->config.messages, .period = 1, .hops = 1};
        scene->producers[i] = spawn_source(scene, &producer_behavior, &producer, i);
    }
    for (uint32_t i = 0; i < scene->config.tickers; i++) {
        const struct source_config ticker = {
            .to = router.to[i % (router.to_len - 2)], .rate = 1, .period = 10 + i % 190};
        const leat_ref ref = spawn_source(scene, &ticker_behavior, &ticker, LEAT_WORKER_BEST);
        if (i == 150) { /* one that can be followed: it ticks every 160 ms */
            scene->ticker = ref;
        }
    }
}

/* Messages run a lap, from node to node and through all workers. */
static void spawn_ring(struct scene *scene)
{
    struct relay_config config = {.linger_ns = 50 * LEAT_MS, .to_len = 0};
    const leat_ref last = spawn(scene, &ring_behavior, &config, sizeof(config), 0);
    leat_ref next = last;
    for (uint32_t i = 1; i < RING; i++) {
        config.to[0] = next;
        config.to_len = 1;
        next = spawn(scene, &ring_behavior, &config, sizeof(config),
                     (int)(i * (uint32_t)scene->workers / RING));
    }
    if (scene->status == 0) {
        scene->status = leat_send(scene->app->controller, last, LINK, &next, sizeof(next));
    }
    const struct source_config starter = {.to = next, .rate = 100, .period = 10, .hops = RING};
    (void)spawn_source(scene, &starter_behavior, &starter, LEAT_WORKER_BEST);
    scene->ring = next;
}

/* Everybody hears the news, from all workers; the camera is one, and sends a picture at a time. */
static void spawn_bus(struct scene *scene)
{
    int status = leat_channel_open("news", &scene->news);
    status = status != 0 ? status : leat_channel_open("video", &scene->video);
    scene->status = scene->status != 0 ? scene->status : status;
    for (int i = 0; i < scene->workers; i++) {
        for (int k = 0; k < NEWS_READERS; k++) {
            (void)spawn_subscriber(scene, scene->news, i);
        }
        for (int k = 0; k < VIDEO_VIEWERS; k++) {
            scene->viewer = spawn_subscriber(scene, scene->video, i);
        }
        scene->reporters[i] = spawn_publisher(scene, scene->news, scene->config.publish, 2, i);
    }
    scene->camera = spawn_publisher(scene, scene->video, 2 * scene->config.publish, PICTURE_MS, 0);
}

/* Many more who see the video; the bus sees one subscriber. */
static void spawn_group(struct scene *scene)
{
    const int worker = scene->workers - 1;
    const uint32_t members = (uint32_t)scene->config.members;
    if (members == 0) {
        return;
    }
    const int status =
        leat_spawn_group(scene->app->controller, &member_behavior, members, worker, &scene->group);
    scene->status = scene->status != 0 ? scene->status : status;
    const struct usher_config usher = {
        .group = scene->group, .channel = scene->video, .members = members};
    (void)spawn(scene, &usher_behavior, &usher, sizeof(usher), worker);
}

static void spawn_udp(struct scene *scene)
{
    const struct echo_config config = {
        .local = flags_local(scene->app->flags),
        .report_to = leat_controller_ref(scene->app->controller),
        .rate = scene->config.datagrams,
        .clients = 2,
    };
    scene->echo = spawn(scene, &echo_behavior, &config, sizeof(config), LEAT_WORKER_BEST);
    if (scene->status == 0) {
        scene->status = leat_monitor(scene->app->controller, scene->echo, 0);
    }
}

int scene_open(struct scene *scene, struct app *app, const struct scene_config *config, int workers)
{
    *scene = (struct scene){.app = app, .config = *config, .workers = workers, .load = 100};
    spawn_messages(scene);
    spawn_ring(scene);
    spawn_bus(scene);
    spawn_group(scene);
    spawn_udp(scene);
    cast_add(scene, "router", &scene->router);
    cast_add(scene, "producer", &scene->producers[0]);
    cast_add(scene, "consumer", &scene->consumers[0]);
    cast_add(scene, "ring node", &scene->ring);
    cast_add(scene, "echo", &scene->echo);
    cast_add(scene, "consumer (the one s slows)", &scene->consumers[scene->consumers_min - 2]);
    cast_add(scene, "consumer (the one k stops)", &scene->consumers[scene->consumers_min - 1]);
    if (scene->group.id != 0) {
        cast_add(scene, "the group", &scene->group);
    }
    cast_add(scene, "publisher", &scene->camera);
    cast_add(scene, "subscriber", &scene->viewer);
    if (scene->ticker.id != 0) {
        cast_add(scene, "ticker", &scene->ticker);
    }
    return scene->status;
}
