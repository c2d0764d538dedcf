/* Spam by what is attached: kinds of media, their claimed types, names and sizes, and pictures within HTML. What an
 * event says of a file is the sender's claim; the file itself is for the media repository. */
#include <stdlib.h>
#include <strings.h>

#include "base/memory.h"
#include "filters/event_content.h"
#include "filters/html.h"
#include "filters/module.h"
#include "filters/pattern_list.h"

/* Items of a gallery that are looked at, and images of HTML. */
#define ITEMS_MAXIMUM 256

enum kind {
    KIND_IMAGE,
    KIND_VIDEO,
    KIND_AUDIO,
    KIND_VOICE,
    KIND_FILE,
    KIND_STICKER,
    KIND_INLINE_IMAGE,
    KIND_CUSTOM_REACTION,
    KIND_GALLERY,
    KIND_NONE
};
static const char *const kind_names[] = {"image",   "video",        "audio",           "voice",   "file",
                                         "sticker", "inline_image", "custom_reaction", "gallery", NULL};

struct configuration {
    unsigned deny;
    struct text_list deny_mimetypes;
    struct text_list allow_mimetypes;
    struct text_list deny_extensions;
    struct text_list allow_extensions;
    int64_t max_bytes;
    int64_t max_inline_height;
    int64_t max_per_event;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct pattern_list deny_mimetypes;
    struct pattern_list allow_mimetypes;
    struct pattern_list deny_extensions;
    struct pattern_list allow_extensions;
    bool reads_files;
    bool reads_html;
    uint32_t msgtype;
    uint32_t formatted_body;
    uint32_t new_content;
    uint32_t relates_to;
};

#define GLOBS(member_, text_)                                                                                          \
    {                                                                                                                  \
        .name = #member_, .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct configuration, member_),              \
        .fallback = "[]", .text = (text_)                                                                              \
    }
#define COUNT(member_, maximum_, text_)                                                                                \
    {                                                                                                                  \
        .name = #member_, .type = PARAMETER_INTEGER, .offset = offsetof(struct configuration, member_),                \
        .fallback = "0", .minimum = 0, .maximum = (maximum_), .text = (text_)                                          \
    }

static const struct parameter parameters[] = {
    {.name = "deny",
     .type = PARAMETER_CHOICES,
     .offset = offsetof(struct configuration, deny),
     .fallback = "[]",
     .choices = kind_names,
     .text =
         "Kinds of media. voice: a voice message, which is no audio then; inline_image: an image within HTML, such as "
         "a custom emoji; custom_reaction: a reaction with an image; gallery: several files in one event."},
    GLOBS(deny_mimetypes,
          "Globs over the type that a file claims to have, for example video/*; empty where it claims none."),
    GLOBS(allow_mimetypes, "Globs over types that pass even where `deny_mimetypes` matches."),
    GLOBS(deny_extensions,
          "Globs over what stands behind the last dot of a file's name, for example exe; empty without one."),
    GLOBS(allow_extensions, "Globs over extensions that pass even where `deny_extensions` matches."),
    COUNT(max_bytes, INT64_C(1) << 40, "How many bytes a file may claim to have; 0: any."),
    COUNT(max_inline_height, 2000,
          "How many pixels high an image within HTML may be; one that is no custom emoji must say it; 0: any."),
    COUNT(max_per_event, 1000, "How many files and images an event may have, those within HTML among them; 0: any."),
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    pattern_list_free(&state->deny_mimetypes);
    pattern_list_free(&state->allow_mimetypes);
    pattern_list_free(&state->deny_extensions);
    pattern_list_free(&state->allow_extensions);
    free(state);
}

static bool add_globs(struct pattern_list *globs, const char *parameter, const struct text_list *list,
                      const struct module_host *host)
{
    return pattern_list_add_all(globs, host, parameter, list, PATTERN_GLOB, false) && pattern_list_compile(globs, host);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    const struct module_host *host = setup->host;
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->msgtype = field_table_declare(setup->fields, SLICE("msgtype"));
    state->formatted_body = field_table_declare(setup->fields, SLICE("formatted_body"));
    state->new_content = field_table_declare(setup->fields, SLICE("m.new_content"));
    state->relates_to = field_table_declare(setup->fields, SLICE("m.relates_to"));
    bool good = add_globs(&state->deny_mimetypes, "deny_mimetypes", &configuration->deny_mimetypes, host);
    good &= add_globs(&state->allow_mimetypes, "allow_mimetypes", &configuration->allow_mimetypes, host);
    good &= add_globs(&state->deny_extensions, "deny_extensions", &configuration->deny_extensions, host);
    good &= add_globs(&state->allow_extensions, "allow_extensions", &configuration->allow_extensions, host);
    if (!good) {
        destroy(state);
        return NULL;
    }
    state->reads_files =
        configuration->deny_mimetypes.count || configuration->deny_extensions.count || configuration->max_bytes;
    state->reads_html = configuration->max_inline_height || configuration->max_per_event ||
                        configuration->deny & 1u << KIND_INLINE_IMAGE;
    if (!configuration->deny && !state->reads_files && !state->reads_html)
        module_host_warn(host, "", "nothing is denied: every event passes");
    return state;
}

