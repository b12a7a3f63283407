/* The smallest actors: one person greets another, who says so. Both end, so the process does. */
#include <leat/leat.h>
#include <stdio.h>

enum { GREETING = 1 }; /* what a message's type means is the actors' business */

struct person {
    leat_outbox(2) out; /* as many outputs as one input causes at most */
};

static int person_init(void *state, const void *arg, leat_time now)
{
    struct person *self = state;
    (void)now;
    if (arg != NULL) { /* whom to greet; the first person knows nobody */
        leat_output_send(leat_outbox_put(&self->out), *(const leat_ref *)arg, GREETING, "world", 5);
        leat_output_stop(leat_outbox_put(&self->out));
    }
    return 0;
}

static void person_on_event(void *state, const struct leat_event *event)
{
    struct person *self = state;
    if (event->kind == LEAT_EVENT_MESSAGE && event->type == GREETING) {
        size_t len;
        const char *name = leat_event_payload(event, &len);
        printf("hello, %.*s\n", (int)len, name);
    }
    leat_output_stop(leat_outbox_put(&self->out)); /* greeted, or told to shut down */
}

static bool person_pop_output(void *state, leat_time now, struct leat_output *ret)
{
    (void)now;
    return leat_outbox_pop(&((struct person *)state)->out, ret);
}

static const struct leat_behavior person = {.name = "person",
                                            .state_size = sizeof(struct person),
                                            .init = person_init,
                                            .on_event = person_on_event,
                                            .pop_output = person_pop_output};

int main(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "%s takes no flags\n", argv[0]);
        return 2;
    }
    struct leat_config config = leat_config_default();
    leat_runtime *runtime;
    leat_controller *controller;
    leat_ref ref;
    if (leat_runtime_open(&config, &runtime) != 0 ||
        leat_controller_open(runtime, &controller) != 0 ||
        leat_spawn(controller, &person, NULL, 0, LEAT_WORKER_BEST, &ref) != 0 ||
        leat_spawn(controller, &person, &ref, sizeof(ref), LEAT_WORKER_BEST, NULL) != 0) {
        return 1; /* leat has said why on stderr */
    }
    int status = leat_runtime_run(runtime); /* until no actor is left */
    leat_controller_close(controller);
    return leat_runtime_close(runtime) != 0 || status != 0;
}
