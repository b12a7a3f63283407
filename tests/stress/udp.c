/* UDP echo under load: clients on all workers keep windows of datagrams in flight to one socket,
 * whose owner routes peers to its helpers, takes routes back and lets helpers die, all the time.
 * Helpers keep receive buffers for a while and send some to another worker, so that the socket
 * starves and is woken by returns from elsewhere. Every answer must be what was asked. */
#include "stress.h"

#define CLIENTS 8u
#define HELPERS 4u
#define WINDOW 32u
#define HELD 24u

static leat_runtime *runtime;
static leat_time until;
static struct leat_addr server_addr;
static leat_ref holder_ref;
static atomic_uint is_open;
static atomic_ullong answers, echoes, changes;

struct request {
    uint64_t client;
    uint32_t seq, len;
    uint32_t check;
};

static uint32_t checksum(const struct request *request)
{
    return (uint32_t)(request->client * 31 + request->seq * 7 + request->len) ^ 0xecc0u;
}

/* ---- helpers, and what they and the server do with a datagram ---- */

struct server {
    struct random random;
    leat_sock sock;
    leat_ref helpers[HELPERS];
    uint32_t spawning;
    leat_slice held[HELD];
    uint32_t next;
    struct leat_addr peer;
    bool goes;
    leat_outbox(8) out;
};

static void echo(struct server *server, const struct leat_event *event)
{
    leat_slice body = event->data.body;
    leat_output_reply(leat_outbox_put(&server->out), event, leat_slice_ref(body));
    atomic_fetch_add_explicit(&echoes, 1, memory_order_relaxed);
    if (random_below(&server->random, 4) == 0) {
        leat_output_send_body(leat_outbox_put(&server->out), holder_ref, 1, leat_slice_ref(body));
    } else {
        leat_slice *place = &server->held[server->next++ % HELD];
        leat_buf_unref(place->buf);
        *place = leat_slice_ref(body);
    }
}

static bool server_pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct server *server = self;
    (void)now;
    if (leat_outbox_pop(&server->out, ret)) {
        return true;
    }
    if (server->goes) {
        leat_output_stop(ret);
    }
    return server->goes;
}

static void server_fini(void *self)
{
    struct server *server = self;
    for (uint32_t i = 0; i < HELD; i++) {
        leat_buf_unref(server->held[i].buf);
    }
}

static void helper_on_event(void *self, const struct leat_event *event)
{
    struct server *server = self;
    if (event->kind == LEAT_EVENT_DATA) {
        echo(server, event);
    }
    server->goes = event->kind == LEAT_EVENT_SHUTDOWN || event->kind == LEAT_EVENT_MESSAGE;
}

static const struct leat_behavior helper = {.name = "helper",
                                            .state_size = sizeof(struct server),
                                            .on_event = helper_on_event,
                                            .pop_output = server_pop_output,
                                            .fini = server_fini};

static int server_init(void *self, const void *arg, leat_time now)
{
    struct server *server = self;
    struct leat_addr local;
    (void)arg;
    (void)now;
    leat_addr_from_host("127.0.0.1", 0, &local);
    leat_output_open(leat_outbox_put(&server->out), &local, 1);
    for (uint32_t i = 0; i < HELPERS; i++) {
        leat_output_spawn(leat_outbox_put(&server->out), &helper, NULL, 0, i);
    }
    return 0;
}

static void server_on_event(void *self, const struct leat_event *event)
{
    struct server *server = self;
    uint32_t one = random_below(&server->random, HELPERS);
    switch (event->kind) {
    case LEAT_EVENT_OPENED:
        EXPECT(event->status == 0, "open: %s", strerror(-event->status));
        server->sock = event->sock;
        server_addr = event->opened.local;
        atomic_store(&is_open, 1);
        break;
    case LEAT_EVENT_SPAWNED:
        server->helpers[event->spawned.cookie] = event->spawned.child;
        break;
    case LEAT_EVENT_SHUTDOWN:
        server->goes = true;
        break;
    case LEAT_EVENT_DATA:
        echo(server, event);
        leat_output_route(leat_outbox_put(&server->out), event->sock, &event->data.peer,
                          server->helpers[one]);
        server->peer = event->data.peer;
        atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed);
        break;
    case LEAT_EVENT_MESSAGE: /* from outside: change something */
        if (random_below(&server->random, 3) == 0) {
            leat_output_send(leat_outbox_put(&server->out), server->helpers[one], 1, NULL, 0);
            leat_output_spawn(leat_outbox_put(&server->out), &helper, NULL, 0, one);
        } else if (server->sock.id != 0) {
            leat_output_route(leat_outbox_put(&server->out), server->sock, &server->peer,
                              LEAT_REF_NONE);
        }
        break;
    default:
        break;
    }
}

static const struct leat_behavior server = {.name = "server",
                                            .state_size = sizeof(struct server),
                                            .init = server_init,
                                            .on_event = server_on_event,
                                            .pop_output = server_pop_output,
                                            .fini = server_fini};

