/* PATCH (RFC 9725, 4.3): trickled candidates, of which an ICE-lite agent needs none, and restarts.
 * A restart counts when its session has taken the message; until then, and if it does not,
 * everything stays as it was. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "signaling.h"

#define FRAGMENT_MAX 8192u /* bytes of an answer: 16 candidates, and little else */

char *signaling_credentials(const struct leat_ice_credentials *of)
{
    const size_t ufrag = strlen(of->ufrag), pwd = strlen(of->pwd);
    char *text = malloc(ufrag + 1 + pwd + 1);
    if (text != NULL) {
        memcpy(text, of->ufrag, ufrag);
        text[ufrag] = ' ';
        memcpy(text + ufrag + 1, of->pwd, pwd + 1);
    }
    return text;
}

void signaling_restart_forget(struct signaling *self)
{
    struct restart *restart = &self->restart;
    leat_buf_unref(restart->answer.buf);
    if (restart->remote != NULL) {
        OPENSSL_cleanse(restart->remote, strlen(restart->remote));
    }
    free(restart->remote);
    free(restart->origin);
    memset(restart, 0, sizeof(*restart));
}

/* ---- a restart ---- */

static int fragment_write(struct signaling *self, const struct ask *ask,
                          const struct session *session, const struct leat_sdp_fragment *fragment,
                          const struct leat_ice_credentials *local)
{
    char text[FRAGMENT_MAX];
    struct leat_addr candidates[LEAT_MEDIA_ADDRESSES_MAX];
    const bool is_near = whip_host_is_loopback(ask->request->http.host);
    const struct leat_sdp_answer answer = {
        .local = local,
        .fingerprint = leat_dtls_context_fingerprint(self->media->config.dtls),
        .candidates = candidates,
        .candidate_count =
            media_candidates(&self->media->workers[session->worker], is_near, candidates),
    };
    const int len = leat_sdp_fragment_write(fragment, &answer, text, sizeof(text));
    return len < 0 ? len : reply_body(text, (size_t)len, &self->restart.answer);
}

/* The message to the session: *ret. */
static int restart_fill(struct signaling *self, const struct ask *ask, struct session *session,
                        const struct leat_sdp_fragment *fragment, leat_slice *ret)
{
    struct restart *restart = &self->restart;
    struct session_restart message = {.remote = fragment->remote};
    restart->exchange = ask->request->exchange;
    int status = media_credentials_make(&self->media->workers[session->worker], &message.local);
    if (status == 0) {
        status = RAND_bytes((uint8_t *)&restart->etag, sizeof(restart->etag)) == 1 ? 0 : -EIO;
    }
    status = status != 0 ? status : fragment_write(self, ask, session, fragment, &message.local);
    if (status != 0) {
        return status;
    }
    restart->remote = signaling_credentials(&fragment->remote);
    restart->origin = ask->origin.len > 0 ? strndup(ask->origin.data, ask->origin.len) : NULL;
    if (restart->remote == NULL || (restart->origin == NULL && ask->origin.len > 0)) {
        return -ENOMEM;
    }
    status = reply_body((const char *)&message, sizeof(message), ret);
    OPENSSL_cleanse(&message, sizeof(message));
    return status;
}

static void restart(struct signaling *self, const struct ask *ask, struct session *session,
                    const struct leat_sdp_fragment *fragment)
{
    leat_slice message;
    if (restart_fill(self, ask, session, fragment, &message) != 0) {
        signaling_restart_forget(self);
        reply_error_retry(self, ask, 503, "The restart could not be made.", RETRY_SOON);
        return;
    }
    self->restart.session = session;
    leat_output_send_body(leat_outbox_put(&self->out), session->ref, SESSION_RESTART, message);
}

