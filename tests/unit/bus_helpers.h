/* What the test programs of the bus share. */
#ifndef LEAT_TESTS_BUS_HELPERS_H
#define LEAT_TESTS_BUS_HELPERS_H

#include "helpers.h"

static inline struct leat_config workers_config(uint32_t workers, uint64_t seed)
{
    struct leat_config config = rig_config();
    config.workers = workers;
    config.seed = seed;
    return config;
}

static inline leat_channel channel_of(const char *name)
{
    leat_channel channel = LEAT_CHANNEL_NONE;
    CHECK_EQ(leat_channel_open(name, &channel), 0);
    return channel;
}

static inline leat_slice body_of(uint32_t len)
{
    leat_slice body = {0};
    CHECK_EQ(leat_buf_alloc(len, &body), 0);
    memset(leat_slice_data(body), 7, len);
    return body;
}

static inline struct leat_output *puppet_subscribe(struct puppet *puppet, leat_channel channel,
                                                   uint64_t cookie)
{
    struct leat_output *out = puppet_put(puppet);
    leat_output_subscribe(out, channel, cookie);
    return out;
}

static inline struct leat_output *puppet_unsubscribe(struct puppet *puppet, leat_channel channel,
                                                     uint64_t cookie)
{
    struct leat_output *out = puppet_put(puppet);
    leat_output_unsubscribe(out, channel, cookie);
    return out;
}

/* A message whose payload is `value`. */
static inline struct leat_output *puppet_publish(struct puppet *puppet, leat_channel channel,
                                                 uint32_t type, uint64_t value)
{
    struct leat_output *out = puppet_put(puppet);
    leat_output_publish(out, channel, type, &value, sizeof(value));
    return out;
}

static inline struct leat_output *puppet_publish_safe(struct puppet *puppet, leat_channel channel,
                                                      uint64_t cookie)
{
    struct leat_output *out = puppet_publish(puppet, channel, 1, cookie);
    out->flags = LEAT_PUBLISH_SAFE;
    out->cookie = cookie;
    return out;
}

/* As the rig's controller: to be heard by whom it may concern. */
static inline void rig_publish(struct rig *rig, leat_channel channel, uint64_t value)
{
    CHECK_EQ(leat_publish(rig->controller, channel, 1, &value, sizeof(value)), 0);
}

/* The figures of one channel; zeroed if it is not among those. */
static inline struct leat_channel_stats rig_channel(struct rig *rig, leat_channel channel)
{
    static struct leat_channel_stats all[64];
    size_t len = leat_stats_channels(rig->runtime, all, 64);
    for (size_t i = 0; i < len; i++) {
        if (leat_channel_equal(all[i].channel, channel)) {
            return all[i];
        }
    }
    return (struct leat_channel_stats){0};
}

/* Everybody at `puppets` subscribes and is confirmed, `worker` chosen round robin. */
static inline void rig_listeners(struct rig *rig, struct puppet *puppets, size_t n,
                                 const struct leat_behavior *behavior, uint32_t workers,
                                 leat_channel channel)
{
    for (size_t i = 0; i < n; i++) {
        puppet_subscribe(&puppets[i], channel, i);
        rig_spawn_as(rig, &puppets[i], behavior, (int)(i % workers));
    }
    rig_run(rig, 0);
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(puppet_count(&puppets[i], LEAT_EVENT_SUBSCRIBED), 1);
        CHECK_EQ(puppet_nth(&puppets[i], LEAT_EVENT_SUBSCRIBED, 0).status, 0);
    }
}

static inline void puppets_free(struct puppet *puppets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        puppet_free(&puppets[i]);
    }
}

#endif
