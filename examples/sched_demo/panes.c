/* The screen, from top to bottom: header, workers, then side by side the states of one actor and what
 * the behaviours do, a chart where there is room, messages, keys. */
#include "panes.h"
#include "view.h"

#include <inttypes.h>
#include <stdio.h>

#define WIDTH_MIN 80
#define HEIGHT_MIN 24
#define MESSAGES_MIN 2
#define CHART_HEIGHT_MIN 7
#define CHART_HEIGHT_MAX 16

const char *short_number(double number, char text[16])
{
    static const char units[] = {'k', 'M', 'G', 'T'};
    if (number < 9999.5) {
        snprintf(text, 16, "%.0f", number);
        return text;
    }
    size_t unit = 0;
    number /= 1000;
    while (number >= 999.95 && unit < sizeof(units) - 1) {
        number /= 1000;
        unit++;
    }
    snprintf(text, 16, "%.1f%c", number, units[unit]);
    return text;
}

/* ---- header ---- */

static int badge(int x, bool on, const char *text)
{
    const int len = (int)strlen(text);
    if (!on) {
        return x;
    }
    paint_bar(0, x - len, len, ALARM, text);
    return x - len - 1;
}

static int figure(int x, const char *label, double value, enum colour colour)
{
    char number[16];
    const int len = (int)strlen(label);
    const int end = x + len + 1 + (int)strlen(short_number(value, number));
    if (end > view_width()) {
        return view_width();
    }
    paint(1, x, len, FAINT, label);
    paint(1, x + len + 1, end, colour, number);
    return end + 2;
}

static void draw_header(const struct demo *demo)
{
    const struct figures *figures = &demo->figures;
    const struct row *all = &figures->all;
    const struct scene *scene = &demo->scene;
    char loss[24];
    const unsigned seconds = (unsigned)figures_age(figures);
    paint(0, 0, 4, TITLE, "leat");
    paintf(0, 6, view_width() - 6, PLAIN,
           "io %s%s  %zu workers  %" PRIu64 " actors  rate %" PRIu64 " %%  %u:%02u",
           leat_io_name(demo->app.runtime), demo_is_sim(demo) ? " (virtual time)" : "",
           figures->workers_len, all->actors, scene->load, seconds / 60, seconds % 60);
    snprintf(loss, sizeof(loss), " loss %" PRIu64 "%% ", demo->loss);
    int x = view_width();
    x = badge(x, demo->paused, " paused ");
    x = badge(x, scene->slow, " slow ");
    x = badge(x, scene->full, " full ");
    x = badge(x, scene->stopped, " stopped ");
    (void)badge(x, demo->loss > 0, loss);

    paint(1, 0, 11, FAINT, "per second:");
    x = figure(12, "messages", all->messages, BRIGHT);
    x = figure(x, "refused", all->refused, all->refused > 0 ? ALARM : GOOD);
    x = figure(x, "dead letters", all->dead_letters, all->dead_letters > 0 ? ALARM : GOOD);
    x = figure(x, "udp", all->datagrams_in, COLOUR_IO);
    x = figure(x, "ticks", all->deadlines, COLOUR_TIMERS);
    if (view_width() >= 110) {
        x = figure(x, "bytes in", all->bytes_in, COLOUR_IO);
        (void)figure(x, "out", all->bytes_out, COLOUR_IO);
    }
}

/* ---- workers ---- */

/* Cells of eighths: a cell with the end of one part in it shows both. */
static void draw_bar(const struct row *row, int y, int x, int width)
{
    static const enum colour colours[PHASES] = {COLOUR_IO, COLOUR_ACTORS, COLOUR_TIMERS,
                                                COLOUR_IDLE};
    static const char *const plain[PHASES] = {"=", "#", "+", "."};
    int ends[PHASES];
    double sum = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        sum += row->part[phase];
        ends[phase] = phase == IDLE ? 8 * width : (int)(sum * 8 * width + 0.5);
    }
    int phase = IO;
    for (int cell = 0; cell < width; cell++) {
        while (phase < IDLE && ends[phase] <= 8 * cell) {
            phase++;
        }
        int next = phase;
        while (next < IDLE && ends[next] < 8 * cell + 8) {
            next++;
        }
        const int full = ends[phase] - 8 * cell;
        if (view_utf8()) {
            paint_on(y, x + cell, colours[phase], colours[next],
                     view_glyphs()->eighths[full < 8 ? full : 8]);
        } else {
            const int shown = full >= 4 ? phase : next;
            paint(y, x + cell, 1, colours[shown], plain[shown]);
        }
    }
}

