/* HTTP/1.1 without I/O, in one include: bytes and time in, bytes and deadlines out (RFC 9110, RFC 9112).
 *
 * This is the library leat::http1. It stands alone: it needs libc and nothing else of leat, has no socket,
 * no clock and no thread. What holds for all of it:
 *
 * - Thread: an object is used by one thread at a time; functions without an object are pure. Nothing
 *   blocks. Nothing but the two _open functions allocates.
 * - Errors: 0 or a negative errno; out-parameters are untouched on failure. What a peer sends never
 *   aborts the process: it becomes an error event, or -EINVAL of a parser.
 * - A leat_http_str is a range of somebody else's bytes and has no terminating 0. */
#ifndef LEAT_HTTP_H
#define LEAT_HTTP_H

#include <leat/http_client.h>
#include <leat/http_fields.h>
#include <leat/http_message.h>
#include <leat/http_router.h>
#include <leat/http_server.h>
#include <leat/http_url.h>

#endif
