/* Requests, and responses: the first byte chooses which and how the rest is cut. Properties: the events do
 * not depend on the cut; nothing is consumed that was not fed; bodies lie in what was fed; everything after
 * the config's limits is refused; an error always ends the connection. The memory is one block of the size
 * that the config asks for, which ASan guards. */
#include "http_transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct transcript *t, bool is_client, const char *bytes, size_t len, struct cut cut)
{
    struct leat_http_config config;
    leat_http_config_default(&config);
    config.head_len_max = 512; /* small, so that limits are met */
    config.field_count_max = 8;
    config.target_len_max = 128;
    config.body_len_max = 256;
    config.trailer_len_max = 32;
    if (!is_client) {
        transcript_server(t, &config, bytes, len, cut);
        return;
    }
    static const char host[] = "a";
    char request[128];
    struct leat_http_out out = {request, sizeof(request), 0};
    const struct leat_http_query query = {.method = leat_http_str_of("GET"),
                                          .target = leat_http_str_of("/"),
                                          .host = leat_http_str_of(host)};
    leat_http_client *client = NULL;
    if (leat_http_client_open(&config, 0, &client) ||
        leat_http_client_request(client, &query, &out) || leat_http_client_end(client, 0, &out)) {
        abort();
    }
    transcript_run(t, NULL, client, bytes, len, cut);
    leat_http_client_close(client);
}

/* Errors may come at another byte of a body, but not with another status or after other events. */
static void require_same(const struct transcript *a, const struct transcript *b)
{
    if (a->broken || b->broken || a->done != b->done || a->len != b->len ||
        memcmp(a->text, b->text, a->len) != 0) {
        fprintf(stderr, "whole:\n%s\ncut:\n%s\n", a->text, b->text);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct transcript whole, cut;
    if (size < 2 || size > 16384) {
        return 0;
    }
    const bool is_client = data[0] & 1;
    const size_t step = (size_t)(data[0] >> 1) + 1;
    const char *const bytes = (const char *)data + 1;
    run(&whole, is_client, bytes, size - 1, (struct cut){0, 0});
    run(&cut, is_client, bytes, size - 1, (struct cut){1, 1});
    require_same(&whole, &cut);
    run(&cut, is_client, bytes, size - 1, (struct cut){step, step});
    require_same(&whole, &cut);
    run(&cut, is_client, bytes, size - 1, (struct cut){step, 0});
    require_same(&whole, &cut);
    return 0;
}