static void draw_spark(const float *values, uint64_t len, float most, enum colour colour, int y,
                       int x, int width)
{
    for (int i = 0; i < width; i++) {
        const uint64_t back = (uint64_t)(width - i);
        if (back <= len && back <= HISTORY) {
            const float value = values[(len - back) % HISTORY] / most;
            const int level = value >= 1 ? 8 : value <= 0 ? 0 : 1 + (int)(value * 7.99f);
            paint(y, x + i, 1, colour, view_glyphs()->levels[level]);
        }
    }
}

/* One column of numbers: what is above it, and how wide. */
struct column {
    const char *title;
    int width, from; /* shown where the terminal has so many columns */
    double (*value)(const struct row *row);
};

static double column_messages(const struct row *row)
{
    return row->messages;
}
static double column_queue(const struct row *row)
{
    return (double)row->run_queue;
}
static double column_wait(const struct row *row)
{
    return row->wait_us;
}
static double column_depth(const struct row *row)
{
    return (double)row->depth;
}
static double column_pauses(const struct row *row)
{
    return row->pauses;
}
static double column_parks(const struct row *row)
{
    return row->parks;
}
static double column_timers(const struct row *row)
{
    return (double)row->timers;
}
static double column_actors(const struct row *row)
{
    return (double)row->actors;
}
static double column_in(const struct row *row)
{
    return row->datagrams_in;
}
static double column_out(const struct row *row)
{
    return row->datagrams_out;
}
static double column_slow(const struct row *row)
{
    return (double)row->slow;
}

static const struct column columns[] = {
    {"msg/s", 7, 0, column_messages},     {"queue", 7, 0, column_queue},
    {"deepest", 9, 0, column_depth},      {"wait us", 9, 90, column_wait},
    {"pauses/s", 10, 100, column_pauses}, {"parks/s", 9, 0, column_parks},
    {"timers", 8, 0, column_timers},      {"actors", 8, 110, column_actors},
    {"in/s", 7, 124, column_in},          {"out/s", 7, 124, column_out},
    {"slow", 6, 0, column_slow},
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static int columns_width(void)
{
    int width = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        width += columns[i].from <= view_width() ? columns[i].width : 0;
    }
    return width;
}

static void draw_legend(int y, int x, int width)
{
    static const char *const names[PHASES] = {"io", "actors", "timers", "idle"};
    static const enum colour colours[PHASES] = {COLOUR_IO, COLOUR_ACTORS, COLOUR_TIMERS, FAINT};
    for (int phase = 0; phase < PHASES; phase++) {
        const int len = (int)strlen(names[phase]);
        paint(y, x, width, colours[phase], names[phase]);
        x += len + 1;
        width -= len + 1;
    }
}

static void draw_workers(const struct figures *figures, int y, size_t shown)
{
    const int numbers = columns_width();
    const int left = view_width() - numbers - 3 - 5; /* "12 ", " 100%" */
    const int bar = left * 6 / 10, spark = left - bar - 2;
    draw_legend(y, 3, view_width() - numbers - 3);
    int x = view_width() - numbers;
    for (size_t i = 0; i < COLUMNS; i++) {
        if (columns[i].from <= view_width()) {
            paintf(y, x, columns[i].width, FAINT, "%*s", columns[i].width, columns[i].title);
            x += columns[i].width;
        }
    }
    for (size_t w = 0; w < shown; w++) {
        const struct row *row = &figures->workers[w];
        const int at = y + 1 + (int)w;
        char number[16];
        paintf(at, 0, 3, FAINT, "%2zu", w);
        draw_bar(row, at, 3, bar);
        paintf(at, 3 + bar, 5, BRIGHT, "%4.0f%%", row_busy(row));
        draw_spark(figures->busy[w], figures->history_len, 100, COLOUR_ACTORS, at, 3 + bar + 6,
                   spark);
        x = view_width() - numbers;
        for (size_t i = 0; i < COLUMNS; i++) {
            if (columns[i].from <= view_width()) {
                const double value = columns[i].value(row);
                const bool alarm = columns[i].value == column_slow && value > 0;
                paintf(at, x, columns[i].width,
                       alarm       ? ALARM
                       : value > 0 ? PLAIN
                                   : FAINT,
                       "%*s", columns[i].width, short_number(value, number));
                x += columns[i].width;
            }
        }
    }
}

