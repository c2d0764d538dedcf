/* `weir top`: a running engine, looked at again and again.
 *
 * One loop has the engine's answers, the keys, the clock and the signals, so that a key is answered while the engine
 * is not. Whatever ends the loop, the terminal is given back as it was. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/admin_command.h"
#include "engine/admin_json.h"
#include "engine/admin_tables.h"
#include "engine/tail_format.h"
#include "engine/terminal_screen.h"
#include "filters/duration.h"

#define INTERVAL_MINIMUM_MS 100
#define INTERVAL_MAXIMUM_MS 3600000
#define TIMEOUT_MS 5000

const struct terminal_screen *terminal_screen;

struct top_options {
    struct admin_options admin;
    const char *interval;
    bool once;
};

enum question { QUESTION_NONE, QUESTION_DRY_RUN };

struct top {
    struct admin_command command;
    struct event *timer;
    struct event *keys;
    struct event *signals[5];
    yyjson_doc *current, *previous;
    struct top_view view;
    struct top_frame frame;
    struct buffer trouble, message;
    bool asking;            /* a status is under way */
    enum question question; /* that waits for y or n */
    struct buffer label;    /* of the module that the question is about */
    size_t place;
    bool dry_run;
};

static struct top_samples samples_of(const struct top *top)
{
    return top_samples_of(yyjson_doc_get_root(top->current), top->previous ? yyjson_doc_get_root(top->previous) : NULL);
}

static void show(struct top *top)
{
    struct top_samples samples = samples_of(top);
    size_t width, height;
    terminal_screen->size(&width, &height);
    top->view.trouble = top->trouble.length ? buffer_string(&top->trouble) : NULL;
    top->view.message = top->message.length ? buffer_string(&top->message) : NULL;
    top_frame_fill(&top->frame, &samples, &top->view, height);
    terminal_screen->draw(&top->frame);
}

static void take(struct top *top, yyjson_doc *document)
{
    yyjson_doc_free(top->previous);
    top->previous = top->current;
    top->current = document;
}

static yyjson_doc *read_status(struct slice body)
{
    yyjson_doc *document = yyjson_read(body.data, body.length, YYJSON_READ_NUMBER_AS_RAW);
    if (document && !yyjson_is_bool(yyjson_obj_get(yyjson_doc_get_root(document), "ready"))) {
        yyjson_doc_free(document);
        document = NULL;
    }
    return document;
}

/* What an answer without a success says. */
static void append_refusal(struct buffer *output, const struct admin_answer *answer)
{
    yyjson_doc *document =
        answer->status ? yyjson_read(answer->body.data, answer->body.length, YYJSON_READ_NOFLAG) : NULL;
    struct slice sentence = admin_json_text(yyjson_doc_get_root(document), "/error");
    if (answer->problem)
        buffer_append_string(output, answer->problem);
    else if (slice_present(sentence))
        tail_append_visible(output, sentence);
    else
        buffer_append_format(output, "the engine answered with the status %d", answer->status);
    yyjson_doc_free(document);
}

static void on_status(void *context, const struct admin_answer *answer)
{
    struct top *top = context;
    yyjson_doc *document = answer->status == 200 ? read_status(answer->body) : NULL;
    top->asking = false;
    buffer_clear(&top->trouble);
    if (document)
        take(top, document);
    else
        append_refusal(&top->trouble, answer);
    show(top);
}

static void ask_status(struct top *top)
{
    struct admin_question question = {.target = "/v1/status", .timeout_ms = TIMEOUT_MS};
    if (top->asking)
        return;
    top->asking = true;
    admin_client_ask(top->command.client, &question, on_status, top);
}

static void on_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct top *top = context;
    if (!top->view.paused)
        ask_status(top);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    struct top *top = context;
    if (number != SIGWINCH) {
        event_base_loopbreak(top->command.base);
        return;
    }
    terminal_screen->resize();
    show(top);
}

/* ---- the dry run of the chosen module */

static yyjson_val *chosen(const struct top *top)
{
    return yyjson_arr_get(yyjson_ptr_get(yyjson_doc_get_root(top->current), "/chain/modules"), top->view.selected);
}

static void say(struct top *top, const char *sentence)
{
    buffer_clear(&top->message);
    buffer_append_string(&top->message, sentence);
}

static void ask_dry_run(struct top *top)
{
    yyjson_val *module = chosen(top);
    struct slice label = admin_json_text(module, "/label");
    if (!slice_present(label)) {
        say(top, "there is no module to choose");
        return;
    }
    top->question = QUESTION_DRY_RUN;
    top->place = top->view.selected;
    top->dry_run = !admin_json_is_true(module, "/dry_run");
    buffer_clear(&top->label);
    buffer_append_slice(&top->label, label);
    say(top, top->dry_run ? "put " : "have ");
    tail_append_visible(&top->message, label);
    buffer_append_string(&top->message,
                         top->dry_run ? " into dry run, so that it refuses nothing? y/n" : " decide again? y/n");
}

