/* The HTTP client in simulation: against the server of leat::http, and against one that misbehaves. */
#include <leat/http_agent.h>
#include <leat/testing.h>

#include "unit/httpd_rig.h"

static unsigned served;

static void echo(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const struct leat_http_header header = {leat_http_str_of("X-Method"),
                                            request->http.method_text};
    const struct leat_http_response response = {
        .status = 201, .headers = &header, .header_count = 1};
    (void)context;
    served++;
    (void)leat_httpd_call_reply(call, &response, leat_slice_ref(request->body));
}

static void large(void *context, leat_httpd_call *call, const struct leat_httpd_request *request)
{
    const struct leat_http_response response = {.status = 200};
    (void)context;
    (void)request;
    served++;
    (void)leat_httpd_call_reply(call, &response, body_of(300000, 'x'));
}

static const struct leat_httpd_route routes[] = {
    {.method = LEAT_HTTP_POST, .pattern = "/echo", .handler = echo},
    {.method = LEAT_HTTP_GET, .pattern = "/large", .handler = large},
};

/* ---- who asks ---- */

struct asker {
    struct puppet puppet;
    unsigned answers;
    uint64_t cookie;
    int error;
    unsigned status;
    size_t body_len;
    char body[32], method[16];
};

static void asker_event(struct puppet *puppet, const struct leat_event *event)
{
    struct asker *asker = puppet->context;
    leat_http_str method = {NULL, 0};
    if (event->kind != LEAT_EVENT_MESSAGE || event->type != LEAT_HTTP_AGENT_ANSWER) {
        return;
    }
    const struct leat_http_answer *answer = leat_http_agent_answer_of(event);
    asker->answers++;
    asker->cookie = answer->cookie;
    asker->error = answer->error;
    asker->status = answer->status;
    asker->body_len = answer->body.len;
    if (answer->error == 0) {
        (void)leat_http_head_find(&answer->head, "X-Method", &method);
    }
    snprintf(asker->method, sizeof(asker->method), "%.*s", (int)method.len, method.data);
    snprintf(asker->body, sizeof(asker->body), "%.*s",
             answer->body.len < 30 ? (int)answer->body.len : 30,
             answer->body.buf != NULL ? (const char *)leat_slice_data(answer->body) : "");
}

struct world {
    struct site site;
    struct asker asker;
    leat_ref agent;
};

static void world_open(struct world *world, const struct leat_http_agent_config *agent,
                       leat_time idle_ns)
{
    const struct leat_config config = rig_config();
    struct leat_httpd_config http = site_config(routes, 2);
    memset(world, 0, sizeof(*world));
    served = 0;
    http.http.idle_ns = idle_ns;
    rig_open(&world->site.rig, &config);
    site_open(&world->site, &http);
    world->asker.puppet.on_event = asker_event;
    world->asker.puppet.context = &world->asker;
    rig_spawn(&world->site.rig, &world->asker.puppet);
    CHECK_EQ(leat_spawn(world->site.rig.controller, &leat_http_agent, agent, sizeof(*agent), 0,
                        &world->agent),
             0);
    rig_run(&world->site.rig, 0);
}

static void world_close(struct world *world)
{
    site_close(&world->site);
    puppet_free(&world->asker.puppet);
}

static void ask(struct world *world, const char *method, const char *target, const char *body,
                leat_time timeout_ns)
{
    leat_slice slice = {0};
    if (body != NULL) {
        slice = body_of(strlen(body), 0);
        memcpy(leat_slice_data(slice), body, slice.len);
    }
    const struct leat_http_ask what = {
        .cookie = 100 + world->asker.puppet.outputs_len,
        .peer = world->site.local,
        .query = {.method = leat_http_str_of(method),
                  .target = leat_http_str_of(target),
                  .host = leat_http_str_of("a")},
        .body = slice,
        .timeout_ns = timeout_ns,
    };
    CHECK_EQ(leat_http_agent_ask(puppet_put(&world->asker.puppet), world->agent, &what), 0);
    rig_poke(&world->site.rig, &world->asker.puppet);
}

static void pass(struct world *world, leat_time ns)
{
    rig_run(&world->site.rig, ns);
}

