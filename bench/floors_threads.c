/* Floors on two threads: exchange queues with both sides spinning, and what it costs the kernel to
 * wake a thread that sleeps in epoll. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runs.h"
#include "sync.h"

struct parcel {
    struct link link; /* first: a link is its parcel */
    uint64_t value;
    uint64_t last; /* the echo thread ends after this one */
    uint8_t fill[40];
};

struct lanes {
    struct queue there;
    struct queue back;
};

static void *echo_thread(void *arg)
{
    struct lanes *lanes = arg;
    for (;;) {
        struct link *link = queue_pop(&lanes->there);
        if (link == NULL) {
            cpu_relax();
            continue;
        }
        bool last = ((struct parcel *)link)->last != 0;
        queue_push(&lanes->back, link);
        if (last) {
            return NULL;
        }
    }
}

/* `total` parcels there and back, in_flight at a time; ns per echo. */
static int echoes_ns(struct rep *rep, uint64_t total, uint32_t in_flight, double *ret_ns)
{
    static struct lanes lanes;
    static struct parcel parcels[400];
    pthread_t thread;
    uint64_t sent = 0, received = 0, sum = 0;

    queue_init(&lanes.there);
    queue_init(&lanes.back);
    if (pthread_create(&thread, NULL, echo_thread, &lanes) != 0) {
        return rep_wrong(rep, "no thread");
    }
    uint64_t start = now_ns();
    for (; sent < in_flight; sent++) {
        parcels[sent].value = sent;
        parcels[sent].last = sent + 1 == total;
        queue_push(&lanes.there, &parcels[sent].link);
    }
    while (received < total) {
        struct parcel *parcel = (struct parcel *)queue_pop(&lanes.back);
        if (parcel == NULL) {
            cpu_relax();
            continue;
        }
        received++;
        sum += parcel->value;
        if (sent < total) {
            parcel->value = sent++;
            parcel->last = sent == total;
            queue_push(&lanes.there, &parcel->link);
        }
    }
    *ret_ns = (double)(now_ns() - start) / (double)total;
    pthread_join(thread, NULL);
    return sum == total * (total - 1) / 2 ? 0 : rep_wrong(rep, "parcels are missing");
}

static int needs_two(struct rep *rep)
{
    return cpus_allowed() < 2 ? rep_skip(rep, "two CPUs are needed, this process may use one") : 0;
}

/* With one CPU the spinning would only wait for the scheduler, so fewer rounds show as much. */
static uint64_t rounds_of(const struct setup *setup)
{
    return cpus_allowed() < 2 && setup->count > 2000 ? 2000 : setup->count;
}

int ext_floor(const struct setup *setup, struct rep *rep)
{
    return echoes_ns(rep, rounds_of(setup), 400, &rep->ns);
}

int roundtrip_floor(const struct setup *setup, struct rep *rep)
{
    double echo_ns = 0;
    if (needs_two(rep) != 0 || echoes_ns(rep, setup->count, 1, &echo_ns) != 0) {
        return -1;
    }
    rep->ns = echo_ns / 2;
    return 0;
}

/* ---- a sleeping thread ---- */

struct sleeper {
    int there;            /* eventfd */
    int back;             /* eventfd, or -1: only stamp */
    struct counter stamp; /* when it was awake */
    struct counter seen;
    struct counter stopping;
};

static void *sleeper_thread(void *arg)
{
    struct sleeper *sleeper = arg;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, sleeper->there, &event) != 0) {
        return NULL;
    }
    while (counter_get(&sleeper->stopping) == 0) {
        if (epoll_wait(epoll, &event, 1, -1) < 1) {
            continue;
        }
        counter_set(&sleeper->stamp, now_ns());
        counter_add(&sleeper->seen, 1);
        if (sleeper->back >= 0) {
            eventfd_write(sleeper->back, 1);
        }
    }
    close(epoll);
    return NULL;
}

static int sleeper_start(struct sleeper *sleeper, bool answers, pthread_t *ret)
{
    memset(sleeper, 0, sizeof(*sleeper));
    sleeper->there = eventfd(0, EFD_CLOEXEC);
    sleeper->back = answers ? eventfd(0, EFD_CLOEXEC) : -1;
    return sleeper->there < 0 ? -1 : pthread_create(ret, NULL, sleeper_thread, sleeper);
}

static void sleeper_stop(struct sleeper *sleeper, pthread_t thread)
{
    counter_set(&sleeper->stopping, 1);
    eventfd_write(sleeper->there, 1);
    pthread_join(thread, NULL);
    close(sleeper->there);
    if (sleeper->back >= 0) {
        close(sleeper->back);
    }
}

int ext1_floor(const struct setup *setup, struct rep *rep)
{
    static struct sleeper sleeper;
    pthread_t thread;
    size_t n = setup->quick ? 50 : 2000;
    double *latencies = calloc(n, sizeof(latencies[0]));

    if (echoes_ns(rep, rounds_of(setup), 1, &rep->ns) != 0) {
        return -1;
    }
    if (latencies == NULL || sleeper_start(&sleeper, true, &thread) != 0) {
        return rep_wrong(rep, "no thread");
    }
    for (size_t i = 0; i < n; i++) {
        eventfd_t value;
        sleep_ns(200000);
        uint64_t start = now_ns();
        eventfd_write(sleeper.there, 1);
        eventfd_read(sleeper.back, &value);
        latencies[i] = (double)(now_ns() - start);
    }
    sleeper_stop(&sleeper, thread);
    rep_extra(rep, "cold_ns", quantile(latencies, n, 0.5));
    rep_extra(rep, "cold_p99_ns", quantile(latencies, n, 0.99));
    free(latencies);
    return 0;
}

int wakeup_floor(const struct setup *setup, struct rep *rep)
{
    static struct sleeper sleeper;
    pthread_t thread;
    size_t n = setup->count;
    double *late = calloc(n, sizeof(late[0]));
    double *cost = calloc(n, sizeof(cost[0]));

    if (needs_two(rep) != 0) {
        return -1;
    }
    if (late == NULL || cost == NULL || sleeper_start(&sleeper, false, &thread) != 0) {
        return rep_wrong(rep, "no thread");
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t until = now_ns() + 300000;
        while (now_ns() < until) {
            cpu_relax();
        }
        uint64_t start = now_ns();
        eventfd_write(sleeper.there, 1);
        cost[i] = (double)(now_ns() - start);
        while (counter_get(&sleeper.seen) < i + 1) {
            cpu_relax();
        }
        late[i] = (double)(counter_get(&sleeper.stamp) - start);
    }
    sleeper_stop(&sleeper, thread);
    rep->ns = quantile(late, n, 0.5);
    rep_extra(rep, "p99_ns", quantile(late, n, 0.99));
    rep_extra(rep, "sender_ns", quantile(cost, n, 0.5));
    free(late);
    free(cost);
    return 0;
}
