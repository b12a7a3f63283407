/* The chunked coding. Properties: cut or whole, the same bytes, result and length; never more decoded than
 * the limit; what was decoded, encoded again, decodes to itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <leat/http.h>

#include "fuzz.h"

#define BODY_MAX 300u

struct result {
    int status;  /* 0: it wants more */
    size_t used; /* when it has ended */
    size_t len;
    char body[BODY_MAX];
};

static void decode(const char *bytes, size_t len, size_t step, struct result *ret)
{
    struct leat_http_chunked chunked;
    memset(ret, 0, sizeof(*ret));
    leat_http_chunked_init(&chunked, BODY_MAX, 40);
    while (ret->used < len && ret->status == 0) {
        const size_t rest = len - ret->used, give = step < rest ? step : rest;
        char *const block = malloc(give);
        leat_http_str piece = {NULL, 0};
        size_t used = 0;
        memcpy(block, bytes + ret->used, give);
        ret->status =
            leat_http_chunked_decode(&chunked, (leat_http_str){block, give}, &used, &piece);
        if (ret->status >= 0) {
            REQUIRE(used > 0 && used <= give && piece.len <= used);
            REQUIRE(piece.len <= BODY_MAX - ret->len);
            if (piece.len) {
                REQUIRE(piece.data >= block && piece.data + piece.len <= block + used);
                memcpy(ret->body + ret->len, piece.data, piece.len);
            }
            ret->len += piece.len;
            ret->used += used;
        }
        free(block);
    }
    REQUIRE(ret->status == 0 || ret->status == 1 || ret->status == -EINVAL ||
            ret->status == -EFBIG || ret->status == -EMSGSIZE);
}

static void encode_and_back(const struct result *result)
{
    char bytes[BODY_MAX + 64];
    struct leat_http_out out = {bytes, sizeof(bytes), 0};
    static struct result again;
    REQUIRE(leat_http_chunk_write(&out, (leat_http_str){result->body, result->len}) == 0);
    REQUIRE(leat_http_chunk_end(&out) == 0);
    decode(bytes, out.len, 7, &again);
    REQUIRE(again.status == 1 && again.used == out.len && again.len == result->len);
    REQUIRE(memcmp(again.body, result->body, result->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result whole, cut;
    if (size < 2) {
        return 0;
    }
    const size_t steps[] = {1, 2, (size_t)data[0] + 1};
    const char *const bytes = (const char *)data + 1;
    decode(bytes, size - 1, size, &whole);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        decode(bytes, size - 1, steps[i], &cut);
        REQUIRE(cut.status == whole.status);
        REQUIRE(cut.status < 0 || cut.used == whole.used);
        REQUIRE(cut.len == whole.len && memcmp(cut.body, whole.body, cut.len) == 0);
    }
    if (whole.status == 1) {
        encode_and_back(&whole);
    }
    return 0;
}
