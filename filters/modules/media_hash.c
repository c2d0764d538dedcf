/* Files that are known to be bad: by the SHA-256 of what is in them, when they are uploaded or fetched, and by their
 * mxc URI, wherever an event names it.
 *
 * Digests are kept as bytes, half of what they take as text: a million is 50 MiB. Of an event every string is looked
 * at, since clients show media from wherever they find it: messages, galleries, avatars, stickers, images within HTML.
 * Nearly all events have no `mxc:` in them, which one look at the body says. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "base/text_find.h"
#include "filters/event_content.h"
#include "filters/html.h"
#include "filters/module.h"
#include "filters/name_list.h"

#define DIGEST_BYTES 32u
#define MXC SLICE("mxc://")

enum action { ACTION_DENY, ACTION_QUARANTINE_NOTE };
static const char *const action_names[] = {"deny", "quarantine_note", NULL};

struct configuration {
    struct text_list sha256;
    struct text_files sha256_files;
    struct text_list mxc;
    struct text_files mxc_files;
    int action;
    char *code;
};

struct state {
    struct slice code;
    struct slice server_name;
    bool notes;
    struct string_table *digests;
    struct name_list uris;
};

static const struct parameter parameters[] = {
    {.name = "sha256",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, sha256),
     .fallback = "[]",
     .text = "SHA-256 digests of files, 64 hexadecimal digits each."},
    {.name = "sha256_files",
     .type = PARAMETER_LINES_FILES,
     .offset = offsetof(struct configuration, sha256_files),
     .fallback = "[]",
     .text = "Files with more of them, one a line; what stands behind a blank is left aside, as in what `sha256sum` "
             "writes; `#` begins a comment."},
    {.name = "mxc",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, mxc),
     .fallback = "[]",
     .text = "URIs of media, mxc://server/id, or globs over the whole URI: mxc://bad.example/*."},
    {.name = "mxc_files",
     .type = PARAMETER_LINES_FILES,
     .offset = offsetof(struct configuration, mxc_files),
     .fallback = "[]",
     .text = "Files with more of them, one a line."},
    {.name = "action",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, action),
     .fallback = "deny",
     .choices = action_names,
     .text = "quarantine_note: denied likewise, and the verdict's reason says which media to quarantine, for whoever "
             "acts on verdicts."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

/* ---- the configuration */

static void destroy(void *pointer)
{
    struct state *state = pointer;
    string_table_destroy(state->digests);
    name_list_free(&state->uris);
    free(state);
}

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Reads the hexadecimal digits of `text`, which has no others, into `digest`. */
static bool read_digest(struct slice text, char digest[DIGEST_BYTES])
{
    if (text.length != 2 * (size_t)DIGEST_BYTES)
        return false;
    for (size_t index = 0; index < DIGEST_BYTES; index++) {
        int high = digit_of(text.data[2 * index]), low = digit_of(text.data[2 * index + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[index] = (char)(high << 4 | low);
    }
    return true;
}

static bool add_digests(struct state *state, const struct module_host *host, const char *parameter,
                        const struct text_list *list)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        char digest[DIGEST_BYTES];
        if (read_digest(slice_of(list->items[item], strcspn(list->items[item], " \t")), digest)) {
            string_table_add(state->digests, slice_of(digest, sizeof digest), 0);
            continue;
        }
        text_list_report(host, parameter, list, item, "is no SHA-256 digest of 64 hexadecimal digits");
        good = false;
    }
    return good;
}

static bool add_uris(struct state *state, const struct module_host *host, const char *parameter,
                     const struct text_list *list)
{
    bool good = name_list_add(&state->uris, host, parameter, list);
    for (size_t item = 0; item < list->count; item++) {
        struct slice uri = slice_from_string(list->items[item]);
        if (uri.length == 0 || slice_starts_with(uri, MXC) || strchr("*?", *uri.data))
            continue;
        text_list_report(host, parameter, list, item, "must begin with mxc://");
        good = false;
    }
    return good;
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    const struct module_host *host = setup->host;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->server_name = slice_from_string(setup->server_name);
    state->notes = configuration->action == ACTION_QUARANTINE_NOTE;
    state->digests = string_table_create();
    name_list_open(&state->uris, (struct name_list_options){0});
    bool good = add_digests(state, host, "sha256", &configuration->sha256);
    for (size_t file = 0; file < configuration->sha256_files.count; file++)
        good = add_digests(state, host, "sha256_files", &configuration->sha256_files.lists[file]) && good;
    good = add_uris(state, host, "mxc", &configuration->mxc) && good;
    for (size_t file = 0; file < configuration->mxc_files.count; file++)
        good = add_uris(state, host, "mxc_files", &configuration->mxc_files.lists[file]) && good;
    good = name_list_compile(&state->uris, host) && good;
    if (!good) {
        destroy(state);
        return NULL;
    }
    string_table_trim(state->digests);
    text_files_free(&configuration->sha256_files);
    text_files_free(&configuration->mxc_files);
    if (string_table_count(state->digests) == 0 && name_list_count(&state->uris) == 0)
        module_host_warn(host, "", "nothing is listed: every file passes");
    return state;
}

/* ---- questions */

