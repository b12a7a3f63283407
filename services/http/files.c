/* The thread of the files service. It is asked as any actor of a route is, through its controller; small files
 * are answered in one message, large ones in pieces: as many as LEAT_HTTPD_WINDOW allows, the next when the connection
 * says that bytes have left. A connection that is gone says so, or is found to be by a send. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <leat/http_url.h>

#include "site.h"

#define PIECE_LEN 65536u
#define CACHE_BYTES (16u << 20)
#define CACHE_FILE_MAX 65536u
#define TRANSFERS_MAX 256u
#define QUIT 0x48540201u       /* from leat_http_files_close */
#define LOOK_NS (5 * LEAT_SEC) /* whether those who wait for nothing are still there */
/* At transfers_max who takes less than this gives up its place. It is a mean over so long because
 * bytes leave in lumps, of what a socket's buffers hold. */
#define RATE_MIN 16384u /* bytes a second */
#define RATE_NS (30 * LEAT_SEC)

/* A large file on its way. */
struct transfer {
    struct leat_httpd_exchange exchange;
    int fd;
    uint64_t at;
    uint64_t left;
    uint32_t outstanding; /* bytes the connection was sent and has not passed on */
    bool is_quiet;        /* nothing was heard of it since the last look */
    uint64_t passed;      /* bytes that have left since `since` */
    leat_time since;
    uint64_t rate; /* bytes a second in the last RATE_NS or more; at first as good as any */
};

struct leat_http_files {
    leat_runtime *runtime;
    leat_controller *controller;
    leat_controller *door; /* of leat_http_files_close, which must not fail for want of one */
    pthread_t thread;
    int root;
    struct cache cache;
    struct transfer *transfers;
    uint32_t transfers_len, transfers_max;
    leat_time look;
};

/* ---- to a connection ---- */

/* What was put into `out`; an error leaves its body to be released. */
static int tell(struct leat_http_files *files, struct leat_output *out)
{
    if (out->len == LEAT_LEN_BODY) {
        const int status = leat_send_body(files->controller, out->to, out->type, out->body);
        if (status != 0) {
            leat_buf_unref(out->body.buf);
        }
        return status;
    }
    return leat_send(files->controller, out->to, out->type, out->payload, out->len);
}

/* Its mailbox is full, which nobody who keeps to the window makes it: it is to end, since it would wait. */
static void told(struct leat_http_files *files, leat_ref session, int status)
{
    if (status != 0 && status != -ESRCH) {
        (void)leat_stop(files->controller, session);
    }
}

static void answer(struct leat_http_files *files, struct leat_httpd_exchange exchange,
                   const struct leat_http_response *response, leat_slice body)
{
    struct leat_output out;
    int status = leat_httpd_reply(&out, exchange, response, body);
    status = status != 0 ? status : tell(files, &out);
    told(files, exchange.session, status);
}

static void problem(struct leat_http_files *files, const struct leat_httpd_request *request,
                    unsigned status, const struct leat_http_header *extra)
{
    char text[256];
    struct leat_http_out out = {text, sizeof(text), 0};
    const struct leat_http_problem words = {.status = status};
    struct leat_http_header headers[2] = {
        {leat_http_str_of("Content-Type"), leat_http_str_of("application/problem+json")}};
    leat_slice body = {0};
    (void)leat_http_problem_write(&out, &words);
    if (leat_buf_alloc((uint32_t)out.len, &body) == 0) {
        memcpy(leat_slice_data(body), text, out.len);
    }
    if (extra != NULL) {
        headers[1] = *extra;
    }
    const struct leat_http_response response = {
        .status = (uint16_t)status, .headers = headers, .header_count = extra != NULL ? 2 : 1};
    answer(files, request->exchange, &response, body);
}

static void unavailable(struct leat_http_files *files, const struct leat_httpd_request *request)
{
    const struct leat_http_header later = {leat_http_str_of("Retry-After"), leat_http_str_of("1")};
    problem(files, request, 503, &later);
}

/* ---- large files ---- */

static void transfer_end(struct leat_http_files *files, struct transfer *transfer)
{
    close(transfer->fd);
    *transfer = files->transfers[--files->transfers_len];
}

