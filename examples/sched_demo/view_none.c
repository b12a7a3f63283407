/* A build without a terminal library: there is no view. */
#include "panes.h"
#include "view.h"

#include <stddef.h>

bool view_open(void)
{
    return false;
}

bool view_is_there(void)
{
    return false;
}

void view_close(void)
{
}

int view_key(void)
{
    return 0;
}

void panes_draw(const struct demo *demo)
{
    (void)demo;
}