/* ---- somebody on another worker who holds buffers ---- */

static void holder_on_event(void *self, const struct leat_event *event)
{
    struct server *holder = self;
    if (event->kind == LEAT_EVENT_MESSAGE) {
        leat_slice *place = &holder->held[holder->next++ % HELD];
        leat_buf_unref(place->buf);
        *place = leat_slice_ref(event->body);
    }
    holder->goes = event->kind == LEAT_EVENT_SHUTDOWN;
}

static const struct leat_behavior holder = {.name = "holder",
                                            .state_size = sizeof(struct server),
                                            .on_event = holder_on_event,
                                            .pop_output = server_pop_output,
                                            .fini = server_fini};

/* ---- clients ---- */

struct client {
    struct random random;
    leat_sock sock;
    uint32_t seq, sends;
    leat_time next;
    bool opens, goes, is_open;
};

static int client_init(void *self, const void *arg, leat_time now)
{
    struct client *client = self;
    (void)arg;
    client->opens = true;
    client->next = now;
    return 0;
}

static void client_on_event(void *self, const struct leat_event *event)
{
    struct client *client = self;
    struct request request;
    client->goes = event->kind == LEAT_EVENT_SHUTDOWN;
    if (event->kind == LEAT_EVENT_OPENED) {
        EXPECT(event->status == 0, "open: %s", strerror(-event->status));
        client->sock = event->sock;
        client->is_open = event->status == 0;
    } else if (event->kind == LEAT_EVENT_DATA) {
        EXPECT(event->data.body.len >= sizeof(request), "an answer of %u bytes",
               event->data.body.len);
        memcpy(&request, leat_slice_data(event->data.body), sizeof(request));
        EXPECT(request.client == leat_self(self).id && request.len == event->data.body.len &&
                   request.check == checksum(&request),
               "an answer to somebody else, or changed");
        atomic_fetch_add_explicit(&answers, 1, memory_order_relaxed);
        client->sends += client->sends < WINDOW;
    } else if (event->kind == LEAT_EVENT_DEADLINE) { /* some were lost on the way */
        EXPECT(event->now >= client->next, "a deadline came early");
        client->next = event->now + 5 * LEAT_MS;
        client->sends = WINDOW;
    }
    if (event->now >= until) {
        client->sends = 0;
        client->next = LEAT_NEVER;
    }
}

static bool client_pop_output(void *self, leat_time now, struct leat_output *ret)
{
    struct client *client = self;
    (void)now;
    if (client->opens) {
        struct leat_addr local;
        client->opens = false;
        leat_addr_from_host("127.0.0.1", 0, &local);
        leat_output_open(ret, &local, 1);
        return true;
    }
    if (client->goes) {
        leat_output_stop(ret);
        return true;
    }
    leat_slice body;
    if (!client->is_open || client->sends == 0 || atomic_load(&is_open) == 0) {
        return false;
    }
    client->sends--;
    struct request request = {.client = leat_self(self).id, .seq = ++client->seq};
    request.len = (uint32_t)sizeof(request) + random_below(&client->random, 300);
    request.check = checksum(&request);
    if (leat_buf_alloc(request.len, &body) < 0) {
        return false;
    }
    memcpy(leat_slice_data(body), &request, sizeof(request));
    leat_output_data(ret, client->sock, &server_addr, body);
    ret->full = (uint8_t)random_below(&client->random, 2);
    return true;
}

static leat_time client_deadline(const void *self)
{
    return ((const struct client *)self)->next;
}

static const struct leat_behavior client = {.name = "client",
                                            .state_size = sizeof(struct client),
                                            .init = client_init,
                                            .on_event = client_on_event,
                                            .pop_output = client_pop_output,
                                            .deadline = client_deadline};

int main(void)
{
    stress_limit("udp");
    struct leat_config config = stress_config();
    config.recv_bufs_max = 64;
    config.send_queue_len_max = 16;
    stress_open(&config, &runtime);
    until = clock_now() + stress_time();
    leat_controller *controller = stress_controller(runtime);
    leat_ref server_ref;
    leat_spawn(controller, &holder, NULL, 0, 1, &holder_ref);
    leat_spawn(controller, &server, NULL, 0, 0, &server_ref);
    EXPECT(leat_runtime_start(runtime) == 0, "start");
    for (uint32_t i = 0; i < CLIENTS; i++) {
        EXPECT(leat_spawn(controller, &client, NULL, 0, (int)(i % WORKERS), NULL) == 0, "spawn");
    }
    while (clock_now() < until) {
        leat_send(controller, server_ref, 1, NULL, 0);
        usleep(500);
    }
    stress_end(runtime, controller, "udp");
    printf("udp: %llu echoes, %llu answers, %llu routes\n",
           (unsigned long long)atomic_load(&echoes), (unsigned long long)atomic_load(&answers),
           (unsigned long long)atomic_load(&changes));
    EXPECT(atomic_load(&answers) > 100, "hardly an answer");
    return stress_result();
}
