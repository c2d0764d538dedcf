/* Lines as they leave the process. */
#include "engine/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Runs `write_lines` with stderr on a pipe; what it wrote is in `output`. */
static size_t capture(void (*write_lines)(void), char *output, size_t size)
{
    int ends[2], saved = dup(STDERR_FILENO);
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    write_lines();
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t length = read(ends[0], output, size - 1);
    close(ends[0]);
    output[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

static void write_fields(void)
{
    log_open(LOG_INFO);
    log_debug("not written");
    log_info("a sentence", LOG_STRING("address", "127.0.0.1:6379/0"), LOG_INTEGER("attempt", -3),
             LOG_NUMBER("seconds", 0.5), LOG_TEXT("absent", SLICE_ABSENT),
             LOG_TEXT("wild", slice_of("\033[2J\n\xff\"", 7)));
}

Test(log, a_line_is_one_json_object)
{
    char output[2000];
    size_t length = capture(write_fields, output, sizeof output);
    cr_assert_eq(output[length - 1], '\n');
    cr_assert_eq(strchr(output, '\n'), output + length - 1);
    json_t *line = json_loads(output, 0, NULL);
    cr_assert_not_null(line, "%s", output);
    const char *time = json_string_value(json_object_get(line, "time"));
    int year, month, day, hour, minute, second, millisecond;
    cr_assert_eq(
        sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &year, &month, &day, &hour, &minute, &second, &millisecond), 7,
        "%s", time);
    cr_assert_eq(strlen(time), strlen("2026-11-23T20:30:27.123Z"));
    cr_assert_str_eq(json_string_value(json_object_get(line, "level")), "info");
    cr_assert_str_eq(json_string_value(json_object_get(line, "message")), "a sentence");
    cr_assert_str_eq(json_string_value(json_object_get(line, "address")), "127.0.0.1:6379/0");
    cr_assert_eq(json_integer_value(json_object_get(line, "attempt")), -3);
    cr_assert_float_eq(json_real_value(json_object_get(line, "seconds")), 0.5, 1e-9);
    cr_assert(json_is_null(json_object_get(line, "absent")));
    cr_assert_str_eq(json_string_value(json_object_get(line, "wild")), "\033[2J\n\xef\xbf\xbd\"");
    json_decref(line);
}

static void write_long(void)
{
    char *text = malloc(1 << 20);
    memset(text, 'x', 1 << 20);
    log_open(LOG_INFO);
    log_error("long", LOG_TEXT("text", slice_of(text, 1 << 20)));
    free(text);
}

Test(log, a_long_text_is_cut)
{
    char output[8000];
    size_t length = capture(write_long, output, sizeof output);
    cr_assert_gt(length, 2000);
    cr_assert_lt(length, 2300);
}

/* A terminal of our own stands in for the administrator's. */
static void terminal_line(const char *no_colour, char *output, size_t size)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY), saved = dup(STDERR_FILENO);
    cr_assert_eq(grantpt(terminal), 0);
    cr_assert_eq(unlockpt(terminal), 0);
    int peer = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    dup2(peer, STDERR_FILENO);
    setenv("NO_COLOR", no_colour, 1);
    setenv("TERM", "xterm", 1);
    log_open(LOG_INFO);
    log_warning("take care", LOG_STRING("who", "a b"), LOG_TEXT("wild", slice_of("\033[2J", 4)));
    dup2(saved, STDERR_FILENO);
    close(saved);
    /* A line may come in pieces. */
    size_t length = 0;
    ssize_t piece = 1;
    while (piece > 0 && length + 1 < size && !memchr(output, '\n', length)) {
        piece = read(terminal, output + length, size - 1 - length);
        length += piece > 0 ? (size_t)piece : 0;
    }
    output[length] = '\0';
    close(peer);
    close(terminal);
}

Test(log, a_terminal_gets_text)
{
    char output[500];
    terminal_line("1", output, sizeof output);
    cr_assert_str_eq(output + strlen("20:30:27.123Z"), " warning take care who=\"a b\" wild=\\x1b[2J\r\n");
    terminal_line("", output, sizeof output);
    cr_assert_not_null(strstr(output, "\033[33mwarning\033[0m take care \033[36mwho\033[0m=\"a b\""));
}

Test(log, a_gate_counts_what_it_holds_back)
{
    struct log_gate gate = {0};
    uint64_t suppressed = 7;
    cr_assert(log_gate_pass(&gate, &suppressed));
    cr_assert_eq(suppressed, 0);
    for (int turn = 0; turn < 5; turn++)
        cr_assert_not(log_gate_pass(&gate, &suppressed));
    gate.opens_at_ms = 0;
    cr_assert(log_gate_pass(&gate, &suppressed));
    cr_assert_eq(suppressed, 5);
}
