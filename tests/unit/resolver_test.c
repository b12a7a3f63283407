/* Names: what name servers say and do not say, names that are none, bounds, and ends at the wrong moment. */
#include "helpers.h"

#ifndef LEAT_HAVE_CARES

TEST(resolver, none)
{
    SKIP("built without c-ares");
}

#else

#include <dirent.h>

#include <leat/resolver.h>

#include "dns_server.h"

struct fixture {
    struct rig rig;
    struct dns_server dns;
    leat_resolver *resolver;
};

static void open_with(struct fixture *fixture, const struct leat_config *runtime,
                      struct leat_resolver_config config)
{
    dns_open(&fixture->dns);
    config.servers = fixture->dns.servers;
    rig_open(&fixture->rig, runtime);
    REQUIRE(leat_resolver_open(fixture->rig.runtime, &config, &fixture->resolver) == 0);
}

static void open_all(struct fixture *fixture, leat_time timeout_ns)
{
    struct leat_config runtime = rig_threads(1);
    struct leat_resolver_config config = leat_resolver_config_default();
    config.timeout_ns = timeout_ns;
    open_with(fixture, &runtime, config);
}

static void close_all(struct fixture *fixture)
{
    leat_resolver_close(fixture->resolver);
    rig_close(&fixture->rig);
    dns_close(&fixture->dns);
}

/* A message of the controller's; its status. */
static int tell(struct fixture *fixture, const struct leat_output *out)
{
    if (out->len != LEAT_LEN_BODY) {
        return leat_send(fixture->rig.controller, out->to, out->type, out->payload, out->len);
    }
    int status = leat_send_body(fixture->rig.controller, out->to, out->type, out->body);
    if (status < 0) {
        leat_buf_unref(out->body.buf);
    }
    return status;
}

static int ask(struct fixture *fixture, const char *name, enum leat_resolver_family family,
               uint64_t cookie)
{
    struct leat_output out;
    leat_ref to = leat_resolver_ref(fixture->resolver);
    REQUIRE(leat_resolver_ask(&out, to, name, family, cookie) == 0);
    return tell(fixture, &out);
}

static struct leat_resolver_answer await(struct fixture *fixture)
{
    struct leat_event event;
    struct leat_resolver_answer answer = {.status = 1};
    REQUIRE(leat_receive(fixture->rig.controller, 20 * LEAT_SEC, &event) == 0);
    CHECK(leat_resolver_answer_of(&event, &answer));
    leat_event_release(&event);
    return answer;
}

static struct leat_resolver_answer resolve(struct fixture *fixture, const char *name,
                                           enum leat_resolver_family family)
{
    static uint64_t cookie;
    CHECK_EQ(ask(fixture, name, family, ++cookie), 0);
    struct leat_resolver_answer answer = await(fixture);
    CHECK_EQ(answer.cookie, cookie);
    CHECK(answer.status == 0 ? answer.addrs_len > 0 : answer.addrs_len == 0);
    return answer;
}

static bool is_addr(const struct leat_addr *addr, const char *text)
{
    struct leat_addr expected;
    return leat_addr_from_host(text, 0, &expected) == 0 && leat_addr_equal(addr, &expected);
}

/* ---- what a server says ---- */

