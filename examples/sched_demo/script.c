/* The tour of --script: each step does something, waits, says what the figures show, and checks it.
 * With --io sim all of it is virtual time, and a seed replays to the letter. */
#include "demo.h"
#include "group_load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define BURST_LEN UINT64_C(100000)
#define PATIENCE 50 /* times 100 ms, which a machine that is busy with other things may need */

struct script {
    struct demo *demo;
    bool json;
    bool good;  /* all that was claimed so far was so */
    bool ended; /* the runtime was stopped from outside: a signal, --seconds */
    struct leat_worker_stats before;
};

static struct leat_worker_stats since(const struct script *script)
{
    struct leat_worker_stats now = figures_total(script->demo->app.runtime);
    now.sent -= script->before.sent;
    now.delivered -= script->before.delivered;
    now.refused -= script->before.refused;
    now.dead_letters -= script->before.dead_letters;
    now.slow_actors -= script->before.slow_actors;
    now.parks -= script->before.parks;
    return now;
}

/* Lets it run for so long. The figures are those since the last `mark`. */
static void wait_ms(struct script *script, uint64_t ms)
{
    struct demo *demo = script->demo;
    struct leat_event event;
    const leat_time until = leat_controller_now(demo->app.controller) + ms * LEAT_MS;
    while (!script->ended && leat_controller_now(demo->app.controller) < until) {
        if (app_receive(&demo->app, &event) != 0) {
            script->ended = true;
        } else if (!demo_event(demo, &event)) {
            figures_take(&demo->figures, event.now);
            scene_turn(&demo->scene);
        }
    }
}

static void mark(struct script *script)
{
    script->before = figures_total(script->demo->app.runtime);
}

__attribute__((format(printf, 4, 5))) static void say(struct script *script, const char *step,
                                                      bool so, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (script->ended) {
        return;
    }
    script->good = script->good && so;
    if (script->json) {
        printf("{\"step\":\"%s\",\"ok\":%s,\"text\":\"%s\"}\n", step, so ? "true" : "false", text);
    } else {
        printf("%-4s %-15s %s\n", so ? "ok" : "FAIL", step, text);
    }
    fflush(stdout);
}

static uint64_t actors_of(const struct figures *figures, const char *behavior)
{
    for (size_t i = 0; i < figures->behaviors_len; i++) {
        if (strcmp(figures->behaviors[i].name, behavior) == 0) {
            return figures->behaviors[i].actors;
        }
    }
    return 0;
}

/* ---- steps ---- */

static void step_run(struct script *script)
{
    const struct row *all = &script->demo->figures.all;
    wait_ms(script, 800);
    say(script, "running",
        all->messages > 0 && all->datagrams_in > 0 && all->deadlines > 0 && all->actors > 200,
        "%s, %zu workers, %" PRIu64 " actors: %.0f messages/s, %.0f datagrams/s, %.0f deadlines/s",
        leat_io_name(script->demo->app.runtime), script->demo->figures.workers_len, all->actors,
        all->messages, all->datagrams_in, all->deadlines);
}

static void step_load(struct script *script)
{
    const double before = script->demo->figures.all.messages;
    scene_set_load(&script->demo->scene, 200);
    wait_ms(script, 800);
    for (int i = 0; i < PATIENCE && script->demo->figures.all.messages <= 1.3 * before; i++) {
        wait_ms(script, 100);
    }
    const double after = script->demo->figures.all.messages;
    say(script, "rate 200 %", after > 1.3 * before, "%.0f messages/s, were %.0f", after, before);
    scene_set_load(&script->demo->scene, 100);
}

static void step_actors(struct script *script)
{
    const struct figures *figures = &script->demo->figures;
    const uint64_t before = actors_of(figures, "consumer");
    (void)scene_more(&script->demo->scene);
    wait_ms(script, 200);
    const uint64_t more = actors_of(figures, "consumer");
    (void)scene_fewer(&script->demo->scene);
    wait_ms(script, 300);
    const uint64_t after = actors_of(figures, "consumer");
    say(script, "more consumers", more > before && after == before,
        "%" PRIu64 " of them, then %" PRIu64 ", then %" PRIu64, before, more, after);
}

static void step_burst(struct script *script)
{
    const uint64_t asked = BURST_LEN * (uint64_t)script->demo->scene.workers;
    mark(script);
    scene_burst(&script->demo->scene, BURST_LEN);
    wait_ms(script, 500);
    for (int i = 0; i < PATIENCE && since(script).delivered <= 2 * asked; i++) {
        wait_ms(script, 100);
    }
    const struct leat_worker_stats so_far = since(script);
    say(script, "burst", so_far.delivered > 2 * asked,
        "%" PRIu64 " at once, each twice on its way: %" PRIu64 " delivered, %" PRIu64
        " drains waited for room",
        asked, so_far.delivered, so_far.parks);
}

static const struct channel_row *channel(const struct script *script, const char *name)
{
    static const struct channel_row none;
    const struct figures *figures = &script->demo->figures;
    for (size_t i = 0; i < figures->channels_len; i++) {
        if (strcmp(figures->channels[i].name, name) == 0) {
            return &figures->channels[i];
        }
    }
    return &none;
}

/* The rates are of one moment and many workers: a message may be counted on one side of it only. */
static void step_bus(struct script *script)
{
    const struct channel_row *news = channel(script, "news");
    const double copies = news->published * (double)news->subscribers;
    say(script, "bus",
        copies > 0 && news->delivered > 0.8 * copies && news->delivered < 1.2 * copies,
        "news: %.0f messages/s published, %.0f delivered to %" PRIu64 " subscribers",
        news->published, news->delivered, news->subscribers);
}

