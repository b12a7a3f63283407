/* One thread for all that is read again at SIGHUP. The table is complete before the first signal is taken: main
 * registers what there is and only then starts the runtime; the mutex is for a signal that comes earlier. */
#include "hangup.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#define WATCHED_MAX 8

static struct {
    pthread_mutex_t mutex;
    size_t len;
    struct {
        void (*reread)(void *context);
        void *context;
    } all[WATCHED_MAX];
} watched = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *reread_at_signals(void *arg)
{
    int number = 0;
    while (sigwait(arg, &number) == 0) {
        pthread_mutex_lock(&watched.mutex);
        for (size_t i = 0; i < watched.len; i++) {
            watched.all[i].reread(watched.all[i].context);
        }
        pthread_mutex_unlock(&watched.mutex);
    }
    return NULL;
}

static int start(void)
{
    static sigset_t hangup;
    pthread_t thread;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hangup, NULL); /* threads that come later inherit it */
    const int error = pthread_create(&thread, NULL, reread_at_signals, &hangup);
    if (error == 0) {
        pthread_detach(thread); /* it ends with the process */
    }
    return -error;
}

int hangup_watch(void (*reread)(void *context), void *context)
{
    const int status = watched.len == 0 ? start() : 0;
    if (status == 0) {
        pthread_mutex_lock(&watched.mutex);
        assert(watched.len < WATCHED_MAX);
        watched.all[watched.len].reread = reread;
        watched.all[watched.len++].context = context;
        pthread_mutex_unlock(&watched.mutex);
    }
    return status;
}
