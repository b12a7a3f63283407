/* The states of one actor, drawn with boxes and arrows; the transition just played is lit. Beside each
 * picture is a mask of the same shape: which state or arrow a cell is part of. */
#include "panes.h"
#include "trace.h"
#include "view.h"

#include <inttypes.h>
#include <stdio.h>

#define ROWS 11

struct diagram {
    const char *art[ROWS];
    const char *mask[ROWS];
    const char *boxes; /* the letter of each enum leat_actor_state; '.': it is not in the picture */
    struct {
        uint8_t from, to;
        const char *arrow; /* the letters of its parts */
    } arrows[20];
};

static const struct diagram single = {
    .art =
        {
            "┌─────────┐             ┌────────┐                  ",
            "│ Created │ ┌─deadline─▶│ OnTick │─output──┐        ",
            "└────┬────┘ │           └─┬──────┘         │        ",
            "     ▼      │  ┌─nothing──┘                ▼        ",
            "┌───────────┴──▼─┐                   ┌───────────┐  ",
            "│    Waiting     │◀─── no more ──────│ PopOutput │◀┐",
            "└───────────┬──▲─┘                   └───────────┘─┘",
            " any ▼      │  └─nothing──┐                ▲        ",
            "┌─────────┐ │           ┌─┴───────┐        │        ",
            "│ Stopped │ └─input────▶│ OnInput │─output─┘        ",
            "└─────────┘             └─────────┘                 ",
        },
    .mask =
        {
            "CCCCCCCCCCC             TTTTTTTTTT                  ",
            "CCCCCCCCCCC bbbbbbbbbbbbTTTTTTTTTTdddddddddd        ",
            "CCCCCCCCCCC b           TTTTTTTTTT         d        ",
            "     a      b  cccccccccccc                d        ",
            "WWWWWWWWWWWWWWWcWW                   PPPPPPPPPPPPP  ",
            "WWWWWWWWWWWWWWWWWWhhhhhhhhhhhhhhhhhhhPPPPPPPPPPPPPii",
            "WWWWWWWWWWWWWWWfWW                   PPPPPPPPPPPPPii",
            " jjj j      e  ffffffffffff                g        ",
            "SSSSSSSSSSS e           IIIIIIIIIII        g        ",
            "SSSSSSSSSSS eeeeeeeeeeeeIIIIIIIIIIIggggggggg        ",
            "SSSSSSSSSSS             IIIIIIIIIII                 ",
        },
    .boxes = "CWTIPS....",
    .arrows =
        {
            {LEAT_STATE_CREATED, LEAT_STATE_WAITING, "a"},
            {LEAT_STATE_WAITING, LEAT_STATE_ON_TICK, "b"},
            {LEAT_STATE_ON_TICK, LEAT_STATE_WAITING, "c"},
            {LEAT_STATE_ON_TICK, LEAT_STATE_POP_OUTPUT, "d"},
            {LEAT_STATE_WAITING, LEAT_STATE_ON_INPUT, "e"},
            {LEAT_STATE_ON_INPUT, LEAT_STATE_WAITING, "f"},
            {LEAT_STATE_ON_INPUT, LEAT_STATE_POP_OUTPUT, "g"},
            {LEAT_STATE_POP_OUTPUT, LEAT_STATE_WAITING, "h"},
            {LEAT_STATE_POP_OUTPUT, LEAT_STATE_POP_OUTPUT, "i"},
            {LEAT_STATE_CREATED, LEAT_STATE_STOPPED, "j"},
            {LEAT_STATE_WAITING, LEAT_STATE_STOPPED, "j"},
            {LEAT_STATE_ON_TICK, LEAT_STATE_STOPPED, "j"},
            {LEAT_STATE_ON_INPUT, LEAT_STATE_STOPPED, "j"},
            {LEAT_STATE_POP_OUTPUT, LEAT_STATE_STOPPED, "j"},
        },
};

