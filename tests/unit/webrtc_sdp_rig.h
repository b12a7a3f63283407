/* Offers for the tests of SDP, and looking into answers: by m-section, by line. */
#ifndef LEAT_TESTS_WEBRTC_SDP_RIG_H
#define LEAT_TESTS_WEBRTC_SDP_RIG_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/sdp.h>

#include "check.h"

#define SDP_FINGERPRINT                                                                            \
    "sha-256 "                                                                                     \
    "5D:E4:DD:56:81:EC:7F:8B:18:21:CA:1E:E8:F7:0E:A4:4E:67:EB:DC:34:64:16:8B:DA:87:36:31:4F:8C:"   \
    "51:36"

/* A small offer that is right in all; tests change a line of it. */
static const char sdp_plain[] = "v=0\r\n"
                                "o=- 42 2 IN IP4 127.0.0.1\r\n"
                                "s=-\r\n"
                                "t=0 0\r\n"
                                "a=group:BUNDLE 0 1\r\n"
                                "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
                                "c=IN IP4 0.0.0.0\r\n"
                                "a=ice-ufrag:abcd\r\n"
                                "a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\n"
                                "a=fingerprint:" SDP_FINGERPRINT "\r\n"
                                "a=setup:actpass\r\n"
                                "a=mid:0\r\n"
                                "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
                                "a=sendrecv\r\n"
                                "a=rtcp-mux\r\n"
                                "a=rtpmap:111 opus/48000/2\r\n"
                                "a=fmtp:111 minptime=10\r\n"
                                "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"
                                "c=IN IP4 0.0.0.0\r\n"
                                "a=ice-ufrag:wxyz\r\n"
                                "a=ice-pwd:zzzzzzzzzzzzzzzzzzzzzzzz\r\n"
                                "a=fingerprint:" SDP_FINGERPRINT "\r\n"
                                "a=setup:actpass\r\n"
                                "a=mid:1\r\n"
                                "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
                                "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
                                "a=sendrecv\r\n"
                                "a=rtcp-mux\r\n"
                                "a=rtpmap:96 VP8/90000\r\n"
                                "a=rtpmap:97 rtx/90000\r\n"
                                "a=fmtp:97 apt=96\r\n";

/* A text that tests change, line by line. */
struct sdp_text {
    char data[80000];
    size_t len;
};

static inline void sdp_set(struct sdp_text *text, const char *from)
{
    text->len = strlen(from);
    REQUIRE(text->len < sizeof(text->data));
    memcpy(text->data, from, text->len + 1);
}

/* Puts `to` in the place of `from`, which must be there, wherever it is. */
static inline void sdp_change(struct sdp_text *text, const char *from, const char *to)
{
    char *at = strstr(text->data, from);
    REQUIRE(at != NULL);
    while (at) {
        const size_t from_len = strlen(from), to_len = strlen(to);
        REQUIRE(text->len - from_len + to_len < sizeof(text->data));
        memmove(at + to_len, at + from_len, strlen(at + from_len) + 1);
        memcpy(at, to, to_len);
        text->len = text->len - from_len + to_len;
        at = strstr(at + to_len, from);
    }
}

/* tests/data/sdp/NAME.sdp */
static inline void sdp_load(struct sdp_text *text, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), LEAT_TEST_DATA "/sdp/%s.sdp", name);
    FILE *const file = fopen(path, "rb");
    REQUIRE(file != NULL);
    text->len = fread(text->data, 1, sizeof(text->data) - 1, file);
    text->data[text->len] = '\0';
    fclose(file);
}

/* Reads a copy that ends where the text does, so that a sanitizer sees a byte too far. */
static inline int sdp_read(const struct sdp_text *text, enum leat_sdp_use use,
                           struct leat_sdp_offer *ret, struct leat_sdp_error *ret_error)
{
    static char *copy; /* lent strings point into it until the next one */
    free(copy);
    copy = malloc(text->len ? text->len : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, text->data, text->len);
    return leat_sdp_offer_read(copy, text->len, use, ret, ret_error);
}

