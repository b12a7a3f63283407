/* What tests of the io_uring backend share: whether it works here, a look inside, and a child process that
 * the kernel refuses something. */
#ifndef LEAT_TESTS_URING_HELPERS_H
#define LEAT_TESTS_URING_HELPERS_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "uring.h"

static inline void need_uring(void)
{
    char why[256] = "";
    if (io_uring.probe(why, sizeof(why)) < 0) {
        SKIP(why);
    }
}

/* For a child, which cannot take its filter back. */
static inline void refuse(int number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        _exit(77);
    }
}

/* The exit status of a child that does `job`. */
static inline int in_child(int (*job)(const void *arg), const void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(job(arg));
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int fail_at(int line)
{
    fprintf(stderr, "line %d\n", line);
    return 1;
}

/* In a child, where CHECK has nobody to tell. */
#define NEED(expr)                                                                                 \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            return fail_at(__LINE__);                                                              \
        }                                                                                          \
    } while (0)

#endif
