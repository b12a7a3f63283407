/* One repetition in a process of its own. The child gives its result through a pipe and ends; the
 * parent never waits longer than the limit, so that a lost message is an error and not a hang. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define REP_LIMIT_MS 660000
#define REP_LIMIT_QUICK_MS 40000

_Static_assert(sizeof(struct rep) <= 4096, "a result is written to the pipe in one piece");

void rep_extra(struct rep *rep, const char *name, double value)
{
    if (rep->extras_len == REP_EXTRAS_MAX) {
        rep_wrong(rep, "more than %d figures", REP_EXTRAS_MAX);
        return;
    }
    snprintf(rep->extras[rep->extras_len].name, REP_NAME_LEN, "%s", name);
    rep->extras[rep->extras_len].value = value;
    rep->extras_len++;
}

double rep_extra_get(const struct rep *rep, const char *name, double otherwise)
{
    for (uint32_t i = 0; i < rep->extras_len; i++) {
        if (strcmp(rep->extras[i].name, name) == 0) {
            return rep->extras[i].value;
        }
    }
    return otherwise;
}

static int rep_note(struct rep *rep, enum rep_result result, const char *format, va_list args)
{
    if (rep->result == REP_OK) {
        rep->result = result;
        vsnprintf(rep->problem, sizeof(rep->problem), format, args);
    }
    return -1;
}

int rep_wrong(struct rep *rep, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int ret = rep_note(rep, REP_WRONG, format, args);
    va_end(args);
    return ret;
}

int rep_skip(struct rep *rep, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int ret = rep_note(rep, REP_SKIPPED, format, args);
    va_end(args);
    return ret;
}

static _Noreturn void rep_child(rep_body *body, const struct setup *setup, int fd)
{
    struct rep rep;
    memset(&rep, 0, sizeof(rep));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (body(setup, &rep) != 0 && rep.result == REP_OK) {
        rep_wrong(&rep, "failed without saying why");
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    rep.peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    if (rep.result == REP_OK && !(rep.ns > 0)) {
        rep_wrong(&rep, "a measured time of %g ns", rep.ns);
    }
    bool written = write(fd, &rep, sizeof(rep)) == (ssize_t)sizeof(rep);
    _exit(written ? 0 : 1);
}

static void rep_collect(int fd, const struct setup *setup, pid_t child, struct rep *ret)
{
    int limit_ms = setup->quick ? REP_LIMIT_QUICK_MS : REP_LIMIT_MS;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int status = 0;
    int polled;
    do {
        polled = poll(&ready, 1, limit_ms);
    } while (polled < 0 && errno == EINTR);

    if (polled <= 0) {
        rep_wrong(ret, "not done after %d s", limit_ms / 1000);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return;
    }
    ssize_t len = read(fd, ret, sizeof(*ret));
    waitpid(child, &status, 0);
    if (len == (ssize_t)sizeof(*ret)) {
        return;
    }
    memset(ret, 0, sizeof(*ret));
    if (WIFSIGNALED(status)) {
        rep_wrong(ret, "ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        rep_wrong(ret, "ended without a result, exit status %d", WEXITSTATUS(status));
    }
}

void rep_run(rep_body *body, const struct setup *setup, struct rep *ret)
{
    int fds[2];
    memset(ret, 0, sizeof(*ret));
    fflush(NULL);
    if (pipe(fds) != 0) {
        rep_wrong(ret, "no pipe: %s", strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child < 0) {
        rep_wrong(ret, "no process: %s", strerror(errno));
    } else if (child == 0) {
        close(fds[0]);
        rep_child(body, setup, fds[1]);
    } else {
        close(fds[1]);
        fds[1] = -1;
        rep_collect(fds[0], setup, child, ret);
    }
    close(fds[0]);
    if (fds[1] >= 0) {
        close(fds[1]);
    }
}

/* What the process may use to begin with; pinning it does not change that. */
static const cpu_set_t *cpus(void)
{
    static cpu_set_t set;
    static bool known;
    if (!known) {
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof(set), &set);
        known = true;
    }
    return &set;
}

uint32_t cpus_allowed(void)
{
    int n = CPU_COUNT(cpus());
    return n > 0 ? (uint32_t)n : 1;
}

void cpu_pin(pid_t thread, uint32_t n)
{
    cpu_set_t one;
    if (cpus_allowed() < 2) {
        return;
    }
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, cpus()) && n-- == 0) {
            CPU_SET(cpu, &one);
            sched_setaffinity(thread, sizeof(one), &one);
            return;
        }
    }
}
