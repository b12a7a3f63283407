/* What a request is for and who may, in this order: the Host, the path, preflight, the token, the
 * session; what none of them refuses goes to its part. Tokens are looked at here and nowhere else,
 * and never written anywhere. */
#include "signaling.h"

/* ---- who may ---- */

static void refuse_token(struct signaling *self, const struct ask *ask, enum whip_token token)
{
    struct reply reply;
    reply_begin(&reply, 401, ask->origin);
    whip_header(&reply.headers, "WWW-Authenticate",
                leat_http_str_of(token == WHIP_TOKEN_BEARER
                                     ? "Bearer realm=\"leat\", error=\"invalid_token\""
                                     : "Bearer realm=\"leat\""));
    reply_problem(self, ask->request->exchange, &reply,
                  token == WHIP_TOKEN_BEARER ? "This token does not allow it."
                                             : "A bearer token is needed.");
}

static void name_set(struct ask *ask, leat_http_str name)
{
    memcpy(ask->stream, name.data, name.len);
    ask->stream[name.len] = '\0';
}

/* Without somebody to ask, everybody may, and a token is a name. False: it has been answered. */
static bool allow_all(struct signaling *self, struct ask *ask, leat_http_str token)
{
    leat_http_str name = ask->target.stream;
    if (name.len == 0) {
        name = token.data != NULL ? token : leat_http_str_of("demo");
        if (!whip_is_stream(name)) {
            reply_error(self, ask, 400, "The token is to be a stream's name.");
            return false;
        }
    }
    name_set(ask, name);
    ask->verdict = LEAT_MEDIA_ALLOW;
    return true;
}

/* Who asks for what: the verdict, and the stream's name. False: it has been answered. */
static bool authorize(struct signaling *self, struct ask *ask)
{
    const struct leat_media_config *config = &self->media->config;
    leat_http_str token = {NULL, 0};
    const enum whip_token kind = whip_token_of(&ask->request->http.head, &token);
    if (kind == WHIP_TOKEN_OTHER) {
        refuse_token(self, ask, kind);
        return false;
    }
    if (config->authorize == NULL) {
        return allow_all(self, ask, token);
    }
    const struct leat_media_question question = {
        .use = ask->target.use, .stream = ask->target.stream, .token = token};
    char name[LEAT_MEDIA_STREAM_MAX + 1] = "";
    ask->verdict = config->authorize(config->authorize_context, &question, name);
    if (ask->target.stream.len > 0) {
        name_set(ask, ask->target.stream);
    } else {
        name[LEAT_MEDIA_STREAM_MAX] = '\0';
        if (!whip_is_stream(leat_http_str_of(name))) {
            ask->verdict = LEAT_MEDIA_DENY; /* it names none */
        } else {
            name_set(ask, leat_http_str_of(name));
        }
    }
    if (ask->verdict == LEAT_MEDIA_DENY) {
        refuse_token(self, ask, kind);
        return false;
    }
    return true;
}

/* ---- what nobody needs a session for ---- */

/* OPTIONS: what could be asked here. TURN's credentials are for who has shown a token. */
static void answer_options(struct signaling *self, const struct ask *ask, bool is_preflight)
{
    struct reply reply;
    const char *ice_servers = self->media->config.ice_servers;
    reply_begin(&reply, 200, ask->origin);
    if (ask->target.session.len > 0) {
        whip_header(&reply.headers, "Accept-Patch", leat_http_str_of(WHIP_FRAGMENT));
    } else if (ask->target.use != LEAT_MEDIA_LIST) {
        whip_header(&reply.headers, "Accept-Post", leat_http_str_of(WHIP_SDP));
    }
    if (is_preflight && ask->origin.len > 0) {
        whip_preflight(&reply.headers, &ask->target);
    } else if (!is_preflight && ice_servers != NULL && ask->target.use != LEAT_MEDIA_LIST) {
        whip_header(&reply.headers, "Link", leat_http_str_of(ice_servers));
    }
    reply_send(self, ask->request->exchange, &reply);
}

