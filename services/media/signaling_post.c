/* POST: an offer becomes a session. Everything that can be wrong with it is found before anything
 * is made, so that a bad one touches nobody: the media type, the offer, the limits, who else
 * publishes, what there is to watch. The answer is written here and leaves when the session
 * lives. */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "signaling.h"

#define ANSWER_MAX (LEAT_SDP_LEN_MAX)

static void refuse(struct signaling *self, const struct ask *ask, unsigned status,
                   const char *detail, unsigned retry)
{
    struct reply reply;
    media_count(&self->media->stats.refused, 1);
    reply_begin(&reply, status, ask->origin);
    if (retry > 0) {
        reply_retry(&reply, retry);
    }
    if (status == 415) {
        whip_header(&reply.headers, "Accept-Post", leat_http_str_of(WHIP_SDP));
    }
    reply_problem(self, ask->request->exchange, &reply, detail);
}

/* ---- what may stand against it ---- */

static bool read_offer(struct signaling *self, const struct ask *ask)
{
    const unsigned status = whip_body_status(ask->request, WHIP_SDP);
    if (status != 0) {
        refuse(self, ask, status,
               status == 415   ? "The offer is to be application/sdp."
               : status == 400 ? "There is no offer."
                               : "The offer is too long.",
               0);
        return false;
    }
    struct leat_sdp_error error;
    const leat_slice body = ask->request->body;
    const enum leat_sdp_use use =
        ask->target.use == LEAT_MEDIA_PUBLISH ? LEAT_SDP_PUBLISH : LEAT_SDP_VIEW;
    if (leat_sdp_offer_read((const char *)leat_slice_data(body), body.len, use, &self->offer,
                            &error) != 0) {
        refuse(self, ask, error.status, error.text, 0);
        return false;
    }
    return true;
}

static bool within_limits(struct signaling *self, const struct ask *ask,
                          const struct stream *stream)
{
    const struct leat_media_config *config = &self->media->config;
    uint8_t address[16];
    roster_address(&ask->request->peer, address);
    const char *full = NULL;
    if (ask->target.use == LEAT_MEDIA_PUBLISH && stream != NULL && stream->publisher != NULL &&
        self->waiting_count < PENDING_MAX) {
        return true; /* it takes a place that another leaves */
    }
    if (self->roster.session_count >= config->sessions_max || self->waiting_count >= PENDING_MAX) {
        full = "The server has as many sessions as it may.";
    } else if (stream == NULL && self->roster.stream_count >= config->streams_max) {
        full = "The server has as many streams as it may.";
    } else if (stream != NULL && stream->session_count >= config->stream_sessions_max) {
        full = "The stream has as many sessions as it may.";
    } else if (config->address_sessions_max > 0 &&
               roster_address_count(&self->roster, address) >= config->address_sessions_max) {
        full = "Your address has as many sessions as it may.";
    }
    if (full != NULL) {
        refuse(self, ask, 503, full, RETRY_BUSY);
    }
    return full == NULL;
}

/* Who owns the stream takes it over at once, anybody else only from a silent publisher. */
static bool may_publish(struct signaling *self, const struct ask *ask, const struct stream *stream)
{
    const struct session *other = stream != NULL ? stream->publisher : NULL;
    if (other == NULL || ask->verdict == LEAT_MEDIA_OWNER || other->is_silent) {
        return true;
    }
    refuse(self, ask, 409, "Another publisher has this stream.", RETRY_SOON);
    return false;
}

/* What is published comes first in the answer; nothing in common with it is no session. */
static bool may_view(struct signaling *self, const struct ask *ask, const struct stream *stream)
{
    const struct session *publisher = stream != NULL ? stream->publisher : NULL;
    if (publisher == NULL) {
        if (self->media->config.no_wait) {
            refuse(self, ask, 409, "Nobody publishes this stream.", RETRY_SOON);
        }
        return !self->media->config.no_wait;
    }
    for (size_t i = 0; i < self->offer.track_count; i++) {
        struct leat_rtp_track *track = &self->offer.tracks[i];
        for (size_t k = 0; k < publisher->track_count; k++) {
            if (publisher->tracks[k].kind == track->kind &&
                leat_sdp_prefer(track, &publisher->tracks[k]) == 0) {
                refuse(self, ask, 406, "The stream is published with codecs that were not offered.",
                       0);
                return false;
            }
        }
    }
    return true;
}

