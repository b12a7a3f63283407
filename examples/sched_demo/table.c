/* The table on a terminal where there is no terminal library: a bar for what each worker does with its
 * time, and what each behaviour was given. Plain escape sequences. */
#include "demo.h"

#include <inttypes.h>
#include <stdio.h>

#define BAR 24 /* characters */

/* Each phase has a character of its own, so that the bar is read without colours too. */
static void show_bar(const struct row *row)
{
    static const char *const colour[PHASES] = {"\033[36m", "\033[32m", "\033[33m", "\033[2m"};
    static const char character[PHASES] = {'=', '#', '+', '.'};
    int drawn = 0;
    double upto = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        upto += row->part[phase] * BAR;
        fputs(colour[phase], stdout);
        for (; drawn < (phase == IDLE ? BAR : (int)(upto + 0.5)); drawn++) {
            putchar(character[phase]);
        }
        fputs("\033[0m", stdout);
    }
}

void table_show(const struct figures *figures)
{
    printf("\033[H\033[Jleat  %s, %zu workers, %.0f s   \033[36m= io  \033[32m# actors  "
           "\033[33m+ timers  \033[2m. idle\033[0m   Ctrl-C ends\n"
           "(built without ncursesw: with it there is more to see, and to do)\n\n"
           "worker %*s busy  messages/s  datagrams/s  run queue  deepest box  timers  actors\n",
           leat_io_name(figures->runtime), figures->workers_len, figures_age(figures), BAR + 2, "");
    for (size_t i = 0; i < figures->workers_len; i++) {
        const struct row *row = &figures->workers[i];
        printf("%6zu [", i);
        show_bar(row);
        printf("] %3.0f%% %11.0f %12.0f %10" PRIu64 " %12" PRIu64 " %7" PRIu64 " %7" PRIu64 "\n",
               row_busy(row), row->messages, row->datagrams_in, row->run_queue, row->depth,
               row->timers, row->actors);
    }
    printf("\nbehaviour      actors    inputs/s\n");
    for (size_t i = 0; i < figures->behaviors_len; i++) {
        const struct behavior_row *row = &figures->behaviors[i];
        printf("%-12s %8" PRIu64 " %11.0f\n", row->name, row->actors, row->inputs);
    }
}
