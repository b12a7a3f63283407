/* One block for a connection: its struct, the fields of a head, then the bytes of a head. The last part is
 * the largest and stays untouched while heads come in one piece. */
#ifndef LEAT_PROTOCOLS_HTTP_MEMORY_H
#define LEAT_PROTOCOLS_HTTP_MEMORY_H

#include "head.h"

static inline bool config_is_valid(const struct leat_http_config *config)
{
    return config->head_len_max >= 64 && config->head_len_max <= 65535 &&
           config->field_count_max >= 1 && config->field_count_max <= 4096 &&
           config->target_len_max >= 1 && config->body_len_max < LEAT_HTTP_LEN_UNKNOWN;
}

/* 0: the config is out of its bounds. */
static inline size_t memory_size(size_t object, const struct leat_http_config *config)
{
    if (!config_is_valid(config)) {
        return 0;
    }
    return object + config->field_count_max * sizeof(struct leat_http_field) + config->head_len_max;
}

/* Gives a head its part of the memory behind an object. */
static inline void memory_share(struct head *head, void *behind,
                                const struct leat_http_config *config)
{
    head->config = config;
    head->fields = (struct leat_http_field *)behind;
    head->buffer = (char *)(head->fields + config->field_count_max);
}

#endif