TEST(http_agent, asks_and_keeps_its_connections)
{
    struct world world;
    const struct leat_http_agent_config config = leat_http_agent_config_default();
    world_open(&world, &config, 30 * LEAT_SEC);
    ask(&world, "POST", "/echo", "abc", 5 * LEAT_SEC);
    pass(&world, LEAT_SEC);
    CHECK_EQ(world.asker.answers, 1);
    CHECK_EQ(world.asker.cookie, 100);
    CHECK_EQ(world.asker.status, 201);
    CHECK_STR(world.asker.body, "abc");
    CHECK_STR(world.asker.method, "POST");
    ask(&world, "GET", "/large", NULL, 5 * LEAT_SEC);
    pass(&world, LEAT_SEC);
    CHECK_EQ(world.asker.answers, 2);
    CHECK_EQ(world.asker.body_len, 300000);
    ask(&world, "HEAD", "/large", NULL, 5 * LEAT_SEC);
    pass(&world, LEAT_SEC);
    CHECK_EQ(world.asker.status, 200);
    CHECK_EQ(world.asker.body_len, 0);
    ask(&world, "GET", "/nothing", NULL, 5 * LEAT_SEC);
    pass(&world, LEAT_SEC);
    CHECK_EQ(world.asker.status, 404);
    CHECK_EQ(world.asker.answers, 4);
    CHECK_EQ(site_stats(&world.site).accepted, 1);
    ask(&world, "G ET", "/", NULL, 5 * LEAT_SEC);
    pass(&world, LEAT_SEC);
    CHECK_EQ(world.asker.error, -EINVAL);
    world_close(&world);
}

TEST(http_agent, many_wait_in_order)
{
    struct world world;
    struct leat_http_agent_config config = leat_http_agent_config_default();
    config.peer_max = 2;
    config.waiting_max = 5;
    world_open(&world, &config, 30 * LEAT_SEC);
    for (int i = 0; i < 10; i++) {
        ask(&world, "GET", "/large", NULL, 20 * LEAT_SEC);
    }
    CHECK_EQ(world.asker.answers, 3); /* two are on their way, five wait */
    CHECK_EQ(world.asker.error, -EAGAIN);
    pass(&world, 10 * LEAT_SEC);
    CHECK_EQ(world.asker.answers, 10);
    CHECK_EQ(world.asker.error, 0);
    CHECK_EQ(served, 7);
    CHECK_EQ(site_stats(&world.site).accepted, 2);
    world_close(&world);
}

TEST(http_agent, a_connection_that_was_closed)
{
    struct world world;
    const struct leat_http_agent_config config = leat_http_agent_config_default();
    world_open(&world, &config, 2 * LEAT_SEC);
    ask(&world, "GET", "/large", NULL, 5 * LEAT_SEC);
    pass(&world, LEAT_SEC);
    pass(&world, 5 * LEAT_SEC); /* the server ends it, and the next ask opens another */
    CHECK_EQ(site_stats(&world.site).connections, 0);
    ask(&world, "POST", "/echo", "x", 5 * LEAT_SEC);
    pass(&world, LEAT_SEC);
    CHECK_EQ(world.asker.answers, 2);
    CHECK_EQ(world.asker.status, 201);
    /* Sent in the very moment in which the server closes: what may be repeated is. */
    unsigned repeated = 0;
    for (int i = 0; i < 40; i++) {
        const uint64_t before = site_stats(&world.site).accepted;
        pass(&world, 2 * LEAT_SEC - 1200 * LEAT_US + (leat_time)i * 50 * LEAT_US);
        ask(&world, "GET", "/large", NULL, 5 * LEAT_SEC);
        pass(&world, LEAT_SEC);
        CHECK_EQ(world.asker.error, 0);
        repeated += site_stats(&world.site).accepted != before;
        pass(&world, LEAT_SEC);
    }
    CHECK_EQ(world.asker.answers, 42);
    CHECK(repeated > 0);
    world_close(&world);
}

/* A server that says what the test says, or nothing. */
struct fake {
    struct puppet puppet;
    const char *says;
    bool closes;
    struct leat_addr local;
    leat_sock answered; /* each connection once, in however many portions it asks */
};

static void fake_event(struct puppet *puppet, const struct leat_event *event)
{
    struct fake *fake = puppet->context;
    if (event->kind == LEAT_EVENT_OPENED) {
        fake->local = event->opened.local;
    } else if (event->kind == LEAT_EVENT_ACCEPTED) {
        leat_output_give(puppet_put(puppet), event->accepted.sock, puppet->ref, 0);
    } else if (event->kind == LEAT_EVENT_DATA && fake->says != NULL &&
               !leat_sock_equal(event->sock, fake->answered)) {
        fake->answered = event->sock;
        leat_slice body = body_of(strlen(fake->says), 0);
        memcpy(leat_slice_data(body), fake->says, body.len);
        leat_output_write(puppet_put(puppet), event->sock, body);
        if (fake->closes) {
            leat_output_close(puppet_put(puppet), event->sock);
        }
    }
}

