/* The resolver's thread. It sleeps in one epoll_wait: for its controller's descriptor, for the sockets of c-ares,
 * and for leat_resolver_close; c-ares and the questions say until when. c-ares knows this thread only. */
#include "resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 32
#define RECEIVES_MAX 32u    /* questions in a row: the answers to those before must find room */
#define LAST_MAX (1u << 20) /* at the end, whoever goes on asking */
#define RECV_BUF (1 << 20)  /* of a socket of c-ares, bytes; all questions go through one */
#define TRIES 3             /* of one server: each waits twice as long as the one before, */
#define TRIES_SHARE 7       /* so the first for a seventh of the time */
#define TRY_MIN_MS 10

/* ---- waiting ---- */

/* c-ares opens, wants, or closes a socket. */
static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
    struct leat_resolver *resolver = context;
    struct epoll_event want = {.data.fd = fd};
    want.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
    if (want.events == 0) {
        epoll_ctl(resolver->epoll, EPOLL_CTL_DEL, fd, NULL);
    } else if (epoll_ctl(resolver->epoll, EPOLL_CTL_MOD, fd, &want) < 0 && errno == ENOENT) {
        epoll_ctl(resolver->epoll, EPOLL_CTL_ADD, fd,
                  &want); /* if it fails, the question times out */
    }
}

/* Milliseconds until `at`, or until c-ares has something to do, rounded up. */
static int wait_ms(const struct leat_resolver *resolver, leat_time at)
{
    struct timeval room;
    const struct timeval *next = ares_timeout(resolver->channel, NULL, &room);
    if (next != NULL) {
        leat_time then =
            resolver->now + (leat_time)next->tv_sec * LEAT_SEC + (leat_time)next->tv_usec * LEAT_US;
        at = then < at ? then : at;
    }
    if (at == LEAT_NEVER) {
        return -1;
    }
    leat_time ms = at > resolver->now ? (at - resolver->now + LEAT_MS - 1) / LEAT_MS : 0;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* Takes what has come. 0: there is more; -ETIMEDOUT: no; -EPIPE: the runtime has ended. */
static int receive(struct leat_resolver *resolver, uint32_t max)
{
    int status = 0;
    for (uint32_t i = 0; i < max && status == 0; i++) {
        struct leat_event event;
        status = leat_receive(resolver->controller, 0, &event);
        if (status == 0) {
            resolver->now = event.now;
            question_add(resolver, &event);
            leat_event_release(&event);
        }
    }
    return status;
}

static void finish(struct leat_resolver *resolver)
{
    (void)receive(resolver, LAST_MAX); /* what came before leat_resolver_close is answered too */
    questions_cancel(resolver);
    ares_destroy(resolver->channel); /* calls back for all that are asked */
}

static void *run(void *context)
{
    struct leat_resolver *resolver = context;
    pthread_setname_np(pthread_self(), "leat-resolver");
    int status;
    for (bool goes_on = true; goes_on && (status = receive(resolver, RECEIVES_MAX)) != -EPIPE;) {
        struct epoll_event events[EVENTS_MAX];
        resolver->now = leat_controller_now(resolver->controller);
        leat_time next = questions_expire(resolver);
        int wait = status == 0 ? 0 : wait_ms(resolver, next);
        int n = epoll_wait(resolver->epoll, events, EVENTS_MAX, wait);
        resolver->now = leat_controller_now(resolver->controller);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == resolver->quit) {
                goes_on = false;
            } else if (fd != leat_controller_descriptor(resolver->controller)) {
                bool reads = (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
                bool writes = (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
                ares_process_fd(resolver->channel, reads ? fd : ARES_SOCKET_BAD,
                                writes ? fd : ARES_SOCKET_BAD);
            }
        }
        ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is too late */
    }
    finish(resolver);
    return NULL;
}

/* ---- open, close ---- */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    ares_library_init(ARES_LIB_INIT_ALL); /* counts without a lock, and holds no memory here */
}

static int channel_open(struct leat_resolver *resolver)
{
    leat_time try_ms = resolver->config.timeout_ns / LEAT_MS / TRIES_SHARE;
    struct ares_options options = {
        .timeout = try_ms < TRY_MIN_MS  ? TRY_MIN_MS
                   : try_ms > INT32_MAX ? INT32_MAX
                                        : (int)try_ms,
        .tries = TRIES,
        .socket_receive_buffer_size = RECV_BUF,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = resolver,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB;
    const char *servers = resolver->config.servers;
    if (servers != NULL) {
        mask |= ARES_OPT_DOMAINS; /* none */
    }
    pthread_once(&library_once, library_init);
    int status = ares_init_options(&resolver->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        resolver->channel = NULL;
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    }
    status =
        servers != NULL ? ares_set_servers_ports_csv(resolver->channel, servers) : ARES_SUCCESS;
    return status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

static int watch(struct leat_resolver *resolver, int fd)
{
    struct epoll_event want = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0) {
        return fd;
    }
    return epoll_ctl(resolver->epoll, EPOLL_CTL_ADD, fd, &want) < 0 ? -errno : 0;
}

static int descriptors_open(struct leat_resolver *resolver)
{
    resolver->epoll = epoll_create1(EPOLL_CLOEXEC);
    resolver->quit = resolver->epoll >= 0 ? eventfd(0, EFD_CLOEXEC) : -1;
    if (resolver->quit < 0) {
        return -errno;
    }
    int status = watch(resolver, resolver->quit);
    return status < 0 ? status : watch(resolver, leat_controller_descriptor(resolver->controller));
}

/* The thread has ended, or was never there. */
static void release(struct leat_resolver *resolver)
{
    if (resolver->controller != NULL) {
        leat_controller_close(resolver->controller);
    }
    if (resolver->quit >= 0) {
        close(resolver->quit);
    }
    if (resolver->epoll >= 0) {
        close(resolver->epoll);
    }
    free(resolver);
}

struct leat_resolver_config leat_resolver_config_default(void)
{
    return (struct leat_resolver_config){.timeout_ns = 5 * LEAT_SEC, .pending_max = 1024};
}

int leat_resolver_open(leat_runtime *runtime, const struct leat_resolver_config *config,
                       leat_resolver **ret)
{
    bool has_servers = config->servers == NULL || *config->servers != '\0';
    if (config->timeout_ns == 0 || config->pending_max == 0 || !has_servers) {
        return -EINVAL;
    }
    struct leat_resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL) {
        return -ENOMEM;
    }
    resolver->config = *config;
    resolver->epoll = resolver->quit = -1;
    int status = leat_controller_open(runtime, &resolver->controller);
    status = status < 0 ? status : descriptors_open(resolver);
    status = status < 0 ? status : channel_open(resolver);
    resolver->config.servers = NULL; /* it was lent */
    if (status == 0) {
        status = -pthread_create(&resolver->thread, NULL, run, resolver);
    }
    if (status < 0) {
        if (resolver->channel != NULL) {
            ares_destroy(resolver->channel);
        }
        release(resolver);
        return status;
    }
    *ret = resolver;
    return 0;
}

leat_ref leat_resolver_ref(const leat_resolver *resolver)
{
    return leat_controller_ref(resolver->controller);
}

void leat_resolver_close(leat_resolver *resolver)
{
    uint64_t one = 1;
    ssize_t ignored = write(resolver->quit, &one, sizeof(one));
    (void)ignored; /* it cannot be full */
    pthread_join(resolver->thread, NULL);
    release(resolver);
}
