/* What modules say of themselves, as the metrics page has it. */
#include "engine/module_figures.h"

#include <criterion/criterion.h>

#include "engine/observer.h"

static void report(void *context, const char *path, const char *message)
{
    (void)context;
    cr_expect_fail("%s: %s", path, message);
}

static void append(struct chain *chain, const char *module, const char *configuration)
{
    struct module_host host = {.report = report};
    json_t *values = json_loads(configuration, 0, NULL);
    cr_assert(chain_append(chain, module_find(module), values, NULL, &host));
    json_decref(values);
}

static struct chain *open_chain(void)
{
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    append(chain, "join_wave", "{\"rate\": \"1/h\"}");
    append(chain, "keywords", "{\"words\": [\"a\"]}");
    append(chain, "newcomer", "{\"deny\": [\"media\"]}");
    append(chain, "join_wave", "{\"rate\": \"1/h\"}");
    append(chain, "newcomer", "{\"deny\": [\"links\"]}");
    chain_seal(chain, NULL, NULL);
    return chain;
}

static void join(struct chain *chain, const char *user)
{
    struct arena arena = {0};
    struct value values[] = {value_text(slice_from_string(user)), value_text(SLICE("!r:x")), value_boolean(false)};
    struct callback_arguments arguments = {.values = values, .count = 3, .arena = &arena, .now_ms = 1700000000500};
    struct outcome outcome;
    chain_run(chain, CALLBACK_user_may_join_room, &arguments, &outcome);
    arena_free(&arena);
}

static const char *label(const void *context, size_t index)
{
    (void)context;
    static const char *const labels[] = {"join_wave", "keywords", "newcomer", "join \"2\"", NULL};
    return labels[index];
}

static bool holds(struct buffer *text, const char *part)
{
    return strstr(buffer_string(text), part) != NULL;
}

Test(module_figures, a_family_for_each_figure)
{
    struct chain *chain = open_chain();
    struct buffer text = {0};
    join(chain, "@a:x");
    join(chain, "@b:x");
    module_figures_append(&text, chain, label, NULL);
    cr_expect(holds(&text, "# HELP weir_module_join_wave_waves_total Waves of joins that began since the chain was "
                           "loaded.\n# TYPE weir_module_join_wave_waves_total counter\n"
                           "weir_module_join_wave_waves_total{module=\"join_wave\"} 1\n"
                           "weir_module_join_wave_waves_total{module=\"join \\\"2\\\"\"} 0\n# HELP"),
              "%s", buffer_string(&text));
    cr_expect(holds(&text, "# TYPE weir_module_join_wave_last_wave_timestamp_seconds gauge\n"
                           "weir_module_join_wave_last_wave_timestamp_seconds{module=\"join_wave\"} 1700000000.5\n"));
    cr_expect(holds(&text, "weir_module_newcomer_members{module=\"newcomer\"} 0\n# HELP"),
              "a module without a label is left out");
    cr_expect_not(holds(&text, "keywords"));
    buffer_free(&text);
    chain_destroy(chain);
}

/* After a reload the page has the figures of the new chain alone. */
Test(module_figures, of_the_chain_that_is_asked)
{
    struct chain *chain = open_chain(), *next = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    struct metrics *metrics = metrics_create();
    struct observer_settings settings = {.chain = chain, .instance_name = "weir1", .queue_limit = 10};
    struct observer_callbacks callbacks = {0};
    struct observer *observer = observer_create(&settings, &callbacks, metrics);
    struct buffer text = {0};
    append(next, "newcomer", "{\"deny\": [\"media\"]}");
    chain_seal(next, NULL, NULL);
    metrics_render(metrics, &text);
    cr_expect(holds(&text, "weir_module_join_wave_waves_total{module=\"join_wave.2\"} 0\n"));
    observer_use_chain(observer, next);
    chain_destroy(chain);
    buffer_clear(&text);
    metrics_render(metrics, &text);
    cr_expect_not(holds(&text, "join_wave"));
    cr_expect(holds(&text, "weir_module_newcomer_members{module=\"newcomer\"} 0\n"));
    observer_destroy(observer);
    chain_destroy(next);
    metrics_destroy(metrics);
    buffer_free(&text);
}