/* ---- what a session is made of ---- */

/* The tracks' parameters point into the request: they get a place of their own. */
static int copy_tracks(struct session_setup *setup, const struct leat_sdp_offer *offer)
{
    size_t len = 1;
    for (size_t i = 0; i < offer->track_count; i++) {
        setup->tracks[i] = offer->tracks[i];
        for (size_t k = 0; k < offer->tracks[i].codec_count; k++) {
            len += offer->tracks[i].codecs[k].fmtp_len;
        }
    }
    setup->track_count = offer->track_count;
    setup->fmtp = malloc(len);
    if (setup->fmtp == NULL) {
        return -ENOMEM;
    }
    char *at = setup->fmtp;
    for (size_t i = 0; i < setup->track_count; i++) {
        for (size_t k = 0; k < setup->tracks[i].codec_count; k++) {
            struct leat_rtp_codec *codec = &setup->tracks[i].codecs[k];
            if (codec->fmtp != NULL) {
                memcpy(at, codec->fmtp, codec->fmtp_len);
                codec->fmtp = at;
                at += codec->fmtp_len;
            }
        }
    }
    return 0;
}

static int publisher_tracks(struct session *session, const struct session_setup *setup)
{
    session->tracks = calloc(LEAT_MEDIA_KINDS, sizeof(*session->tracks));
    if (session->tracks == NULL) {
        return -ENOMEM;
    }
    session->track_count = setup->track_count;
    memcpy(session->tracks, setup->tracks, setup->track_count * sizeof(*session->tracks));
    for (size_t i = 0; i < session->track_count; i++) {
        for (size_t k = 0; k < session->tracks[i].codec_count; k++) {
            session->tracks[i].codecs[k].fmtp = NULL;
            session->tracks[i].codecs[k].fmtp_len = 0;
        }
    }
    return 0;
}

/* Numbers of its own for a viewer: nobody else's in this session, and none is 0. */
static int viewer_sources(struct session_setup *setup)
{
    uint32_t ssrcs[2 * LEAT_MEDIA_KINDS];
    if (RAND_bytes((uint8_t *)ssrcs, sizeof(ssrcs)) != 1) {
        return -EIO;
    }
    for (uint32_t i = 0; i < 2 * LEAT_MEDIA_KINDS; i++) { /* the low bits tell them apart */
        ssrcs[i] = (ssrcs[i] & ~7u) | (i + 1);
    }
    for (size_t i = 0; i < setup->track_count; i++) {
        const struct leat_rtp_track *track = &setup->tracks[i];
        setup->ssrcs[track->kind] = ssrcs[track->kind];
        for (size_t k = 0; k < track->codec_count; k++) {
            if (track->codecs[k].rtx != 0) {
                setup->rtx_ssrcs[track->kind] = ssrcs[LEAT_MEDIA_KINDS + track->kind];
            }
        }
    }
    return 0;
}

static int random_name(char *ret, size_t len)
{
    if (RAND_bytes((uint8_t *)ret, (int)len) != 1) {
        return -EIO;
    }
    for (size_t i = 0; i < len; i++) {
        ret[i] = (char)('a' + (uint8_t)ret[i] % 26);
    }
    ret[len] = '\0';
    return 0;
}

