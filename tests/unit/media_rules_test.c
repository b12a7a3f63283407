/* The rules of whip.c as functions, the tables of the roster, and which addresses answers offer. */
#include "../services/media/roster.h"
#include "check.h"

#include <errno.h>
#include <stdlib.h>

/* ---- paths ---- */

static bool target(const char *path, struct whip_target *ret)
{
    return whip_target_of(leat_http_str_of(path), ret) == 0;
}

TEST(media_rules, paths)
{
    static const char *const none[] = {"/",
                                       "/whip",
                                       "/whip/",
                                       "/whip/a/",
                                       "/whip//",
                                       "/wheps/a",
                                       "/whip/a/short",
                                       "/whip/a b",
                                       "/whip/endpoint/AAAAAAAAAAAAAAAAAAAAAAAA",
                                       "/whip/a/AAAAAAAAAAAAAAAAAAAAAAA.",
                                       "/whip/a/AAAAAAAAAAAAAAAAAAAAAAAA/",
                                       "/whip/..",
                                       "/whip/.",
                                       "/streams/",
                                       "*",
                                       ""};
    struct whip_target at;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        CHECK_THAT_(!target(none[i], &at), "%s", none[i]);
    }
    REQUIRE(target("/whip/endpoint", &at));
    CHECK(at.use == LEAT_MEDIA_PUBLISH && at.stream.len == 0 && at.session.len == 0);
    REQUIRE(target("/whep/a.b-c_D", &at));
    CHECK(at.use == LEAT_MEDIA_VIEW && leat_http_str_equal(at.stream, "a.b-c_D"));
    REQUIRE(target("/whep/a/AAAAAAAAAAAAAAAAAAAAA_-z", &at));
    CHECK(leat_http_str_equal(at.session, "AAAAAAAAAAAAAAAAAAAAA_-z"));
    REQUIRE(target("/streams", &at));
    CHECK_EQ(at.use, LEAT_MEDIA_LIST);
}

/* ---- the roster ---- */

static struct stream *stream_of(struct roster *roster, const char *name)
{
    struct stream *stream = NULL;
    CHECK_EQ(roster_stream_add(roster, leat_http_str_of(name), &stream), 0);
    return stream;
}

TEST(media_rules, streams_are_found_by_name_and_by_id)
{
    static struct roster roster;
    char name[32];
    roster_init(&roster, 2);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "s%d", i * 7919 % 500);
        struct stream *stream = stream_of(&roster, name);
        CHECK(roster_stream(&roster, leat_http_str_of(name)) == stream);
        CHECK(roster_stream_by_id(&roster, stream->id) == stream);
    }
    for (uint32_t i = 1; i < roster.stream_count; i++) {
        CHECK(strcmp(roster.streams[i - 1]->name, roster.streams[i]->name) < 0);
    }
    CHECK(roster_stream(&roster, leat_http_str_of("s")) == NULL);
    CHECK(roster_stream(&roster, leat_http_str_of("s1000")) == NULL);
    struct stream *gone = roster_stream(&roster, leat_http_str_of("s250"));
    const uint64_t id = gone->id;
    roster_stream_remove(&roster, gone);
    CHECK(roster_stream(&roster, leat_http_str_of("s250")) == NULL);
    CHECK(roster_stream_by_id(&roster, id) == NULL);
    CHECK(stream_of(&roster, "s250")->id != id);
    roster_fini(&roster);
}

TEST(media_rules, sessions_are_found_by_number_and_id_and_never_twice)
{
    static struct roster roster;
    struct session *sessions[300];
    roster_init(&roster, 3);
    struct stream *stream = stream_of(&roster, "a");
    for (int i = 0; i < 300; i++) {
        const enum leat_media_use use = i == 0 ? LEAT_MEDIA_PUBLISH : LEAT_MEDIA_VIEW;
        CHECK_EQ(roster_session_add(&roster, stream, use, roster_worker(&roster), &sessions[i]), 0);
    }
    CHECK(roster.worker_sessions[0] == 100 && roster.worker_sessions[2] == 100);
    CHECK(stream->viewers == 299 && roster.viewers == 299);
    for (int i = 0; i < 300; i++) {
        CHECK(roster_session(&roster, sessions[i]->number) == sessions[i]);
        CHECK(roster_session_by_id(&roster, leat_http_str_of(sessions[i]->id)) == sessions[i]);
    }
    const uint64_t number = sessions[7]->number;
    roster_session_remove(&roster, sessions[7]);
    CHECK(roster_session(&roster, number) == NULL);
    CHECK_EQ(roster_session_add(&roster, stream, LEAT_MEDIA_VIEW, 0, &sessions[7]), 0);
    CHECK(sessions[7]->number != number); /* its slot, another number */
    CHECK(roster_session(&roster, number) == NULL);
    CHECK(roster_session(&roster, UINT64_MAX) == NULL);
    CHECK(roster_session_by_id(&roster, leat_http_str_of("")) == NULL);
    roster_fini(&roster);
    CHECK_EQ(roster.session_count, 0);
}

