/* The view's panes. */
#ifndef SCHED_DEMO_PANES_H
#define SCHED_DEMO_PANES_H

#include "demo.h"

/* The whole screen. */
void panes_draw(const struct demo *demo);

/* state_pane.c: the diagram of an actor's states, STATE_PANE_HEIGHT lines, the last transition lit. */
#define STATE_PANE_HEIGHT 13
#define STATE_PANE_WIDTH 52
void state_pane_draw(const struct demo *demo, int y, int x);

/* "12.3k": at most 6 columns. */
const char *short_number(double number, char text[16]);

#endif
