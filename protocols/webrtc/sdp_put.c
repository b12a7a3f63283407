/* Writing SDP, and what answers and fragments have in common: our ICE credentials and candidates
 * (RFC 8839). A text that did not fit is void as a whole. Called by sdp_answer.c and
 * sdp_fragment.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "sdp_text.h"

void leat__sdp_put(struct sdp_out *out, const char *format, ...)
{
    const size_t room = out->cap - out->len;
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(out->data + out->len, room, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= room) {
        out->full = true;
        return;
    }
    out->len += (size_t)len;
}

void leat__sdp_put_span(struct sdp_out *out, struct span text)
{
    if (text.len) {
        leat__sdp_put(out, "%.*s", (int)text.len, text.data);
    }
}

int leat__sdp_out_end(const struct sdp_out *out)
{
    return out->full ? -ENOSPC : (int)out->len;
}

/* The numbers of an address, without its port and zone: a zone means nothing to another host. */
static const char *host_of(const struct leat_addr *addr, char text[INET6_ADDRSTRLEN])
{
    if (leat_addr_is_v4(addr)) {
        return inet_ntop(AF_INET, addr->ip + 12, text, INET6_ADDRSTRLEN);
    }
    return inet_ntop(AF_INET6, addr->ip, text, INET6_ADDRSTRLEN);
}

void leat__sdp_put_connection(struct sdp_out *out, const struct leat_sdp_answer *answer)
{
    char host[INET6_ADDRSTRLEN];
    if (answer->candidate_count == 0) {
        leat__sdp_put(out, "c=IN IP4 0.0.0.0\r\n");
        return;
    }
    leat__sdp_put(out, "c=IN %s %s\r\n", leat_addr_is_v4(answer->candidates) ? "IP4" : "IP6",
                  host_of(answer->candidates, host));
}

void leat__sdp_put_credentials(struct sdp_out *out, const struct leat_sdp_answer *answer)
{
    leat__sdp_put(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", answer->local->ufrag,
                  answer->local->pwd);
}

/* The same for candidates with the same base address, different for others (RFC 8445, 5.1.1.3). */
static size_t foundation(const struct leat_sdp_answer *answer, size_t i)
{
    size_t first = 0;
    while (memcmp(answer->candidates[first].ip, answer->candidates[i].ip, 16) != 0) {
        first++;
    }
    return first + 1;
}

void leat__sdp_put_candidates(struct sdp_out *out, const struct leat_sdp_answer *answer)
{
    char host[INET6_ADDRSTRLEN];
    for (size_t i = 0; i < answer->candidate_count; i++) {
        /* RFC 8445, 5.1.2.1: type preference 126 (host), the order given, component 1 */
        const uint32_t preference = 65535u - (uint32_t)(i < 65535u ? i : 65535u);
        const uint32_t priority = (126u << 24) + (preference << 8) + 255u;
        leat__sdp_put(out, "a=candidate:%zu 1 udp %u %s %u typ host\r\n", foundation(answer, i),
                      (unsigned)priority, host_of(&answer->candidates[i], host),
                      answer->candidates[i].port);
    }
    leat__sdp_put(out, "a=end-of-candidates\r\n");
}
