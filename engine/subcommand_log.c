/* `weir log`: what was decided, from the durable stream, newest first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/admin_command.h"
#include "engine/clock.h"
#include "engine/log_query.h"

/* The engine takes two seconds for a page at most, and has other things to do. */
#define TIMEOUT_MS 30000
#define LIMIT_DEFAULT 100u
#define LIMIT_MAXIMUM UINT64_C(1000000000)

struct log_options {
    struct admin_options admin;
    const char *room;
    const char *sender;
    const char *module;
    const char *event_id;
    const char *callback;
    const char *code;
    const char *text;
    const char *since;
    const char *until;
    const char *dry_run;
    const char *limit;
};

static int complain(const char *option, const char *words)
{
    fprintf(stderr, "weir log: --%s %s\n", option, words);
    return EXIT_CODE_USAGE;
}

/* Milliseconds in place of what was written. */
static bool take_moment(const char *option, const char **text, char *number, size_t size)
{
    int64_t moment;
    if (!*text)
        return true;
    if (!log_query_moment(*text, clock_wall_ms(), &moment)) {
        complain(option, "must be a time back from now such as 90m or 2d, or a moment such as 2026-11-28 or "
                         "\"2026-11-28 15:04\"");
        return false;
    }
    snprintf(number, size, "%" PRId64, moment);
    *text = number;
    return true;
}

static bool take_limit(const char *text, uint64_t *limit)
{
    char *end;
    *limit = LIMIT_DEFAULT;
    if (!text)
        return true;
    *limit = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && *limit >= 1 && *limit <= LIMIT_MAXIMUM)
        return true;
    complain("limit", "must be a whole number from 1 to 1000000000");
    return false;
}

/* `yes` and `no` as the engine calls them. */
static bool take_dry_run(const char **text)
{
    if (!*text)
        return true;
    bool yes = strcmp(*text, "yes") == 0;
    if (!yes && strcmp(*text, "no") != 0) {
        complain("dry-run", "must be `yes` or `no`");
        return false;
    }
    *text = yes ? "true" : "false";
    return true;
}

struct showing {
    struct admin_command command;
    const struct log_parameter *parameters;
    struct tail_format format;
    struct buffer output;
    uint64_t left;
    uint64_t shown;
    uint64_t odd; /* rows that are none */
};

static void show_rows(struct showing *showing, yyjson_val *rows)
{
    size_t index, count;
    yyjson_val *row;
    yyjson_arr_foreach(rows, index, count, row)
    {
        if (showing->left == 0)
            return;
        if (!log_query_append_row(&showing->format, row, &showing->output)) {
            showing->odd++;
            continue;
        }
        showing->left--;
        showing->shown++;
    }
}

/* The place to go on from, which the caller frees; NULL at the end. */
static char *next_of(yyjson_val *root)
{
    const char *next = yyjson_get_str(yyjson_obj_get(root, "next"));
    return next ? strdup(next) : NULL;
}

/* Page after page, each printed before the next is asked for, so that there is something to read at once. */
static int show(struct showing *showing)
{
    struct buffer target = {0};
    char *next = NULL;
    int code = EXIT_CODE_OK;
    do {
        buffer_clear(&target);
        buffer_clear(&showing->output);
        log_query_append(showing->parameters, showing->left, next, &target);
        free(next);
        next = NULL;
        struct admin_question question = {.target = buffer_string(&target), .timeout_ms = TIMEOUT_MS};
        code = admin_command_ask(&showing->command, &question, 200);
        if (code != EXIT_CODE_OK)
            break;
        yyjson_val *root = yyjson_doc_get_root(showing->command.document);
        show_rows(showing, yyjson_obj_get(root, "rows"));
        next = next_of(root);
        if (!admin_command_print(buffer_slice(&showing->output)))
            break; /* whoever reads has seen enough */
    } while (next && showing->left);
    free(next);
    buffer_free(&target);
    return code;
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    struct log_options options = *(const struct log_options *)filled;
    struct showing showing = {.left = 0};
    char since[24], until[24];
    if (!take_moment("since", &options.since, since, sizeof since) ||
        !take_moment("until", &options.until, until, sizeof until) || !take_limit(options.limit, &showing.left) ||
        !take_dry_run(&options.dry_run))
        return EXIT_CODE_USAGE;
    const struct log_parameter parameters[] = {
        {"room", options.room},
        {"sender", options.sender},
        {"module", options.module},
        {"event_id", options.event_id},
        {"callback", options.callback},
        {"code", options.code},
        {"text", options.text},
        {"since", options.since},
        {"until", options.until},
        {"dry_run", options.dry_run},
        {NULL, NULL},
    };
    showing.parameters = parameters;
    showing.format = (struct tail_format){.json = options.admin.json,
                                          .escape = isatty(STDOUT_FILENO),
                                          .colour = !options.admin.json && admin_command_colours()};
    int code = admin_command_open(&showing.command, "log", &options.admin);
    if (code == EXIT_CODE_OK)
        code = show(&showing);
    if (code == EXIT_CODE_OK && showing.shown == 0 && isatty(STDERR_FILENO))
        fputs("weir log: nothing like that is in the durable stream\n", stderr);
    if (showing.odd)
        fprintf(stderr, "weir log: %" PRIu64 " rows cannot be shown: they are not what weir writes\n", showing.odd);
    admin_command_close(&showing.command);
    buffer_free(&showing.output);
    return code;
}

