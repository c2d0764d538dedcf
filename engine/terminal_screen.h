/* A terminal that a program has for itself, and keys that are read from it. Only the program `weir` has one
 * (terminal_ncurses.c): what links the archive of the engine alone needs no library for it. */
#ifndef WEIR_ENGINE_TERMINAL_SCREEN_H
#define WEIR_ENGINE_TERMINAL_SCREEN_H

#include <stdbool.h>

#include "engine/top_frame.h"

enum terminal_key {
    TERMINAL_NO_KEY = -1,
    TERMINAL_UP = 0x100,
    TERMINAL_DOWN,
    TERMINAL_RESIZED,
    TERMINAL_OTHER,
    TERMINAL_GONE
};

struct terminal_screen {
    /* Takes the terminal of stdin and stdout; false if it is none, or of a kind that is not known. */
    bool (*open)(bool colours);
    /* As it was before. Harmless without open, and twice. */
    void (*close)(void);
    void (*size)(size_t *width, size_t *height);
    /* Shows the frame in place of what was shown. */
    void (*draw)(const struct top_frame *frame);
    /* The next key, without waiting: a character, or an enum terminal_key. */
    int (*key)(void);
    /* The terminal has another size now. */
    void (*resize)(void);
};

/* Set by main(); NULL in programs without one. */
extern const struct terminal_screen *terminal_screen;

#endif
