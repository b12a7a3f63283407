/* Datagrams that wait, first in, first out, in one block of memory that exists only while there are
 * some. Used by one connection alone.
 *
 * Invariant: [head, len) is a row of whole entries; there is never more than QUEUE_LEN_MAX. */
#include "dtls_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 3 }; /* before each: length, tag */

static size_t entry_len(const uint8_t *entry)
{
    return (size_t)entry[0] << 8 | entry[1];
}

/* The last entry, if it has this tag and room for so many bytes more. */
static uint8_t *find_last(const struct dtls_queue *queue, uint8_t tag, size_t len)
{
    uint8_t *last = NULL;
    for (uint32_t at = queue->head; at < queue->len;) {
        last = queue->data + at;
        at += HEAD + (uint32_t)entry_len(last);
    }
    return last && last[2] == tag && entry_len(last) + len <= LEAT_DTLS_DATAGRAM_LEN_MAX ? last
                                                                                         : NULL;
}

static bool make_room(struct dtls_queue *queue, size_t len)
{
    if (queue->head) {
        queue->len -= queue->head;
        memmove(queue->data, queue->data + queue->head, queue->len);
        queue->head = 0;
    }
    if (len > QUEUE_LEN_MAX - queue->len) {
        return false;
    }
    if (queue->len + len > queue->cap) {
        uint32_t cap = queue->cap ? 2 * queue->cap : 1024;
        while (cap < queue->len + len) {
            cap *= 2;
        }
        uint8_t *const grown = realloc(queue->data, cap);
        if (!grown) {
            return false;
        }
        queue->data = grown;
        queue->cap = cap;
    }
    return true;
}

bool leat__dtls_queue_put(struct dtls_queue *queue, uint8_t tag, const uint8_t *data, size_t len)
{
    if (len == 0 || len > QUEUE_LEN_MAX || !make_room(queue, HEAD + len)) {
        return false;
    }
    uint8_t *entry = find_last(queue, tag, len);
    if (!entry) {
        entry = queue->data + queue->len;
        entry[0] = entry[1] = 0;
        entry[2] = tag;
        queue->len += HEAD;
    }
    const size_t whole = entry_len(entry) + len;
    memcpy(queue->data + queue->len, data, len);
    queue->len += (uint32_t)len;
    entry[0] = (uint8_t)(whole >> 8);
    entry[1] = (uint8_t)whole;
    assert(queue->len <= queue->cap);
    return true;
}

uint8_t leat__dtls_queue_tag(const struct dtls_queue *queue)
{
    return queue->head < queue->len ? queue->data[queue->head + 2] : 0;
}

bool leat__dtls_queue_take(struct dtls_queue *queue, uint8_t *ret_tag, const uint8_t **ret_data,
                           size_t *ret_len)
{
    if (queue->head == queue->len) {
        leat__dtls_queue_free(queue);
        return false;
    }
    const uint8_t *const entry = queue->data + queue->head;
    *ret_tag = entry[2];
    *ret_data = entry + HEAD;
    *ret_len = entry_len(entry);
    queue->head += HEAD + (uint32_t)*ret_len;
    assert(queue->head <= queue->len);
    return true;
}

void leat__dtls_queue_free(struct dtls_queue *queue)
{
    free(queue->data);
    *queue = (struct dtls_queue){0};
}