static struct transfer *transfer_of(struct leat_http_files *files,
                                    struct leat_httpd_exchange exchange)
{
    for (uint32_t i = 0; i < files->transfers_len; i++) {
        struct transfer *transfer = &files->transfers[i];
        if (leat_ref_equal(transfer->exchange.session, exchange.session) &&
            transfer->exchange.number == exchange.number) {
            return transfer;
        }
    }
    return NULL;
}

/* The next piece. 0; or why there is none: -EPIPE, the file has become shorter. */
static int transfer_piece(struct leat_http_files *files, struct transfer *transfer)
{
    struct leat_output out;
    leat_slice body;
    const uint32_t len = transfer->left < PIECE_LEN ? (uint32_t)transfer->left : PIECE_LEN;
    if (leat_buf_alloc(len, &body) < 0) {
        return -ENOMEM;
    }
    ssize_t got;
    do {
        got = pread(transfer->fd, leat_slice_data(body), len, (off_t)transfer->at);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        leat_buf_unref(body.buf);
        return got < 0 ? -errno : -EPIPE;
    }
    body.len = (uint32_t)got;
    transfer->at += (uint64_t)got;
    transfer->left -= (uint64_t)got;
    transfer->outstanding += (uint32_t)got;
    leat_httpd_data(&out, transfer->exchange, body);
    return tell(files, &out);
}

static void transfer_go(struct leat_http_files *files, struct transfer *transfer)
{
    struct leat_output out;
    int status = 0;
    while (status == 0 && transfer->left > 0 && transfer->outstanding < LEAT_HTTPD_WINDOW) {
        status = transfer_piece(files, transfer);
    }
    if (status == 0 && transfer->left > 0) {
        return;
    }
    if (status == 0) {
        leat_httpd_end(&out, transfer->exchange);
    } else {
        leat_httpd_abort(&out, transfer->exchange);
    }
    if (status != -ESRCH) {
        told(files, transfer->exchange.session, tell(files, &out));
    }
    transfer_end(files, transfer);
}

/* Ends the slowest of them, if it is too slow. */
static void transfer_evict(struct leat_http_files *files)
{
    struct leat_output out;
    struct transfer *slowest = files->transfers;
    for (uint32_t i = 1; i < files->transfers_len; i++) {
        if (files->transfers[i].rate < slowest->rate) {
            slowest = &files->transfers[i];
        }
    }
    if (slowest->rate < RATE_MIN) {
        leat_httpd_abort(&out, slowest->exchange);
        told(files, slowest->exchange.session, tell(files, &out));
        transfer_end(files, slowest);
    }
}

static void transfer_begin(struct leat_http_files *files, const struct leat_httpd_request *request,
                           const struct leat_http_response *response, const struct plan *plan,
                           struct file *file)
{
    struct leat_output out;
    if (files->transfers_len == files->transfers_max) {
        transfer_evict(files);
    }
    if (files->transfers_len == files->transfers_max) {
        unavailable(files, request);
        return;
    }
    int status = leat_httpd_respond(&out, request->exchange, response);
    status = status != 0 ? status : tell(files, &out);
    told(files, request->exchange.session, status);
    if (status != 0) {
        return;
    }
    struct transfer *transfer = &files->transfers[files->transfers_len++];
    *transfer = (struct transfer){.exchange = request->exchange,
                                  .fd = file->fd,
                                  .at = plan->first,
                                  .since = leat_controller_now(files->controller),
                                  .rate = UINT64_MAX,
                                  .left = request->http.method == LEAT_HTTP_HEAD ? 0 : plan->len};
    file->fd = -1;
    transfer_go(files, transfer);
}

static void transfer_rate(struct transfer *transfer, leat_time now)
{
    const leat_time ns = now - transfer->since;
    if (ns >= RATE_NS) {
        transfer->rate = transfer->passed / (ns / LEAT_SEC);
        transfer->passed = 0;
        transfer->since = now;
    }
}

/* How fast they are; and those that nothing was heard of: a connection that has ended takes no
 * message. */
static void transfers_look(struct leat_http_files *files)
{
    for (uint32_t i = files->transfers_len; i-- > 0;) {
        struct transfer *transfer = &files->transfers[i];
        struct leat_output out;
        transfer_rate(transfer, files->look);
        leat_httpd_taken(&out, transfer->exchange, 0); /* says nothing */
        if (transfer->is_quiet && tell(files, &out) == -ESRCH) {
            transfer_end(files, transfer);
        } else {
            transfer->is_quiet = true;
        }
    }
}

