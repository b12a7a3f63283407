/* What each key does. */
#include "demo.h"
#include "view.h"

#include <inttypes.h>

#define BURST_LEN UINT64_C(100000)
#define LOSS_PERCENT 10u

static void key_faster(struct demo *demo)
{
    scene_set_load(&demo->scene, demo->scene.load * 2);
    messages_say("load %" PRIu64 " %%", demo->scene.load);
}

static void key_lighter(struct demo *demo)
{
    scene_set_load(&demo->scene, demo->scene.load / 2);
    messages_say("load %" PRIu64 " %%", demo->scene.load);
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
        messages_say("virtual time waits for every actor, so none is slow: b until it is not sim");
        return;
    }
    scene_set_slow(&demo->scene, !demo->scene.slow);
    messages_say(demo->scene.slow
                     ? "one consumer holds its worker for 20 ms per message"
                     : "the slow consumer is killed: what it had not taken yet are dead letters");
}

static void key_full(struct demo *demo)
{
    scene_set_full(&demo->scene, !demo->scene.full);
    messages_say(demo->scene.full
                     ? "a subscriber floods a mailbox of 16, and has one of 16 itself: both refuse"
                     : "the flood has ended");
}

static void key_stop(struct demo *demo)
{
    scene_set_stopped(&demo->scene, !demo->scene.stopped);
    messages_say(demo->scene.stopped
                     ? "one consumer is stopped: what the router still sends it are dead letters"
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
        messages_say("packet loss is for the simulated network: b until the backend is sim");
        return;
    }
    const uint64_t loss = demo->loss > 0 ? 0 : LOSS_PERCENT;
    messages_say("again, with a network that loses %" PRIu64 " %%", loss);
    demo_again(demo, "sim", loss);
}

static void key_actor(struct demo *demo)
{
    demo->cast_at = (demo->cast_at + 1) % demo->scene.cast_len;
    (void)watch_choose(&demo->watch, *demo->scene.cast[demo->cast_at].actor);
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
        {"+ -", "load", "the load: twice, or half as many messages and datagrams"},
        {"s", "slow", "slow actor: it holds its worker for 20 ms per message, and is named"},
        {"f", "full",
         "full mailbox: a flood into one of 16 is refused; so is what its sender should hear"},
        {"k", "stop", "stopped actor: what is sent to it are dead letters; k again: another"},
        {"u", "burst", "burst: 100,000 messages from each producer, at once"},
        {"b", "backend", "the next backend: ends this runtime well and opens another"},
        {"t", "actor", "the next actor in slow motion"},
        {"?", "help", "this text"},
        {"q", "quit", "the end, with the sum of all messages"},
        {"a A", "actors", "more consumers, or fewer"},
        {"l", "loss", "packet loss: the simulated network loses a datagram in ten"},
        {"space", "pause", "holds the picture, not the runtime"},
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
