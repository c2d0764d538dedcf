/* A chain may be loaded anew and writers may come between two statuses: what has no counterpart of the same name has no
 * rate yet. */
#include "engine/top_figures.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/admin_json.h"

const char *const top_sort_names[TOP_SORTS] = {[TOP_SORT_PLACE] = "place",
                                               [TOP_SORT_DENIED] = "denied",
                                               [TOP_SORT_DRY_RUN] = "dry run",
                                               [TOP_SORT_ASKED] = "asked",
                                               [TOP_SORT_TIME] = "time"};

struct top_samples top_samples_of(yyjson_val *current, yyjson_val *previous)
{
    struct top_samples samples = {.current = current};
    double seconds = (admin_json_number(current, "/now") - admin_json_number(previous, "/now")) / 1000;
    if (seconds > 0 && admin_json_number(current, "/started") == admin_json_number(previous, "/started")) {
        samples.previous = previous;
        samples.seconds = seconds;
    }
    return samples;
}

/* Of members of two values; NAN also if it has fallen, which no count does but one that began anew. */
static double rate_between(const struct top_samples *samples, yyjson_val *current, yyjson_val *previous,
                           const char *path)
{
    double grown = admin_json_number(current, path) - admin_json_number(previous, path);
    return samples->previous && grown >= 0 ? grown / samples->seconds : NAN;
}

double top_rate(const struct top_samples *samples, const char *path)
{
    return rate_between(samples, samples->current, samples->previous, path);
}

static bool is_same(yyjson_val *one, yyjson_val *other, const char *member)
{
    return slice_equal(admin_json_text(one, member), admin_json_text(other, member));
}

static struct top_module figures_of(const struct top_samples *samples, yyjson_val *module, yyjson_val *before,
                                    size_t place)
{
    if (!is_same(module, before, "/label") || !is_same(module, before, "/module"))
        before = NULL;
    struct top_module figures = {.module = module,
                                 .place = place,
                                 .asked = rate_between(samples, module, before, "/asked"),
                                 .denied = rate_between(samples, module, before, "/denied"),
                                 .dry_runs = rate_between(samples, module, before, "/dry_runs"),
                                 .raised = rate_between(samples, module, before, "/raised"),
                                 .nanoseconds = admin_json_number(module, "/nanoseconds")};
    figures.core = figures.asked * figures.nanoseconds / 1e9;
    return figures;
}

static double key_of(const struct top_module *module, enum top_sort sort)
{
    double key = sort == TOP_SORT_DENIED    ? module->denied
                 : sort == TOP_SORT_DRY_RUN ? module->dry_runs
                 : sort == TOP_SORT_ASKED   ? module->asked
                 : sort == TOP_SORT_TIME    ? module->core
                                            : 0;
    return isnan(key) ? -1 : key;
}

static int compare(const void *left, const void *right, void *context)
{
    const struct top_module *one = left, *other = right;
    enum top_sort sort = *(const enum top_sort *)context;
    double first = key_of(one, sort), second = key_of(other, sort);
    return first != second ? (first < second) - (first > second)
                           : (one->place > other->place) - (one->place < other->place);
}

struct top_module *top_modules(const struct top_samples *samples, enum top_sort sort, size_t *count)
{
    yyjson_val *modules = yyjson_ptr_get(samples->current, "/chain/modules");
    yyjson_val *before = samples->previous ? yyjson_ptr_get(samples->previous, "/chain/modules") : NULL;
    size_t index, all = yyjson_is_arr(modules) ? yyjson_arr_size(modules) : 0;
    yyjson_val *module;
    *count = all;
    if (all == 0)
        return NULL;
    struct top_module *list = memory_allocate_zeroed(all, sizeof *list);
    yyjson_arr_foreach(modules, index, all, module) list[index] =
        figures_of(samples, module, yyjson_arr_get(before, index), index);
    qsort_r(list, all, sizeof *list, compare, &sort);
    return list;
}

