/* The text of SDP: spans of it, lines, attributes, and the writer of answers. Private to
 * sdp_*.c. */
#ifndef LEAT_PROTOCOLS_WEBRTC_SDP_TEXT_H
#define LEAT_PROTOCOLS_WEBRTC_SDP_TEXT_H

#include <string.h>

#include <leat/sdp.h>

/* A part of the text that is read; not 0-terminated. */
struct span {
    const char *data;
    size_t len;
};

static inline struct span span_of(const char *data, size_t len)
{
    return (struct span){data, len};
}

/* Whether it is this, case and all. */
static inline bool span_is(struct span text, const char *literal)
{
    const size_t len = strlen(literal);
    return text.len == len && memcmp(text.data, literal, len) == 0;
}

static inline bool span_same(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool leat__sdp_same_nocase(struct span a, struct span b);

/* Up to the first `c`, which is left out, as is what was taken; all of it if there is none. */
struct span leat__sdp_cut(struct span *rest, char c);

/* The next word between blanks, empty at the end. */
struct span leat__sdp_word(struct span *rest);

/* Decimal digits only, at least one, up to `max`. */
bool leat__sdp_number(struct span text, uint32_t max, uint32_t *ret);

/* Copies a mid or a rid: 1..LEAT_RTP_MID_MAX visible characters. */
bool leat__sdp_copy_id(struct span text, char ret[LEAT_RTP_MID_MAX + 1]);

/* The value of a parameter of an fmtp: `name=value`, separated by semicolons. Names are compared
 * without case. */
bool leat__sdp_parameter(struct span fmtp, const char *name, struct span *ret);

/* Writes *error; -EPROTO. The words are ours: nothing of the offer goes into them. */
__attribute__((format(printf, 3, 4))) int leat__sdp_refuse(struct leat_sdp_error *error,
                                                           unsigned status, const char *format,
                                                           ...);

/* Whether the text can be SDP at all: its length, its count of lines, each of which is a letter,
 * "=" and no control character. What the others read has passed it. */
int leat__sdp_check(struct span text, struct leat_sdp_error *error);

/* The next line, without its end, of a text that was checked: its letter and its value. False:
 * there is none. */
bool leat__sdp_line(struct span *rest, char *ret_letter, struct span *ret_value);

/* The next a= line: its name, and the value behind the colon, empty without one. */
bool leat__sdp_attribute(struct span *rest, struct span *ret_name, struct span *ret_value);

/* ---- writing ---- */

struct sdp_out {
    char *data;
    size_t cap;
    size_t len;
    bool full; /* something did not fit: all of it is void */
};

__attribute__((format(printf, 2, 3))) void leat__sdp_put(struct sdp_out *out, const char *format,
                                                         ...);
void leat__sdp_put_span(struct sdp_out *out, struct span text);

/* What was written, or -ENOSPC. */
int leat__sdp_out_end(const struct sdp_out *out);

/* "c=IN IP4 192.0.2.1" of the first candidate. */
void leat__sdp_put_connection(struct sdp_out *out, const struct leat_sdp_answer *answer);

/* a=ice-ufrag, a=ice-pwd. */
void leat__sdp_put_credentials(struct sdp_out *out, const struct leat_sdp_answer *answer);

/* a=candidate for all, and a=end-of-candidates. */
void leat__sdp_put_candidates(struct sdp_out *out, const struct leat_sdp_answer *answer);

/* What all our descriptions say at session level about ICE. */
#define SDP_ICE_LITE "a=ice-lite\r\na=ice-options:trickle ice2\r\n"

#endif