#define TEXT_OPTION(name_, letter_, member, argument_, text_)                                                          \
    {                                                                                                                  \
        .name = name_, .letter = letter_, .type = OPTION_TEXT, .offset = offsetof(struct log_options, member),         \
        .argument = argument_, .text = text_                                                                           \
    }

static const struct option_definition definitions[] = {
    ADMIN_OPTIONS("Print a JSON object a line: id, at, token and the row (docs/admin-api.md)."),
    TEXT_OPTION("room", 'r', room, "ID", "Of this room. `*` stands for anything."),
    TEXT_OPTION("sender", 'u', sender, "ID", "Of this user. `*` stands for anything: '*:bad.example'."),
    TEXT_OPTION("module", 'm', module, "MODULE", "Decided by this module, as its rows call it."),
    TEXT_OPTION("event", 'e', event_id, "ID", "About this event."),
    TEXT_OPTION("callback", 'b', callback, "CALLBACK", "An answer to this callback."),
    TEXT_OPTION("code", 0, code, "NAME", "With this result, such as M_FORBIDDEN or NOT_SPAM."),
    TEXT_OPTION("text", 't', text, "TEXT", "With this text in the rule or the reason."),
    TEXT_OPTION("since", 0, since, "DURATION|TIME",
                "Not before: back from now (90m, 2d), or a moment of this machine's clock (2026-11-28, \"2026-11-28 "
                "15:04\")."),
    TEXT_OPTION("until", 0, until, "DURATION|TIME", "Not after, likewise."),
    TEXT_OPTION("dry-run", 'd', dry_run, "yes|no", "Only verdicts of modules in dry run, or only those that count."),
    TEXT_OPTION("limit", 'n', limit, "N", "So many at most. Default: 100."),
    {.name = NULL},
};

const struct subcommand subcommand_log = {
    .name = "log",
    .summary = "search what was decided: the durable verdicts, newest first",
    .synopsis = "weir log [-c FILE | --socket FILE] [--room ID] [--sender ID] [--module MODULE] [--event ID] "
                "[--callback CALLBACK] [--code NAME] [--text TEXT] [--since DURATION|TIME] [--until DURATION|TIME] "
                "[--dry-run yes|no] [--limit N] [--json]",
    .description =
        "Asks a running engine for the verdicts that Redis keeps (`publish.keep`), and prints a line for each: when, "
        "then what `weir tail` shows: token, result, module, rule, sender, room, event, reason. What is asked for must "
        "all be so. In colour on a terminal, unless NO_COLOR is set.\n\n"
        "The newest come first, and page after page is asked for until there are enough. With --json each line is an "
        "object with id, at (milliseconds since 1970), token and the row.",
    .exit_status = "0 also when nothing is found. " ADMIN_EXIT_STATUS,
    .examples = " weir log --since 1h\n"
                " weir log --sender '@alice:example.org' --limit 20\n"
                " weir log --room '!abc:example.org' --module keywords --dry-run yes\n"
                " weir log --since 7d --limit 100000 --json | jq -r .row.rule | sort | uniq -c",
    .options = definitions,
    .options_size = sizeof(struct log_options),
    .run = run,
};