static int setup_fill(struct signaling *self, struct session *session)
{
    struct session_setup *setup = session->setup;
    const struct leat_sdp_offer *offer = &self->offer;
    setup->worker = &self->media->workers[session->worker];
    setup->signaling = leat_self(self);
    setup->session = session->number;
    setup->media = session->stream->media;
    setup->back = session->stream->back;
    setup->remote = offer->remote;
    memcpy(setup->fingerprints, offer->fingerprints, sizeof(setup->fingerprints));
    setup->fingerprint_count = offer->fingerprint_count;
    setup->active = offer->active;
    setup->source = self->source_last += LEAT_RTP_RECEIVER_SOURCES_MAX;
    int status = media_credentials_make(setup->worker, &setup->local);
    status = status != 0 ? status : random_name(setup->cname, 16);
    status = status != 0 ? status : copy_tracks(setup, offer);
    if (status == 0) {
        status = session->use == LEAT_MEDIA_PUBLISH ? publisher_tracks(session, setup)
                                                    : viewer_sources(setup);
    }
    session->remote = status == 0 ? signaling_credentials(&offer->remote) : NULL;
    return session->remote != NULL ? 0 : status != 0 ? status : -ENOMEM;
}

static int answer_write(struct signaling *self, struct session *session, bool is_near)
{
    const struct session_setup *setup = session->setup;
    struct leat_addr candidates[LEAT_MEDIA_ADDRESSES_MAX];
    struct leat_sdp_answer answer = {
        .local = &setup->local,
        .fingerprint = leat_dtls_context_fingerprint(self->media->config.dtls),
        .candidates = candidates,
        .candidate_count = media_candidates(setup->worker, is_near, candidates),
        .cname = setup->cname,
    };
    if (RAND_bytes((uint8_t *)&answer.session_id, sizeof(answer.session_id)) != 1) {
        return -EIO;
    }
    answer.session_id >>= 2; /* fits a signed one, RFC 9429, 5.2.1 */
    memcpy(answer.ssrcs, setup->ssrcs, sizeof(answer.ssrcs));
    memcpy(answer.rtx_ssrcs, setup->rtx_ssrcs, sizeof(answer.rtx_ssrcs));
    char *text = malloc(ANSWER_MAX);
    if (text == NULL) {
        return -ENOMEM;
    }
    int len = leat_sdp_answer_write(&self->offer, &answer, text, ANSWER_MAX);
    if (len >= 0) {
        len = reply_body(text, (size_t)len, &session->answer);
    }
    free(text);
    return len;
}

static int session_fill(struct signaling *self, const struct ask *ask, struct session *session)
{
    session->exchange = ask->request->exchange;
    roster_address(&ask->request->peer, session->address);
    session->setup = calloc(1, sizeof(*session->setup));
    if (session->setup == NULL) {
        return -ENOMEM;
    }
    const int status = setup_fill(self, session);
    if (status != 0) {
        return status;
    }
    if (ask->origin.len > 0) {
        session->origin = strndup(ask->origin.data, ask->origin.len);
        if (session->origin == NULL) {
            return -ENOMEM;
        }
    }
    return answer_write(self, session, whip_host_is_loopback(ask->request->http.host));
}

void signaling_post(struct signaling *self, const struct ask *ask)
{
    const leat_http_str name = leat_http_str_of(ask->stream);
    struct stream *stream = roster_stream(&self->roster, name);
    struct session *session;
    media_count(&self->media->stats.posts, 1);
    const bool publishes = ask->target.use == LEAT_MEDIA_PUBLISH;
    if (!read_offer(self, ask) ||
        !(publishes ? may_publish(self, ask, stream) : may_view(self, ask, stream)) ||
        !within_limits(self, ask, stream)) {
        return;
    }
    if (stream == NULL && roster_stream_add(&self->roster, name, &stream) != 0) {
        refuse(self, ask, 503, "There is no room for another stream.", RETRY_BUSY);
        return;
    }
    int status = roster_session_add(&self->roster, stream, ask->target.use,
                                    roster_worker(&self->roster), &session);
    if (status == 0) {
        status = session_fill(self, ask, session);
        if (status != 0) {
            signaling_session_drop(self, session);
        }
    } else if (stream->session_count == 0) {
        roster_stream_remove(&self->roster, stream);
    }
    if (status != 0) {
        refuse(self, ask, 503, "The session could not be made.", RETRY_BUSY);
        return;
    }
    if (session->use == LEAT_MEDIA_PUBLISH) {
        signaling_publisher_choose(stream);
    }
    signaling_session_begin(self, session);
}
