/* Rows of presence, a line each, through a router that sends everything to two users. An empty line ends a turn of the
 * loop. What comes out must be a row of presence_routes each, and no state may be lost. */
#include <stdlib.h>

#include "engine/log.h"
#include "engine/presence_router.h"

static uint64_t states_out;

static void route(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    const struct value *updates = &arguments->values[0];
    struct value *pairs = arena_allocate(arguments->arena, 4 * sizeof *pairs);
    pairs[0] = value_text(SLICE("@a:x"));
    pairs[2] = value_text(SLICE("@\xff\"\n:x"));
    pairs[1] = pairs[3] = value_container(VALUE_SET, updates->items, updates->count);
    result->value = value_container(VALUE_DICT, pairs, 2);
}

static void *create(const struct module_setup *setup)
{
    static int state;
    (void)setup;
    return &state;
}

static void destroy(void *state)
{
    (void)state;
}

static void on_report(void *context, const char *path, const char *message)
{
    (void)context, (void)path, (void)message;
    abort();
}

static void on_route(void *context, struct slice row)
{
    (void)context;
    if (memchr(row.data, '\n', row.length))
        abort();
    yyjson_doc *document = yyjson_read(row.data, row.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (yyjson_arr_size(root) != 2 || !yyjson_is_str(yyjson_arr_get(root, 0)))
        abort();
    size_t index, count;
    yyjson_val *state;
    yyjson_arr_foreach(yyjson_arr_get(root, 1), index, count, state)
    {
        if (yyjson_obj_size(state) != 7 || !yyjson_is_str(yyjson_obj_get(state, "user_id")))
            abort();
        states_out++;
    }
    yyjson_doc_free(document);
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    int64_t *last = context;
    if (stream != STREAM_presence || !slice_present(writer) || token <= *last)
        abort();
    *last = token;
}

static struct chain *make_chain(void)
{
    static const struct module_callback callbacks[] = {{.callback = CALLBACK_get_users_for_states, .function = route},
                                                       {.callback = CALLBACK_get_interested_users, .function = route}};
    static const struct module_definition definition = {
        .name = "router", .callbacks = callbacks, .callback_count = 2, .create = create, .destroy = destroy};
    static const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    if (!chain_append(chain, &definition, NULL, NULL, &host) || !chain_seal(chain, NULL, NULL))
        abort();
    return chain;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chain *chain;
    if (!chain)
        chain = make_chain();
    log_threshold = LOG_ERROR + 1;
    states_out = 0;
    int64_t last = 0, token = 0;
    struct metrics *metrics = metrics_create();
    struct presence_router_callbacks callbacks = {.context = &last, .route = on_route, .position = on_position};
    struct presence_router *router = presence_router_create(chain, &callbacks, metrics);
    for (const char *text = (const char *)data, *end = text + size; text < end;) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop)
            stop = end;
        struct slice row = slice_of(text, (size_t)(stop - text));
        struct position_rows rows = {STREAM_presence, SLICE("p1"), ++token, &row, 1};
        if (row.length == 0)
            presence_router_flush(router);
        else
            presence_router_rows(router, &rows);
        text = stop + 1;
    }
    presence_router_flush(router);
    if (states_out != 2 * presence_router_counts(router).updates)
        abort();
    presence_router_destroy(router);
    metrics_destroy(metrics);
    return 0;
}
