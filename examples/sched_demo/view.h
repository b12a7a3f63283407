/* The terminal: its life, its colours, and text on it. Whoever draws calls paint_...; nothing is seen
 * before view_show. One thread. view_none.c stands in for it where there is no terminal library. */
#ifndef SCHED_DEMO_VIEW_H
#define SCHED_DEMO_VIEW_H

#include <stdbool.h>

enum colour {
    PLAIN,
    FAINT,  /* labels, frames */
    BRIGHT, /* what is new, or chosen */
    TITLE,
    ALARM,
    GOOD,
    COLOUR_IO,
    COLOUR_ACTORS,
    COLOUR_TIMERS,
    COLOUR_IDLE,
    COLOURS,
};

/* Glyphs, as the locale can show them. */
struct glyphs {
    const char *eighths[9]; /* of a bar: nothing to full */
    const char *levels[9];  /* of a sparkline */
    const char *line, *dot;
};

/* False: there is no library, the output is no terminal, or one that cannot be used. */
bool view_open(void);
bool view_is_there(void); /* whether it was built */

/* The terminal is as it was. Idempotent; also done by what kills the process, SIGKILL aside. */
void view_close(void);

/* The size; follows the window. */
int view_width(void);
int view_height(void);
bool view_utf8(void);
const struct glyphs *view_glyphs(void);

/* What was typed, or 0. */
int view_key(void);

void view_clear(void);
void view_show(void);

/* Text from column x of line y, cut to `width` columns. */
void paint(int y, int x, int width, enum colour colour, const char *text);
void paintf(int y, int x, int width, enum colour colour, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* One glyph, of two colours: what is not `colour` is `behind`. */
void paint_on(int y, int x, enum colour colour, enum colour behind, const char *glyph);

/* The same reversed: a light ground. */
void paint_bar(int y, int x, int width, enum colour colour, const char *text);

#endif
