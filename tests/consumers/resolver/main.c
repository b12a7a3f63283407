#include <leat/resolver.h>

#include <stdio.h>

/* Opens a runtime and a resolver, and asks for what no server need know. */
int main(void)
{
    struct leat_config config = leat_config_default();
    struct leat_resolver_config names = leat_resolver_config_default();
    struct leat_resolver_answer answer;
    struct leat_output out;
    struct leat_event event;
    leat_runtime *runtime;
    leat_controller *controller;
    leat_resolver *resolver;
    config.workers = 1;
    names.servers = "127.0.0.1:1";
    if (leat_runtime_open(&config, &runtime) != 0 ||
        leat_controller_open(runtime, &controller) != 0 || leat_runtime_start(runtime) != 0 ||
        leat_resolver_open(runtime, &names, &resolver) != 0 ||
        leat_resolver_ask(&out, leat_resolver_ref(resolver), "192.0.2.1", LEAT_RESOLVER_ANY, 7) != 0 ||
        leat_send(controller, out.to, out.type, out.payload, out.len) != 0 ||
        leat_receive(controller, 10 * LEAT_SEC, &event) != 0 ||
        !leat_resolver_answer_of(&event, &answer) || answer.status != 0 || answer.cookie != 7) {
        return 1;
    }
    leat_event_release(&event);
    char text[LEAT_ADDR_STRLEN];
    puts(leat_addr_format(&answer.addrs[0], text));
    leat_resolver_close(resolver);
    leat_controller_close(controller);
    return leat_runtime_close(runtime) != 0;
}
