/* Spam by where its links lead and by how many there are. link_domains is the plain form of it, for domains of http and
 * https links alone. A link is looked for in what people see, and in the `href` of HTML, which they do not see. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/access_list.h"
#include "filters/content_fields.h"
#include "filters/html.h"
#include "filters/link_list.h"
#include "filters/module.h"

enum { MATRIX_PASS, MATRIX_COUNT };

struct configuration {
    struct text_list deny;
    struct text_list allow;
    struct text_files files;
    struct text_files allow_files;
    int mode;
    int64_t max_links;
    struct text_list schemes;
    bool bare_domains;
    bool punycode;
    int matrix_to;
    struct text_list fields;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    bool denies; /* whether there is anything that a link could be denied for */
    struct slice *schemes;
    struct link_kinds kinds;
    struct link_list deny;
    struct link_list allow;
    struct content_fields fields;
};

static const char *const matrix_names[] = {"pass", "count", NULL};

static const struct parameter parameters[] = {
    {.name = "deny",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, deny),
     .fallback = "[]",
     .text = "Domains, with all names below them; globs over the host (`*.example.*`); globs over host and path "
             "(`example.org/a*`) or over the whole link (`https://example.org/a*`)."},
    {.name = "allow",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, allow),
     .fallback = "[]",
     .text = "The same of links that pass even where `deny` matches."},
    {.name = "files",
     .type = PARAMETER_LINES_FILES,
     .offset = offsetof(struct configuration, files),
     .fallback = "[]",
     .text = "Files with more of `deny`, one a line; `#` begins a comment."},
    {.name = "allow_files",
     .type = PARAMETER_LINES_FILES,
     .offset = offsetof(struct configuration, allow_files),
     .fallback = "[]",
     .text = "Files with more of `allow`."},
    {.name = "mode",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, mode),
     .fallback = "deny",
     .choices = access_modes,
     .text = "Whether links on `deny` are denied, or all that are not on `allow`."},
    {.name = "max_links",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max_links),
     .fallback = "0",
     .minimum = 0,
     .maximum = 1000,
     .text = "How many links one text of an event may have, those of `allow` too; 0: any number."},
    {.name = "schemes",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, schemes),
     .fallback = "http https matrix",
     .text = "What is a link: these, with a colon behind them."},
    {.name = "bare_domains",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, bare_domains),
     .fallback = "true",
     .text = "Whether a domain without a scheme is a link, too. `deny` finds all of them; for `allow_only` and "
             "`max_links` it has to end as domains do of which clients make links."},
    {.name = "punycode",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, punycode),
     .fallback = "true",
     .text = "Whether a name in Punycode (`xn--…`) and the letters it stands for are the same, in lists and links."},
    {.name = "matrix_to",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, matrix_to),
     .fallback = "pass",
     .choices = matrix_names,
     .text = "Whether links to users, rooms and events, by matrix.to or `matrix:`, pass, or count as others do."},
    {.name = "fields",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, fields),
     .fallback = CONTENT_FIELDS_DEFAULT,
     .text = CONTENT_FIELDS_TEXT},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    link_list_free(&state->deny);
    link_list_free(&state->allow);
    content_fields_free(&state->fields);
    free(state->schemes);
    free(state);
}

static bool fill(struct link_list *list, const struct module_host *host, const char *name,
                 const struct text_list *entries, const char *files_name, struct text_files *files)
{
    bool good = link_list_add(list, host, name, entries);
    for (size_t file = 0; file < files->count; file++)
        good = link_list_add(list, host, files_name, &files->lists[file]) && good;
    good = good && link_list_compile(list, host);
    if (good)
        text_files_free(files);
    return good;
}

static bool read_schemes(struct state *state, const struct module_host *host)
{
    const struct text_list *schemes = &state->configuration->schemes;
    bool good = true;
    state->schemes = memory_allocate_zeroed(schemes->count, sizeof *state->schemes);
    for (size_t item = 0; item < schemes->count; item++) {
        state->schemes[item] = slice_from_string(schemes->items[item]);
        bool possible = link_scheme_possible(state->schemes[item]);
        if (!possible)
            text_list_report(host, "schemes", schemes, item,
                             "no scheme: letters, digits, `+`, `-` and `.` without the colon, 32 bytes at most");
        good &= possible;
    }
    state->kinds = (struct link_kinds){state->schemes, schemes->count, state->configuration->bare_domains};
    if (schemes->count == 0 && !state->kinds.bare_domains) {
        module_host_report(host, "schemes", "without schemes and bare domains nothing would be a link");
        good = false;
    }
    return good;
}