static void on_switched(void *context, const struct admin_answer *answer)
{
    struct top *top = context;
    buffer_clear(&top->message);
    tail_append_visible(&top->message, buffer_slice(&top->label));
    if (answer->status == 200) {
        buffer_append_string(&top->message, top->dry_run ? " is in dry run until the next reload or restart"
                                                         : " decides again, until the next reload or restart");
    } else {
        buffer_append_string(&top->message, " was not switched: ");
        append_refusal(&top->message, answer);
    }
    ask_status(top);
    show(top);
}

static void answer_question(struct top *top, int key)
{
    struct buffer body = {0};
    top->question = QUESTION_NONE;
    if (key != 'y' && key != 'Y') {
        say(top, "nothing was changed");
        return;
    }
    buffer_append_format(&body, "{\"module\":%zu,\"label\":", top->place);
    buffer_append_json_string(&body, buffer_slice(&top->label));
    buffer_append_format(&body, ",\"dry_run\":%s}", top->dry_run ? "true" : "false");
    struct admin_question question = {.target = "/v1/dry-run", .body = buffer_string(&body), .timeout_ms = TIMEOUT_MS};
    admin_client_ask(top->command.client, &question, on_switched, top);
    say(top, "…");
    buffer_free(&body);
}

/* ---- keys */

/* To the module that stands above or below in the order that is shown. */
static void choose(struct top *top, int step)
{
    struct top_samples samples = samples_of(top);
    size_t count, at = 0;
    struct top_module *modules = top_modules(&samples, top->view.sort, &count);
    while (at < count && modules[at].place != top->view.selected)
        at++;
    if (at == count)
        top->view.selected = count ? modules[0].place : 0;
    else if (step < 0 ? at > 0 : at + 1 < count)
        top->view.selected = modules[step < 0 ? at - 1 : at + 1].place;
    free(modules);
}

static void press(struct top *top, int key)
{
    buffer_clear(&top->message);
    if (top->question && key != TERMINAL_RESIZED) {
        answer_question(top, key);
        return;
    }
    switch (key) {
    case 'q':
    case 'Q':
    case TERMINAL_GONE:
        event_base_loopbreak(top->command.base);
        break;
    case 'h':
    case '?':
        top->view.help = !top->view.help;
        break;
    case 's':
        top->view.sort = (top->view.sort + 1) % TOP_SORTS;
        break;
    case 'p':
    case ' ':
        top->view.paused = !top->view.paused;
        break;
    case 'k':
    case TERMINAL_UP:
        choose(top, -1);
        break;
    case 'j':
    case TERMINAL_DOWN:
        choose(top, 1);
        break;
    case 'd':
        ask_dry_run(top);
        break;
    default:
        top->view.help = false;
        break;
    }
}

static void on_keys(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct top *top = context;
    for (int key = terminal_screen->key(); key != TERMINAL_NO_KEY; key = terminal_screen->key()) {
        press(top, key);
        if (key == TERMINAL_GONE)
            return;
    }
    show(top);
}

/* ---- the ways in which it is shown */

/* The next status, waited for; EXIT_CODE_OK, or what `weir` ends with, told. */
static int wait_status(struct top *top)
{
    struct admin_question question = {.target = "/v1/status", .timeout_ms = TIMEOUT_MS};
    int code = admin_command_ask(&top->command, &question, 200);
    if (code != EXIT_CODE_OK)
        return code;
    yyjson_doc *document = read_status(buffer_slice(&top->command.text));
    if (!document) {
        fputs("weir top: the engine's answer is no status\n", stderr);
        return EXIT_CODE_FAILED;
    }
    take(top, document);
    return EXIT_CODE_OK;
}

