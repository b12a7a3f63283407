/* The command line of an example: the flags that all share, and those of its own.
 *
 * A wrong flag is explained on stderr and ends the process with status 2; --help ends it with 0. */
#ifndef LEAT_EXAMPLE_FLAGS_H
#define LEAT_EXAMPLE_FLAGS_H

#include <leat/leat.h>

enum flag_kind {
    FLAG_NUMBER, /* uint64_t, a whole number from min to max */
    FLAG_SWITCH, /* bool, has no value */
    FLAG_IO,     /* const char *, a backend of this build */
    FLAG_HOST,   /* const char *, a numeric address without a port; NULL: none */
    FLAG_ADDR,   /* struct leat_addr, a numeric address with its port */
    FLAG_FILE,   /* const char *, a path; NULL: none */
    FLAG_TEXT,   /* const char *, not empty; NULL: none */
    FLAG_LIST,   /* struct flag_list: may be given again and again */
};

#define FLAG_LIST_MAX 16u

struct flag_list {
    const char *items[FLAG_LIST_MAX];
    uint32_t len;
};

/* One flag: --name VALUE, or --name=VALUE. A table ends with a NULL name. */
struct flag {
    const char *name;
    const char *value; /* what help calls the value */
    const char *help;
    enum flag_kind kind;
    void *target; /* of the type that kind says; what it holds is the default */
    uint64_t min, max;
};

/* What is set before flags_parse is the default. */
struct flags {
    const char *program;
    const char *about;      /* for --help */
    const struct flag *own; /* the example's own flags, or NULL */

    const char *io;
    uint64_t workers; /* 0: one for each CPU */
    const char *bind; /* NULL: the example opens no socket, and has neither --bind nor --port */
    uint64_t port;
    uint64_t seconds; /* 0: until a signal; in simulation 10 (virtual), see app_start */
    uint64_t seed;
    const char *trace; /* NULL: no trace is written */
    const char *light; /* own flags for a load that a trace has room for, or NULL */
    bool prints_nothing; /* that a machine would read: there is no --json */
    bool json;
};

void flags_parse(struct flags *flags, int argc, char **argv);

/* Says what is wrong with a flag and ends the process with status 2. */
void flags_wrong(const struct flags *flags, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* --bind and --port together. */
struct leat_addr flags_local(const struct flags *flags);

/* Whether --io is sim: one thread, virtual time. */
bool flags_sim(const struct flags *flags);

#endif
