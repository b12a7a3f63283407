/* The floor of TCP that is a peer: libuv, one buffer for all reads, an answer tried at once and queued
 * only if the socket is full. */
#include <stdlib.h>
#include <string.h>

#include "tcp.h"

#ifdef LEAT_BENCH_LIBUV

#include <uv.h>

#define ROOM 65536

static char room[ROOM];

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
    (void)handle, (void)wanted;
    *ret = uv_buf_init(room, sizeof(room));
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
    free(request);
}

/* What the socket did not take at once. */
static void write_rest(uv_stream_t *stream, const char *bytes, size_t len)
{
    uv_write_t *request = malloc(sizeof(*request));
    char *copy = malloc(len);
    if (request == NULL || copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, len);
    request->data = copy;
    uv_buf_t buf = uv_buf_init(copy, (unsigned)len);
    uv_write(request, stream, &buf, 1, on_written);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    if (len < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    if (len > 0) {
        uv_buf_t bytes = uv_buf_init(buf->base, (unsigned)len);
        int sent = uv_try_write(stream, &bytes, 1);
        sent = sent < 0 ? 0 : sent;
        if (sent < len) {
            write_rest(stream, buf->base + sent, (size_t)(len - sent));
        }
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *client = status == 0 ? malloc(sizeof(*client)) : NULL;
    if (client == NULL) {
        return;
    }
    uv_tcp_init(listener->loop, client);
    if (uv_accept(listener, (uv_stream_t *)client) == 0) {
        uv_tcp_nodelay(client, 1);
        uv_read_start((uv_stream_t *)client, on_alloc, on_read);
    } else {
        uv_close((uv_handle_t *)client, on_closed);
    }
}

static void on_done(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    uv_stop(handle->loop);
}

int tcp_floor_libuv(int listener, struct generator *generator, struct rep *rep)
{
    static uv_loop_t loop;
    static uv_tcp_t server;
    static uv_poll_t done;
    if (uv_loop_init(&loop) != 0 || uv_tcp_init(&loop, &server) != 0 ||
        uv_tcp_open(&server, listener) != 0 ||
        uv_listen((uv_stream_t *)&server, SOMAXCONN, on_connection) != 0 ||
        uv_poll_init(&loop, &done, generator->from) != 0 ||
        uv_poll_start(&done, UV_READABLE, on_done) != 0) {
        return rep_wrong(rep, "no libuv");
    }
    uv_run(&loop, UV_RUN_DEFAULT); /* the process ends soon: nothing is closed */
    return 0;
}

#endif
