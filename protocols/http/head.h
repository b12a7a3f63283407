/* Collects a head line by line, checks each line when it is complete, and keeps what it says about framing.
 *
 * Where a head is fed in one piece it is parsed where it lies; the first cut moves it into the reader's
 * buffer. Everything is therefore kept as offsets, and every decision depends only on the bytes from the
 * head's start to the line's end, never on where they were cut. */
#ifndef LEAT_PROTOCOLS_HTTP_HEAD_H
#define LEAT_PROTOCOLS_HTTP_HEAD_H

#include <leat/http_server.h>

#include "text.h"

struct span {
    uint16_t at;
    uint16_t len;
};

struct head {
    /* set once */
    const struct leat_http_config *config;
    struct leat_http_field *fields; /* field_count_max of them */
    char *buffer;                   /* head_len_max bytes */
    bool is_response;

    /* from here on cleared for each head */
    struct leat_http_error error;
    uint32_t len;     /* bytes in the buffer; when complete, of the head, wherever it is */
    uint32_t line_at; /* where the unfinished line starts */
    uint32_t scanned; /* no LF before this */
    uint32_t field_count;
    bool buffered;
    bool blank; /* an empty line came before the start line */
    bool started;

    /* the start line */
    uint8_t version; /* 10, 11 */
    uint16_t status;
    struct span method;
    struct span target;
    struct span reason;

    /* what the fields say */
    bool has_length;
    bool has_coding;
    bool close;
    bool keep_alive;
    bool expects_continue;
    bool expects_other;
    uint32_t host; /* 1 + the field's index; 0: none */
    uint64_t length;
};

/* Forgets the last head. */
void leat__http_head_reset(struct head *head);

/* 1: complete, and *ret says where it is; 0: all was taken, more is needed; -1: head->error. */
int leat__http_head_read(struct head *head, leat_http_str bytes, size_t *ret_used,
                         struct leat_http_head *ret);

/* Whether nothing of a start line has come yet, only the empty line that some clients send after a body: an
 * error would answer a request that was never made. */
static inline bool leat__http_head_is_blank(const struct head *head)
{
    return head->buffered && head->blank && head->len == head->line_at;
}

/* Notes the first error; returns false. */
bool leat__http_head_fail(struct head *head, unsigned status, const char *why);

/* One line each, without its CRLF, lying at `at` of the head. */
bool leat__http_request_line(struct head *head, leat_http_str line, uint32_t at);
bool leat__http_status_line(struct head *head, leat_http_str line, uint32_t at);
bool leat__http_note_field(struct head *head, leat_http_str name, leat_http_str value);

/* What only the whole head shows: hosts and framing that contradict each other. */
bool leat__http_head_check_request(struct head *head, const struct leat_http_head *parsed,
                                   struct leat_http_request *ret);

#endif
