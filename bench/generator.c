/* The process that a generator of traffic runs in, and the pipes to it. It ends with its parent. */
#include "generator.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int generator_open(struct generator *generator, generator_body *body, const void *plan,
                   struct rep *rep)
{
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) {
        return rep_wrong(rep, "no pipe: %s", strerror(errno));
    }
    generator->pid = fork();
    if (generator->pid < 0) {
        return rep_wrong(rep, "no process: %s", strerror(errno));
    }
    if (generator->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(to[1]);
        close(from[0]);
        cpu_pin(0, 0);
        body(plan, to[0], from[1]);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    generator->to = to[1];
    generator->from = from[0];
    return 0;
}

int generator_start(struct generator *generator, uint16_t port, struct rep *rep)
{
    if (write(generator->to, &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        return rep_wrong(rep, "the generator is gone");
    }
    return 0;
}

int generator_read(struct generator *generator, void *ret, size_t len, struct rep *rep)
{
    struct pollfd ready = {.fd = generator->from, .events = POLLIN};
    if (poll(&ready, 1, 20000) != 1) {
        return rep_wrong(rep, "no word from the generator in 20 s");
    }
    if (read(generator->from, ret, len) != (ssize_t)len) {
        return rep_wrong(rep, "the generator ended early");
    }
    return 0;
}

void generator_close(struct generator *generator)
{
    if (generator->pid > 0) {
        kill(generator->pid, SIGKILL);
        waitpid(generator->pid, NULL, 0);
        close(generator->to);
        close(generator->from);
        generator->pid = 0;
    }
}

uint64_t generator_server_cpu_ns(void)
{
    clockid_t clock;
    return clock_getcpuclockid(getppid(), &clock) == 0 ? clock_ns(clock) : 0;
}