double top_writer_rate(const struct top_samples *samples, size_t index)
{
    yyjson_val *writer = yyjson_arr_get(yyjson_ptr_get(samples->current, "/writers"), index), *before;
    size_t other, count;
    if (!samples->previous)
        return NAN;
    yyjson_arr_foreach(yyjson_ptr_get(samples->previous, "/writers"), other, count, before)
    {
        if (is_same(writer, before, "/stream") && is_same(writer, before, "/writer"))
            return rate_between(samples, writer, before, "/position");
    }
    return NAN;
}

static void append_number(struct buffer *output, const char *before, double number)
{
    buffer_append_string(output, before);
    if (isfinite(number))
        buffer_append_format(output, number == floor(number) && number < 1e15 ? "%.0f" : "%.6g", number);
    else
        buffer_append_string(output, "null");
}

static void append_rates(const struct top_samples *samples, const char *section, const char *const *names,
                         struct buffer *output)
{
    buffer_append_format(output, ",\"%s\":{", section);
    for (size_t index = 0; names[index]; index++) {
        struct buffer path = {0};
        buffer_append_format(&path, "/%s/%s", section, names[index]);
        buffer_append_format(output, "%s\"%s\":", index ? "," : "", names[index]);
        append_number(output, "", top_rate(samples, buffer_string(&path)));
        buffer_free(&path);
    }
    buffer_append_char(output, '}');
}

static void append_module(const struct top_module *module, struct buffer *output)
{
    buffer_append_format(output, "{\"index\":%zu,\"module\":", module->place);
    buffer_append_json_string(output, admin_json_text(module->module, "/module"));
    buffer_append_string(output, ",\"label\":");
    buffer_append_json_string(output, admin_json_text(module->module, "/label"));
    append_number(output, ",\"asked\":", module->asked);
    append_number(output, ",\"denied\":", module->denied);
    append_number(output, ",\"dry_runs\":", module->dry_runs);
    append_number(output, ",\"raised\":", module->raised);
    append_number(output, ",\"nanoseconds\":", module->nanoseconds);
    append_number(output, ",\"core\":", module->core);
    buffer_append_char(output, '}');
}

static void append_writers(const struct top_samples *samples, struct buffer *output)
{
    size_t index, count;
    yyjson_val *writer;
    buffer_append_string(output, ",\"writers\":[");
    yyjson_arr_foreach(yyjson_ptr_get(samples->current, "/writers"), index, count, writer)
    {
        buffer_append_string(output, index ? ",{\"stream\":" : "{\"stream\":");
        buffer_append_json_string(output, admin_json_text(writer, "/stream"));
        buffer_append_string(output, ",\"writer\":");
        buffer_append_json_string(output, admin_json_text(writer, "/writer"));
        append_number(output, ",\"tokens\":", top_writer_rate(samples, index));
        append_number(output, ",\"behind\":", admin_json_number(writer, "/behind"));
        append_number(output, ",\"lag\":", admin_json_number(writer, "/lag"));
        buffer_append_char(output, '}');
    }
    buffer_append_char(output, ']');
}

void top_figures_append_json(const struct top_samples *samples, struct buffer *output)
{
    static const char *const events[] = {"judged", "passed", "changed", "denied", "failed", "dry_run", NULL};
    static const char *const requests[] = {"answered", "overloaded", "expired", NULL};
    size_t count;
    struct top_module *modules = top_modules(samples, TOP_SORT_PLACE, &count);
    buffer_append_format(output, "{\"ready\":%s", admin_json_is_true(samples->current, "/ready") ? "true" : "false");
    append_number(output, ",\"at\":", admin_json_number(samples->current, "/now"));
    append_number(output, ",\"seconds\":", samples->previous ? samples->seconds : NAN);
    append_rates(samples, "events", events, output);
    append_rates(samples, "requests", requests, output);
    append_number(output, ",\"processor\":", top_rate(samples, "/processor_seconds"));
    append_number(output, ",\"resident\":", admin_json_number(samples->current, "/memory/resident"));
    buffer_append_string(output, ",\"modules\":[");
    for (size_t index = 0; index < count; index++) {
        buffer_append_string(output, index ? "," : "");
        append_module(&modules[index], output);
    }
    buffer_append_char(output, ']');
    append_writers(samples, output);
    buffer_append_string(output, "}\n");
    free(modules);
}