static const struct diagram group = {
    .art =
        {
            "┌───────────┐  ┌────────────┐  ┌────────────────┐   ",
            "│  OnTick   │─▶│ OnTick     │─▶│ PopCurrentTick │◀┐ ",
            "└─▲──┬─────▲┘  │ SingleTask │  │ TaskOutput     │─┘ ",
            "  │  │     │   └─────┬──────┘  └───────┬────────┘   ",
            "┌─┴──▼────┐└─────────┴─────────────────┘ ┌─────────┐",
            "│ Waiting │◀────[ Created ]          any▶│ Stopped │",
            "└─┬─────▲─┘┌─────────┬─────────────────┐ └─────────┘",
            "  │     └──┤   ┌─────┴──────┐  ┌───────┴─────────┐  ",
            "┌─▼────────▼┐  │ OnInput    │  │ PopCurrentInput │  ",
            "│  OnInput  │─▶│ SingleTask │─▶│ TaskOutput      │◀┐",
            "└───────────┘  └────────────┘  └─────────────────┘─┘",
        },
    .mask =
        {
            "TTTTTTTTTTTTT  MMMMMMMMMMMMMM  PPPPPPPPPPPPPPPPPP   ",
            "TTTTTTTTTTTTTddMMMMMMMMMMMMMMeePPPPPPPPPPPPPPPPPPff ",
            "TTbTTTTTTTTgT  MMMMMMMMMMMMMM  PPPPPPPPPPPPPPPPPPff ",
            "  b  c     g   MMMMMMMMMMMMMM  PPPPPPPPPPPPPPPPPP   ",
            "WWWWWcWWWWWggggggggggghhhhhhhhhhhhhhhhhh SSSSSSSSSSS",
            "WWWWWWWWWWWaaaaaCCCCCCCCCCC          jjjjSSSSSSSSSSS",
            "WWWWWWWWwWWmmmmmmmmmmmpppppppppppppppppp SSSSSSSSSSS",
            "  i     wwwm   NNNNNNNNNNNNNN  QQQQQQQQQQQQQQQQQQQ  ",
            "IIiIIIIIIIIoI  NNNNNNNNNNNNNN  QQQQQQQQQQQQQQQQQQQ  ",
            "IIIIIIIIIIIIIkkNNNNNNNNNNNNNNllQQQQQQQQQQQQQQQQQQQnn",
            "IIIIIIIIIIIII  NNNNNNNNNNNNNN  QQQQQQQQQQQQQQQQQQQnn",
        },
    .boxes = "CWTI.SMPNQ",
    .arrows =
        {
            {LEAT_STATE_CREATED, LEAT_STATE_WAITING, "a"},
            {LEAT_STATE_WAITING, LEAT_STATE_ON_TICK, "b"},
            {LEAT_STATE_ON_TICK, LEAT_STATE_WAITING, "c"},
            {LEAT_STATE_ON_TICK, LEAT_STATE_ON_TICK_MEMBER, "d"},
            {LEAT_STATE_ON_TICK_MEMBER, LEAT_STATE_POP_TICK_OUTPUT, "e"},
            {LEAT_STATE_ON_TICK_MEMBER, LEAT_STATE_ON_TICK, "g"},
            {LEAT_STATE_POP_TICK_OUTPUT, LEAT_STATE_POP_TICK_OUTPUT, "f"},
            {LEAT_STATE_POP_TICK_OUTPUT, LEAT_STATE_ON_TICK, "hg"},
            {LEAT_STATE_WAITING, LEAT_STATE_ON_INPUT, "i"},
            {LEAT_STATE_ON_INPUT, LEAT_STATE_ON_INPUT_MEMBER, "k"},
            {LEAT_STATE_ON_INPUT_MEMBER, LEAT_STATE_POP_INPUT_OUTPUT, "l"},
            {LEAT_STATE_ON_INPUT_MEMBER, LEAT_STATE_ON_INPUT, "mo"},
            {LEAT_STATE_ON_INPUT_MEMBER, LEAT_STATE_WAITING, "mw"},
            {LEAT_STATE_POP_INPUT_OUTPUT, LEAT_STATE_POP_INPUT_OUTPUT, "n"},
            {LEAT_STATE_POP_INPUT_OUTPUT, LEAT_STATE_ON_INPUT, "pmo"},
            {LEAT_STATE_POP_INPUT_OUTPUT, LEAT_STATE_WAITING, "pmw"},
            {LEAT_STATE_WAITING, LEAT_STATE_STOPPED, "j"},
            {LEAT_STATE_POP_TICK_OUTPUT, LEAT_STATE_STOPPED, "j"},
            {LEAT_STATE_POP_INPUT_OUTPUT, LEAT_STATE_STOPPED, "j"},
        },
};

static const char *arrow_of(const struct diagram *diagram, const struct leat_trace *trace)
{
    for (size_t i = 0; diagram->arrows[i].arrow != NULL; i++) {
        if (diagram->arrows[i].from == trace->from && diagram->arrows[i].to == trace->to) {
            return diagram->arrows[i].arrow;
        }
    }
    return "";
}

/* The art is UTF-8; where that cannot be shown each of its glyphs has a plain one. */
static const char *plain(const char *glyph)
{
    static const char *const from[] = {"─", "│", "▶", "◀", "▲", "▼"};
    static const char *const to[] = {"-", "|", ">", "<", "^", "v"};
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        if (strcmp(glyph, from[i]) == 0) {
            return to[i];
        }
    }
    return (unsigned char)glyph[0] < 0x80 ? glyph : "+";
}