/* ---- behaviours, chart, messages, keys ---- */

/* Those that are there, the busiest first. They stay where they were in the frame before, unless one
 * has become busier by a twentieth than the one above it: lines that change places cannot be read. */
static size_t live_behaviors(const struct figures *figures,
                             const struct behavior_row *ret[BEHAVIORS_MAX])
{
    static const char *before[BEHAVIORS_MAX];
    static size_t before_len;
    bool taken[BEHAVIORS_MAX] = {false};
    size_t len = 0;
    for (size_t k = 0; k <= before_len; k++) { /* at last those that were not there before */
        for (size_t i = 0; i < figures->behaviors_len; i++) {
            const struct behavior_row *row = &figures->behaviors[i];
            if (!taken[i] && (row->actors > 0 || row->inputs > 0) &&
                (k == before_len || strcmp(row->name, before[k]) == 0)) {
                taken[i] = true;
                ret[len++] = row;
            }
        }
    }
    for (size_t i = 1; i < len; i++) {
        for (size_t k = i; k > 0 && ret[k]->inputs > 1.05 * ret[k - 1]->inputs + 1; k--) {
            const struct behavior_row *row = ret[k];
            ret[k] = ret[k - 1];
            ret[k - 1] = row;
        }
    }
    for (size_t i = 0; i < len; i++) {
        before[i] = ret[i]->name;
    }
    before_len = len;
    return len;
}

static void draw_behavior(const struct behavior_row *row, int y, int x, int width,
                          enum colour colour)
{
    char actors[16], inputs[16];
    paint(y, x, width - 13, colour, row->name);
    paintf(y, x + width - 13, 13, colour, "%6s%7s", short_number((double)row->actors, actors),
           short_number(row->inputs, inputs));
}

/* The last line sums up those that have none. */
static void draw_behaviors(const struct figures *figures, int y, int x, int width, int height)
{
    const struct behavior_row *rows[BEHAVIORS_MAX];
    const size_t len = live_behaviors(figures, rows);
    const size_t room = height > 2 ? (size_t)height - 1 : 1;
    const size_t shown = len <= room ? len : room - 1;
    struct behavior_row rest = {.actors = 0};
    char name[32];
    paint(y, x, width, TITLE, "behaviours");
    paint(y, x + width - 13, 13, FAINT, "actors   in/s");
    for (size_t i = 0; i < shown; i++) {
        draw_behavior(rows[i], y + 1 + (int)i, x, width, PLAIN);
    }
    for (size_t i = shown; i < len; i++) {
        rest.actors += rows[i]->actors;
        rest.inputs += rows[i]->inputs;
    }
    if (shown < len) {
        snprintf(name, sizeof(name), "+%zu more", len - shown);
        rest.name = name;
        draw_behavior(&rest, y + 1 + (int)shown, x, width, FAINT);
    }
}

/* How many lines the lists take below the states of the actor, where they may have `room`. */
static int lists_below(const struct figures *figures, int room)
{
    const struct behavior_row *rows[BEHAVIORS_MAX];
    const int bus = view_width() - STATE_PANE_WIDTH - 3 >= 70 ? 0 : 3;
    const int wanted = 1 + (int)live_behaviors(figures, rows) + bus - STATE_PANE_HEIGHT;
    return wanted < 0 || room < 0 ? 0 : wanted < room ? wanted : room;
}