/* A connect without a limit would hold its place for as long as nobody answers. */
TEST(http_agent, a_connect_has_a_limit)
{
    struct leat_http_agent_config config = leat_http_agent_config_default();
    leat_probe *probe = leat_probe_open(&leat_http_agent, &config, LEAT_SEC);
    const struct leat_http_ask what = {.query = {.method = leat_http_str_of("GET"),
                                                 .target = leat_http_str_of("/"),
                                                 .host = leat_http_str_of("a")}};
    struct leat_output ask, out;
    CHECK_EQ(leat_http_agent_ask(&ask, leat_probe_ref(probe), &what), 0);
    struct leat_event event = leat_probe_message(LEAT_HTTP_AGENT_ASK, NULL, 0);
    event.len = LEAT_LEN_BODY;
    event.body = ask.body;
    CHECK(!leat_probe_pop(probe, &out)); /* of its init */
    CHECK_EQ(leat_probe_give(probe, &event), 0);
    REQUIRE(leat_probe_pop(probe, &out));
    CHECK_EQ(out.kind, LEAT_OUTPUT_CONNECT);
    CHECK_EQ(out.connect.timeout_ns, 1);
    leat_output_release(&ask);
    leat_probe_close(probe);
    config.connect_ns = 0;
    probe = leat_probe_open(&leat_http_agent, &config, LEAT_SEC);
    CHECK_EQ(leat_probe_status(probe), -EINVAL);
    leat_probe_close(probe);
}

TEST(http_agent, servers_that_misbehave)
{
    static const struct {
        const char *says;
        bool closes;
        int error;
    } cases[] = {
        {NULL, false, -ETIMEDOUT},
        {"nonsense\r\n\r\n", false, -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", false, -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", true, -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", false, -ETIMEDOUT},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\nabc", false, -EPROTO},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc", true, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", false, 0},
    };
    struct world world;
    struct fake fake = {.puppet = {.on_event = fake_event}};
    const struct leat_http_agent_config config = leat_http_agent_config_default();
    world_open(&world, &config, 30 * LEAT_SEC);
    fake.puppet.context = &fake;
    rig_spawn(&world.site.rig, &fake.puppet);
    pass(&world, 0);
    struct leat_addr any;
    CHECK_EQ(leat_addr_parse("127.0.0.1:0", &any), 0);
    leat_output_listen(puppet_put(&fake.puppet), &any, 0);
    rig_poke(&world.site.rig, &fake.puppet);
    pass(&world, LEAT_MS);
    world.site.local = fake.local;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake.says = cases[i].says;
        fake.closes = cases[i].closes;
        ask(&world, "POST", "/", "x", 3 * LEAT_SEC);
        pass(&world, 2 * LEAT_SEC);
        pass(&world, 2 * LEAT_SEC);
        CHECK_EQ(world.asker.answers, i + 1);
        CHECK_EQ(world.asker.error, cases[i].error);
        CHECK_STR(world.asker.body, cases[i].error == 0 ? "abc" : "");
    }
    world.site.local.port = 9; /* nobody */
    ask(&world, "GET", "/", NULL, 3 * LEAT_SEC);
    pass(&world, 6 * LEAT_SEC);
    CHECK_EQ(world.asker.error, -ECONNREFUSED);
    ask(&world, "GET", "/", NULL, 0); /* no time at all */
    pass(&world, 0);
    CHECK_EQ(world.asker.error, -ETIMEDOUT);
    world.site.local = fake.local;
    fake.says = NULL;
    for (int i = 0; i < 12; i++) {
        ask(&world, "GET", "/", NULL, 3000 * LEAT_SEC);
    }
    world.asker.puppet.stays = true;
    const unsigned before = world.asker.answers;
    leat_runtime_stop(world.site.rig.runtime);
    pass(&world, 100 * LEAT_MS);
    CHECK_EQ(world.asker.answers, before + 12);
    CHECK_EQ(world.asker.error, -ESHUTDOWN);
    world_close(&world);
    puppet_free(&fake.puppet);
}