static void warn(const struct state *state, const struct module_host *host)
{
    bool allow_only = state->configuration->mode == ACCESS_ALLOW_ONLY;
    if (allow_only && link_list_count(&state->deny))
        module_host_warn(host, "mode", "`deny` has no effect with `allow_only`: what is not on `allow` is denied");
    if (allow_only && !link_list_count(&state->allow))
        module_host_warn(host, "mode", "`allow` is empty, so that `allow_only` denies every link");
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    const struct module_host *host = setup->host;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    link_list_open(&state->deny, configuration->punycode);
    link_list_open(&state->allow, configuration->punycode);
    bool good = read_schemes(state, host);
    good &= fill(&state->deny, host, "deny", &configuration->deny, "files", &configuration->files);
    good &= fill(&state->allow, host, "allow", &configuration->allow, "allow_files", &configuration->allow_files);
    good &= content_fields_create(&state->fields, &configuration->fields, false, setup->fields, host);
    if (!good) {
        destroy(state);
        return NULL;
    }
    warn(state, host);
    state->denies =
        configuration->mode == ACCESS_ALLOW_ONLY || configuration->max_links > 0 || link_list_count(&state->deny) > 0;
    return state;
}

static bool leads_to_matrix(const struct link *link, const struct link_form *form)
{
    return link->host.data
               ? slice_equal(form->host, SLICE("matrix.to")) || slice_equal(form->host, SLICE("www.matrix.to"))
               : slice_starts_with(form->whole, SLICE("matrix:"));
}

/* One text, or the anchors of one, being judged. */
struct judging {
    const struct state *state;
    const struct callback_arguments *arguments;
    const struct content_text *text;
    int64_t count; /* of links so far */
    struct result *result;
};

static bool refuse(const struct judging *judging, struct slice rule, struct slice evidence, const char *reason)
{
    struct slice place = content_text_place(judging->text, judging->arguments->arena);
    judging->result->value = value_refuse(judging->state->code);
    judging->result->rule = rule;
    judging->result->evidence = evidence;
    judging->result->reason = arena_format(judging->arguments->arena, "%.*s %s", (int)place.length, place.data, reason);
    return true;
}

static bool judge_link(struct judging *judging, const struct link *link, struct slice evidence)
{
    const struct state *state = judging->state;
    const struct configuration *configuration = state->configuration;
    bool allow_only = configuration->mode == ACCESS_ALLOW_ONLY;
    char memory[LINK_FORM_ROOM];
    bool counts = !link->nested && !link->doubtful;
    if ((link->host.data && !link->host.length) || (!counts && allow_only))
        return false;
    struct link_form form = link_form_of(link, configuration->punycode, memory);
    if (configuration->matrix_to == MATRIX_PASS && leads_to_matrix(link, &form))
        return false;
    struct slice rule = allow_only ? SLICE("allow_only") : link_list_match(&state->deny, &form);
    if (rule.data && !link_list_match(&state->allow, &form).data)
        return refuse(judging, rule, evidence,
                      allow_only ? "has a link that is not on the list of those allowed" : "has a link on the list");
    judging->count += counts;
    if (configuration->max_links && judging->count > configuration->max_links)
        return refuse(judging, SLICE("max_links"), content_text_evidence(judging->text), "has too many links");
    return false;
}

static bool judge_text(struct judging *judging)
{
    struct link_walk walk = {0};
    struct link link;
    judging->count = 0;
    while (link_finder_next(&judging->state->kinds, judging->text->text, &walk, &link))
        if (judge_link(judging, &link, link.text))
            return true;
    return false;
}

/* The `href` as a browser reads it: decoded, without tabs and line ends. */
static struct slice read_reference(struct slice raw, struct arena *arena)
{
    char *memory = arena_allocate(arena, raw.length);
    size_t length = html_decode(raw, memory);
    size_t kept = 0;
    for (size_t index = 0; index < length; index++)
        if (memory[index] != '\t' && memory[index] != '\n' && memory[index] != '\r')
            memory[kept++] = memory[index];
    return slice_of(memory, kept);
}

/* What the anchors lead to. They are counted by themselves: a link is often also its own text. */
static bool judge_anchors(struct judging *judging)
{
    struct html_tag tag;
    struct link link;
    judging->count = 0;
    if (!judging->text->html.length || !memchr(judging->text->html.data, '<', judging->text->html.length))
        return false;
    for (size_t position = 0; html_next(judging->text->html, &position, &tag);) {
        struct slice raw =
            !tag.closing && html_tag_is(&tag, "a") ? html_attribute(tag.attributes, "href") : SLICE_ABSENT;
        if (raw.length &&
            link_finder_reference(&judging->state->kinds, read_reference(raw, judging->arguments->arena), &link) &&
            judge_link(judging, &link, raw))
            return true;
    }
    return false;
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct content_walk walk = {0};
    struct content_text text;
    struct judging judging = {.state = state, .arguments = arguments, .text = &text, .result = result};
    result->value.kind = VALUE_PASS;
    if (!state->denies)
        return;
    while (content_fields_next(&state->fields, arguments, &walk, &text))
        if (judge_text(&judging) || judge_anchors(&judging))
            return;
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event},
    {.callback = CALLBACK_check_event_allowed, .function = judge_event},
};

extern const struct module_definition module_links;
const struct module_definition module_links = {
    .name = "links",
    .summary = "Denies events with links that are on a list, or on none, or with too many of them.",
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
