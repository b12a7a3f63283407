/* RTCP. Properties: reading ends, and gives no more items than the bytes can hold; transport-wide feedback that is
 * read can be written, and is read the same. */
#include <stdio.h>
#include <stdlib.h>

#include <leat/rtcp.h>

#include "fuzz.h"

#define PACKETS 65536

static int64_t arrivals[PACKETS], again[PACKETS];
static uint8_t out[65536];

static void try_twcc(const struct leat_rtcp_item *item)
{
    uint16_t base = 0;
    const int count = leat_rtcp_twcc_read(item, &base, arrivals, PACKETS);
    REQUIRE(count <= PACKETS);
    int64_t earliest = 0;
    for (int i = 0; i < count; i++) {
        if (arrivals[i] != INT64_MIN && arrivals[i] < earliest) {
            earliest = arrivals[i];
        }
    }
    for (int i = 0; i < count; i++) { /* ticks that are written are not negative */
        arrivals[i] = arrivals[i] == INT64_MIN ? -1 : arrivals[i] - earliest;
    }
    size_t len = 0, taken = 0;
    if (count <= 0 || !leat_rtcp_put_twcc(out, sizeof(out), &len, 1, 2, 3, base, arrivals,
                                          (size_t)count, &taken)) {
        return;
    }
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item copy;
    leat_rtcp_read(&reader, out, len);
    REQUIRE(leat_rtcp_next(&reader, &copy) && copy.kind == LEAT_RTCP_TWCC);
    REQUIRE(leat_rtcp_twcc_read(&copy, &base, again, PACKETS) == (int)taken);
    for (size_t i = 0, any = 0; i < taken; i++) {
        REQUIRE((again[i] == INT64_MIN) == (arrivals[i] < 0));
        /* The reference wraps at 2^24 times 64 ms. */
        REQUIRE(arrivals[i] < 0 || ((again[i] - arrivals[i]) & 0xffffffff) == 0);
        any += arrivals[i] >= 0;
        REQUIRE(i + 1 < taken || any);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_rtcp_reader reader;
    struct leat_rtcp_item item;
    size_t items = 0;
    (void)leat_rtcp_is(data, size);
    leat_rtcp_read(&reader, data, size);
    while (leat_rtcp_next(&reader, &item)) {
        REQUIRE(++items <= size / 4);
        if (item.kind == LEAT_RTCP_TWCC) {
            REQUIRE(item.twcc.data >= data && item.twcc.data + item.twcc.len <= data + size);
            try_twcc(&item);
        }
    }
    REQUIRE(reader.broken || reader.at == size);
    return 0;
}
