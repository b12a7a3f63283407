/* ncursesw, and nothing of it outside this file. The colours are those of 256-colour terminals where
 * there are so many, of the eight otherwise; the glyphs are ASCII where the locale is not UTF-8. */
#include "view.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define TEXT_MAX 512

static const struct glyphs glyphs_utf8 = {
    .eighths = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"},
    .levels = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
    .line = "─",
    .dot = "·",
};
static const struct glyphs glyphs_ascii = {
    .eighths = {" ", " ", " ", " ", "#", "#", "#", "#", "#"},
    .levels = {" ", ".", ".", ":", "-", "=", "+", "*", "#"},
    .line = "-",
    .dot = "-",
};

static SCREEN *screen;
static bool is_up, has_utf8, has_colours;
static struct termios terminal_before;
static short pairs[COLOURS][COLOURS + 1]; /* 0: not made yet; the last column: on the default */
static short pairs_len = 1;

/* ---- life ---- */

/* The process dies: only what a signal handler may do. */
static void on_fatal(int number)
{
    static const char restore[] = "\033[?1049l\033[?25h\033[0m\n";
    ssize_t written = write(STDOUT_FILENO, restore, sizeof(restore) - 1);
    (void)written;
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    raise(number); /* once only: the default comes next */
}

static void restore_at_death(void)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGHUP};
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        sigaction(fatal[i], &action, NULL);
    }
}

/* Where nothing is said about the locale, as in containers, UTF-8 is a fair guess. */
static void choose_locale(void)
{
    const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    bool said = false;
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        said = said || (value != NULL && value[0] != '\0');
    }
    if (setlocale(LC_CTYPE, said ? "" : "C.UTF-8") == NULL) {
        setlocale(LC_CTYPE, "C");
    }
    has_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool view_is_there(void)
{
    return true;
}

bool view_open(void)
{
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO) ||
        tcgetattr(STDIN_FILENO, &terminal_before) != 0) {
        return false;
    }
    struct sigaction interrupt, terminate; /* which newterm would take */
    sigaction(SIGINT, NULL, &interrupt);
    sigaction(SIGTERM, NULL, &terminate);
    choose_locale();
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        return false;
    }
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &terminate, NULL);
    restore_at_death();
    is_up = true;
    cbreak();
    noecho();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    has_colours = has_colors();
    if (has_colours) {
        start_color();
        use_default_colors();
    }
    return true;
}

void view_close(void)
{
    if (is_up) {
        is_up = false;
        endwin();
        delscreen(screen);
    }
}

int view_width(void)
{
    return COLS;
}

int view_height(void)
{
    return LINES;
}

bool view_utf8(void)
{
    return has_utf8;
}

const struct glyphs *view_glyphs(void)
{
    return has_utf8 ? &glyphs_utf8 : &glyphs_ascii;
}

int view_key(void)
{
    const int key = getch();
    return key == ERR || key == KEY_RESIZE ? 0 : key; /* curses has taken the new size already */
}

void view_clear(void)
{
    erase();
}

void view_show(void)
{
    refresh();
}

/* ---- paint ---- */

static short colour_number(enum colour colour)
{
    static const short many[COLOURS] = {-1, 244, 231, 80, 203, 114, 39, 77, 214, 236};
    static const short few[COLOURS] = {
        -1,          COLOR_WHITE, COLOR_WHITE, COLOR_CYAN,   COLOR_RED,
        COLOR_GREEN, COLOR_CYAN,  COLOR_GREEN, COLOR_YELLOW, COLOR_BLACK,
    };
    return COLORS >= 256 ? many[colour] : few[colour];
}

static attr_t attributes(enum colour colour, int behind)
{
    attr_t bits = colour == BRIGHT || colour == TITLE ? A_BOLD : 0;
    if (!has_colours) {
        return bits | (colour == ALARM ? A_BOLD : 0);
    }
    if (colour == FAINT && COLORS < 256) {
        bits |= A_DIM;
    }
    short *pair = &pairs[colour][behind];
    if (*pair == 0) {
        *pair = pairs_len++;
        init_pair(*pair, colour_number(colour),
                  behind < COLOURS ? colour_number((enum colour)behind) : -1);
    }
    return bits | (attr_t)COLOR_PAIR(*pair);
}

static void paint_text(int y, int x, int width, attr_t bits, const char *text)
{
    wchar_t wide[TEXT_MAX];
    const size_t len = mbstowcs(wide, text, TEXT_MAX - 1);
    if (len == (size_t)-1 || width <= 0) {
        return;
    }
    wide[len < TEXT_MAX - 1 ? len : TEXT_MAX - 1] = L'\0';
    attrset((int)bits);
    mvaddnwstr(y, x, wide, width);
    attrset(A_NORMAL);
}

void paint(int y, int x, int width, enum colour colour, const char *text)
{
    paint_text(y, x, width, attributes(colour, COLOURS), text);
}

void paintf(int y, int x, int width, enum colour colour, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    paint(y, x, width, colour, text);
}

void paint_on(int y, int x, enum colour colour, enum colour behind, const char *glyph)
{
    paint_text(y, x, 1, attributes(colour, (int)behind), glyph);
}

void paint_bar(int y, int x, int width, enum colour colour, const char *text)
{
    paint_text(y, x, width, attributes(colour, COLOURS) | A_REVERSE, text);
}