static void draw_row(const struct diagram *diagram, size_t row, char box, const char *arrow, int y,
                     int x)
{
    const char *at = diagram->art[row];
    for (int column = 0; *at != '\0'; column++) {
        char glyph[5] = {0};
        size_t len = 1;
        while (((unsigned char)at[len] & 0xc0) == 0x80) {
            len++;
        }
        memcpy(glyph, at, len);
        at += len;
        const char part = diagram->mask[row][column];
        const bool letter = part >= 'A' && part <= 'Z';
        const enum colour colour = strchr(arrow, part) != NULL ? COLOUR_TIMERS
                                   : part == box               ? BRIGHT
                                   : letter                    ? PLAIN
                                                               : FAINT;
        const char *shown = view_utf8() ? glyph : plain(glyph);
        if (part == box && part != ' ') {
            paint_bar(y, x + column, 1, COLOUR_ACTORS, shown);
        } else if (part != ' ') {
            paint(y, x + column, 1, colour, shown);
        }
    }
}

/* Those of the scene by name, others by number. */
static const char *name_of(const struct demo *demo, leat_ref actor, char text[40])
{
    const struct scene *scene = &demo->scene;
    snprintf(text, 40, "%" PRIx64, actor.id);
    for (uint32_t i = 0; i < scene->cast_len; i++) {
        if (leat_ref_equal(*scene->cast[i].actor, actor)) {
            snprintf(text, 40, "%.*s", (int)strcspn(scene->cast[i].name, "("), scene->cast[i].name);
        }
    }
    for (uint32_t i = 0; i < scene->consumers_len; i++) {
        if (leat_ref_equal(scene->consumers[i], actor)) {
            snprintf(text, 40, "consumer %" PRIu32, i);
        }
    }
    for (int i = 0; i < scene->workers; i++) {
        if (leat_ref_equal(scene->producers[i], actor)) {
            snprintf(text, 40, "producer %d", i);
        } else if (leat_ref_equal(scene->reporters[i], actor)) {
            snprintf(text, 40, "publisher %d", i);
        }
    }
    return text;
}

/* Columns of UTF-8 text. */
static int columns_of(const char *text)
{
    int columns = 0;
    for (; *text != '\0'; text++) {
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return columns;
}

/* What has just happened, in words. Where there is no room it does not say from which state, which the
 * picture shows, and then not whom it was from or to. */
static void draw_words(const struct demo *demo, int y, int x)
{
    const struct watch *watch = &demo->watch;
    const struct leat_trace *trace = &watch->step.trace;
    const char *arrow = view_utf8() ? "→" : "->";
    char words[160], what[32] = "", whom[64] = "", peer[40], took[24] = "";
    if (!watch->any) {
        paint(y, x, STATE_PANE_WIDTH, FAINT, "(nothing has happened to it yet)");
        return;
    }
    if (watch->since > 0) {
        const double us = (double)watch->since / 1e3;
        snprintf(took, sizeof(took), us < 9999.5 ? "%.1f us" : "%.0f ms",
                 us < 9999.5 ? us : us / 1e3);
    }
    if (trace->kind != 0) {
        snprintf(what, sizeof(what), ": %s", trace_kind_name(trace));
    }
    if (trace->peer.id != 0) {
        const bool given =
            trace->to == LEAT_STATE_ON_INPUT || trace->to == LEAT_STATE_ON_INPUT_MEMBER;
        snprintf(whom, sizeof(whom), " %s %s", given ? "from" : "to",
                 name_of(demo, trace->peer, peer));
    }
    const int room = STATE_PANE_WIDTH - 1 - (int)strlen(took);
    const char *from = trace_state_name(trace->from), *to = trace_state_name(trace->to);
    snprintf(words, sizeof(words), "%s %s %s%s%s", from, arrow, to, what, whom);
    if (columns_of(words) > room) {
        snprintf(words, sizeof(words), "%s %s%s%s", arrow, to, what, whom);
    }
    if (columns_of(words) > room) {
        snprintf(words, sizeof(words), "%s %s%s", arrow, to, what);
    }
    paint(y, x, room, BRIGHT, words);
    paint(y, x + room + 1, STATE_PANE_WIDTH - room - 1, FAINT, took);
}

void state_pane_draw(const struct demo *demo, int y, int x)
{
    const struct watch *watch = &demo->watch;
    const struct leat_trace *trace = &watch->step.trace;
    const bool is_group = leat_ref_equal(trace->actor, demo->scene.group);
    const struct diagram *diagram = is_group ? &group : &single;
    const bool any = watch->any;
    const char box = diagram->boxes[trace->to < 10 ? trace->to : 0];
    const char *arrow = any ? arrow_of(diagram, trace) : "";
    const int title = (int)strlen(demo->scene.cast[demo->cast_at].name);
    paint(y, x, STATE_PANE_WIDTH, TITLE, demo->scene.cast[demo->cast_at].name);
    paintf(y, x + title + 1, STATE_PANE_WIDTH - title - 1, FAINT, "%" PRIx64 " slow motion",
           trace->actor.id);
    for (size_t row = 0; row < ROWS; row++) {
        draw_row(diagram, row, box, arrow, y + 1 + (int)row, x);
    }
    draw_words(demo, y + 1 + ROWS, x);
}
