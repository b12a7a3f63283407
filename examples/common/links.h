/* Where to go with a browser. */
#ifndef LEAT_EXAMPLE_LINKS_H
#define LEAT_EXAMPLE_LINKS_H

#include <leat/addr.h>

struct link {
    const char *path, *what;
};

/* Prints them, one a line, for the server that listens at `bound`. A wildcard is no place to go to: then they are this
 * machine's own, and up to four addresses follow under which others reach it. */
void links_print(const char *scheme, const struct leat_addr *bound, const struct link *links, size_t count);

#endif
