/* Signaling's tables. Names of streams are the clients' choice, so they are in a sorted array,
 * which nobody can make slow; ids of sessions are random and ours, so a plain hash does. A number
 * is a slot and how often it was used. */
#include "roster.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

void roster_init(struct roster *roster, uint32_t workers)
{
    memset(roster, 0, sizeof(*roster));
    roster->workers = workers;
}

void roster_fini(struct roster *roster)
{
    while (roster->stream_count > 0) {
        struct stream *stream = roster->streams[roster->stream_count - 1];
        while (stream->sessions != NULL) {
            roster_session_remove(roster, stream->sessions);
        }
        roster_stream_remove(roster, stream);
    }
    free(roster->streams);
    free(roster->slots);
    free(roster->generations);
    free(roster->free_slots);
}

/* ---- streams ---- */

/* Where it is, or would be. */
static uint32_t place_of(const struct roster *roster, leat_http_str name, bool *ret_found)
{
    uint32_t from = 0, to = roster->stream_count;
    while (from < to) {
        const uint32_t at = from + (to - from) / 2;
        const char *other = roster->streams[at]->name;
        const size_t other_len = strlen(other);
        const size_t len = name.len < other_len ? name.len : other_len;
        int order = memcmp(name.data, other, len);
        if (order == 0) {
            order = (name.len > other_len) - (name.len < other_len);
        }
        if (order == 0) {
            *ret_found = true;
            return at;
        }
        if (order < 0) {
            to = at;
        } else {
            from = at + 1;
        }
    }
    *ret_found = false;
    return from;
}

struct stream *roster_stream(const struct roster *roster, leat_http_str name)
{
    bool is_found;
    const uint32_t at = place_of(roster, name, &is_found);
    return is_found ? roster->streams[at] : NULL;
}

struct stream *roster_stream_by_id(const struct roster *roster, uint64_t id)
{
    for (uint32_t i = 0; i < roster->stream_count; i++) {
        if (roster->streams[i]->id == id) {
            return roster->streams[i];
        }
    }
    return NULL;
}

static int channels_open(struct stream *stream)
{
    int status = leat_media_channel(stream->name, &stream->media);
    if (status != 0) {
        return status;
    }
    status = leat_media_back_channel(stream->name, &stream->back);
    if (status != 0) {
        leat_channel_close(stream->media);
    }
    return status;
}

int roster_stream_add(struct roster *roster, leat_http_str name, struct stream **ret)
{
    bool is_found;
    const uint32_t at = place_of(roster, name, &is_found);
    ENSURE(!is_found && name.len <= LEAT_MEDIA_STREAM_MAX);
    if (roster->stream_count == roster->stream_cap) {
        const uint32_t cap = roster->stream_cap > 0 ? 2 * roster->stream_cap : 16;
        struct stream **grown = realloc(roster->streams, cap * sizeof(struct stream *));
        if (grown == NULL) {
            return -ENOMEM;
        }
        roster->streams = grown;
        roster->stream_cap = cap;
    }
    struct stream *stream = calloc(1, sizeof(*stream) + roster->workers * sizeof(struct group));
    if (stream == NULL) {
        return -ENOMEM;
    }
    memcpy(stream->name, name.data, name.len);
    const int status = channels_open(stream);
    if (status != 0) {
        free(stream);
        return status;
    }
    stream->id = ++roster->stream_last;
    memmove(&roster->streams[at + 1], &roster->streams[at],
            (roster->stream_count - at) * sizeof(struct stream *));
    roster->streams[at] = stream;
    roster->stream_count++;
    *ret = stream;
    return 0;
}

void roster_stream_remove(struct roster *roster, struct stream *stream)
{
    bool is_found;
    const uint32_t at = place_of(roster, leat_http_str_of(stream->name), &is_found);
    ENSURE(is_found && roster->streams[at] == stream && stream->sessions == NULL);
    roster->stream_count--;
    memmove(&roster->streams[at], &roster->streams[at + 1],
            (roster->stream_count - at) * sizeof(struct stream *));
    leat_channel_close(stream->media);
    leat_channel_close(stream->back);
    free(stream);
}

/* ---- sessions ---- */

static int slots_grow(struct roster *roster)
{
    const uint32_t cap = roster->slot_cap > 0 ? 2 * roster->slot_cap : 64;
    struct session **slots = realloc(roster->slots, cap * sizeof(struct session *));
    if (slots == NULL) {
        return -ENOMEM;
    }
    roster->slots = slots;
    uint32_t *generations = realloc(roster->generations, cap * sizeof(*generations));
    if (generations == NULL) {
        return -ENOMEM;
    }
    roster->generations = generations;
    uint32_t *free_slots = realloc(roster->free_slots, cap * sizeof(*free_slots));
    if (free_slots == NULL) {
        return -ENOMEM;
    }
    roster->free_slots = free_slots;
    for (uint32_t i = cap; i > roster->slot_cap; i--) {
        slots[i - 1] = NULL;
        generations[i - 1] = 0;
        free_slots[roster->free_count++] = i - 1;
    }
    roster->slot_cap = cap;
    return 0;
}

