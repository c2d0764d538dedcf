/* What the modules of a chain remember, given to another chain: to which modules, and what damage costs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/buffer.h"
#include "filters/chain_state.h"

#define START 1700000000000

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    cr_assert_fail("%s: %s", path, message);
}

static const struct module_host host = {.report = on_report};

/* From a JSON list of lists: module, config, dry_run. */
static struct chain *open_chain(const char *json)
{
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    json_t *list = json_loads(json, 0, NULL), *item;
    size_t index;
    cr_assert_not_null(list, "%s", json);
    json_array_foreach(list, index, item)
    {
        struct module_options options = {.dry_run = json_is_true(json_array_get(item, 2))};
        cr_assert(chain_append(chain, module_find(json_string_value(json_array_get(item, 0))), json_array_get(item, 1),
                               &options, &host));
    }
    json_decref(list);
    cr_assert(chain_seal(chain, NULL, NULL));
    return chain;
}

/* Lets `user` join `times` times; returns how often it might. */
static int join(struct chain *chain, const char *user, int times)
{
    struct arena arena = {0};
    struct value values[] = {value_text(slice_from_string(user)), value_text(SLICE("!r:x")), value_boolean(false)};
    struct callback_arguments arguments = {.values = values, .count = 3, .arena = &arena, .now_ms = START};
    struct outcome outcome;
    int passed = 0;
    for (int time = 0; time < times; time++) {
        chain_run(chain, CALLBACK_user_may_join_room, &arguments, &outcome);
        passed += outcome.kind == OUTCOME_PASSED;
    }
    arena_free(&arena);
    return passed;
}

#define TWO "[\"rate\", {\"rules\": [{\"rate\": \"2/h\", \"actions\": [\"joins\"]}]}]"
#define THREE "[\"rate\", {\"rules\": [{\"rate\": \"3/h\", \"actions\": [\"joins\"]}]}]"
#define THREE_OTHERWISE "[\"rate\", {\"rules\": [{\"actions\": [\"joins\"], \"rate\": \"3/h\"}]}]"
#define THREE_DRY "[\"rate\", {\"rules\": [{\"rate\": \"3/h\", \"actions\": [\"joins\"]}]}, true]"
#define TYPES "[\"event_types\", {\"deny\": [\"m.bad\"]}]"

static struct chain_state_counts move(struct chain *from, struct chain *to, bool by_snapshot)
{
    struct chain_state_counts counts;
    const char *problem = NULL;
    struct buffer snapshot = {0};
    if (by_snapshot) {
        chain_state_save(from, &snapshot);
        cr_expect(chain_state_restore(to, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    } else {
        chain_state_hand_over(from, to, &counts);
    }
    buffer_free(&snapshot);
    return counts;
}

static void expect_counts(struct chain_state_counts counts, uint32_t restored, uint32_t unknown, uint32_t anew)
{
    cr_expect_eq(counts.restored, restored);
    cr_expect_eq(counts.unknown, unknown);
    cr_expect_eq(counts.anew, anew);
    cr_expect_eq(counts.damaged, 0u);
}

Test(chain_state, goes_to_the_module_of_the_same_configuration)
{
    static const struct {
        const char *next;
        int left; /* joins that @a:x has left */
        uint32_t restored, unknown, anew;
    } rows[] = {
        {"[" THREE "]", 1, 1, 0, 0},
        {"[" TYPES ", " THREE "]", 1, 1, 0, 0},
        {"[" THREE_OTHERWISE ", " TYPES "]", 1, 1, 0, 0},
        {"[" TWO "]", 2, 0, 1, 1},
        {"[" TYPES "]", 9, 0, 1, 0},
        {"[" THREE ", " THREE "]", 1, 1, 0, 1},
        {"[]", 9, 0, 1, 0},
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        for (int by_snapshot = 0; by_snapshot < 2; by_snapshot++) {
            struct chain *chain = open_chain("[" TYPES ", " THREE "]"), *next = open_chain(rows[index].next);
            cr_expect(chain_state_any(chain));
            cr_expect_eq(join(chain, "@a:x", 2), 2);
            expect_counts(move(chain, next, by_snapshot), rows[index].restored, rows[index].unknown, rows[index].anew);
            cr_expect_eq(join(next, "@a:x", 9), rows[index].left, "%s", rows[index].next);
            /* The old one goes on by itself, with what it knew or without. */
            cr_expect_eq(join(chain, "@a:x", 9), by_snapshot || !rows[index].restored ? 1 : 3);
            chain_destroy(chain);
            chain_destroy(next);
        }
    }
}

/* Of modules that are equal the first goes to the first. */
Test(chain_state, equal_modules_keep_their_order)
{
    static const char two[] = "[" THREE_DRY ", " THREE "]";
    for (int by_snapshot = 0; by_snapshot < 2; by_snapshot++) {
        struct chain *chain = open_chain(two), *next = open_chain("[" THREE "]"), *same = open_chain(two);
        cr_expect_eq(join(chain, "@a:x", 1), 1);
        expect_counts(move(chain, same, by_snapshot), 2, 0, 0);
        cr_expect_eq(join(same, "@a:x", 9), 2);
        /* What was tried out in dry_run is turned on with what it knows. */
        struct chain *tried = open_chain(two);
        cr_expect_eq(join(tried, "@a:x", 1), 1);
        expect_counts(move(tried, next, by_snapshot), 1, 1, 0);
        cr_expect_eq(join(next, "@a:x", 9), 2);
        chain_destroy(tried);
        chain_destroy(chain);
        chain_destroy(next);
        chain_destroy(same);
    }
}

Test(chain_state, of_a_chain_that_remembers_nothing)
{
    struct chain *chain = open_chain("[" TYPES "]"), *next = open_chain("[" TYPES "]");
    cr_expect_not(chain_state_any(chain));
    expect_counts(move(chain, next, true), 0, 0, 0);
    expect_counts(move(chain, next, false), 0, 0, 0);
    chain_destroy(chain);
    chain_destroy(next);
}

/* A damaged record costs its module's memory and no other's. */
Test(chain_state, damage)
{
    struct chain *chain = open_chain("[" TWO ", " THREE "]");
    struct buffer snapshot = {0};
    cr_expect_eq(join(chain, "@a:x", 1), 1);
    chain_state_save(chain, &snapshot);
    struct chain_state_counts counts;
    const char *problem;
    struct chain *next = open_chain("[" TWO ", " THREE "]");
    snapshot.data[16 + 64 + 8 + 4 + 4 + 8 + 8 + 3] ^= 4; /* in the bytes of the first */
    cr_expect(chain_state_restore(next, buffer_slice(&snapshot), &counts, &problem));
    cr_expect_eq(counts.restored, 1u);
    cr_expect_eq(counts.damaged, 1u);
    cr_expect_eq(counts.anew, 1u);
    cr_expect_eq(join(next, "@a:x", 9), 2);
    static const struct {
        const char *text;
        const char *problem;
    } rows[] = {{"", "this is no snapshot of modules"},
                {"weirmodsxxxxxxxx", "the snapshot of the modules is of another version"},
                {"weirmods\1\0\0\0\1\0\0\0", "the snapshot of the modules is cut off"},
                {"weirmods\1\0\0\0\0\0\0\0x", "something stands behind the snapshot of the modules"}};
    static const size_t lengths[] = {0, 16, 16, 17};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        cr_expect_not(chain_state_restore(next, slice_of(rows[index].text, lengths[index]), &counts, &problem));
        cr_expect_str_eq(problem, rows[index].problem);
    }
    buffer_free(&snapshot);
    chain_destroy(chain);
    chain_destroy(next);
}