/* ---- requests ---- */

static void reply(struct leat_http_files *files, const struct leat_httpd_request *request,
                  const char *path, struct file *file)
{
    char range[64];
    struct leat_http_header headers[FILE_HEADERS_MAX];
    const struct plan plan = file_plan(request, file);
    const struct leat_http_response response = {
        .status = (uint16_t)plan.status,
        .body_len = plan.len,
        .headers = headers,
        .header_count = file_headers(&plan, file, path, range, headers),
    };
    const bool has_body = plan.status == 200 || plan.status == 206;
    if (has_body && file->fd >= 0) {
        transfer_begin(files, request, &response, &plan, file);
    } else if (has_body && plan.len > 0) {
        const leat_slice part =
            leat_slice_sub(file->body, (uint32_t)plan.first, (uint32_t)plan.len);
        answer(files, request->exchange, &response, leat_slice_ref(part));
    } else {
        answer(files, request->exchange, &response, (leat_slice){0});
    }
}

/* A directory without its '/': a reference that is relative, so that no other host can be meant. */
static void redirect(struct leat_http_files *files, const struct leat_httpd_request *request)
{
    char text[PATH_LEN_MAX];
    struct leat_http_out out = {text, sizeof(text), 0};
    leat_http_str name = request->http.path;
    for (size_t i = name.len; i-- > 0;) {
        if (name.data[i] == '/') {
            name = (leat_http_str){name.data + i + 1, name.len - i - 1};
            break;
        }
    }
    int status = leat_http_out_add(&out, leat_http_str_of("./"));
    status = status != 0 ? status : leat_http_out_add(&out, name);
    status = status != 0 ? status : leat_http_out_add(&out, leat_http_str_of("/"));
    if (status == 0 && request->http.query.data != NULL) {
        status = leat_http_out_add(&out, leat_http_str_of("?"));
        status = status != 0 ? status : leat_http_out_add(&out, request->http.query);
    }
    const struct leat_http_header location = {leat_http_str_of("Location"), {text, out.len}};
    problem(files, request, status == 0 ? 301 : 404, status == 0 ? &location : NULL);
}

static void refuse(struct leat_http_files *files, const struct leat_httpd_request *request,
                   int status)
{
    switch (status) {
    case -EACCES:
    case -EPERM:
        problem(files, request, 403, NULL);
        break;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -EAGAIN: /* it is being written */
        unavailable(files, request);
        break;
    case -EIO:
        problem(files, request, 500, NULL);
        break;
    default: /* nothing there, or nothing that may be seen */
        problem(files, request, 404, NULL);
        break;
    }
}

static void serve(struct leat_http_files *files, const struct leat_httpd_request *request)
{
    static const char index_name[] = "index.html";
    char path[PATH_LEN_MAX];
    char raw[PATH_LEN_MAX];
    leat_http_str clean = request->http.path;
    if (request->param_count > 0) { /* the last parameter, as a path */
        const leat_http_str rest = request->params[request->param_count - 1].value;
        struct leat_http_out out = {raw, sizeof(raw), 0};
        if (leat_http_out_add(&out, leat_http_str_of("/")) || leat_http_out_add(&out, rest)) {
            problem(files, request, 414, NULL);
            return;
        }
        clean = (leat_http_str){raw, out.len};
    }
    int status = leat_http_path_clean(clean, 0, path, sizeof(path) - sizeof(index_name), &clean);
    if (status != 0) {
        problem(files, request, status == -ENOSPC ? 414 : 404, NULL);
        return;
    }
    if (clean.data != path) {
        memcpy(path, clean.data, clean.len);
    }
    path[clean.len] = '\0';
    const bool is_directory = path[clean.len - 1] == '/';
    if (is_directory) {
        memcpy(path + clean.len, index_name, sizeof(index_name));
    }
    struct file file;
    status =
        file_find(&files->cache, files->root, path, leat_controller_now(files->controller), &file);
    if (status == -EISDIR && !is_directory) {
        redirect(files, request);
    } else if (status != 0) {
        refuse(files, request, status);
    } else {
        reply(files, request, path, &file);
        file_drop(&file);
    }
}

/* ---- the thread ---- */