TEST(resolver, addresses)
{
    struct fixture fixture;
    open_all(&fixture, 5 * LEAT_SEC);
    struct leat_resolver_answer answer = resolve(&fixture, "v4.test", LEAT_RESOLVER_ANY);
    CHECK_EQ(answer.status, 0);
    CHECK_EQ(answer.addrs_len, 1);
    CHECK_EQ(answer.ttl_s, 60);
    CHECK(is_addr(&answer.addrs[0], "10.0.0.4"));
    answer = resolve(&fixture, "v6.test", LEAT_RESOLVER_ANY);
    CHECK_EQ(answer.status, 0);
    CHECK(is_addr(&answer.addrs[0], "fd00::6"));
    answer = resolve(&fixture, "both.test.", LEAT_RESOLVER_ANY);
    CHECK_EQ(answer.status, 0);
    CHECK_EQ(answer.addrs_len, 2);
    CHECK(leat_addr_is_v4(&answer.addrs[0]) != leat_addr_is_v4(&answer.addrs[1]));
    answer = resolve(&fixture, "both.test", LEAT_RESOLVER_V6);
    CHECK_EQ(answer.addrs_len, 1);
    CHECK(is_addr(&answer.addrs[0], "fd00::"));
    answer = resolve(&fixture, "both.test", LEAT_RESOLVER_V4);
    CHECK_EQ(answer.addrs_len, 1);
    CHECK(is_addr(&answer.addrs[0], "10.0.0.0"));
    answer = resolve(&fixture, "cname.test", LEAT_RESOLVER_V4);
    CHECK_EQ(answer.status, 0);
    CHECK(is_addr(&answer.addrs[0], "10.0.0.9"));
    CHECK_EQ(answer.ttl_s, 30);
    answer = resolve(&fixture, "nnoise.test", LEAT_RESOLVER_V4);
    CHECK_EQ(answer.status, 0);
    CHECK(is_addr(&answer.addrs[0], "10.0.0.0"));
    close_all(&fixture);
}

TEST(resolver, too_long_for_a_datagram)
{
    struct fixture fixture;
    open_all(&fixture, 5 * LEAT_SEC);
    struct leat_resolver_answer answer = resolve(&fixture, "big.test", LEAT_RESOLVER_V4);
    CHECK_EQ(answer.status, 0);
    CHECK_EQ(answer.addrs_len, LEAT_RESOLVER_ADDRS_MAX);
    close_all(&fixture);
    CHECK(fixture.dns.tcp_queries > 0);
}

TEST(resolver, no_address)
{
    static const struct {
        const char *name;
        int status;
    } cases[] = {
        {"nx.test", -ENOENT},      {"empty.test", -ENODATA},     {"v6.test", -ENODATA},
        {"fail.test", -EREMOTEIO}, {"refused.test", -EREMOTEIO}, {"garbage.test", -EBADMSG},
        {"loop.test", -EBADMSG},
    };
    static const char mapped[] = "mapped.test"; /* an IPv4 address that calls itself IPv6 */
    struct fixture fixture;
    open_all(&fixture, LEAT_SEC);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct leat_resolver_answer answer = resolve(&fixture, cases[i].name, LEAT_RESOLVER_V4);
        CHECK_THAT_(answer.status == cases[i].status, "%s: %d", cases[i].name, answer.status);
    }
    CHECK_EQ(resolve(&fixture, mapped, LEAT_RESOLVER_V6).status, -ENODATA);
    CHECK_EQ(resolve(&fixture, mapped, LEAT_RESOLVER_ANY).status, -ENODATA);
    struct leat_resolver_answer answer = resolve(&fixture, "cut.test", LEAT_RESOLVER_V4);
    CHECK(answer.status == -EBADMSG || answer.status == -ETIMEDOUT);
    close_all(&fixture);
}

TEST(resolver, silence)
{
    struct fixture fixture;
    open_all(&fixture, 300 * LEAT_MS);
    leat_time before = leat_controller_now(fixture.rig.controller);
    CHECK_EQ(resolve(&fixture, "silent.test", LEAT_RESOLVER_ANY).status, -ETIMEDOUT);
    leat_time waited = leat_controller_now(fixture.rig.controller) - before;
    CHECK(waited > 250 * LEAT_MS && waited < 5 * LEAT_SEC);
    CHECK_EQ(resolve(&fixture, "v4.test", LEAT_RESOLVER_ANY).status, 0);
    close_all(&fixture);
    CHECK(fixture.dns.queries >= 6); /* it was asked more than once */
}

