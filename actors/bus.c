/* The bus. */
#include "host.h"

void bus_turn(struct host *host, struct cell *cell)
{
    (void)host;
    (void)cell;
    LEAT_UNREACHABLE();
}

void bus_forget(struct host *host, struct subscription **list)
{
    (void)host;
    (void)list;
}
