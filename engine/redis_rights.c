/* One row for each right, with a command that needs it and nothing else. Redis takes a command into a transaction only
 * after it has looked at its number of arguments, at the rights of its user and at its own state; one that it refuses
 * spoils the transaction, and EXEC then does nothing at all (server.c, processCommand). The last command has too few
 * arguments, so that this is always so.
 *
 * Words of Redis's refusals differ between versions; "NOPERM" and the kinds of what is refused (a command, a key, a
 * channel) do not. */
#include "engine/redis_rights.h"

#include <stdio.h>

#define WORDS_MAXIMUM 8u

/* `%` in a word stands for the server's name. */
static const struct right {
    const char *right;
    const char *words[WORDS_MAXIMUM + 1];
    bool of_role;
} rights_needed[] = {
    {"+ping", {"PING"}, false},
    {"+select", {"SELECT", "0"}, false},
    {"+info", {"INFO", "server"}, false},
    {"+publish", {"PUBLISH", "%", "x"}, false},
    {"+publish", {"PUBLISH", "%/weir", "x"}, false},
    {"+publish", {"PUBLISH", "%/weir/replies/x", "x"}, false},
    {"+hgetall", {"HGETALL", "%/weir/positions"}, false},
    {"+hmget", {"HMGET", "%/weir/positions", "x"}, false},
    {"+hset", {"HSET", "%/weir/positions", "x", "0"}, false},
    {"+hdel", {"HDEL", "%/weir/positions", "x"}, false},
    {"+xadd", {"XADD", "%/weir/verdicts", "*", "x", "x"}, false},
    {"+xrevrange", {"XREVRANGE", "%/weir/verdicts", "+", "-", "COUNT", "1"}, false},
    {"+xack", {"XACK", "%/weir/requests", "weir", "0-1"}, false},
    {"+xdel", {"XDEL", "%/weir/requests", "0-1"}, false},
    {"+xgroup|create", {"XGROUP", "CREATE", "%/weir/requests", "weir", "$", "MKSTREAM"}, false},
    {"+xreadgroup", {"XREADGROUP", "GROUP", "weir", "x", "STREAMS", "%/weir/requests", ">"}, false},
    {"+xpending", {"XPENDING", "%/weir/requests", "weir"}, false},
    {"+xclaim", {"XCLAIM", "%/weir/requests", "weir", "x", "1000", "0-1"}, false},
    {"+xtrim", {"XTRIM", "%/weir/requests", "MAXLEN", "~", "1000"}, false},
    {"+set", {"SET", "%/weir/callbacks", "x"}, false},
    {"+eval", {"EVAL", "return 1", "0"}, true},
    {"+get", {"GET", "%/weir/lease/x"}, true},
    {"+setrange", {"SETRANGE", "%/weir/lease/x", "0", "x"}, true},
    {"+incr", {"INCR", "%/weir/fence/x"}, true},
    {"+del", {"DEL", "%/weir/lease/x"}, true},
    {"+pttl", {"PTTL", "%/weir/lease/x"}, true},
};

#define RIGHT_COUNT (sizeof rights_needed / sizeof *rights_needed)

enum refusal { REFUSAL_NONE, REFUSAL_COMMAND, REFUSAL_KEY, REFUSAL_CHANNEL, REFUSAL_OTHER };

/* What is missing, each once. */
struct missing {
    bool commands[RIGHT_COUNT];
    bool multi;
    bool exec;
    bool keys;
    bool channels;
};

static enum refusal refusal_of(struct slice text)
{
    if (!slice_starts_with(text, SLICE("NOPERM")))
        return REFUSAL_OTHER;
    if (memmem(text.data, text.length, "command", 7))
        return REFUSAL_COMMAND;
    if (memmem(text.data, text.length, "channel", 7))
        return REFUSAL_CHANNEL;
    return memmem(text.data, text.length, "key", 3) ? REFUSAL_KEY : REFUSAL_COMMAND;
}

/* Asks with `%` filled in. `text` gets the answer or the error; false if Redis was lost. */
static bool ask(struct redis_probe *probe, const char *const *words, const char *server_name, struct buffer *text,
                enum refusal *refusal)
{
    struct buffer filled[WORDS_MAXIMUM] = {0};
    const char *arguments[WORDS_MAXIMUM + 1] = {NULL};
    for (size_t index = 0; words[index]; index++) {
        bool named = words[index][0] == '%';
        buffer_append_string(&filled[index], named ? server_name : "");
        buffer_append_string(&filled[index], words[index] + named);
        arguments[index] = buffer_string(&filled[index]);
    }
    bool good = redis_probe_text(probe, arguments, text);
    *refusal = good ? REFUSAL_NONE : refusal_of(buffer_slice(text));
    for (size_t index = 0; index < WORDS_MAXIMUM; index++)
        buffer_free(&filled[index]);
    return *redis_probe_problem(probe) == '\0';
}