/* Each member is given each message, and its own deadline once a second. */
static void step_group(struct script *script)
{
    const struct scene *scene = &script->demo->scene;
    const double video = channel(script, "video")->published;
    double inputs = 0;
    uint64_t members = 0;
    for (size_t i = 0; i < script->demo->figures.behaviors_len; i++) {
        const struct behavior_row *row = &script->demo->figures.behaviors[i];
        if (strcmp(row->name, member_behavior.name) == 0) {
            members = row->actors;
            inputs = row->inputs;
        }
    }
    say(script, "group", members == scene->config.members && inputs > 0.8 * video * (double)members,
        "%" PRIu64 " members were given %.0f inputs/s", members, inputs);
}

static void step_full(struct script *script)
{
    mark(script);
    scene_set_full(&script->demo->scene, true);
    wait_ms(script, 500);
    const uint64_t dropped = channel(script, "video")->dropped;
    scene_set_full(&script->demo->scene, false);
    say(script, "full mailbox", since(script).refused > dropped && dropped > 0,
        "%" PRIu64 " refused, %" PRIu64 " of them by a subscriber of video", since(script).refused,
        dropped);
}

static void step_stop(struct script *script)
{
    mark(script);
    scene_set_stopped(&script->demo->scene, true);
    wait_ms(script, 500);
    const uint64_t dead = since(script).dead_letters;
    scene_set_stopped(&script->demo->scene, false);
    wait_ms(script, 300);
    mark(script);
    wait_ms(script, 200);
    const uint64_t after = since(script).dead_letters;
    say(script, "stopped actor", dead > 0 && after == 0,
        "%" PRIu64 " dead letters, %" PRIu64 " once there is another one", dead, after);
}

static const char *named(struct message_line lines[MESSAGES_LINES])
{
    for (size_t i = messages_last(lines, MESSAGES_LINES); i > 0; i--) {
        if (strstr(lines[i - 1].text, slow_behavior.name) != NULL) {
            return lines[i - 1].text;
        }
    }
    return NULL;
}

static void step_slow(struct script *script)
{
    static struct message_line lines[MESSAGES_LINES];
    if (demo_is_sim(script->demo)) {
        say(script, "slow actor", true, "not in simulation: virtual time waits for every actor");
        return;
    }
    mark(script);
    scene_set_slow(&script->demo->scene, true);
    wait_ms(script, 700);
    for (int i = 0; i < PATIENCE && since(script).slow_actors == 0; i++) {
        wait_ms(script, 100);
    }
    const struct leat_worker_stats so_far = since(script);
    const double slowly = script->demo->figures.all.messages;
    scene_set_slow(&script->demo->scene, false);
    wait_ms(script, 800);
    for (int i = 0; i < PATIENCE && script->demo->figures.all.messages <= 2 * slowly; i++) {
        wait_ms(script, 100);
    }
    const double after = script->demo->figures.all.messages;
    const char *name = named(lines);
    say(script, "slow actor", so_far.slow_actors > 0 && name != NULL,
        "named %" PRIu64 " times: %s; %" PRIu64 " drains waited for room", so_far.slow_actors,
        name != NULL ? name : "(not in the log)", so_far.parks);
    say(script, "none slow", after > 2 * slowly, "%.0f messages/s, were %.0f", after, slowly);
}

/* Ends the runtime and adds its totals. */
static void end(struct script *script)
{
    struct leat_event event;
    while (app_receive(&script->demo->app, &event) == 0) {
        (void)demo_event(script->demo, &event);
    }
    demo_ended(script->demo);
}

static void step_backend(struct script *script)
{
    struct demo *demo = script->demo;
    const bool sim = demo_is_sim(demo);
    if (script->ended) {
        end(script);
        return;
    }
    demo_again(demo, sim ? "sim" : demo_next_io(demo), sim ? 10 : 0);
    end(script);
    const struct leat_worker_stats *sum = &demo->totals.messages;
    say(script, "end of a run", demo->totals.balanced,
        "sent %" PRIu64 " = delivered %" PRIu64 " + refused %" PRIu64 " + dead letters %" PRIu64,
        sum->sent, sum->delivered, sum->refused, sum->dead_letters);
    demo->status = demo_reopen(demo);
    if (demo->status != 0) {
        return;
    }
    wait_ms(script, 700);
    say(script, "next backend", demo->figures.all.messages > 0, "%s: %.0f messages/s",
        leat_io_name(demo->app.runtime), demo->figures.all.messages);
    leat_runtime_stop(demo->app.runtime);
    end(script);
    if (sim) {
        say(script, "packet loss", demo->udp.lost > 0, "%" PRIu64 " of %" PRIu64 " datagrams lost",
            demo->udp.lost, demo->udp.sent);
    }
}

bool script_run(struct demo *demo)
{
    struct script script = {.demo = demo, .json = demo->flags->json, .good = true};
    step_run(&script);
    step_load(&script);
    step_actors(&script);
    step_burst(&script);
    step_bus(&script);
    step_group(&script);
    step_full(&script);
    step_stop(&script);
    step_slow(&script);
    step_backend(&script);
    if (script.ended) {
        fprintf(stderr, "the tour was ended before its end\n");
    }
    return script.good && !script.ended;
}
