/* ncurses restores the terminal in endwin(); that it is called is up to whoever opened it, also at signals. Sizes come
 * with SIGWINCH from the loop, not from ncurses' own handler, which newterm() then does not install. */
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "engine/terminal_screen.h"

extern const struct terminal_screen terminal_ncurses;

static SCREEN *screen;
static bool with_colours;

static bool open_screen(bool colours)
{
    setlocale(LC_CTYPE, "");
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return false;
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(50);
    curs_set(0);
    with_colours = colours && has_colors();
    if (with_colours) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_RED, -1);
        init_pair(2, COLOR_GREEN, -1);
    }
    return true;
}

static void close_screen(void)
{
    if (!screen)
        return;
    endwin();
    delscreen(screen);
    screen = NULL;
}

static void size_of_screen(size_t *width, size_t *height)
{
    *width = (size_t)getmaxx(stdscr);
    *height = (size_t)getmaxy(stdscr);
}

/* As much of a line as fits; what the locale cannot show is a `?`. */
static void put_line(int row, const char *text, size_t length)
{
    mbstate_t state = {0};
    int columns = 0, width = getmaxx(stdscr);
    move(row, 0);
    while (length > 0) {
        wchar_t character[2] = {0};
        size_t taken = mbrtowc(character, text, length, &state);
        int wide = taken == 0 || taken > length ? -1 : wcwidth(character[0]);
        if (wide < 0) {
            character[0] = L'?';
            wide = 1;
            taken = 1;
            memset(&state, 0, sizeof state);
        }
        if (columns + wide > width)
            return;
        addnwstr(character, 1);
        columns += wide;
        text += taken;
        length -= taken;
    }
}

static attr_t attributes_of(enum top_mark mark)
{
    static const attr_t attributes[] = {[TOP_MARK_PLAIN] = A_NORMAL,
                                        [TOP_MARK_STRONG] = A_BOLD,
                                        [TOP_MARK_HEADING] = A_UNDERLINE,
                                        [TOP_MARK_SELECTED] = A_REVERSE,
                                        [TOP_MARK_BAD] = A_BOLD};
    attr_t colour = !with_colours             ? 0
                    : mark == TOP_MARK_BAD    ? (attr_t)COLOR_PAIR(1)
                    : mark == TOP_MARK_STRONG ? (attr_t)COLOR_PAIR(2)
                                              : 0;
    return attributes[mark] | colour;
}

static void draw_frame(const struct top_frame *frame)
{
    const char *line = frame->text.data;
    erase();
    for (size_t row = 0; row < frame->marks.length && (int)row < getmaxy(stdscr); row++) {
        size_t length = strcspn(line, "\n");
        attrset(attributes_of((enum top_mark)frame->marks.data[row]));
        put_line((int)row, line, length);
        line += length + 1;
    }
    attrset(A_NORMAL);
    refresh();
}

static int read_key(void)
{
    int key = getch();
    if (key == ERR) {
        char none;
        return read(STDIN_FILENO, &none, 0) < 0 && errno != EAGAIN && errno != EINTR ? TERMINAL_GONE : TERMINAL_NO_KEY;
    }
    return key == KEY_UP       ? TERMINAL_UP
           : key == KEY_DOWN   ? TERMINAL_DOWN
           : key == KEY_RESIZE ? TERMINAL_RESIZED
           : key < 0x100       ? key
                               : TERMINAL_OTHER;
}

static void resize_screen(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
        resizeterm(size.ws_row, size.ws_col);
}

const struct terminal_screen terminal_ncurses = {
    .open = open_screen,
    .close = close_screen,
    .size = size_of_screen,
    .draw = draw_frame,
    .key = read_key,
    .resize = resize_screen,
};
