/* The resolver inside. Everything here is its own thread's, but where said. */
#ifndef LEAT_SERVICES_RESOLVER_H
#define LEAT_SERVICES_RESOLVER_H

#include <ares.h>
#include <pthread.h>

#include <leat/resolver.h>

/* A question under way. It lives until it was answered and c-ares is done with it. */
struct question {
    struct leat_resolver *resolver;
    struct question *previous, *next; /* in the list it is in */
    leat_ref from;
    uint64_t cookie;
    uint32_t family;
    bool is_asked;          /* c-ares is to call back */
    bool is_open;           /* not answered: in `open` */
    bool is_owed;           /* answered, but there was no room: in `owed` */
    leat_time until;        /* when it is given up */
    leat_time again;        /* owed: when it is tried next */
    leat_time pause;        /* and how long after that */
    struct leat_output out; /* owed: the answer */
};

struct questions {
    struct question *first, *last;
};

struct leat_resolver {
    struct leat_resolver_config config;
    leat_controller *controller;
    ares_channel channel;
    pthread_t thread;
    int epoll;
    int quit; /* an eventfd, which leat_resolver_close writes to */
    leat_time now;
    uint32_t pending;
    struct questions open; /* the oldest first, so also the first to be given up */
    struct questions owed;
};

/* ---- name.c ---- */

/* 0; -EINVAL or -ENAMETOOLONG, as in leat/resolver.h. Any thread. */
int name_check(const char *name);

/* ---- question.c ---- */

/* A message to the resolver. */
void question_add(struct leat_resolver *resolver, const struct leat_event *event);

/* Gives up what has waited too long, tries again what is owed. Returns when to do so next; LEAT_NEVER. */
leat_time questions_expire(struct leat_resolver *resolver);

/* Answers everything that is open, and forgets what is owed; c-ares still has to call back. */
void questions_cancel(struct leat_resolver *resolver);

#endif
