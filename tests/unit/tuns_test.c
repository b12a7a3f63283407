/* Actors with a TUN: the whole way, on every backend that has one, each in a network of its own. */
#include <linux/capability.h>
#include <poll.h>
#include <sys/syscall.h>

#include "helpers.h"
#include "netns.h"
#include "packets.h"

/* Opens TUN_HERE/24 as its config says, and tells the controller: OPENED's status. */
struct station {
    struct puppet puppet;
    struct leat_tun_addr here;
    struct leat_tun_config config;
    leat_ref home;
    leat_sock sock;
    bool echoes;
};

#define STATION_OPENED 1
#define STATION_CLOSED 2

static void station_on_event(struct puppet *puppet, const struct leat_event *event)
{
    struct station *self = puppet->context;
    if (event->kind == LEAT_EVENT_OPENED) {
        self->sock = event->sock;
        puppet_send(puppet, self->home, STATION_OPENED, (uint64_t)(int64_t)event->status);
    } else if (event->kind == LEAT_EVENT_SOCK_CLOSED) {
        puppet_send(puppet, self->home, STATION_CLOSED, (uint64_t)(int64_t)event->status);
    } else if (event->kind == LEAT_EVENT_DATA && self->echoes) {
        packet_turn(leat_slice_data(event->tun.body));
        leat_output_reply(puppet_put(puppet), event, leat_slice_ref(event->tun.body));
    }
}

/* What else it does is set before. */
static void station_begin(struct station *station, struct rig *rig, uint32_t flags, int worker)
{
    REQUIRE(leat_addr_from_host(TUN_HERE, 0, &station->here.ip) == 0);
    station->here.prefix_len = 24;
    station->config = (struct leat_tun_config){
        .name = "leat0", .addrs = &station->here, .addrs_len = 1, .flags = flags | LEAT_TUN_UP};
    station->home = leat_controller_ref(rig->controller);
    if (station->puppet.on_event == NULL) {
        station->puppet.on_event = station_on_event;
    }
    station->puppet.context = station;
    leat_output_open_tun(puppet_put(&station->puppet), &station->config, 7);
    rig_spawn_as(rig, &station->puppet, &puppet_behavior, worker);
}

/* The status that the controller was told last. */
static int told(const struct rig *rig)
{
    struct leat_event last = rig_last(rig);
    return (int)(int64_t)event_value(&last);
}

/* One datagram there, and the next that comes back. */
static ssize_t ask(int fd, const void *bytes, size_t len, void *answer, size_t answer_len)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    REQUIRE(kernel_send(fd, bytes, len) == (ssize_t)len);
    REQUIRE(poll(&ready, 1, 5000) == 1);
    return recv(fd, answer, answer_len, 0);
}

TEST(tuns, echo)
{
    netns_need_tun();
    for (size_t i = 0; i < BACKENDS_LEN; i++) {
        if (strcmp(backend_name(i), "sim") == 0) {
            continue;
        }
        struct leat_config config = rig_threads(1);
        struct rig rig;
        struct station station = {.echoes = true};
        config.io = backend_name(i);
        rig_open(&rig, &config);
        station_begin(&station, &rig, 0, 0);
        REQUIRE(rig_await(&rig, 1));
        REQUIRE(told(&rig) == 0);
        int fd = kernel_socket(7000);
        for (uint32_t len = 1; len <= 1400; len += 199) {
            char bytes[1400], back[2000];
            memset(bytes, (int)len, len);
            CHECK_EQ(ask(fd, bytes, len, back, sizeof(back)), len);
            CHECK(memcmp(back, bytes, len) == 0);
        }
        close(fd);
        rig_close(&rig);
        struct leat_event opened = puppet_nth(&station.puppet, LEAT_EVENT_OPENED, 0);
        CHECK_STR(opened.tun_opened.info.name, "leat0");
        CHECK_EQ(opened.tun_opened.info.mtu, 1500);
        CHECK_EQ(opened.tun_opened.cookie, 7);
        CHECK_EQ(puppet_count(&station.puppet, LEAT_EVENT_DATA), 8);
        CHECK_EQ(if_nametoindex("leat0"), 0); /* it went with its actor */
        puppet_free(&station.puppet);
    }
}