TEST(resolver, nobody_listens)
{
    struct fixture fixture;
    open_all(&fixture, 2 * LEAT_SEC);
    leat_resolver_close(fixture.resolver);
    struct leat_resolver_config config = leat_resolver_config_default();
    config.servers = "127.0.0.1:1";
    CHECK_EQ(leat_resolver_open(fixture.rig.runtime, &config, &fixture.resolver), 0);
    int status = resolve(&fixture, "v4.test", LEAT_RESOLVER_ANY).status;
    CHECK(status == -EREMOTEIO || status == -ETIMEDOUT); /* as the kernel has told of it */
    close_all(&fixture);
}

/* ---- names ---- */

TEST(resolver, names_that_are_none)
{
    static const char *const names[] = {
        "",         ".",         "..",       ".test",  "a..test",   "test..",
        "a b",      "a\ttest",   "a\ntest",  "a\x01",  "a\x7f",     "\xc3\xa4.test",
        "a/b.test", "u@v4.test", "[::1]",    "1.2.3",  "1.2.3.4.5", "256.1.1.1",
        "v4.123",   "::1::",     "fe80::1%", "*.test", "a\\b"};
    struct fixture fixture;
    open_all(&fixture, LEAT_SEC);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct leat_resolver_answer answer = resolve(&fixture, names[i], LEAT_RESOLVER_ANY);
        CHECK_THAT_(answer.status == -EINVAL, "'%s': %d", names[i], answer.status);
    }
    char name[2000];
    memset(name, 'a', sizeof(name));
    for (size_t i = 50; i < sizeof(name); i += 50) {
        name[i] = '.';
    }
    name[sizeof(name) - 1] = '\0';
    CHECK_EQ(resolve(&fixture, name, LEAT_RESOLVER_ANY).status, -ENAMETOOLONG);
    name[LEAT_RESOLVER_NAME_MAX + 1] = '\0';
    CHECK_EQ(resolve(&fixture, name, LEAT_RESOLVER_ANY).status, -ENAMETOOLONG);
    name[LEAT_RESOLVER_NAME_MAX] = '.'; /* of the root, which does not count */
    CHECK_EQ(resolve(&fixture, name, LEAT_RESOLVER_ANY).status, -ENODATA);
    name[LEAT_RESOLVER_NAME_MAX] = '\0';
    CHECK_EQ(resolve(&fixture, name, LEAT_RESOLVER_ANY).status, -ENODATA);
    memset(name, 'a', 64);
    name[64] = '\0';
    CHECK_EQ(resolve(&fixture, name, LEAT_RESOLVER_ANY).status, -ENAMETOOLONG);
    name[63] = '\0';
    CHECK_EQ(resolve(&fixture, name, LEAT_RESOLVER_ANY).status, -ENODATA);
    close_all(&fixture);
}

TEST(resolver, no_server_is_asked)
{
    struct fixture fixture;
    open_all(&fixture, LEAT_SEC);
    struct leat_resolver_answer answer = resolve(&fixture, "192.0.2.1", LEAT_RESOLVER_ANY);
    CHECK_EQ(answer.status, 0);
    CHECK(is_addr(&answer.addrs[0], "192.0.2.1"));
    CHECK_EQ(answer.ttl_s, 0);
    answer = resolve(&fixture, "2001:db8::1", LEAT_RESOLVER_V6);
    CHECK(is_addr(&answer.addrs[0], "2001:db8::1"));
    answer = resolve(&fixture, "fe80::1%3", LEAT_RESOLVER_ANY);
    CHECK_EQ(answer.addrs[0].scope_id, 3);
    CHECK_EQ(resolve(&fixture, "2001:db8::1", LEAT_RESOLVER_V4).status, -ENODATA);
    CHECK_EQ(resolve(&fixture, "192.0.2.1", LEAT_RESOLVER_V6).status, -ENODATA);
    answer = resolve(&fixture, "localhost", LEAT_RESOLVER_V4); /* of /etc/hosts */
    CHECK_EQ(answer.status, 0);
    CHECK(is_addr(&answer.addrs[0], "127.0.0.1"));
    close_all(&fixture);
    CHECK_EQ(fixture.dns.queries, 0);
}