/* A question, and what was counted so far. */
struct look {
    const struct state *state;
    const struct callback_arguments *arguments;
    struct result *result;
    size_t count;
};

static bool refuse(struct look *look, const char *rule, struct slice reason, struct slice evidence)
{
    look->result->value = value_refuse(look->state->code);
    look->result->rule = slice_from_string(rule);
    look->result->reason = reason;
    look->result->evidence = evidence;
    return true;
}

static bool judge_kind(struct look *look, enum kind kind)
{
    if (!(look->state->configuration->deny & 1u << kind))
        return false;
    return refuse(look, kind_names[kind], SLICE("this kind of media is on the list"), SLICE_ABSENT);
}

static bool judge_count(struct look *look)
{
    int64_t most = look->state->configuration->max_per_event;
    if (!most || look->count <= (size_t)most)
        return false;
    return refuse(look, "max_per_event", SLICE("the event has too many files and images"), SLICE_ABSENT);
}

/* Whether `deny` matches `text` and `allow` does not. */
static bool judge_globs(struct look *look, const struct pattern_list *deny, const struct pattern_list *allow,
                        struct slice text, struct slice reason)
{
    if (deny->count == 0)
        return false;
    struct slice rule = pattern_list_match(deny, text);
    if (!rule.data || (allow->count && slice_present(pattern_list_match(allow, text))))
        return false;
    look->result->value = value_refuse(look->state->code);
    look->result->rule = rule;
    look->result->reason = reason;
    look->result->evidence = text;
    return true;
}

/* The type without its parameters and the blanks around it. */
static struct slice bare_mimetype(struct slice type)
{
    if (!type.data)
        return SLICE("");
    const char *semicolon = type.length ? memchr(type.data, ';', type.length) : NULL;
    if (semicolon)
        type.length = (size_t)(semicolon - type.data);
    while (type.length && type.data[type.length - 1] == ' ')
        type.length--;
    while (type.length && *type.data == ' ')
        type = slice_of(type.data + 1, type.length - 1);
    return type;
}

/* What stands behind the last dot; blanks and dots at the end do not count, as on Windows. */
static struct slice extension_of(struct slice name)
{
    while (name.length && strchr(" .\t\r\n", name.data[name.length - 1]) && name.data[name.length - 1])
        name.length--;
    const char *dot = name.length ? memrchr(name.data, '.', name.length) : NULL;
    return dot ? slice_of(dot + 1, name.length - (size_t)(dot + 1 - name.data)) : SLICE("");
}

/* What `content` claims about its file. The name is `filename`; without one it is the body, but a sticker's body only
 * says what it shows. */
static bool judge_file(struct look *look, enum kind kind, yyjson_val *content)
{
    const struct state *state = look->state;
    if (!state->reads_files)
        return false;
    yyjson_val *info = content_member(content, SLICE("info"));
    struct slice type = bare_mimetype(content_string(info, SLICE("mimetype")));
    struct slice name = content_string(content, SLICE("filename"));
    if (!name.data && kind != KIND_STICKER)
        name = content_string(content, SLICE("body"));
    if (judge_globs(look, &state->deny_mimetypes, &state->allow_mimetypes, type,
                    SLICE("the type of the file is on the list")) ||
        judge_globs(look, &state->deny_extensions, &state->allow_extensions, extension_of(name),
                    SLICE("the name of the file is on the list")))
        return true;
    uint64_t most = (uint64_t)state->configuration->max_bytes;
    uint64_t size;
    if (!most || !content_number(info, SLICE("size"), &size) || size <= most)
        return false;
    return refuse(look, "max_bytes",
                  arena_format(look->arguments->arena, "the file has %llu bytes", (unsigned long long)size),
                  SLICE_ABSENT);
}

static enum kind kind_of_msgtype(struct slice type)
{
    static const struct {
        struct slice type;
        enum kind kind;
    } kinds[] = {
#define KIND(type, kind) {{type, sizeof(type) - 1}, kind}
        KIND("m.image", KIND_IMAGE),
        KIND("m.video", KIND_VIDEO),
        KIND("m.audio", KIND_AUDIO),
        KIND("m.file", KIND_FILE),
        KIND("m.sticker", KIND_STICKER),
        KIND("m.gallery", KIND_GALLERY),
        KIND("dm.filament.gallery", KIND_GALLERY),
#undef KIND
    };
    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++)
        if (slice_equal(type, kinds[index].type))
            return kinds[index].kind;
    return KIND_NONE;
}

static bool is_voice(yyjson_val *content)
{
    return content_member(content, SLICE("org.matrix.msc3245.voice")) ||
           content_member(content, SLICE("org.matrix.msc3245.voice.v2")) || content_member(content, SLICE("m.voice"));
}