static void draw_channels(const struct figures *figures, int y, int x, int width, int height)
{
    static const char titles[] = "  pub/s readers  copies/s   drops";
    const int numbers = (int)sizeof(titles) - 1;
    char published[16], readers[16], copies[16], drops[16];
    paint(y, x, width, TITLE, "bus channels");
    paint(y, x + width - numbers, numbers, FAINT, titles);
    for (size_t i = 0; i < figures->channels_len && (int)i + 1 < height; i++) {
        const struct channel_row *row = &figures->channels[i];
        const int at = y + 1 + (int)i;
        paint(at, x, width - numbers, PLAIN, row->name);
        paintf(at, x + width - numbers, numbers, PLAIN, "%7s%8s%10s",
               short_number(row->published, published),
               short_number((double)row->subscribers, readers),
               short_number(row->delivered, copies));
        paintf(at, x + width - 8, 8, row->refused > 0 ? ALARM : PLAIN, "%8s",
               short_number((double)row->dropped, drops));
    }
}

/* Narrower, in the place of the last behaviours. */
static void draw_channels_short(const struct figures *figures, int y, int x, int width)
{
    char published[16], readers[16], drops[16];
    paint(y, x, width, FAINT, "bus     pub/s  to  drops");
    for (size_t i = 0; i < figures->channels_len && i < 2; i++) {
        const struct channel_row *row = &figures->channels[i];
        const int at = y + 1 + (int)i;
        paintf(at, x, width, PLAIN, "%-7.7s%6s%4s", row->name,
               short_number(row->published, published),
               short_number((double)row->subscribers, readers));
        paintf(at, x + 17, width - 17, row->refused > 0 ? ALARM : PLAIN, "%7s",
               short_number((double)row->dropped, drops));
    }
}

/* Behaviours and channels, side by side where there is room. */
static void draw_lists(const struct figures *figures, int y, int height)
{
    const int x = STATE_PANE_WIDTH + 3, width = view_width() - x;
    if (width >= 70) {
        draw_behaviors(figures, y, x, 30, height);
        draw_channels(figures, y, x + 34, width - 34 < 56 ? width - 34 : 56, height);
    } else {
        const int narrow = width < 34 ? width : 34;
        draw_behaviors(figures, y, x, narrow, height - 3);
        draw_channels_short(figures, y + height - 3, x, narrow);
    }
}

static void draw_chart(const struct figures *figures, int y, int height)
{
    float most = 1;
    char number[16];
    for (size_t i = 0; i < HISTORY && i < figures->history_len; i++) {
        most = figures->messages[i] > most ? figures->messages[i] : most;
    }
    paint(y, 0, 10, TITLE, "messages/s");
    paintf(y, 11, 20, FAINT, "at most %s", short_number(most, number));
    const int width = view_width();
    for (int i = 0; i < width; i++) {
        const uint64_t back = (uint64_t)(width - i);
        if (back > figures->history_len || back > HISTORY) {
            continue;
        }
        const float value = figures->messages[(figures->history_len - back) % HISTORY];
        const int eighths = (int)(value / most * 0.9f * (float)(8 * height) + 0.5f);
        for (int row = 0; row < height; row++) {
            const int above = eighths - 8 * row;
            const int level = above >= 8 ? 8 : above > 0 ? above : 0;
            paint(y + height - row, i, 1, COLOUR_ACTORS, view_glyphs()->levels[level]);
        }
    }
}

/* Up to where a line of `width` columns goes, at a space if there is one; ASCII. */
static size_t line_end(const char *text, size_t width)
{
    const size_t len = strlen(text);
    if (len <= width) {
        return len;
    }
    for (size_t end = width; end > width / 2; end--) {
        if (text[end] == ' ') {
            return end;
        }
    }
    return width;
}

static int lines_of(const char *text, size_t width)
{
    int lines = 0;
    do {
        text += line_end(text, width);
        text += strspn(text, " ");
        lines++;
    } while (*text != '\0');
    return lines;
}

/* The newest that have room, each as long as it is. */
static void draw_messages(int y, int height)
{
    static const enum colour colours[] = {ALARM, COLOUR_TIMERS, PLAIN};
    static struct message_line lines[MESSAGES_LINES];
    const size_t width = (size_t)view_width() - 9;
    const size_t n = messages_last(lines, MESSAGES_LINES);
    size_t first = n;
    for (int used = 0; first > 0; first--) {
        used += lines_of(lines[first - 1].text, width);
        if (used > height && first < n) {
            break;
        }
    }
    const int end = y + height;
    for (size_t i = first; i < n; i++) {
        paintf(y, 0, 8, FAINT, "%6.1f s", lines[i].at);
        const char *text = lines[i].text;
        for (int line = lines_of(text, width); line > 0 && y < end; line--) {
            const size_t len = line_end(text, width);
            paintf(y++, 9, (int)width, colours[lines[i].level], "%.*s", (int)len, text);
            text += len;
            text += strspn(text, " ");
        }
    }
}