/* ---- bounds ---- */

TEST(resolver, a_thousand_at_once)
{
    enum { MANY = 1000 };
    static bool seen[MANY];
    struct fixture fixture;
    memset(seen, 0, sizeof(seen));
    open_all(&fixture, 20 * LEAT_SEC);
    for (unsigned i = 0; i < MANY; i++) {
        char name[64];
        snprintf(name, sizeof(name), "n%u.%s.test", i,
                 i % 2 == 0 ? "a-name-that-needs-a-body" : "a");
        CHECK_EQ(ask(&fixture, name, LEAT_RESOLVER_V4, i), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct leat_resolver_answer answer = await(&fixture);
        char text[32];
        REQUIRE(answer.cookie < MANY);
        CHECK(!seen[answer.cookie]);
        seen[answer.cookie] = true;
        CHECK_EQ(answer.status, 0);
        snprintf(text, sizeof(text), "10.0.%u.%u", (unsigned)answer.cookie >> 8,
                 (unsigned)answer.cookie & 255);
        CHECK(is_addr(&answer.addrs[0], text));
    }
    close_all(&fixture);
}

TEST(resolver, too_many)
{
    struct fixture fixture;
    struct leat_config runtime = rig_threads(1);
    struct leat_resolver_config config = leat_resolver_config_default();
    config.pending_max = 4;
    config.timeout_ns = 300 * LEAT_MS;
    open_with(&fixture, &runtime, config);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(ask(&fixture, "silent.test", LEAT_RESOLVER_V4, i), 0);
    }
    for (unsigned i = 0; i < 10; i++) {
        struct leat_resolver_answer answer = await(&fixture);
        CHECK_EQ(answer.status, i < 6 ? -EAGAIN : -ETIMEDOUT);
        CHECK(i < 6 ? answer.cookie >= 4 : answer.cookie < 4);
    }
    CHECK_EQ(resolve(&fixture, "v4.test", LEAT_RESOLVER_V4).status, 0); /* there is room again */
    close_all(&fixture);
}

/* Answers wait for an asker that has no room for them. */
TEST(resolver, a_full_mailbox)
{
    struct fixture fixture;
    struct leat_config runtime = rig_threads(1);
    runtime.mailbox_len_max = 2;
    open_with(&fixture, &runtime, leat_resolver_config_default());
    for (unsigned i = 0; i < 7; i++) {
        int status;
        while ((status = ask(&fixture, i % 2 == 0 ? "v4.test" : "192.0.2.1", LEAT_RESOLVER_V4,
                             i)) == -EAGAIN) { /* its own is as small */
            usleep(1000);
        }
        CHECK_EQ(status, 0);
    }
    usleep(100000);
    unsigned sum = 0;
    for (unsigned i = 0; i < 7; i++) {
        struct leat_resolver_answer answer = await(&fixture);
        CHECK_EQ(answer.status, 0);
        sum += (unsigned)answer.cookie;
    }
    CHECK_EQ(sum, 0 + 1 + 2 + 3 + 4 + 5 + 6);
    close_all(&fixture);
}

/* ---- actors, and ends ---- */

static void asks_and_counts(struct puppet *self, const struct leat_event *event)
{
    if (event->kind == LEAT_EVENT_DEADLINE) {
        self->deadline = event->now + LEAT_MS;
    }
}

