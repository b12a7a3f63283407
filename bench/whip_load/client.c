/* A full ICE agent with one candidate, in the controlling role, and DTLS in the role the server
 * leaves. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define CHECK_EACH_NS (50 * LEAT_MS)
#define CONSENT_EACH_NS (4 * LEAT_SEC)
#define GIVE_UP_NS (15 * LEAT_SEC)
#define OFFER_MAX 8192u

void client_fail(struct client *client, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->why, sizeof(client->why), format, arguments);
    va_end(arguments);
    client->state = CLIENT_DEAD;
}

void client_send(struct client *client, const uint8_t *data, size_t len)
{
    /* A full buffer loses it, as a network would. */
    (void)send(client->fd, data, len, MSG_DONTWAIT);
}

void client_send_rtcp(struct client *client, const uint8_t *plain, size_t len)
{
    uint8_t sealed[1500];
    size_t sealed_len = 0;
    if (leat_srtcp_protect(client->out, plain, len, sealed, sizeof(sealed), &sealed_len) == 0) {
        client_send(client, sealed, sealed_len);
    }
}

/* ---- the POST ---- */

static size_t section(const struct client *client, char *out, size_t cap, bool video)
{
    const char *const direction = client->publishes ? "sendonly" : "recvonly";
    const uint32_t ssrc = client->ssrc + (video ? 0 : 1);
    int n = snprintf(
        out, cap,
        "m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 "
        "0.0.0.0\r\na=mid:%d\r\na=%s\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
        "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:%s\r\na=setup:actpass\r\n"
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n%s",
        video ? "video" : "audio",
        !video        ? "111"
        : options.rtx ? "96 97"
                      : "96",
        video, direction, client->local.ufrag, client->local.pwd,
        leat_dtls_context_fingerprint(dtls_context),
        video ? "a=extmap:3 "
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
                "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n"
                "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
              : "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n");
    if (video && options.rtx) {
        n += snprintf(out + n, cap - (size_t)n, "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n");
    }
    if (client->publishes && video && options.rtx) {
        n +=
            snprintf(out + n, cap - (size_t)n, "a=ssrc-group:FID %u %u\r\na=ssrc:%u cname:load\r\n",
                     ssrc, ssrc + 2, ssrc + 2);
    }
    if (client->publishes) {
        n += snprintf(out + n, cap - (size_t)n, "a=msid:load %d\r\na=ssrc:%u cname:load\r\n", video,
                      ssrc);
    }
    return (size_t)n;
}

static void offer_write(const struct client *client, char out[OFFER_MAX])
{
    size_t n = (size_t)snprintf(
        out, OFFER_MAX,
        "v=0\r\no=- %u 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
        "a=msid-semantic: WMS *\r\n",
        client->ssrc);
    n += section(client, out + n, OFFER_MAX - n, false);
    section(client, out + n, OFFER_MAX - n, true);
}

/* The rest of the first line that begins so; false: there is none. */
static bool line_of(const char *sdp, const char *begin, char *ret, size_t cap)
{
    const char *const at = strstr(sdp, begin);
    if (at == NULL) {
        return false;
    }
    const char *const rest = at + strlen(begin);
    const size_t len = strcspn(rest, "\r\n");
    snprintf(ret, cap, "%.*s", (int)len, rest);
    return len < cap;
}

/* The first candidate over UDP. */
static bool candidate_of(const char *sdp, struct client *client)
{
    for (const char *at = sdp; (at = strstr(at, "a=candidate:")) != NULL; at++) {
        char protocol[16], host[80];
        unsigned port;
        struct sockaddr_in *const v4 = (struct sockaddr_in *)(void *)&client->server;
        struct sockaddr_in6 *const v6 = (struct sockaddr_in6 *)(void *)&client->server;
        if (sscanf(at, "a=candidate:%*s %*u %15s %*u %79s %u typ host", protocol, host, &port) !=
                3 ||
            strcasecmp(protocol, "udp") != 0) {
            continue;
        }
        memset(&client->server, 0, sizeof(client->server));
        if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons((uint16_t)port);
            client->server_len = sizeof(*v4);
            return true;
        }
        if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons((uint16_t)port);
            client->server_len = sizeof(*v6);
            return true;
        }
    }
    return false;
}