/* One file: `kind` is that of its msgtype. */
static bool judge_attachment(struct look *look, enum kind kind, yyjson_val *content)
{
    if (kind == KIND_AUDIO && content && is_voice(content))
        kind = KIND_VOICE;
    look->count++;
    return judge_kind(look, kind) || judge_count(look) || judge_file(look, kind, content);
}

/* MSC4274: files in a list, each like a message of its own with `itemtype` for `msgtype`. */
static bool judge_gallery(struct look *look, yyjson_val *content)
{
    if (judge_kind(look, KIND_GALLERY))
        return true;
    yyjson_val *items = content_member(content, SLICE("itemtypes"));
    if (!yyjson_is_arr(items))
        items = content_member(content, SLICE("m.gallery"));
    size_t index, count;
    yyjson_val *item;
    yyjson_arr_foreach(items, index, count, item)
    {
        struct slice type = content_string(item, SLICE("itemtype"));
        enum kind kind = kind_of_msgtype(type.data ? type : content_string(item, SLICE("msgtype")));
        if (index == ITEMS_MAXIMUM)
            return refuse(look, "gallery", SLICE("the gallery has more than 256 files"), SLICE_ABSENT);
        if (kind != KIND_NONE && kind != KIND_GALLERY && judge_attachment(look, kind, item))
            return true;
    }
    return false;
}

/* Pixels, as in HTML: digits, then anything. False without a digit. */
static bool read_pixels(struct slice text, int64_t *pixels)
{
    size_t index = 0;
    while (index < text.length && strchr(" \t\r\n\f", text.data[index]) && text.data[index])
        index++;
    size_t begin = index;
    *pixels = 0;
    for (; index < text.length && text.data[index] >= '0' && text.data[index] <= '9'; index++)
        *pixels = *pixels > 100000 ? *pixels : *pixels * 10 + (text.data[index] - '0');
    return index > begin;
}

static bool judge_inline_image(struct look *look, struct slice attributes)
{
    int64_t most = look->state->configuration->max_inline_height;
    int64_t height;
    look->count++;
    if (judge_kind(look, KIND_INLINE_IMAGE) || judge_count(look))
        return true;
    if (!most)
        return false;
    bool emoji = slice_present(html_attribute(attributes, "data-mx-emoticon"));
    bool says = read_pixels(html_attribute(attributes, "height"), &height);
    if (says ? height <= most : emoji)
        return false;
    struct slice reason =
        says ? arena_format(look->arguments->arena, "an image within HTML is %lld pixels high", (long long)height)
             : SLICE("an image within HTML does not say how high it is");
    return refuse(look, "max_inline_height", reason, attributes);
}

static bool judge_html(struct look *look, struct slice html)
{
    size_t position = 0;
    struct html_tag tag;
    while (look->state->reads_html && html_next(html, &position, &tag))
        if (html_tag_is(&tag, "img") && !tag.closing && judge_inline_image(look, tag.attributes))
            return true;
    return false;
}

/* A message, or the new content of one: files and images are counted for each. */
static bool judge_message(struct look *look, struct slice msgtype, struct slice html, yyjson_val *content)
{
    enum kind kind = kind_of_msgtype(msgtype);
    look->count = 0;
    if (kind == KIND_GALLERY ? judge_gallery(look, content)
                             : kind != KIND_NONE && judge_attachment(look, kind, content))
        return true;
    return judge_html(look, html);
}

/* MSC4027: the key is an image's address. */
static bool judge_reaction(struct look *look)
{
    if (!event_content_other(look->arguments->event, look->state->relates_to))
        return false;
    yyjson_val *relation = content_member(event_content(look->arguments->event), SLICE("m.relates_to"));
    return slice_starts_with(content_string(relation, SLICE("key")), SLICE("mxc://")) &&
           judge_kind(look, KIND_CUSTOM_REACTION);
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    const struct event *event = arguments->event;
    struct look look = {.state = state, .arguments = arguments, .result = result};
    result->value.kind = VALUE_PASS;
    if (slice_equal(event->type, SLICE("m.reaction"))) {
        (void)judge_reaction(&look);
        return;
    }
    struct slice msgtype = event_content_string(event, state->msgtype);
    if (slice_equal(event->type, SLICE("m.sticker")))
        msgtype = SLICE("m.sticker");
    yyjson_val *content = kind_of_msgtype(msgtype) == KIND_NONE ? NULL : event_content(event);
    if (judge_message(&look, msgtype, event_content_string(event, state->formatted_body), content))
        return;
    if (!event_content_other(event, state->new_content))
        return;
    yyjson_val *edited = content_member(event_content(event), SLICE("m.new_content"));
    (void)judge_message(&look, content_string(edited, SLICE("msgtype")),
                        content_string(edited, SLICE("formatted_body")), edited);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event},
    {.callback = CALLBACK_check_event_allowed, .function = judge_event},
};

extern const struct module_definition module_media;
const struct module_definition module_media = {
    .name = "media",
    .summary = "Denies events with files and images of listed kinds, types, names and sizes.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .concurrent = true,
    .answers_alike = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
