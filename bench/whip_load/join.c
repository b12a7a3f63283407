/* Posting and deleting block, so a few threads do it, each taking the next viewer. Viewers join
 * in time however long an answer takes, as long as there are threads. */
#include <pthread.h>
#include <sys/epoll.h>
#include <time.h>

#include "load.h"

#define HANDS_MAX 16u
#define LEAVE_NS (20 * LEAT_SEC)

static struct {
    pthread_t threads[HANDS_MAX];
    unsigned len;
    int epoll;
    leat_time begun;
    _Atomic unsigned next;
    _Atomic bool stop;
} hands;

static void sleep_until(leat_time at)
{
    const struct timespec until = {.tv_sec = (time_t)(at / LEAT_SEC),
                                   .tv_nsec = (long)(at % LEAT_SEC)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void *post_main(void *arg)
{
    (void)arg;
    for (unsigned i; !hands.stop && (i = hands.next++) < options.viewers;) {
        struct viewer *const viewer = &viewers[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};
        sleep_until(hands.begun + i * options.ramp_ms * LEAT_MS);
        client_post(&viewer->client);
        if (viewer->client.server_len != 0) {
            (void)epoll_ctl(hands.epoll, EPOLL_CTL_ADD, viewer->client.fd, &event);
        }
    }
    return NULL;
}

static void *leave_main(void *arg)
{
    (void)arg;
    for (unsigned i; now_ns() - hands.begun < LEAVE_NS && (i = hands.next++) < options.viewers;) {
        client_leave(&viewers[i].client);
    }
    return NULL;
}

static bool begin(void *(*work)(void *))
{
    hands.begun = now_ns();
    hands.next = 0;
    hands.len = 0;
    while (hands.len < HANDS_MAX && hands.len < options.viewers &&
           pthread_create(&hands.threads[hands.len], NULL, work, NULL) == 0) {
        hands.len++;
    }
    return hands.len > 0 || options.viewers == 0;
}

static void wait_all(void)
{
    for (unsigned i = 0; i < hands.len; i++) {
        pthread_join(hands.threads[i], NULL);
    }
}

bool join_begin(int epoll)
{
    hands.epoll = epoll;
    return begin(post_main);
}

void join_end(void)
{
    hands.stop = true;
    wait_all();
}

void leave_all(void)
{
    (void)begin(leave_main);
    wait_all();
}