/* What is wrong with an answer, or NULL. */
static const char *answer_read(struct client *client, const char *sdp)
{
    char ufrag[300], pwd[300], print[200];
    if (!line_of(sdp, "a=ice-ufrag:", ufrag, sizeof(ufrag)) ||
        !line_of(sdp, "a=ice-pwd:", pwd, sizeof(pwd)) ||
        leat_ice_credentials_set(ufrag, strlen(ufrag), pwd, strlen(pwd), &client->remote) != 0) {
        return "no ICE credentials";
    }
    if (!line_of(sdp, "a=fingerprint:", print, sizeof(print)) ||
        leat_dtls_fingerprint_parse(print, strlen(print), &client->fingerprint) != 0) {
        return "no fingerprint";
    }
    if (strstr(sdp, "a=setup:passive") == NULL) {
        return "the server is not passive";
    }
    return candidate_of(sdp, client) ? NULL : "no candidate over UDP";
}

static bool socket_open(struct client *client)
{
    const int buffer = 1 << 20, one = 1;
    client->fd = socket(client->server.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        connect(client->fd, (struct sockaddr *)&client->server, client->server_len) != 0) {
        return false;
    }
    setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    if (options.gro) {
        setsockopt(client->fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
    }
    return true;
}

static void session_url(const char *endpoint, const char *location, char *ret, size_t cap)
{
    const char *const path = strchr(endpoint + strlen("http://"), '/');
    if (location[0] == '/' && path != NULL) {
        snprintf(ret, cap, "%.*s%s", (int)(path - endpoint), endpoint, location);
    } else {
        snprintf(ret, cap, "%s", location);
    }
}

static void check(struct client *client)
{
    uint8_t data[LEAT_ICE_CHECK_MAX];
    size_t len = 0;
    RAND_bytes(client->transaction, sizeof(client->transaction));
    const struct leat_ice_check one = {.local = &client->local,
                                       .remote = &client->remote,
                                       .transaction = client->transaction,
                                       .tie_breaker = client->ssrc,
                                       .priority = 1845501695,
                                       .controlling = true,
                                       .use_candidate = true};
    if (leat_ice_check_write(&one, data, sizeof(data), &len) == 0) {
        client_send(client, data, len);
    }
}

void client_post(struct client *client)
{
    static _Thread_local struct http_answer answer;
    char offer[OFFER_MAX];
    const char *const endpoint = client->publishes ? options.whip : options.whep;
    const char *wrong = NULL;
    RAND_bytes((unsigned char *)&client->ssrc, sizeof(client->ssrc));
    client->ssrc = (client->ssrc & 0x7ffffff0) | 0x100;
    if (leat_ice_credentials_make("", &client->local) != 0) {
        client_fail(client, "no credentials");
        return;
    }
    offer_write(client, offer);
    client->posted = now_ns();
    http_ask("POST", endpoint, "application/sdp", offer, &answer);
    if (answer.status != 201) {
        client_fail(client, "POST: %u %.100s", answer.status, answer.body);
        return;
    }
    session_url(endpoint, answer.location, client->session, sizeof(client->session));
    wrong = answer_read(client, answer.body);
    if (wrong != NULL) {
        client_fail(client, "answer: %s", wrong);
    } else if (!socket_open(client)) {
        client_fail(client, "socket: %s", strerror(errno));
    } else {
        check(client);
        client->next_check = now_ns() + CHECK_EACH_NS;
        client->give_up = now_ns() + GIVE_UP_NS;
        client->state = CLIENT_CHECKING; /* from here on it is another thread's */
    }
}

void client_leave(struct client *client)
{
    static _Thread_local struct http_answer answer;
    if (client->session[0] != '\0') {
        http_ask("DELETE", client->session, NULL, NULL, &answer);
    }
}

/* ---- ICE and DTLS ---- */

static void flush_dtls(struct client *client)
{
    const uint8_t *data;
    size_t len;
    while (leat_dtls_transmit(client->dtls, &data, &len)) {
        client_send(client, data, len);
    }
}

static void follow_dtls(struct client *client)
{
    struct leat_dtls_error error;
    struct leat_dtls_srtp_keys keys;
    flush_dtls(client);
    switch (leat_dtls_state(client->dtls, &error)) {
    case LEAT_DTLS_HANDSHAKING:
        break;
    case LEAT_DTLS_CONNECTED:
        if (client->state == CLIENT_UP) {
            break;
        }
        if (leat_dtls_keys(client->dtls, &keys) != 0 ||
            leat_srtp_sender_open((enum leat_srtp_profile)keys.profile, keys.local_key,
                                  keys.local_salt, &client->out) != 0 ||
            leat_srtp_receiver_open((enum leat_srtp_profile)keys.profile, keys.remote_key,
                                    keys.remote_salt, &client->in) != 0) {
            client_fail(client, "no keys");
            break;
        }
        client->up = now_ns();
        client->state = CLIENT_UP;
        break;
    case LEAT_DTLS_CLOSED:
        client_fail(client, "the server said goodbye");
        break;
    case LEAT_DTLS_FAILED:
        client_fail(client, "DTLS: %s", error.why);
        break;
    }
}

static void on_stun(struct client *client, const uint8_t *data, size_t len)
{
    struct leat_stun_message message;
    uint8_t reply[LEAT_STUN_SUCCESS_MAX];
    const struct leat_addr mapped = leat_addr_from_ip((const uint8_t[]){127, 0, 0, 1}, 4, 9);
    if (leat_stun_parse(data, len, &message) != 0) {
        return;
    }
    if (message.kind == LEAT_STUN_REQUEST &&
        leat_stun_verify(&message, client->local.pwd, strlen(client->local.pwd)) &&
        leat_stun_write_success(reply, sizeof(reply), message.transaction, &mapped,
                                client->local.pwd, strlen(client->local.pwd), &len) == 0) {
        client_send(client, reply, len);
    } else if (message.kind == LEAT_STUN_SUCCESS && client->state == CLIENT_CHECKING &&
               memcmp(message.transaction, client->transaction, sizeof(client->transaction)) == 0 &&
               leat_stun_verify(&message, client->remote.pwd, strlen(client->remote.pwd))) {
        if (leat_dtls_open(dtls_context, LEAT_DTLS_ACTIVE, &client->fingerprint, 1, now_ns(),
                           &client->dtls) != 0) {
            client_fail(client, "no memory for DTLS");
            return;
        }
        client->state = CLIENT_SHAKING;
        flush_dtls(client);
    }
}

void client_control(struct client *client, const uint8_t *data, size_t len)
{
    if (leat_stun_is(data, len)) {
        on_stun(client, data, len);
    } else if (client->dtls != NULL && leat_dtls_is(data, len)) {
        leat_dtls_receive(client->dtls, now_ns(), data, len);
        follow_dtls(client);
    }
}

void client_tick(struct client *client, leat_time now)
{
    const int state = client->state;
    if (state == CLIENT_NEW || state == CLIENT_DEAD) {
        return;
    }
    if (now >= client->next_check) {
        check(client);
        client->next_check = now + (state == CLIENT_UP ? CONSENT_EACH_NS : CHECK_EACH_NS);
    }
    if (state == CLIENT_SHAKING) {
        leat_dtls_timeout(client->dtls, now);
        follow_dtls(client);
    }
    if (state != CLIENT_UP && now > client->give_up) {
        client_fail(client, state == CLIENT_CHECKING ? "no answer to checks"
                                                     : "the handshake does not end");
    }
}

void client_end(struct client *client)
{
    leat_dtls_close(client->dtls);
    leat_srtp_close(client->out);
    leat_srtp_close(client->in);
    if (client->server_len != 0 && client->fd >= 0) {
        close(client->fd);
    }
}