/* GET and HEAD have nothing to give, and say so with a 2xx (RFC 9725, 4.1). A player finds out by
 * HEAD that this is WHEP. */
static void answer_nothing(struct signaling *self, const struct ask *ask)
{
    struct reply reply;
    const bool is_probe = ask->request->http.method == LEAT_HTTP_HEAD &&
                          ask->target.use == LEAT_MEDIA_VIEW && ask->target.session.len == 0;
    reply_begin(&reply, is_probe ? 200 : 204, ask->origin);
    if (is_probe) {
        whip_header(&reply.headers, "Content-Type", leat_http_str_of(WHIP_SDP));
        whip_header(&reply.headers, "Accept-Post", leat_http_str_of(WHIP_SDP));
    }
    reply_send(self, ask->request->exchange, &reply);
}

/* ---- sessions ---- */

static void answer_delete(struct signaling *self, const struct ask *ask, struct session *session)
{
    struct reply reply;
    reply_begin(&reply, 200, ask->origin);
    reply_send(self, ask->request->exchange, &reply);
    signaling_session_end(self, session);
}

static void on_session(struct signaling *self, const struct ask *ask)
{
    struct session *session = roster_session_by_id(&self->roster, ask->target.session);
    if (session == NULL || session->phase != SESSION_LIVE || session->use != ask->target.use ||
        strcmp(session->stream->name, ask->stream) != 0) {
        reply_error(self, ask, 404, "There is no such session.");
        return;
    }
    switch (ask->request->http.method) {
    case LEAT_HTTP_PATCH:
        signaling_patch(self, ask, session);
        return;
    case LEAT_HTTP_DELETE: /* of any ICE session: If-Match does not matter (RFC 9725, 4.3.1) */
        answer_delete(self, ask, session);
        return;
    case LEAT_HTTP_OPTIONS:
        answer_options(self, ask, false);
        return;
    default:
        answer_nothing(self, ask);
    }
}

static void on_endpoint(struct signaling *self, const struct ask *ask)
{
    switch (ask->request->http.method) {
    case LEAT_HTTP_POST:
        signaling_post(self, ask);
        return;
    case LEAT_HTTP_OPTIONS:
        answer_options(self, ask, false);
        return;
    default:
        answer_nothing(self, ask);
    }
}

/* ---- a request ---- */

static void dispatch(struct signaling *self, struct ask *ask)
{
    const struct leat_http_request *http = &ask->request->http;
    if (self->media->config.loopback_hosts && !whip_host_is_loopback(http->host)) {
        reply_error(self, ask, 403, "This server answers to loopback names and addresses only.");
        return;
    }
    if (whip_target_of(http->path, &ask->target) != 0) {
        reply_error(self, ask, 404, "No stream or session has such a path.");
        return;
    }
    if (whip_is_preflight(http)) {
        answer_options(self, ask, true);
        return;
    }
    if (ask->target.use == LEAT_MEDIA_LIST) {
        if (http->method == LEAT_HTTP_OPTIONS) {
            answer_options(self, ask, false);
        } else {
            signaling_list(self, ask);
        }
        return;
    }
    if (!authorize(self, ask)) {
        if (http->method == LEAT_HTTP_POST) { /* a session has no route of that method */
            media_count(&self->media->stats.posts, 1);
            media_count(&self->media->stats.refused, 1);
        }
        return;
    }
    if (ask->target.session.len > 0) {
        on_session(self, ask);
    } else {
        on_endpoint(self, ask);
    }
}

void signaling_request(struct signaling *self, const struct leat_httpd_request *request)
{
    const struct leat_media_config *config = &self->media->config;
    struct ask ask = {.request = request};
    ask.origin = whip_allowed_origin(&request->http.head, config->origins, config->origin_count);
    if (self->is_shutdown) {
        reply_error_retry(self, &ask, 503, "The server is going down.", RETRY_BUSY);
        return;
    }
    dispatch(self, &ask);
}
