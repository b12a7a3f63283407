/* Fragments of trickle ICE (RFC 8840, 9; RFC 9725, 4.3): what a client's PATCH says, and the answer
 * to a restart. Candidates are counted and not read (they may be of any kind and name hosts that do
 * not resolve): an ICE-lite agent needs none. */
#include "sdp_offer.h"

struct fragment_reading {
    struct leat_sdp_fragment fragment;
    struct span ufrag, pwd;
    unsigned sections;
    unsigned attributes;
};

static bool take_attribute(struct fragment_reading *reading, struct span value)
{
    const struct span name = leat__sdp_cut(&value, ':');
    reading->attributes++;
    if (span_is(name, "candidate")) {
        reading->fragment.candidates++;
    } else if (span_is(name, "end-of-candidates")) {
        reading->fragment.end_of_candidates = true;
    } else if (span_is(name, "ice-ufrag") && reading->ufrag.data == NULL) {
        reading->ufrag = value;
    } else if (span_is(name, "ice-pwd") && reading->pwd.data == NULL) {
        reading->pwd = value;
    } else if (span_is(name, "group") && reading->fragment.group == NULL) {
        reading->fragment.group = value.data;
        reading->fragment.group_len = (uint16_t)value.len;
    } else if (span_is(name, "mid") && reading->sections == 1) {
        return leat__sdp_copy_id(value, reading->fragment.mid);
    }
    return true;
}

static int read_credentials(struct fragment_reading *reading, struct leat_sdp_error *error)
{
    const struct span ufrag = reading->ufrag, pwd = reading->pwd;
    if (ufrag.data == NULL && pwd.data == NULL) {
        return 0;
    }
    if (ufrag.data == NULL || pwd.data == NULL ||
        leat_ice_credentials_set(ufrag.data, ufrag.len, pwd.data, pwd.len,
                                 &reading->fragment.remote) < 0) {
        return leat__sdp_refuse(error, 400, "malformed a=ice-ufrag or a=ice-pwd, or one alone");
    }
    reading->fragment.has_credentials = true;
    return 0;
}

int leat_sdp_fragment_read(const char *text, size_t len, struct leat_sdp_fragment *ret,
                           struct leat_sdp_error *ret_error)
{
    struct fragment_reading reading = {.sections = 0};
    struct span rest = span_of(text, len);
    struct span value;
    char letter;
    int status = leat__sdp_check(rest, ret_error);
    if (status < 0) {
        return status;
    }
    while (leat__sdp_line(&rest, &letter, &value)) {
        if (letter == 'm' && reading.sections++ == 0) {
            reading.fragment.media = value.data;
            reading.fragment.media_len = (uint16_t)value.len;
        } else if (letter == 'a' && !take_attribute(&reading, value)) {
            return leat__sdp_refuse(ret_error, 400, "a=mid is not 1..%u characters",
                                    LEAT_RTP_MID_MAX);
        }
    }
    if (reading.attributes == 0) {
        return leat__sdp_refuse(ret_error, 400, "no attribute");
    }
    status = read_credentials(&reading, ret_error);
    if (status == 0) {
        *ret = reading.fragment;
    }
    return status;
}

int leat_sdp_fragment_write(const struct leat_sdp_fragment *fragment,
                            const struct leat_sdp_answer *answer, char *out, size_t cap)
{
    struct sdp_out text = {.data = out, .cap = cap};
    leat__sdp_put(&text, SDP_ICE_LITE);
    if (fragment->group) {
        leat__sdp_put(&text, "a=group:%.*s\r\n", (int)fragment->group_len, fragment->group);
    }
    if (fragment->media) {
        leat__sdp_put(&text, "m=%.*s\r\n", (int)fragment->media_len, fragment->media);
        if (fragment->mid[0]) {
            leat__sdp_put(&text, "a=mid:%s\r\n", fragment->mid);
        }
    }
    leat__sdp_put_credentials(&text, answer);
    leat__sdp_put_candidates(&text, answer);
    return leat__sdp_out_end(&text);
}