static void on_drained(struct leat_http_files *files, const struct leat_event *event)
{
    struct leat_httpd_exchange exchange;
    const uint32_t bytes = leat_httpd_drained_of(event, &exchange);
    struct transfer *transfer = transfer_of(files, exchange);
    if (transfer != NULL) {
        transfer->outstanding -= bytes < transfer->outstanding ? bytes : transfer->outstanding;
        transfer->passed += bytes;
        transfer->is_quiet = false;
        transfer_go(files, transfer);
    }
}

static void on_gone(struct leat_http_files *files, const struct leat_event *event)
{
    struct leat_httpd_exchange exchange;
    memcpy(&exchange, event->payload, sizeof(exchange));
    struct transfer *transfer = transfer_of(files, exchange);
    if (transfer != NULL) {
        transfer_end(files, transfer);
    }
}

static void *files_run(void *context)
{
    struct leat_http_files *files = context;
    struct leat_event event;
    for (;;) {
        const bool waits = files->transfers_len == 0;
        const int status = leat_receive(files->controller, waits ? LEAT_NEVER : LOOK_NS, &event);
        if (status != 0 && status != -ETIMEDOUT) {
            break; /* the runtime has ended */
        }
        if (leat_controller_now(files->controller) >= files->look + LOOK_NS) {
            files->look = leat_controller_now(files->controller);
            transfers_look(files);
        }
        if (status != 0 || event.kind != LEAT_EVENT_MESSAGE) {
            continue;
        }
        const uint32_t type = event.type;
        if (type == LEAT_HTTPD_REQUEST) {
            serve(files, leat_httpd_request_of(&event));
        } else if (type == LEAT_HTTPD_DRAINED) {
            on_drained(files, &event);
        } else if (type == LEAT_HTTPD_GONE) {
            on_gone(files, &event);
        }
        leat_event_release(&event);
        if (type == QUIT) {
            break;
        }
    }
    while (files->transfers_len > 0) {
        transfer_end(files, files->transfers);
    }
    return NULL;
}

static void files_free(struct leat_http_files *files)
{
    if (files->door != NULL) {
        leat_controller_close(files->door);
    }
    if (files->controller != NULL) {
        leat_controller_close(files->controller);
    }
    if (files->root >= 0) {
        close(files->root);
    }
    if (files->cache.table != NULL) {
        cache_fini(&files->cache);
    }
    free(files->transfers);
    free(files);
}

int leat_http_files_open(leat_runtime *runtime, const struct leat_http_files_config *config,
                         leat_http_files **ret)
{
    struct file probe;
    if (strcmp(leat_io_name(runtime), "sim") == 0) {
        return -EOPNOTSUPP; /* which runs in one thread */
    }
    struct leat_http_files *files = calloc(1, sizeof(*files));
    if (files == NULL) {
        return -ENOMEM;
    }
    files->runtime = runtime;
    files->transfers_max = config->transfers_max > 0 ? config->transfers_max : TRANSFERS_MAX;
    files->transfers = calloc(files->transfers_max, sizeof(*files->transfers));
    files->root = open(config->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int status = files->root < 0 ? -errno : files->transfers == NULL ? -ENOMEM : 0;
    if (status == 0) {
        status =
            cache_init(&files->cache, config->cache_bytes > 0 ? config->cache_bytes : CACHE_BYTES,
                       config->cache_file_max > 0 ? config->cache_file_max : CACHE_FILE_MAX);
    }
    if (status == 0 && file_find(&files->cache, files->root, "/", 0, &probe) == -ENOSYS) {
        status = -ENOSYS;
    }
    status = status != 0 ? status : leat_controller_open(runtime, &files->controller);
    status = status != 0 ? status : leat_controller_open(runtime, &files->door);
    if (status == 0) {
        files->look = leat_controller_now(files->controller);
        status = -pthread_create(&files->thread, NULL, files_run, files);
    }
    if (status != 0) {
        files_free(files);
        return status;
    }
    *ret = files;
    return 0;
}

leat_ref leat_http_files_ref(const leat_http_files *files)
{
    return leat_controller_ref(files->controller);
}

void leat_http_files_close(leat_http_files *files)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    if (files == NULL) {
        return;
    }
    const leat_ref ref = leat_controller_ref(files->controller);
    int status;
    while ((status = leat_send(files->door, ref, QUIT, NULL, 0)) == -EAGAIN || status == -ENOMEM) {
        (void)nanosleep(&moment, NULL); /* its mailbox is full, but it is reading */
    }
    pthread_join(files->thread, NULL);
    files_free(files);
}