/* One command into the open transaction. */
static bool try_right(struct redis_probe *probe, const char *server_name, size_t index, struct missing *missing,
                      struct redis_rights *rights)
{
    struct buffer text = {0};
    enum refusal refusal;
    bool answered = ask(probe, rights_needed[index].words, server_name, &text, &refusal);
    missing->commands[index] = refusal == REFUSAL_COMMAND;
    missing->keys = missing->keys || refusal == REFUSAL_KEY;
    missing->channels = missing->channels || refusal == REFUSAL_CHANNEL;
    if (answered && refusal == REFUSAL_OTHER && rights->refused.length == 0)
        buffer_append_slice(&rights->refused, buffer_slice(&text));
    buffer_free(&text);
    return answered;
}

/* Without a transaction nothing further is tried: it would be done. */
static bool try_all(struct redis_probe *probe, const char *server_name, bool role, struct missing *missing,
                    struct redis_rights *rights)
{
    static const char *const begin[] = {"MULTI", NULL}, *const spoil[] = {"HSET", NULL}, *const end[] = {"EXEC", NULL};
    struct buffer text = {0};
    enum refusal refusal;
    bool answered = ask(probe, begin, server_name, &text, &refusal);
    if (answered && refusal != REFUSAL_NONE) {
        missing->multi = refusal == REFUSAL_COMMAND;
        if (refusal == REFUSAL_OTHER)
            buffer_append_slice(&rights->refused, buffer_slice(&text));
        buffer_free(&text);
        return true;
    }
    for (size_t index = 0; answered && index < RIGHT_COUNT; index++)
        if (role || !rights_needed[index].of_role)
            answered = try_right(probe, server_name, index, missing, rights);
    answered =
        answered && ask(probe, spoil, server_name, &text, &refusal) && ask(probe, end, server_name, &text, &refusal);
    missing->exec = answered && refusal == REFUSAL_COMMAND;
    buffer_free(&text);
    return answered;
}

static void append_keys(const char *server_name, struct buffer *output)
{
    buffer_append_format(output, " ~%s/weir/*", server_name);
}

static void append_channels(const char *server_name, struct buffer *output)
{
    buffer_append_format(output, " &%s &%s/weir &%s/weir/*", server_name, server_name, server_name);
}

static void append_right(const char *right, struct buffer *names, struct buffer *line)
{
    buffer_append_format(names, "%s%s", names->length ? ", " : "", right);
    buffer_append_format(line, " %s", right);
}

static void tell(const struct missing *missing, const char *username, const char *server_name, bool role,
                 struct redis_rights *rights)
{
    struct buffer *names = &rights->missing, *line = &rights->line;
    if (missing->multi) {
        buffer_append_string(names, "+multi (and whatever else: it cannot be tried without)");
        redis_rights_append_line(username, server_name, role, line);
        return;
    }
    buffer_append_format(line, "ACL SETUSER %s", username);
    const char *last = "";
    for (size_t index = 0; index < RIGHT_COUNT; index++) {
        if (missing->commands[index] && strcmp(last, rights_needed[index].right) != 0)
            append_right(last = rights_needed[index].right, names, line);
    }
    if (missing->exec)
        append_right("+exec", names, line);
    if (missing->keys) {
        buffer_append_format(names, "%skeys %s/weir/*", names->length ? ", " : "", server_name);
        append_keys(server_name, line);
    }
    if (missing->channels) {
        buffer_append_format(names, "%schannels of %s", names->length ? ", " : "", server_name);
        append_channels(server_name, line);
    }
}

bool redis_rights_check(struct redis_probe *probe, const struct redis_address *address, const char *server_name,
                        bool role, struct redis_rights *rights)
{
    struct missing missing = {0};
    *rights = (struct redis_rights){0};
    if (!try_all(probe, server_name, role, &missing, rights))
        return false;
    tell(&missing, address->username ? address->username : "default", server_name, role, rights);
    return true;
}

void redis_rights_free(struct redis_rights *rights)
{
    buffer_free(&rights->missing);
    buffer_free(&rights->line);
    buffer_free(&rights->refused);
}

void redis_rights_append_line(const char *username, const char *server_name, bool role, struct buffer *output)
{
    buffer_append_format(output, "ACL SETUSER %s", username);
    append_keys(server_name, output);
    append_channels(server_name, output);
    buffer_append_string(output, " +subscribe +multi +exec");
    const char *last = "";
    for (size_t index = 0; index < RIGHT_COUNT; index++)
        if ((role || !rights_needed[index].of_role) && strcmp(last, rights_needed[index].right) != 0)
            buffer_append_format(output, " %s", last = rights_needed[index].right);
}