/* While the server is silent, its worker does other things. */
TEST(resolver, a_worker_is_not_blocked)
{
    struct fixture fixture;
    struct puppet ticker = {.on_event = asks_and_counts, .deadline = 1};
    open_all(&fixture, 400 * LEAT_MS);
    CHECK_EQ(leat_resolver_ask(puppet_put(&ticker), leat_resolver_ref(fixture.resolver),
                               "silent.test", LEAT_RESOLVER_ANY, 1),
             0);
    rig_spawn(&fixture.rig, &ticker);
    CHECK_EQ(resolve(&fixture, "silent.test", LEAT_RESOLVER_ANY).status, -ETIMEDOUT);
    usleep(50000);
    close_all(&fixture);
    struct leat_resolver_answer answer = {0};
    size_t ticks = 0, answers = 0;
    for (size_t i = 0; i < ticker.seen_len; i++) {
        answers += ticker.seen[i].kind == LEAT_EVENT_MESSAGE &&
                   leat_resolver_answer_of(&ticker.seen[i], &answer);
        ticks += ticker.seen[i].kind == LEAT_EVENT_DEADLINE && answers == 0;
    }
    CHECK_EQ(answers, 1);
    CHECK_EQ(answer.status, -ETIMEDOUT);
    CHECK(ticks > 100);
    puppet_free(&ticker);
}

/* The answer is a dead letter. */
TEST(resolver, the_asker_dies)
{
    struct fixture fixture;
    struct puppet asker = {0};
    open_all(&fixture, 200 * LEAT_MS);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(leat_resolver_ask(puppet_put(&asker), leat_resolver_ref(fixture.resolver),
                                   i == 0 ? "v4.test" : "silent.test", LEAT_RESOLVER_ANY, 1),
                 0);
    }
    leat_output_stop(puppet_put(&asker));
    rig_spawn(&fixture.rig, &asker);
    CHECK_EQ(resolve(&fixture, "silent.test", LEAT_RESOLVER_ANY).status, -ETIMEDOUT);
    CHECK_EQ(resolve(&fixture, "v4.test", LEAT_RESOLVER_ANY).status, 0);
    struct leat_worker_stats stats = {0};
    for (int i = 0; i < 5000 && stats.dead_letters < 2; i++) { /* its questions may have come last */
        usleep(1000);
        leat_stats_controllers(fixture.rig.runtime, &stats);
    }
    CHECK(stats.dead_letters >= 2);
    close_all(&fixture);
    puppet_free(&asker);
}

TEST(resolver, closed_with_questions_open)
{
    struct fixture fixture;
    open_all(&fixture, 20 * LEAT_SEC);
    leat_ref ref = leat_resolver_ref(fixture.resolver);
    CHECK_EQ(leat_monitor(fixture.rig.controller, ref, 77), 0);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(ask(&fixture, "silent.test", LEAT_RESOLVER_ANY, i), 0);
    }
    leat_time before = leat_controller_now(fixture.rig.controller);
    leat_resolver_close(fixture.resolver);
    CHECK(leat_controller_now(fixture.rig.controller) - before < 5 * LEAT_SEC);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(await(&fixture).status, -ECANCELED);
    }
    struct leat_event event;
    CHECK_EQ(leat_receive(fixture.rig.controller, 5 * LEAT_SEC, &event), 0);
    CHECK_EQ(event.kind, LEAT_EVENT_DOWN);
    struct leat_output out;
    CHECK_EQ(leat_resolver_ask(&out, ref, "v4.test", LEAT_RESOLVER_ANY, 1), 0);
    CHECK_EQ(tell(&fixture, &out), -ESRCH);
    rig_close(&fixture.rig);
    dns_close(&fixture.dns);
}