/* The status an offer is refused with; 0: it is taken. */
static inline unsigned sdp_status(const struct sdp_text *text, enum leat_sdp_use use)
{
    static struct leat_sdp_offer offer;
    struct leat_sdp_error error = {0, ""};
    memset(&offer, 0x5a, sizeof(offer));
    if (sdp_read(text, use, &offer, &error) == 0) {
        CHECK_EQ(error.status, 0);
        return 0;
    }
    CHECK_EQ(((const unsigned char *)&offer)[0], 0x5a); /* untouched */
    CHECK_EQ(((const unsigned char *)&offer)[sizeof(offer) - 1], 0x5a);
    CHECK(error.text[0] != '\0');
    return error.status;
}

static const struct leat_ice_credentials sdp_local = {"w0abcdefgh", "AAAAAAAAAAAAAAAAAAAAAAAA"};

/* Two candidates, IPv4 and IPv6. */
static inline struct leat_sdp_answer sdp_answer_of(struct leat_addr candidates[2])
{
    REQUIRE(leat_addr_parse("192.0.2.1:8080", &candidates[0]) == 0);
    REQUIRE(leat_addr_parse("[2001:db8::1]:8081", &candidates[1]) == 0);
    return (struct leat_sdp_answer){
        .session_id = UINT64_C(0xffffffffffffffff),
        .local = &sdp_local,
        .fingerprint = "sha-256 AA:BB",
        .candidates = candidates,
        .candidate_count = 2,
        .ssrcs = {1111, 2222},
        .rtx_ssrcs = {0, 3333},
        .cname = "leat-cname",
    };
}

/* Reads and answers; the answer as a 0-terminated text. */
static inline void sdp_answer(const struct sdp_text *offer_text, enum leat_sdp_use use,
                              struct leat_sdp_offer *offer, struct sdp_text *ret)
{
    struct leat_sdp_error error = {0, ""};
    struct leat_addr candidates[2];
    const struct leat_sdp_answer answer = sdp_answer_of(candidates);
    const int status = sdp_read(offer_text, use, offer, &error);
    REQUIRE_THAT_(status == 0, "refused: %u %s", error.status, error.text);
    const int len = leat_sdp_answer_write(offer, &answer, ret->data, 16384);
    REQUIRE(len > 0);
    ret->len = (size_t)len;
    CHECK_EQ(strlen(ret->data), ret->len);
}

/* ---- looking into a text ---- */

/* Section 0 is the session; without its m-line's "m=" if it is another. Empty if there is none. */
static inline void sdp_section(const struct sdp_text *text, unsigned number, struct sdp_text *ret)
{
    const char *start = text->data;
    for (unsigned i = 0; i < number && start; i++) {
        start = strstr(start, "\nm=");
        start = start ? start + 1 : NULL;
    }
    const char *end = start ? strstr(start, "\nm=") : NULL;
    ret->len = start ? end ? (size_t)(end + 1 - start) : strlen(start) : 0;
    memcpy(ret->data, start ? start : "", ret->len);
    ret->data[ret->len] = '\0';
}

/* How many lines begin so. */
static inline unsigned sdp_count(const struct sdp_text *text, const char *begin)
{
    unsigned count = 0;
    for (const char *line = text->data; line && *line;) {
        count += strncmp(line, begin, strlen(begin)) == 0 ? 1 : 0;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return count;
}

/* Whether exactly this line is there, once. */
static inline bool sdp_has(const struct sdp_text *text, const char *line)
{
    unsigned count = 0;
    const size_t len = strlen(line);
    for (const char *at = text->data; at && *at;) {
        const char end = at[strncmp(at, line, len) == 0 ? len : 0];
        count += strncmp(at, line, len) == 0 && (end == '\r' || end == '\n' || end == '\0') ? 1 : 0;
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return count == 1;
}

/* Line `index` of those that begin so, without its beginning and its end; false: there is none. */
static inline bool sdp_value(const struct sdp_text *text, const char *begin, unsigned index,
                             char *ret, size_t cap)
{
    for (const char *line = text->data; line && *line;) {
        if (strncmp(line, begin, strlen(begin)) == 0 && index-- == 0) {
            line += strlen(begin);
            const size_t len = strcspn(line, "\r\n");
            REQUIRE(len < cap);
            memcpy(ret, line, len);
            ret[len] = '\0';
            return true;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return false;
}

#endif