/* In one line, or in two. Returns how many those are. */
static int draw_keys(int y, bool draw)
{
    int x = 0, line = 0;
    for (const struct key_help *key = keys_help(); key->key != NULL; key++) {
        const int key_len = (int)strlen(key->key), len = key_len + 1 + (int)strlen(key->label);
        if (x + len > view_width()) {
            x = 0;
            line++;
        }
        if (draw) {
            paint(y + line, x, key_len, TITLE, key->key);
            paint(y + line, x + key_len + 1, len, FAINT, key->label);
        }
        x += len + 2;
    }
    return line + 1;
}

static void draw_help(void)
{
    static const char *const columns_help[][2] = {
        {"queue", "actors that are ready; deepest: the most in a mailbox so far"},
        {"pauses", "drains that gave way after 64 outputs; parks: that wait for room"},
        {"slow", "times an actor held its worker for more than 10 ms; of these the"},
        {"", "messages name the 1st, 2nd, 4th, 8th, ..."},
    };
    int y = 1;
    paint(0, 2, view_width() - 2, TITLE, "leat: what there is to see, and to break");
    for (const struct key_help *key = keys_help(); key->key != NULL; key++) {
        paintf(++y, 2, 8, TITLE, "%6s", key->key);
        paint(y, 10, view_width() - 10, PLAIN, key->help);
    }
    y++;
    for (size_t i = 0; i < sizeof(columns_help) / sizeof(columns_help[0]); i++) {
        paintf(++y, 2, 8, FAINT, "%6s", columns_help[i][0]);
        paint(y, 10, view_width() - 10, PLAIN, columns_help[i][1]);
    }
    paint(y + 2, 2, view_width() - 2, FAINT, "any key goes back");
}

/* From top to bottom; where there is little room the empty line goes first, then workers. */
static void draw_all(const struct demo *demo)
{
    const struct figures *figures = &demo->figures;
    const int keys = draw_keys(0, false), height = view_height() - keys;
    const int rest = height - 3 - STATE_PANE_HEIGHT - MESSAGES_MIN;
    const size_t room = rest > 1 ? (size_t)rest : 1;
    const bool all = figures->workers_len <= room;
    const size_t shown = all ? figures->workers_len : room - 1;
    draw_header(demo);
    draw_workers(figures, 2, shown);
    if (!all) {
        paintf(3 + (int)shown, 3, 40, FAINT, "and %zu workers more", figures->workers_len - shown);
    }
    int y = 3 + (int)shown + (!all || figures->workers_len < room);
    state_pane_draw(demo, y, 0);
    int below = height - y - STATE_PANE_HEIGHT;
    const int lists = lists_below(figures, below - MESSAGES_MIN);
    draw_lists(figures, y, STATE_PANE_HEIGHT + lists);
    y += STATE_PANE_HEIGHT + lists;
    below -= lists;
    if (below >= CHART_HEIGHT_MIN + 2 + MESSAGES_MIN) {
        const int half = below / 2 < CHART_HEIGHT_MAX ? below / 2 : CHART_HEIGHT_MAX;
        const int chart = half > CHART_HEIGHT_MIN ? half : CHART_HEIGHT_MIN;
        draw_chart(figures, y + 1, chart);
        y += chart + 2;
    }
    draw_messages(y, height - y);
    (void)draw_keys(height, true);
}

void panes_draw(const struct demo *demo)
{
    const int width = view_width(), height = view_height();
    view_clear();
    if (width < WIDTH_MIN || height < HEIGHT_MIN) {
        paintf(0, 0, width, ALARM, "needs %dx%d,", WIDTH_MIN, HEIGHT_MIN);
        paintf(1, 0, width, ALARM, "is %dx%d", width, height);
    } else if (demo->help) {
        draw_help();
    } else {
        draw_all(demo);
    }
    view_show();
}
