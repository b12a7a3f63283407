/* Fragments of trickle ICE, and the replies to them. Properties: taken, or refused with 400 or 413;
 * a reply reads as a fragment again, with the group, the m-line and the mid that were sent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/sdp.h>

#include "fuzz.h"

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return (a == NULL) == (b == NULL) && a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void try_reply(const struct leat_sdp_fragment *fragment)
{
    static char out[4 * LEAT_SDP_LEN_MAX];
    static const struct leat_ice_credentials local = {"abcd", "abcdefghijklmnopqrstuvwx"};
    const struct leat_addr candidate = {.ip = {[15] = 1}, .port = 80};
    const struct leat_sdp_answer answer = {
        .local = &local,
        .candidates = &candidate,
        .candidate_count = 1,
    };
    struct leat_sdp_fragment again;
    struct leat_sdp_error error;
    const int len = leat_sdp_fragment_write(fragment, &answer, out, sizeof(out));
    REQUIRE(len > 0 && (size_t)len < sizeof(out) && strlen(out) == (size_t)len);
    REQUIRE(leat_sdp_fragment_write(fragment, &answer, out, (size_t)len) == -ENOSPC);
    REQUIRE(leat_sdp_fragment_write(fragment, &answer, out, sizeof(out)) == len);
    if ((size_t)len > LEAT_SDP_LEN_MAX) {
        return;
    }
    REQUIRE(leat_sdp_fragment_read(out, (size_t)len, &again, &error) == 0);
    REQUIRE(again.has_credentials && again.candidates == 1 && again.end_of_candidates);
    REQUIRE(strcmp(again.remote.pwd, local.pwd) == 0);
    REQUIRE(same(again.group, again.group_len, fragment->group, fragment->group_len));
    REQUIRE(same(again.media, again.media_len, fragment->media, fragment->media_len));
    REQUIRE(strcmp(again.mid, fragment->mid) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat_sdp_fragment fragment;
    struct leat_sdp_error error = {0, ""};
    const int status = leat_sdp_fragment_read((const char *)data, size, &fragment, &error);
    if (status < 0) {
        REQUIRE(status == -EPROTO && (error.status == 400 || error.status == 413));
        REQUIRE(error.text[0] != '\0');
        return 0;
    }
    REQUIRE(fragment.has_credentials == (fragment.remote.ufrag[0] != '\0'));
    REQUIRE(fragment.mid[0] == '\0' || fragment.media != NULL);
    try_reply(&fragment);
    return 0;
}