static bool refuse(const struct state *state, struct slice rule, struct slice reason, struct slice media,
                   struct arena *arena, struct result *result)
{
    result->value = value_refuse(state->code);
    result->rule = rule;
    result->reason = state->notes ? arena_format(arena, "quarantine %.*s: %.*s", (int)media.length, media.data,
                                                 (int)reason.length, reason.data)
                                  : reason;
    result->evidence = media;
    return true;
}

static bool refuse_uri(const struct state *state, struct slice uri, struct arena *arena, struct result *result)
{
    bool is_glob;
    struct slice rule = name_list_match(&state->uris, uri, &is_glob);
    return rule.data && refuse(state, rule, SLICE("the media is on the list"), uri, arena, result);
}

static struct slice json_text(const json_t *json)
{
    return json_is_string(json) ? slice_of(json_string_value(json), json_string_length(json)) : SLICE_ABSENT;
}

/* The digest comes with the file, or beside it. Of a file of our own its id is that of its URI; one that was fetched is
 * stored under another. */
static void check_media_file(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice text = SLICE_ABSENT;
    char digest[DIGEST_BYTES];
    result->value.kind = VALUE_PASS;
    for (uint32_t index = 0; !text.data && arguments->values && index < arguments->count; index++)
        if (arguments->values[index].kind == VALUE_JSON)
            text = json_text(json_object_get(arguments->values[index].object, "sha256"));
    const json_t *info = arguments->values && arguments->count > 1 && arguments->values[1].kind == VALUE_JSON
                             ? arguments->values[1].object
                             : NULL;
    bool is_local =
        !json_is_string(json_object_get(info, "server_name")) && !json_is_true(json_object_get(info, "url_cache"));
    struct slice id = is_local ? json_text(json_object_get(info, "file_id")) : SLICE_ABSENT;
    struct slice uri = id.data ? arena_format(arguments->arena, "mxc://%.*s/%.*s", (int)state->server_name.length,
                                              state->server_name.data, (int)id.length, id.data)
                               : SLICE_ABSENT;
    if (text.data && read_digest(text, digest) &&
        string_table_find(state->digests, slice_of(digest, sizeof digest)) != STRING_TABLE_NONE)
        (void)refuse(state, text, SLICE("the file is on the list"), uri.data ? uri : text, arguments->arena, result);
    else if (uri.data)
        (void)refuse_uri(state, uri, arguments->arena, result);
}

/* Whether a URI may go on with the byte: ids are letters and digits, `-` and `_`; servers have dots, colons and
 * brackets. */
static bool is_of_uri(char byte)
{
    return (unsigned char)byte > ' ' && (unsigned char)byte < 0x7f && !strchr("\"'<>()?#\\,;", byte);
}

/* Every mxc URI within a text. */
static bool refuse_text(const struct state *state, struct slice text, struct arena *arena, struct result *result)
{
    const char *at = text.data, *end = at + text.length;
    while (at < end && (at = text_find(slice_of(at, (size_t)(end - at)), MXC))) {
        const char *stop = at;
        while (stop < end && is_of_uri(*stop))
            stop++;
        if (refuse_uri(state, slice_of(at, (size_t)(stop - at)), arena, result))
            return true;
        at += MXC.length;
    }
    return false;
}

/* Images within HTML whose source is written with character references. */
static bool refuse_html(const struct state *state, struct slice html, struct arena *arena, struct result *result)
{
    struct html_tag tag;
    for (size_t position = 0; html_next(html, &position, &tag);) {
        struct slice source = html_attribute(tag.attributes, "src");
        if (!source.data || !memchr(source.data, '&', source.length))
            continue;
        char *decoded = arena_allocate(arena, source.length);
        if (refuse_text(state, slice_of(decoded, html_decode(source, decoded)), arena, result))
            return true;
    }
    return false;
}

/* Whether the body can name media at all: as it is, or with escapes of JSON or references of HTML within it. */
static bool may_name_media(struct slice body)
{
    return text_find(body, SLICE("mxc:")) || text_find(body, SLICE("\\u00")) || text_find(body, SLICE("src="));
}

static void check_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    const struct event *event = arguments->event;
    result->value.kind = VALUE_PASS;
    if (name_list_count(&state->uris) == 0 || !event->has_body || !may_name_media(event->body))
        return;
    yyjson_val *content = event_content(event);
    if (!content)
        return;
    /* All values of a parsed object, and those inside of them, lie behind it in a row. */
    const yyjson_val *end = unsafe_yyjson_get_next(content);
    for (yyjson_val *value = content; value < end; value++) {
        if (!yyjson_is_str(value))
            continue;
        struct slice text = slice_of(yyjson_get_str(value), yyjson_get_len(value));
        if (refuse_text(state, text, arguments->arena, result))
            return;
        bool is_html = memchr(text.data, '<', text.length) && memchr(text.data, '&', text.length);
        if (is_html && refuse_html(state, text, arguments->arena, result))
            return;
    }
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_media_file_for_spam, .function = check_media_file},
    {.callback = CALLBACK_check_event_for_spam, .function = check_event},
};

extern const struct module_definition module_media_hash;
const struct module_definition module_media_hash = {
    .name = "media_hash",
    .summary = "Denies files with listed SHA-256 digests, and events that name listed media.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .concurrent = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
