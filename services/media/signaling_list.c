/* The list of streams, as JSON:
 *
 *   [{"name":"demo","live":true,"viewers":2,"audio":"opus","video":"VP8","width":640,"height":480}]
 *
 * In the order of their names; of those that LEAT_MEDIA_LIST allows to who asks. */
#include <stdio.h>

#include "signaling.h"

#define ENTRY_MAX 256u /* bytes of one */

static bool may_list(const struct signaling *self, const struct stream *stream, leat_http_str token)
{
    const struct leat_media_config *config = &self->media->config;
    char name[LEAT_MEDIA_STREAM_MAX + 1];
    const struct leat_media_question question = {
        .use = LEAT_MEDIA_LIST, .stream = leat_http_str_of(stream->name), .token = token};
    return config->authorize == NULL ||
           config->authorize(config->authorize_context, &question, name) != LEAT_MEDIA_DENY;
}

/* The codec that a publisher most likely sends: the first of its offer, whose order the answer
 * keeps. */
static const char *codec_of(const struct session *publisher, enum leat_media_kind kind)
{
    for (size_t i = 0; publisher != NULL && i < publisher->track_count; i++) {
        if (publisher->tracks[i].kind == kind && publisher->tracks[i].codec_count > 0) {
            return leat_codec_name(publisher->tracks[i].codecs[0].codec);
        }
    }
    return NULL;
}

static size_t entry_write(const struct stream *stream, char out[ENTRY_MAX])
{
    const struct session *publisher = stream->publisher;
    const bool is_live = publisher != NULL && publisher->connected;
    int len = snprintf(out, ENTRY_MAX, "{\"name\":\"%s\",\"live\":%s,\"viewers\":%u", stream->name,
                       is_live ? "true" : "false", stream->viewers);
    for (int kind = 0; kind < LEAT_MEDIA_KINDS; kind++) {
        const char *codec = codec_of(publisher, (enum leat_media_kind)kind);
        if (codec != NULL) {
            len += snprintf(out + len, ENTRY_MAX - (size_t)len, ",\"%s\":\"%s\"",
                            kind == LEAT_MEDIA_AUDIO ? "audio" : "video", codec);
        }
    }
    if (stream->state.width > 0) {
        len += snprintf(out + len, ENTRY_MAX - (size_t)len, ",\"width\":%u,\"height\":%u",
                        stream->state.width, stream->state.height);
    }
    len += snprintf(out + len, ENTRY_MAX - (size_t)len, "}");
    ENSURE((size_t)len < ENTRY_MAX);
    return (size_t)len;
}

void signaling_list(struct signaling *self, const struct ask *ask)
{
    struct reply reply;
    leat_slice body;
    leat_http_str token = {NULL, 0};
    (void)whip_token_of(&ask->request->http.head, &token);
    const size_t most = 2 + (size_t)self->roster.stream_count * (ENTRY_MAX + 1);
    if (leat_buf_alloc((uint32_t)most, &body) != 0) {
        reply_error_retry(self, ask, 503, "There is no memory for the list.", RETRY_BUSY);
        return;
    }
    char *text = (char *)leat_slice_data(body);
    size_t len = 0;
    text[len++] = '[';
    for (uint32_t i = 0; i < self->roster.stream_count; i++) {
        const struct stream *stream = self->roster.streams[i];
        if (may_list(self, stream, token)) {
            if (len > 1) {
                text[len++] = ',';
            }
            len += entry_write(stream, text + len);
        }
    }
    text[len++] = ']';
    body.len = (uint32_t)len;
    reply_begin(&reply, 200, ask->origin);
    whip_header(&reply.headers, "Content-Type", leat_http_str_of("application/json"));
    whip_header(&reply.headers, "Cache-Control", leat_http_str_of("no-store"));
    reply.body = body;
    reply_send(self, ask->request->exchange, &reply);
}
