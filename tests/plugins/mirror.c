/* Says what it is told to, and tells all that it can see: `rule` holds every argument and field of the question. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/plugin.h>

struct mirror {
    const struct weir_host *host;
    const struct weir_instance *instance;
    const struct weir_json *settings;
    uint32_t body;
    uint32_t format;
};

struct text {
    char bytes[4000];
    size_t length;
};

static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    int written;
    va_start(arguments, format);
    written = vsnprintf(text->bytes + text->length, sizeof text->bytes - text->length, format, arguments);
    va_end(arguments);
    if (written > 0)
        text->length += (size_t)written;
    if (text->length >= sizeof text->bytes)
        text->length = sizeof text->bytes - 1;
}

static void put_text(struct text *output, const char *name, struct weir_text text)
{
    if (text.data)
        put(output, "%s=%.*s ", name, (int)text.length, text.data);
}

static void put_argument(struct text *output, const struct weir_host *host, struct weir_question *question,
                         uint32_t index)
{
    const enum weir_kind kind = host->argument_kind(question, index);
    put(output, "%s:%d", host->argument_name(question, index), (int)kind);
    if (kind == WEIR_KIND_TEXT)
        put(output, "%.*s", (int)host->argument_text(question, index).length,
            host->argument_text(question, index).data);
    put(output, ":%d:%ld:", host->argument_boolean(question, index), (long)host->argument_integer(question, index));
    put_text(output, "json", host->argument_json(question, index));
    put(output, "size=%u ", (unsigned)host->json_size(host->argument_tree(question, index)));
}

static void describe(const struct mirror *mirror, struct weir_question *question, struct text *output)
{
    static const char *const names[] = {"id", "room", "type", "sender", "state_key", "redacts", "membership"};
    const struct weir_host *host = mirror->host;
    uint32_t index;
    int field;
    put(output, "%s(%u) ", host->callback(question), (unsigned)host->argument_count(question));
    for (field = WEIR_EVENT_ID; field <= WEIR_EVENT_MEMBERSHIP + 1; field++)
        put_text(output, field < 7 ? names[field] : "beyond", host->event_text(question, (enum weir_event_field)field));
    put_text(output, "body", host->event_content(question, mirror->body));
    put_text(output, "format", host->event_content(question, mirror->format));
    put_text(output, "undeclared", host->event_content(question, 1000000));
    put_text(output, "tree", host->json_text(host->json_get(host->event_tree(question), "type")));
    if (host->event_json(question).data)
        put(output, "length=%u ", (unsigned)host->event_json(question).length);
    for (index = 0; index < host->argument_count(question); index++)
        put_argument(output, host, question, index);
    if (host->argument_find(question, "nothing of that name") != host->argument_count(question) ||
        host->argument_name(question, 99) || host->argument_kind(question, 99) != WEIR_KIND_ABSENT ||
        host->argument_text(question, 99).data || host->argument_tree(question, 99) ||
        host->argument_json(question, 99).data || host->argument_edit(question, 99, weir_text_from("{}")))
        put(output, "AN ARGUMENT PAST THE END ");
}

static struct weir_text setting(const struct mirror *mirror, const char *name)
{
    return mirror->host->json_text(mirror->host->json_get(mirror->settings, name));
}

static const struct weir_json *value_of(const struct mirror *mirror)
{
    return mirror->host->json_get(mirror->settings, "value");
}

static void say_boolean(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->boolean(answer, mirror->host->json_boolean(value_of(mirror)));
}
static void say_integer(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->integer(answer, mirror->host->json_integer(value_of(mirror)));
}
static void say_number(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->number(answer, mirror->host->json_number(value_of(mirror)));
}
static void say_text(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->text(answer, setting(mirror, "value"));
}
static void say_pass(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->boolean(answer, true);
    mirror->host->pass(answer);
}
static void say_refuse(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->refuse(answer, setting(mirror, "value"), setting(mirror, "fields"));
}
static void say_code(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->code(answer, setting(mirror, "value"), setting(mirror, "fields"));
}
static void say_none(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->none(answer);
}
static void say_not_spam(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->not_spam(answer);
}
static void say_behaviour(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->behaviour(answer, setting(mirror, "value"));
}
static void say_texts(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    struct weir_text texts[16];
    size_t count = 0;
    (void)question;
    for (; count < mirror->host->json_size(value_of(mirror)) && count < 16; count++)
        texts[count] = mirror->host->json_text(mirror->host->json_at(value_of(mirror), count));
    mirror->host->texts(answer, texts, count);
}
static void say_all_users(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->all_users(answer);
}
/* `value`: a list of [user, index]. */
static void say_route(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    const struct weir_host *host = mirror->host;
    size_t index;
    (void)question;
    for (index = 0; index < host->json_size(value_of(mirror)); index++) {
        const struct weir_json *route = host->json_at(value_of(mirror), index);
        host->route(answer, host->json_text(host->json_at(route, 0)),
                    (uint32_t)host->json_integer(host->json_at(route, 1)));
    }
}
static void say_authenticated(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->authenticated(answer, setting(mirror, "value"));
}
static void say_replace_event(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->replace_event(answer, setting(mirror, "value"));
}
static void say_tagged(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->tagged(answer, setting(mirror, "value"));
}
static void say_raise(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->raise(answer, setting(mirror, "value"));
}
static void say_raise_error(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    mirror->host->raise_error(answer, 418, weir_text_from("M_FORBIDDEN"), setting(mirror, "value"));
}
static void say_edit(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer)
{
    const uint32_t index = mirror->host->argument_find(question, "config");
    if (!mirror->host->argument_edit(question, index, setting(mirror, "value")))
        mirror->host->raise(answer, weir_text_from("could not be edited"));
}

