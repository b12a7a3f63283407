/* What each key does. */
#include "demo.h"
#include "view.h"

#include <inttypes.h>

#define BURST_LEN UINT64_C(100000)
#define LOSS_PERCENT 10u

/* Twice and half, without what rounding would leave: what went down comes back. */
static const uint64_t rates[] = {SCENE_LOAD_MIN, 25,   50,   100,           200, 400, 800,
                                 1600,           3200, 6400, SCENE_LOAD_MAX};

#define RATES (sizeof(rates) / sizeof(rates[0]))

static void change_rate(struct demo *demo, int by, const char *limit)
{
    const uint64_t before = demo->scene.load;
    size_t at = 0;
    while (at < RATES - 1 && rates[at] < before) {
        at++;
    }
    if (by < 0 ? at > 0 : at < RATES - 1) {
        at = by < 0 ? at - 1 : at + 1;
    }
    scene_set_load(&demo->scene, rates[at]);
    messages_say("rate %" PRIu64 " %%%s", demo->scene.load,
                 demo->scene.load == before ? limit : "");
}

static void key_faster(struct demo *demo)
{
    change_rate(demo, 1, ": as high as there can be");
}

static void key_lighter(struct demo *demo)
{
    change_rate(demo, -1, ": as low as there can be");
}

static void key_more(struct demo *demo)
{
    const bool any = scene_more(&demo->scene);
    messages_say("%u consumers%s", demo->scene.consumers_len,
                 any ? "" : ": as many as there can be");
}

static void key_fewer(struct demo *demo)
{
    const bool any = scene_fewer(&demo->scene);
    messages_say("%u consumers%s", demo->scene.consumers_len,
                 any ? "" : ": as few as there can be");
}

static void key_backend(struct demo *demo)
{
    const char *next = demo_next_io(demo);
    messages_say("on to %s, once all that is on its way has arrived", next);
    demo_again(demo, next, 0);
}

static void key_slow(struct demo *demo)
{
    if (demo_is_sim(demo)) {
        messages_say("virtual time waits for every actor: none is slow; b to another backend");
        return;
    }
    scene_set_slow(&demo->scene, !demo->scene.slow);
    messages_say(demo->scene.slow
                     ? "a consumer holds its worker for 20 ms a message; 10 ms are slow"
                     : "the slow consumer is killed; what it had not taken: dead letters");
}

static void key_full(struct demo *demo)
{
    scene_set_full(&demo->scene, !demo->scene.full);
    messages_say(demo->scene.full
                     ? "a subscriber with a mailbox of 16 floods another one: both refuse"
                     : "the flood has ended");
}

static void key_stop(struct demo *demo)
{
    scene_set_stopped(&demo->scene, !demo->scene.stopped);
    messages_say(demo->scene.stopped ? "a consumer is stopped; what it is still sent: dead letters"
                                     : "the router has another consumer in its place");
}

static void key_burst(struct demo *demo)
{
    scene_burst(&demo->scene, BURST_LEN);
    messages_say("each producer sends %" PRIu64 " messages at once", BURST_LEN);
}

static void key_loss(struct demo *demo)
{
    if (!demo_is_sim(demo)) {
        messages_say("packet loss is for the simulated network: b until it is sim");
        return;
    }
    const uint64_t loss = demo->loss > 0 ? 0 : LOSS_PERCENT;
    messages_say("again, with a network that loses %" PRIu64 " %% each way", loss);
    demo_again(demo, "sim", loss);
}

static void key_actor(struct demo *demo)
{
    demo->cast_at = (demo->cast_at + 1) % demo->scene.cast_len;
    demo_watch(demo);
}

static void key_pause(struct demo *demo)
{
    demo->paused = !demo->paused;
}

static void key_help(struct demo *demo)
{
    demo->help = true;
}

static void key_quit(struct demo *demo)
{
    leat_runtime_stop(demo->app.runtime);
}

static const struct {
    int key;
    void (*press)(struct demo *demo);
} keys[] = {
    {'+', key_faster},  {'=', key_faster}, {'-', key_lighter}, {'a', key_more}, {'A', key_fewer},
    {'b', key_backend}, {'s', key_slow},   {'f', key_full},    {'k', key_stop}, {'u', key_burst},
    {'l', key_loss},    {'t', key_actor},  {' ', key_pause},   {'?', key_help}, {'q', key_quit},
};

const struct key_help *keys_help(void)
{
    static const struct key_help help[] = {
        {"+ -", "rate", "the rate: twice, or half as many messages and datagrams"},
        {"a A", "actors", "more consumers, or fewer"},
        {"s", "slow", "slow actor: holds its worker for more than 10 ms, and is named"},
        {"f", "full", "full mailbox: a flood is refused, and what its sender should hear"},
        {"k", "stop", "stopped actor: what it is sent are dead letters; k again: another"},
        {"u", "burst", "burst: 100,000 messages from each producer, at once"},
        {"l", "loss", "packet loss, with sim: one datagram in ten, each way"},
        {"b", "backend", "the next backend: ends this runtime well and opens another"},
        {"t", "next", "the next actor in slow motion"},
        {"space", "hold", "holds the picture, not the runtime"},
        {"?", "help", "this text"},
        {"q", "quit", "the end, with the sum of all messages"},
        {NULL, NULL, NULL},
    };
    return help;
}

void keys_take(struct demo *demo)
{
    for (int key = view_key(); key != 0; key = view_key()) {
        if (demo->help) {
            demo->help = false;
            continue;
        }
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !demo->again; i++) {
            if (keys[i].key == key) {
                keys[i].press(demo);
                break;
            }
        }
    }
}