void signaling_restarted(struct signaling *self)
{
    struct restart *restart = &self->restart;
    struct session *session = restart->session;
    struct reply reply;
    char etag[ETAG_LEN + 1];
    if (restart->is_refused) {
        reply_begin(&reply, 503, leat_http_str_of(restart->origin));
        reply_retry(&reply, RETRY_SOON);
        reply_problem(self, restart->exchange, &reply,
                      "The session is busy. It goes on as it was.");
    } else {
        char *before = session->remote;
        session->etag = restart->etag;
        session->remote = restart->remote;
        restart->remote = before;
        reply_begin(&reply, 200, leat_http_str_of(restart->origin));
        whip_header(&reply.headers, "Content-Type", leat_http_str_of(WHIP_FRAGMENT));
        whip_header(&reply.headers, "ETag", etag_write(session->etag, etag));
        reply.body = restart->answer;
        restart->answer = (leat_slice){0};
        reply_send(self, restart->exchange, &reply);
    }
    signaling_restart_forget(self);
}

/* ---- what a fragment says of the client's credentials ---- */

enum credentials { CREDENTIALS_SAME, CREDENTIALS_NEW, CREDENTIALS_MIXED };

/* A restart changes both (RFC 8839, 4.4.1.1.1). */
static enum credentials compare(const struct session *session,
                                const struct leat_sdp_fragment *fragment)
{
    if (!fragment->has_credentials) {
        return CREDENTIALS_SAME;
    }
    const char *pwd = strchr(session->remote, ' ') + 1;
    const size_t ufrag_len = (size_t)(pwd - 1 - session->remote);
    const bool same_ufrag = strlen(fragment->remote.ufrag) == ufrag_len &&
                            memcmp(fragment->remote.ufrag, session->remote, ufrag_len) == 0;
    const bool same_pwd = strlen(fragment->remote.pwd) == strlen(pwd) &&
                          CRYPTO_memcmp(fragment->remote.pwd, pwd, strlen(pwd)) == 0;
    return same_ufrag != same_pwd ? CREDENTIALS_MIXED
           : same_ufrag           ? CREDENTIALS_SAME
                                  : CREDENTIALS_NEW;
}

static void refuse_type(struct signaling *self, const struct ask *ask, unsigned status)
{
    struct reply reply;
    reply_begin(&reply, status, ask->origin);
    if (status == 415) {
        whip_header(&reply.headers, "Accept-Patch", leat_http_str_of(WHIP_FRAGMENT));
    }
    reply_problem(self, ask->request->exchange, &reply,
                  status == 415   ? "A fragment is to be application/trickle-ice-sdpfrag."
                  : status == 400 ? "There is no fragment."
                                  : "The fragment is too long.");
}

void signaling_patch(struct signaling *self, const struct ask *ask, struct session *session)
{
    char etag[ETAG_LEN + 1];
    struct leat_sdp_fragment fragment;
    struct leat_sdp_error error;
    const leat_slice body = ask->request->body;
    const unsigned status = whip_body_status(ask->request, WHIP_FRAGMENT);
    if (status != 0) {
        refuse_type(self, ask, status);
        return;
    }
    const enum whip_match match =
        whip_match_of(&ask->request->http.head, etag_write(session->etag, etag));
    if (match == WHIP_MATCH_MISSING) {
        reply_error(self, ask, 428, "If-Match is to say which ICE session this is for.");
    } else if (leat_sdp_fragment_read((const char *)leat_slice_data(body), body.len, &fragment,
                                      &error) != 0) {
        reply_error(self, ask, error.status, error.text);
    } else if (match == WHIP_MATCH_OTHER) {
        reply_error(self, ask, 412, "This is not the ICE session that goes on.");
    } else if (compare(session, &fragment) == CREDENTIALS_MIXED) {
        reply_error(self, ask, 422, "A restart changes both ice-ufrag and ice-pwd.");
    } else if (compare(session, &fragment) == CREDENTIALS_NEW) {
        restart(self, ask, session, &fragment); /* whatever If-Match said (RFC 9725, 4.3.3) */
    } else {
        struct reply reply;
        reply_begin(&reply, 204, ask->origin);
        reply_send(self, ask->request->exchange, &reply);
    }
}