static const struct {
    const char *name;
    void (*say)(const struct mirror *mirror, struct weir_question *question, struct weir_answer *answer);
} sayings[] = {
    {"boolean", say_boolean},
    {"integer", say_integer},
    {"number", say_number},
    {"text", say_text},
    {"pass", say_pass},
    {"refuse", say_refuse},
    {"code", say_code},
    {"none", say_none},
    {"not_spam", say_not_spam},
    {"behaviour", say_behaviour},
    {"texts", say_texts},
    {"all_users", say_all_users},
    {"route", say_route},
    {"authenticated", say_authenticated},
    {"replace_event", say_replace_event},
    {"tagged", say_tagged},
    {"raise", say_raise},
    {"raise_error", say_raise_error},
    {"edit", say_edit},
};

static void answer_callback(void *state, struct weir_question *question, struct weir_answer *answer)
{
    const struct mirror *mirror = (const struct mirror *)state;
    const struct weir_text wanted = setting(mirror, "say");
    struct text seen = {{0}, 0};
    struct weir_text rule;
    size_t index;
    describe(mirror, question, &seen);
    rule.data = seen.bytes;
    rule.length = seen.length;
    mirror->host->rule(answer, rule);
    mirror->host->reason(answer, weir_text_from("the mirror says so"));
    mirror->host->evidence(answer, mirror->host->event_content(question, mirror->body));
    for (index = 0; wanted.data && index < sizeof sayings / sizeof *sayings; index++)
        if (strcmp(sayings[index].name, wanted.data) == 0)
            sayings[index].say(mirror, question, answer);
}

/* A second function, so that a test sees which of two login types was asked. */
static void answer_second(void *state, struct weir_question *question, struct weir_answer *answer)
{
    (void)question;
    ((const struct mirror *)state)->host->authenticated(answer, weir_text_from("@second:test.example"));
}

static void check_settings(const struct weir_host *host, struct weir_instance *instance, const struct mirror *mirror)
{
    const struct weir_json *nothing = host->json_get(mirror->settings, "no such member");
    if (host->json_kind(nothing) != WEIR_KIND_ABSENT || host->json_size(nothing) || host->json_text(nothing).data ||
        host->json_at(nothing, 0) || host->json_key(nothing, 0).data || host->json_boolean(nothing) ||
        host->json_integer(nothing) || host->json_number(nothing) > 0)
        host->report(instance, "", "what is absent is something");
    if (host->json_kind(host->json_get(mirror->settings, "wrong")) != WEIR_KIND_ABSENT) {
        host->report(instance, "wrong", "must not be there");
        host->report(instance, "wrong.deep[1]", "neither must this");
    }
}

static void *create(const struct weir_host *host, struct weir_instance *instance)
{
    struct mirror *mirror = (struct mirror *)calloc(1, sizeof *mirror);
    if (!mirror)
        return NULL;
    mirror->host = host;
    mirror->instance = instance;
    mirror->settings = host->settings(instance);
    mirror->body = host->declare_content(instance, "body");
    mirror->format = host->declare_content(instance, "format");
    check_settings(host, instance, mirror);
    if (host->json_boolean(host->json_get(mirror->settings, "rows")))
        host->take_rows(instance);
    host->log(instance, WEIR_INFO, host->server_name(instance));
    if (host->json_boolean(host->json_get(mirror->settings, "silent"))) {
        free(mirror);
        return NULL;
    }
    return mirror;
}

static void destroy(void *state)
{
    const struct mirror *mirror = (const struct mirror *)state;
    mirror->host->log(mirror->instance, WEIR_DEBUG, weir_text_from("ends"));
    free(state);
}

static const char *const password_fields[] = {"password", NULL};
static const char *const token_fields[] = {"token", NULL};

static const struct weir_callback callbacks[] = {
    {"check_event_for_spam", answer_callback, NULL, NULL},
    {"check_event_allowed", answer_callback, NULL, NULL},
    {"user_may_join_room", answer_callback, NULL, NULL},
    {"check_registration_for_spam", answer_callback, NULL, NULL},
    {"on_create_room", answer_callback, NULL, NULL},
    {"get_users_for_states", answer_callback, NULL, NULL},
    {"get_interested_users", answer_callback, NULL, NULL},
    {"is_user_expired", answer_callback, NULL, NULL},
    {"is_user_allowed_to_upload_media_of_size", answer_callback, NULL, NULL},
    {"get_media_upload_limits_for_user", answer_callback, NULL, NULL},
    {"on_media_upload_limit_exceeded", answer_callback, NULL, NULL},
    {"auth_checkers", answer_callback, "m.login.password", password_fields},
    {"auth_checkers", answer_second, "com.example.token", token_fields},
};

WEIR_PLUGIN = {
    WEIR_PLUGIN_ABI_VERSION,
    sizeof(struct weir_plugin),
    sizeof(struct weir_callback),
    sizeof callbacks / sizeof *callbacks,
    callbacks,
    "mirror",
    "Says what it is told to.",
    create,
    destroy,
};