TEST(media_rules, an_ipv6_client_is_counted_by_its_network)
{
    struct leat_addr one, two;
    uint8_t first[16], second[16];
    CHECK_EQ(leat_addr_parse("[2001:db8::1]:1", &one), 0);
    CHECK_EQ(leat_addr_parse("[2001:db8::ffff:0:0:2]:1", &two), 0);
    roster_address(&one, first);
    roster_address(&two, second);
    CHECK(memcmp(first, second, 16) == 0);
    CHECK_EQ(leat_addr_parse("192.0.2.1:1", &one), 0);
    CHECK_EQ(leat_addr_parse("192.0.2.2:1", &two), 0);
    roster_address(&one, first);
    roster_address(&two, second);
    CHECK(memcmp(first, second, 16) != 0);
}

/* ---- candidates ---- */

static bool has(const struct leat_addr *list, size_t count, const char *text)
{
    struct leat_addr addr;
    CHECK_EQ(leat_addr_parse(text, &addr), 0);
    for (size_t i = 0; i < count; i++) {
        if (leat_addr_equal(&list[i], &addr)) {
            return true;
        }
    }
    return false;
}

static leat_media *opened(const char *local, const struct leat_addr *advertised, uint32_t count)
{
    struct leat_media_config config = leat_media_config_default();
    leat_media *media = NULL;
    CHECK_EQ(leat_addr_parse(local, &config.local), 0);
    config.advertised = advertised;
    config.advertised_count = count;
    CHECK_EQ(leat_media_open(&config, &media), 0);
    CHECK_EQ(media_addresses_find(media), 0);
    media->workers[0].bound.port = 5000;
    return media;
}

TEST(media_rules, candidates_are_those_bound)
{
    struct leat_addr list[LEAT_MEDIA_ADDRESSES_MAX];
    leat_media *media = opened("127.0.0.1:0", NULL, 0);
    CHECK_EQ(media_candidates(media->workers, false, list), 1);
    CHECK(has(list, 1, "127.0.0.1:5000"));
    leat_media_close(media);
    media = opened("[::]:0", NULL, 0);
    const size_t near = media_candidates(media->workers, true, list);
    CHECK(has(list, near, "127.0.0.1:5000"));
    const size_t far = media_candidates(media->workers, false, list);
    CHECK(far > 0 && far <= near);
    CHECK(far == near || !has(list, far, "127.0.0.1:5000"));
    for (size_t i = 0; i < far; i++) {
        CHECK(list[i].scope_id == 0 && !(list[i].ip[0] == 0xfe && (list[i].ip[1] & 0xc0) == 0x80));
    }
    leat_media_close(media);
    media = opened("0.0.0.0:0", NULL, 0);
    const size_t count = media_candidates(media->workers, true, list);
    for (size_t i = 0; i < count; i++) {
        CHECK(leat_addr_is_v4(&list[i]));
    }
    leat_media_close(media);
}

TEST(media_rules, candidates_are_those_advertised)
{
    struct leat_addr list[LEAT_MEDIA_ADDRESSES_MAX], advertised[2];
    CHECK_EQ(leat_addr_parse("198.51.100.7:0", &advertised[0]), 0);
    CHECK_EQ(leat_addr_parse("[2001:db8::7]:6000", &advertised[1]), 0);
    leat_media *media = opened("0.0.0.0:0", advertised, 2);
    CHECK_EQ(media_candidates(media->workers, true, list), 2);
    CHECK(has(list, 2, "198.51.100.7:5000") && has(list, 2, "[2001:db8::7]:6000"));
    leat_media_close(media);
}

TEST(media_rules, channels_are_for_names_of_streams)
{
    leat_channel channel;
    CHECK_EQ(leat_media_channel("a/b", &channel), -EINVAL);
    CHECK_EQ(leat_media_channel("", &channel), -EINVAL);
    CHECK_EQ(leat_media_back_channel("endpoint", &channel), -EINVAL);
    CHECK_EQ(leat_media_channel("demo", &channel), 0);
    char name[LEAT_CHANNEL_NAME_MAX + 1];
    CHECK_EQ(leat_channel_name(channel, name), 0);
    CHECK_STR(name, "media/demo");
    leat_channel_close(channel);
}
