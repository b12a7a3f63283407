/* A room in which everybody talks and hears all of it. The talkers, on all workers, know the channel's name
 * and nothing of each other; each checks that it hears all, from the first word on and in order. */
#include "app.h"

#include <inttypes.h>
#include <stdio.h>

enum { TALKERS = 12, WORDS = 100 };
enum { READY = 1, START, HEARD }; /* to main, from main, to main: how many words in order */

struct word {
    uint32_t talker, number;
};

struct talker_config {
    leat_ref main;
    uint32_t index;
};

struct talker {
    struct talker_config config;
    leat_channel room;
    leat_time speaks_at;
    uint32_t said;
    uint32_t next[TALKERS]; /* the word it expects of each */
    uint64_t heard;
    leat_outbox(2) out;
};

static int talker_init(void *state, const void *arg, leat_time now)
{
    struct talker *self = state;
    (void)now;
    memcpy(&self->config, arg, sizeof(self->config));
    self->speaks_at = LEAT_NEVER;
    int status = leat_channel_open("room", &self->room);
    leat_output_subscribe(leat_outbox_put(&self->out), self->room, 0);
    return status;
}

static void talker_on_event(void *state, const struct leat_event *event)
{
    struct talker *self = state;
    struct word word = {.talker = self->config.index, .number = self->said};
    if (event->kind == LEAT_EVENT_SUBSCRIBED) { /* from here on it misses nothing */
        leat_output_send(leat_outbox_put(&self->out), self->config.main, READY, NULL, 0);
    } else if (event->kind == LEAT_EVENT_MESSAGE && event->type == START) {
        self->speaks_at = event->now;
    } else if (event->kind == LEAT_EVENT_DEADLINE) {
        leat_output_publish(leat_outbox_put(&self->out), self->room, 0, &word, sizeof(word));
        self->speaks_at = ++self->said < WORDS ? event->now + 5 * LEAT_MS : LEAT_NEVER;
    } else if (event->kind == LEAT_EVENT_PUBLISHED) {
        memcpy(&word, event->payload, sizeof(word));
        self->heard += word.number == self->next[word.talker]++;
    }
    if (event->kind == LEAT_EVENT_SHUTDOWN || self->heard == TALKERS * WORDS) {
        leat_output_send(leat_outbox_put(&self->out), self->config.main, HEARD, &self->heard,
                         sizeof(self->heard));
        leat_output_stop(leat_outbox_put(&self->out));
    }
}

static bool talker_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct talker *)state)->out, ret);
}

static leat_time talker_deadline(const void *state)
{
    return ((const struct talker *)state)->speaks_at;
}

static void talker_fini(void *state)
{
    leat_channel_close(((struct talker *)state)->room);
}

static const struct leat_behavior talker = {
    .name = "talker", .state_size = sizeof(struct talker), .init = talker_init, .fini = talker_fini,
    .on_event = talker_on_event, .pop_output = talker_pop_output, .deadline = talker_deadline};

int main(int argc, char **argv)
{
    struct flags flags = {.program = "pubsub", .about = "A room to talk in.", .io = "auto"};
    flags_parse(&flags, argc, argv);
    const struct leat_config config = app_config(&flags);
    struct app app;
    leat_channel room; /* also opened here, so that its figures are there at the end */
    if (leat_channel_open("room", &room) != 0 || app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    for (uint32_t i = 0; i < TALKERS; i++) {
        struct talker_config one = {leat_controller_ref(app.controller), i};
        (void)leat_spawn(app.controller, &talker, &one, sizeof(one), (int)(i % config.workers), NULL);
    }
    uint32_t ready = 0, complete = 0, done = 0;
    int status = app_start(&app);
    for (struct leat_event event; status == 0 && app_receive(&app, &event) == 0;) {
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == READY && ++ready == TALKERS) {
            leat_broadcast(app.controller, LEAT_WORKER_ALL, &talker, START, NULL, 0);
        } else if (event.kind == LEAT_EVENT_MESSAGE && event.type == HEARD) {
            uint64_t heard;
            memcpy(&heard, event.payload, sizeof(heard));
            complete += heard == TALKERS * WORDS;
            if (++done == TALKERS) {
                leat_runtime_stop(app.runtime);
            }
        }
    }
    struct leat_channel_stats stats = {0};
    leat_stats_channels(app.runtime, &stats, 1);
    printf(flags.json ? "{\"channel\":\"%s\",\"published\":%" PRIu64 ",\"delivered\":%" PRIu64
                        ",\"refused\":%" PRIu64 ",\"complete\":%u,\"talkers\":%u}\n"
                      : "%s: %" PRIu64 " published, %" PRIu64 " delivered, %" PRIu64
                        " refused\n%u of %u talkers heard all, in order\n",
           stats.name, stats.published, stats.delivered, stats.refused, complete, TALKERS);
    leat_channel_close(room);
    return app_close(&app) != 0 || status != 0 || complete != TALKERS;
}