TEST(resolver, closed_after_the_runtime_has_ended)
{
    struct fixture fixture;
    struct leat_event event;
    open_all(&fixture, 20 * LEAT_SEC);
    CHECK_EQ(ask(&fixture, "silent.test", LEAT_RESOLVER_ANY, 1), 0);
    leat_runtime_stop(fixture.rig.runtime);
    int status;
    while ((status = leat_receive(fixture.rig.controller, 20 * LEAT_SEC, &event)) == 0) {
        leat_event_release(&event);
    }
    CHECK_EQ(status, -EPIPE);
    close_all(&fixture);
}

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (dir != NULL && readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

TEST(resolver, what_open_refuses)
{
    struct rig rig;
    struct leat_config runtime = rig_threads(1);
    leat_resolver *resolver;
    rig_open(&rig, &runtime);
    int before = count_descriptors();
    struct leat_resolver_config config = leat_resolver_config_default();
    static const char *const servers[] = {"", "nobody", "127.0.0.1:53,what"};
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        config.servers = servers[i];
        CHECK_THAT_(leat_resolver_open(rig.runtime, &config, &resolver) == -EINVAL, "'%s'",
                    servers[i]);
    }
    config.servers = NULL;
    config.timeout_ns = 0;
    CHECK_EQ(leat_resolver_open(rig.runtime, &config, &resolver), -EINVAL);
    config = leat_resolver_config_default();
    config.pending_max = 0;
    CHECK_EQ(leat_resolver_open(rig.runtime, &config, &resolver), -EINVAL);
    config = leat_resolver_config_default(); /* as the system says: nobody is asked */
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(leat_resolver_open(rig.runtime, &config, &resolver), 0);
        leat_resolver_close(resolver);
    }
    CHECK_EQ(count_descriptors(), before);
    rig_close(&rig);
}

/* ---- messages ---- */

TEST(resolver, what_is_no_question)
{
    struct fixture fixture;
    struct leat_resolver_answer answer;
    uint8_t bytes[LEAT_INLINE_MAX];
    open_all(&fixture, LEAT_SEC);
    leat_ref ref = leat_resolver_ref(fixture.resolver);
    memset(bytes, 0xff, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        CHECK_EQ(leat_send(fixture.rig.controller, ref, LEAT_RESOLVER_ASK, bytes, len), 0);
        CHECK_EQ(leat_send(fixture.rig.controller, ref, 12, bytes, len), 0);
        struct leat_event event = {
            .kind = LEAT_EVENT_MESSAGE, .len = (uint8_t)len, .type = LEAT_RESOLVER_ANSWER};
        memset(event.payload, 0xff, sizeof(event.payload));
        CHECK(!leat_resolver_answer_of(&event, &answer));
    }
    CHECK_EQ(resolve(&fixture, "v4.test", LEAT_RESOLVER_ANY).status, 0);
    close_all(&fixture);
}

/* In simulation an actor answers in its place. */
static void stand_in(struct puppet *self, const struct leat_event *event)
{
    struct leat_resolver_question question;
    if (leat_resolver_question_of(event, &question)) {
        struct leat_resolver_answer answer = {
            .cookie = question.cookie, .addrs_len = 1, .ttl_s = 5};
        CHECK_STR(question.name, "somewhere.in.the.simulated.world");
        CHECK_EQ(question.family, LEAT_RESOLVER_V6);
        CHECK_EQ(leat_addr_from_host("2001:db8::5", 0, &answer.addrs[0]), 0);
        CHECK_EQ(leat_resolver_answer(puppet_put(self), event->from, &answer), 0);
    }
}

TEST(resolver, simulated)
{
    struct fixture fixture;
    struct leat_config config = rig_config();
    struct leat_resolver_config own = leat_resolver_config_default();
    struct puppet actor = {.on_event = stand_in};
    rig_open(&fixture.rig, &config);
    CHECK_EQ(leat_resolver_open(fixture.rig.runtime, &own, &fixture.resolver), -ENOTSUP);
    leat_ref ref = rig_spawn(&fixture.rig, &actor);
    struct leat_output out;
    CHECK_EQ(leat_resolver_ask(&out, ref, "somewhere.in.the.simulated.world", LEAT_RESOLVER_V6, 9),
             0);
    CHECK_EQ(tell(&fixture, &out), 0);
    struct leat_resolver_answer answer = await(&fixture);
    CHECK_EQ(answer.cookie, 9);
    CHECK_EQ(answer.ttl_s, 5);
    CHECK(is_addr(&answer.addrs[0], "2001:db8::5"));
    rig_close(&fixture.rig);
    puppet_free(&actor);
}

#endif
