/* Groups. */
#include "host.h"

void group_turn(struct host *host, struct cell *cell)
{
    (void)host;
    (void)cell;
    LEAT_UNREACHABLE();
}
