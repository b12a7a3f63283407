/* What the session or one m-section says of the transport: ICE credentials, fingerprints, the DTLS
 * role, BUNDLE's id, direction, multiplexing. Candidates are not read: an ICE-lite agent is told by
 * checks where its peer is (RFC 8445, 2.5). Called by sdp_offer.c. */
#include <errno.h>

#include "sdp_offer.h"

/* Those of a hash that proves nothing are skipped, another may be there (RFC 8122, 5). */
static int take_fingerprint(struct facts *facts, struct span value, struct leat_sdp_error *error)
{
    struct leat_dtls_fingerprint fingerprint;
    const int status = leat_dtls_fingerprint_parse(value.data, value.len, &fingerprint);
    if (status == -EINVAL) {
        return leat__sdp_refuse(error, 400, "malformed a=fingerprint");
    }
    if (status == 0 && facts->fingerprint_count < LEAT_SDP_FINGERPRINTS_MAX) {
        facts->fingerprints[facts->fingerprint_count++] = fingerprint;
    }
    return 0;
}

static void take_value(struct facts *facts, struct span name, struct span value)
{
    struct span *const place = span_is(name, "ice-ufrag") ? &facts->ufrag
                               : span_is(name, "ice-pwd") ? &facts->pwd
                               : span_is(name, "setup")   ? &facts->setup
                               : span_is(name, "mid")     ? &facts->mid
                                                          : NULL;
    if (place && place->data == NULL) {
        *place = value;
    }
}

static void take_flag(struct facts *facts, struct span name)
{
    if (span_is(name, "sendrecv")) {
        facts->direction = DIRECTION_BOTH;
    } else if (span_is(name, "sendonly")) {
        facts->direction = DIRECTION_SEND;
    } else if (span_is(name, "recvonly")) {
        facts->direction = DIRECTION_RECEIVE;
    } else if (span_is(name, "inactive")) {
        facts->direction = 0;
    } else if (span_is(name, "rtcp-mux")) {
        facts->rtcp_mux = true;
    } else if (span_is(name, "rtcp-mux-only")) {
        facts->rtcp_mux_only = true;
    } else if (span_is(name, "rtcp-rsize")) {
        facts->rtcp_rsize = true;
    } else if (span_is(name, "bundle-only")) {
        facts->bundle_only = true;
    } else if (span_is(name, "ice-lite")) {
        facts->ice_lite = true;
    } else if (span_is(name, "extmap-allow-mixed")) {
        facts->extmap_allow_mixed = true;
    }
}

int leat__sdp_read_facts(struct span body, struct facts *facts, struct leat_sdp_error *error)
{
    struct span name, value;
    while (leat__sdp_attribute(&body, &name, &value)) {
        if (span_is(name, "fingerprint")) {
            const int status = take_fingerprint(facts, value, error);
            if (status < 0) {
                return status;
            }
        } else if (value.len) {
            take_value(facts, name, value);
        } else {
            take_flag(facts, name);
        }
    }
    return 0;
}
