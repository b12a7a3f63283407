/* Storms of ping-pong: pairs of actors on different workers keep several balls in the air, and
 * threads outside play with everybody. Each ball carries a number: none may be lost, doubled or
 * overtaken by the next one of its server. */
#include "stress.h"

#define PAIRS 24u
#define BALLS 16u
#define THREADS 3u
#define WINDOW 64u

enum { SERVE = 1, BALL, RETURN, FROM_OUTSIDE, BACK_OUTSIDE };

struct player {
    leat_ref other;
    uint32_t serves; /* yet to pop */
    uint64_t hits;
    uint64_t next_out; /* number of the next ball it serves */
    uint64_t next_in;  /* of the next that must come */
    uint64_t next_home;
    bool server;
    leat_outbox(2) out;
};

static leat_runtime *runtime;
static leat_ref players[2 * PAIRS];
static leat_time until;
static atomic_ullong played;

static void on_event(void *self, const struct leat_event *event)
{
    struct player *player = self;
    uint64_t number = 0;
    if (event->kind == LEAT_EVENT_SHUTDOWN) {
        atomic_fetch_add(&played, player->hits);
        leat_output_stop(leat_outbox_put(&player->out));
        return;
    }
    if (event->kind != LEAT_EVENT_MESSAGE) {
        EXPECT(false, "event %u", event->kind);
        return;
    }
    memcpy(&number, event->payload, sizeof(number));
    switch (event->type) {
    case SERVE:
        memcpy(&player->other, event->payload, sizeof(player->other));
        player->serves = BALLS;
        player->server = true;
        break;
    case BALL:
        EXPECT(number == player->next_in, "ball %llu came instead of %llu",
               (unsigned long long)number, (unsigned long long)player->next_in);
        player->next_in = number + 1;
        leat_output_send(leat_outbox_put(&player->out), event->from, RETURN, &number,
                         sizeof(number));
        break;
    case RETURN:
        EXPECT(number == player->next_home, "ball %llu came back instead of %llu",
               (unsigned long long)number, (unsigned long long)player->next_home);
        player->next_home = number + 1;
        player->hits++;
        player->serves += event->now < until;
        break;
    default:
        leat_output_send(leat_outbox_put(&player->out), event->from, BACK_OUTSIDE, &number,
                         sizeof(number));
    }
}

static bool pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct player *player = self;
    (void)now;
    if (leat_outbox_pop(&player->out, ret)) {
        return true;
    }
    if (player->serves == 0) {
        return false;
    }
    player->serves--;
    leat_output_send(ret, player->other, BALL, &player->next_out, sizeof(player->next_out));
    player->next_out++;
    return true;
}

static const struct leat_behavior player = {.name = "player",
                                            .state_size = sizeof(struct player),
                                            .on_event = on_event,
                                            .pop_output = pop_output};

/* Keeps WINDOW balls in the air to one player after the other, and wants them back in order. */
static void *outside(void *context)
{
    struct random random = {.state = 100 + *(uint32_t *)context};
    leat_controller *controller = stress_controller(runtime);
    while (clock_now() < until) {
        leat_ref to = players[random_below(&random, 2 * PAIRS)];
        uint64_t first = (uint64_t)random_below(&random, 1000000) << 20;
        uint64_t sent = 0, back = 0;
        while (sent < WINDOW) {
            uint64_t number = first + sent;
            int status = leat_send(controller, to, FROM_OUTSIDE, &number, sizeof(number));
            EXPECT(status == 0 || status == -EAGAIN, "send: %s", strerror(-status));
            sent += status == 0;
            if (status == -EAGAIN) {
                usleep(100);
            }
        }
        while (back < sent) {
            struct leat_event event;
            uint64_t number;
            int status = leat_receive(controller, 20 * LEAT_SEC, &event);
            EXPECT(status == 0, "%llu of %llu balls came back: %s", (unsigned long long)back,
                   (unsigned long long)sent, strerror(-status));
            if (status < 0) {
                break;
            }
            memcpy(&number, event.payload, sizeof(number));
            EXPECT(event.type == BACK_OUTSIDE && number == first + back, "another ball came back");
            back++;
        }
    }
    leat_controller_close(controller);
    return NULL;
}

int main(void)
{
    stress_limit("pingpong");
    struct leat_config config = stress_config();
    stress_open(&config, &runtime);
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    for (uint32_t i = 0; i < 2 * PAIRS; i++) {
        int status = leat_spawn(controller, &player, NULL, 0, (int)(i % WORKERS), &players[i]);
        EXPECT(status == 0, "spawn: %s", strerror(-status));
    }
    for (uint32_t i = 0; i < 2 * PAIRS; i += 2) {
        leat_send(controller, players[i], SERVE, &players[i + 1], sizeof(leat_ref));
    }
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    struct stress_threads threads = {0};
    stress_start(&threads, THREADS, outside);
    stress_join(&threads);
    usleep(200000); /* the balls in the air come down */
    stress_end(runtime, controller, "pingpong");
    printf("pingpong: %llu rallies\n", (unsigned long long)atomic_load(&played));
    EXPECT(atomic_load(&played) > PAIRS * BALLS, "nobody played");
    return stress_result();
}