static int print_forever(struct top *top, const struct top_options *options, int64_t interval_ms)
{
    struct buffer text = {0};
    int code = EXIT_CODE_OK;
    bool read = true;
    while (code == EXIT_CODE_OK && read) {
        struct timespec pause = {interval_ms / 1000, interval_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
        code = wait_status(top);
        if (code != EXIT_CODE_OK)
            break;
        struct top_samples samples = samples_of(top);
        buffer_clear(&text);
        if (options->admin.json) {
            top_figures_append_json(&samples, &text);
        } else {
            top_frame_fill(&top->frame, &samples, &top->view, 0);
            buffer_append_slice(&text, buffer_slice(&top->frame.text));
        }
        read = admin_command_print(buffer_slice(&text)) && !options->once;
    }
    buffer_free(&text);
    return code;
}

static int look(struct top *top, int64_t interval_ms)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    struct timeval interval = {interval_ms / 1000, interval_ms % 1000 * 1000};
    struct event_base *base = top->command.base;
    /* Before the terminal is taken: then no signal finds it taken and nobody there to give it back. */
    for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
        top->signals[index] = evsignal_new(base, numbers[index], on_signal, top);
        event_add(top->signals[index], NULL);
    }
    if (!terminal_screen->open(admin_command_colours())) {
        const char *kind = getenv("TERM");
        fprintf(stderr, "weir top: this terminal (TERM=%s) is not known; `weir top --once` needs none\n",
                kind ? kind : "");
        return EXIT_CODE_FAILED;
    }
    top->timer = event_new(base, -1, EV_PERSIST, on_timer, top);
    top->keys = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_keys, top);
    event_add(top->timer, &interval);
    event_add(top->keys, NULL);
    show(top);
    event_base_dispatch(base);
    terminal_screen->close();
    event_free(top->timer);
    event_free(top->keys);
    return EXIT_CODE_OK;
}

static void end(struct top *top)
{
    for (size_t index = 0; index < sizeof top->signals / sizeof *top->signals; index++)
        if (top->signals[index])
            event_free(top->signals[index]);
    yyjson_doc_free(top->current);
    yyjson_doc_free(top->previous);
    top_frame_free(&top->frame);
    buffer_free(&top->trouble);
    buffer_free(&top->message);
    buffer_free(&top->label);
    admin_command_close(&top->command);
}

static int complain(const char *sentence)
{
    fprintf(stderr, "weir top: %s\n", sentence);
    return EXIT_CODE_USAGE;
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct top_options *options = filled;
    int64_t interval_ms = 0;
    struct top top = {.view = {.sort = TOP_SORT_PLACE}};
    bool printed = options->once || options->admin.json;
    const char *interval = options->interval ? options->interval : "2s";
    if (!duration_read(interval, &interval_ms) || interval_ms < INTERVAL_MINIMUM_MS ||
        interval_ms > INTERVAL_MAXIMUM_MS)
        return complain("--interval must be a duration from 100ms to 1h");
    if (!printed && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        return complain("this is no terminal: --once prints one screen, --json a line for each interval");
    if (!printed && !terminal_screen)
        return complain("this program was built without a terminal: use --once");
    int code = admin_command_open(&top.command, "top", &options->admin);
    if (code == EXIT_CODE_OK)
        code = wait_status(&top);
    if (code == EXIT_CODE_OK && printed) {
        code = print_forever(&top, options, interval_ms);
    } else if (code == EXIT_CODE_OK) {
        top.view.every = interval;
        code = look(&top, interval_ms);
    }
    end(&top);
    return code;
}

static const struct option_definition definitions[] = {
    ADMIN_OPTIONS("Print a line of JSON for each interval, with the rates; no terminal is needed."),
    {.name = "interval",
     .letter = 'i',
     .type = OPTION_TEXT,
     .offset = offsetof(struct top_options, interval),
     .argument = "DURATION",
     .text = "How long after a look the next one is taken, 100ms to 1h. Default: 2s."},
    {.name = "once",
     .letter = '1',
     .type = OPTION_FLAG,
     .offset = offsetof(struct top_options, once),
     .text = "Print one screen, or with --json one line, after one interval, and end. No terminal is needed."},
    {.name = NULL},
};

const struct subcommand subcommand_top = {
    .name = "top",
    .summary = "watch a running engine: rates of events, modules, writers and requests",
    .synopsis = "weir top [-c FILE | --socket FILE] [--interval DURATION] [--once] [--json]",
    .description =
        "Looks at the engine again and again, and shows how many events, verdicts and requests there are in a second, "
        "which modules refuse how much and take how much time, how far behind the writers are, and the memory.\n\n"
        "Keys: q quits; h shows what all keys do; s sorts the modules by the next column; up and down choose a module; "
        "d puts the chosen one into dry run, or has it decide again, after a question and until the next reload; p "
        "pauses.\n\n"
        "While the engine does not answer the last figures stay, with the reason above them. No colours are used if "
        "NO_COLOR is set. With --json each interval gives a line with the rates as an object; what is not known is "
        "null.",
    .exit_status = ADMIN_EXIT_STATUS,
    .examples = " weir top\n"
                " weir top -c weir.yaml --interval 500ms\n"
                " weir top --once --json",
    .options = definitions,
    .options_size = sizeof(struct top_options),
    .run = run,
};