TEST(tuns, two_workers_share_an_interface)
{
    netns_need_tun();
    struct leat_config config = rig_threads(2);
    struct rig rig;
    struct station stations[2] = {{.echoes = true}, {.echoes = true}};
    rig_open(&rig, &config);
    for (int i = 0; i < 2; i++) {
        station_begin(&stations[i], &rig, LEAT_TUN_QUEUES, i);
        REQUIRE(rig_await(&rig, (size_t)i + 1));
        REQUIRE(told(&rig) == 0);
    }
    for (uint16_t flow = 0; flow < 64; flow++) {
        char back[8];
        int fd = kernel_socket((uint16_t)(8000 + flow));
        CHECK_EQ(ask(fd, "ping", 4, back, sizeof(back)), 4);
        close(fd);
    }
    rig_close(&rig);
    for (int i = 0; i < 2; i++) {
        CHECK(puppet_count(&stations[i].puppet, LEAT_EVENT_DATA) > 0);
        puppet_free(&stations[i].puppet);
    }
}

TEST(tuns, says_what_is_missing)
{
    netns_need_tun();
    struct leat_config config = rig_threads(1);
    struct rig rig;
    struct station station = {0};
    netns_capable(false); /* the worker inherits that */
    rig_open(&rig, &config);
    netns_capable(true);
    station_begin(&station, &rig, 0, 0);
    REQUIRE(rig_await(&rig, 1));
    CHECK_EQ(told(&rig), -EPERM);
    CHECK(lines_have(&rig.lines, "cannot open TUN leat0: Operation not permitted; CAP_NET_ADMIN"));
    rig_close(&rig);
    CHECK_STR(puppet_nth(&station.puppet, LEAT_EVENT_OPENED, 0).tun_opened.info.name, "leat0");
    puppet_free(&station.puppet);
}

TEST(tuns, deleted_interface_closes_its_socket)
{
    netns_need_tun();
    struct leat_config config = rig_threads(1);
    struct rig rig;
    struct station station = {0};
    rig_open(&rig, &config);
    station_begin(&station, &rig, 0, 0);
    REQUIRE(rig_await(&rig, 1));
    REQUIRE(told(&rig) == 0);
    REQUIRE(netns_delete("leat0") == 0);
    REQUIRE(rig_await(&rig, 2));
    CHECK_EQ(told(&rig), -ENODEV);
    rig_close(&rig);
    CHECK_EQ(puppet_count(&station.puppet, LEAT_EVENT_SOCK_CLOSED), 1);
    puppet_free(&station.puppet);
}

/* What only UDP can do is handed back, and so is everything after the end. */
static void handed_back_on_event(struct puppet *puppet, const struct leat_event *event)
{
    static const struct leat_addr peer = {.port = 9};
    if (event->kind == LEAT_EVENT_OPENED && event->status == 0) {
        leat_slice body;
        REQUIRE(leat_buf_alloc(20, &body) == 0);
        leat_output_data_many(puppet_put(puppet), event->sock, &peer, 1, leat_slice_ref(body));
        leat_output_route(puppet_put(puppet), event->sock, &peer, puppet->ref);
        leat_output_pause(puppet_put(puppet), event->sock);
        body.len = 0;
        leat_output_packet(puppet_put(puppet), event->sock, leat_slice_ref(body), NULL);
        leat_output_close(puppet_put(puppet), event->sock);
        leat_output_packet(puppet_put(puppet), event->sock, body, NULL);
    }
    station_on_event(puppet, event);
}

TEST(tuns, handed_back)
{
    static const int statuses[] = {-EINVAL, -EINVAL, -EINVAL, -EINVAL, -EBADF};
    netns_need_tun();
    struct leat_config config = rig_threads(1);
    struct rig rig;
    struct station station = {0};
    rig_open(&rig, &config);
    station.puppet.on_event = handed_back_on_event;
    station_begin(&station, &rig, 0, 0);
    REQUIRE(rig_await(&rig, 2));
    CHECK_EQ(told(&rig), 0); /* CLOSED */
    rig_close(&rig);
    REQUIRE(station.puppet.refusals_len == 5);
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(station.puppet.refusals[i].status, statuses[i]);
    }
    puppet_free(&station.puppet);
}

TEST(tuns, simulation_has_none)
{
    struct leat_config config = rig_config();
    struct rig rig;
    struct station station = {0};
    rig_open(&rig, &config);
    station_begin(&station, &rig, 0, 0);
    leat_output_open_tun(puppet_put(&station.puppet), NULL, 0);
    rig_run(&rig, LEAT_MS);
    rig_close(&rig);
    REQUIRE(station.puppet.refusals_len == 2);
    CHECK_EQ(station.puppet.refusals[0].status, -EOPNOTSUPP);
    CHECK_EQ(station.puppet.refusals[1].status, -EINVAL);
    puppet_free(&station.puppet);
}