static int id_make(char ret[WHIP_ID_LEN + 1])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[WHIP_ID_LEN];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return -EIO;
    }
    for (size_t i = 0; i < WHIP_ID_LEN; i++) {
        ret[i] = letters[bytes[i] & 63];
    }
    ret[WHIP_ID_LEN] = '\0';
    return 0;
}

static uint32_t bucket_of(const char *id)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < WHIP_ID_LEN; i++) {
        hash = (hash ^ (uint8_t)id[i]) * 16777619u;
    }
    return hash % ROSTER_BUCKETS;
}

int roster_session_add(struct roster *roster, struct stream *stream, enum leat_media_use use,
                       uint32_t worker, struct session **ret)
{
    if (roster->free_count == 0 && slots_grow(roster) != 0) {
        return -ENOMEM;
    }
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return -ENOMEM;
    }
    if (id_make(session->id) != 0 ||
        RAND_bytes((uint8_t *)&session->etag, sizeof(session->etag)) != 1) {
        free(session);
        return -EIO;
    }
    const uint32_t slot = roster->free_slots[--roster->free_count];
    roster->slots[slot] = session;
    session->number = (uint64_t)(++roster->generations[slot] & 0xffffffu) << 32 | slot;
    session->order = ++roster->order_last;
    session->use = use;
    session->worker = worker;
    session->stream = stream;
    session->stream_next = stream->sessions;
    if (stream->sessions != NULL) {
        stream->sessions->stream_prev = session;
    }
    stream->sessions = session;
    stream->session_count++;
    stream->viewers += use == LEAT_MEDIA_VIEW;
    roster->viewers += use == LEAT_MEDIA_VIEW;
    struct session **bucket = &roster->ids[bucket_of(session->id)];
    session->id_next = *bucket;
    *bucket = session;
    roster->worker_sessions[worker]++;
    roster->session_count++;
    *ret = session;
    return 0;
}

void roster_session_remove(struct roster *roster, struct session *session)
{
    struct stream *stream = session->stream;
    const uint32_t slot = (uint32_t)session->number;
    ENSURE(roster->slots[slot] == session);
    roster->slots[slot] = NULL;
    roster->free_slots[roster->free_count++] = slot;
    if (session->stream_prev != NULL) {
        session->stream_prev->stream_next = session->stream_next;
    } else {
        stream->sessions = session->stream_next;
    }
    if (session->stream_next != NULL) {
        session->stream_next->stream_prev = session->stream_prev;
    }
    stream->session_count--;
    stream->viewers -= session->use == LEAT_MEDIA_VIEW;
    roster->viewers -= session->use == LEAT_MEDIA_VIEW;
    struct session **at = &roster->ids[bucket_of(session->id)];
    while (*at != session) {
        at = &(*at)->id_next;
    }
    *at = session->id_next;
    roster->worker_sessions[session->worker]--;
    roster->session_count--;
    if (session->remote != NULL) {
        OPENSSL_cleanse(session->remote, strlen(session->remote));
    }
    free(session->remote);
    free(session->tracks);
    free(session->origin);
    if (!session
             ->is_given) { /* else it is the session's, or was never found by it: at a forced end */
        session_setup_free(session->setup);
    }
    leat_buf_unref(session->answer.buf);
    free(session);
}

struct session *roster_session(const struct roster *roster, uint64_t number)
{
    const uint32_t slot = (uint32_t)number;
    struct session *session = slot < roster->slot_cap ? roster->slots[slot] : NULL;
    return session != NULL && session->number == number ? session : NULL;
}

struct session *roster_session_by_id(const struct roster *roster, leat_http_str id)
{
    if (id.len != WHIP_ID_LEN) {
        return NULL;
    }
    struct session *session = roster->ids[bucket_of(id.data)];
    while (session != NULL && CRYPTO_memcmp(session->id, id.data, WHIP_ID_LEN) != 0) {
        session = session->id_next;
    }
    return session;
}

uint32_t roster_worker(const struct roster *roster)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < roster->workers; i++) {
        if (roster->worker_sessions[i] < roster->worker_sessions[best]) {
            best = i;
        }
    }
    return best;
}

void roster_address(const struct leat_addr *peer, uint8_t ret[16])
{
    memcpy(ret, peer->ip, sizeof(peer->ip));
    if (!leat_addr_is_v4(peer)) {
        memset(ret + 8, 0, 8);
    }
}

/* Looks at every session: only servers with such a limit do that, once a POST. */
uint32_t roster_address_count(const struct roster *roster, const uint8_t address[16])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < roster->slot_cap; i++) {
        const struct session *session = roster->slots[i];
        count += session != NULL && memcmp(session->address, address, 16) == 0;
    }
    return count;
}
