/* INFO rather than ROLE, since its answer is one text: a subscribing link reads no nested arrays. */
#include "engine/redis_greeting.h"

#include <stdio.h>

#include "engine/redis_link.h"

enum { GREETING_AUTH, GREETING_INFO, GREETING_SELECT, GREETING_PING };

static const char *const names[] = {"AUTH", "INFO", "SELECT", "PING"};

static void send_command(struct redis_greeting *greeting, int command, const struct slice *arguments, size_t count,
                         struct buffer *output)
{
    greeting->commands[greeting->sent++] = command;
    redis_append_command(output, arguments, count);
}
#define SEND(command, ...)                                                                                             \
    send_command(greeting, (command), (const struct slice[]){__VA_ARGS__},                                             \
                 sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice), output)

void redis_greeting_begin(struct redis_greeting *greeting, const struct redis_address *address, struct buffer *output)
{
    struct slice password = slice_from_string(address->password);
    if (password.length > 0 && address->username)
        SEND(GREETING_AUTH, SLICE("AUTH"), slice_from_string(address->username), password);
    else if (password.length > 0)
        SEND(GREETING_AUTH, SLICE("AUTH"), password);
    if (address->sentinels.master_name)
        SEND(GREETING_INFO, SLICE("INFO"), SLICE("replication"));
    if (address->database != 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", address->database);
        SEND(GREETING_SELECT, SLICE("SELECT"), slice_from_string(number));
    }
    SEND(GREETING_PING, SLICE("PING"));
}

/* Redis quotes the arguments of commands that it does not know, and AUTH may have been renamed there. */
static bool quotes_password(const struct redis_address *address, struct slice text)
{
    const char *password = address->password;
    return password && *password && memmem(text.data, text.length, password, strlen(password)) != NULL;
}

enum redis_greeting_result redis_greeting_answer(struct redis_greeting *greeting, const struct redis_address *address,
                                                 bool is_error, struct slice text, struct buffer *reason)
{
    if (greeting->answered == greeting->sent) {
        buffer_clear(reason);
        buffer_append_string(reason, "Redis answered more than it was asked");
        return REDIS_GREETING_REFUSED;
    }
    int command = greeting->commands[greeting->answered++];
    /* A Redis that cannot save still reads and publishes; to a PING it says so. */
    if (is_error && command == GREETING_PING && slice_starts_with(text, SLICE("MISCONF ")))
        is_error = false;
    if (is_error) {
        buffer_clear(reason);
        buffer_append_format(reason, "Redis refused %s", names[command]);
        if (!quotes_password(address, text)) {
            buffer_append_string(reason, ": ");
            buffer_append_slice(reason, text);
        }
        return REDIS_GREETING_REFUSED;
    }
    if (command == GREETING_INFO && !memmem(text.data, text.length, "role:master", 11)) {
        buffer_clear(reason);
        buffer_append_string(reason, "the server that the sentinels name is no master: a fail-over is under way");
        return REDIS_GREETING_REFUSED;
    }
    return greeting->answered == greeting->sent ? REDIS_GREETING_DONE : REDIS_GREETING_GOES_ON;
}
