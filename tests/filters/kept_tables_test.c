/* Tables of a module as one: what is saved is restored whole, or not at all. */
#include "filters/kept_tables.h"

#include <criterion/criterion.h>

#include "base/keyed_hash.h"
#include "base/rate_table.h"
#include "base/recent_table.h"
#include "base/window_table.h"
#include "filters/asked_once.h"
#include "filters/similar_texts.h"

#define VERSION 3
#define NOW 1700000000000

struct tables {
    struct kept_tables kept;
    struct recent_table *recent;
    struct rate_table *rate;
    struct window_table *window;
    struct similar_texts *similar;
};

static struct tables open_tables(uint64_t version)
{
    struct tables tables = {.kept = kept_tables_open(version)};
    tables.recent = kept_recent(&tables.kept, recent_table_create(64));
    tables.rate = kept_rate(&tables.kept, rate_table_create(&(struct rate_limit){2, 60000, 2}, 64));
    tables.window = kept_window(&tables.kept, window_table_create(60000, 64));
    tables.similar = kept_similar_texts(&tables.kept, similar_texts_create(0.7, 64));
    (void)kept_asked_once(&tables.kept, asked_once_create(64));
    return tables;
}

static void fill(const struct tables *tables)
{
    recent_table_put(tables->recent, 7, 9);
    cr_expect(rate_table_take(tables->rate, 7, 2, NOW));
    window_table_add(tables->window, 7, NOW);
    similar_texts_group(tables->similar, SLICE("a text that is long enough"), tables->kept.seed, true);
}

static bool is_filled(const struct tables *tables)
{
    uint32_t value = 0;
    bool found = recent_table_find(tables->recent, 7, &value) && value == 9;
    bool taken = !rate_table_has(tables->rate, 7, 1, NOW);
    bool counted = window_table_count(tables->window, 7, NOW) == 1;
    cr_expect(found == taken && taken == counted, "all or nothing");
    return found;
}

Test(kept_tables, what_is_saved_is_restored)
{
    struct tables tables = open_tables(VERSION), restored = open_tables(VERSION);
    struct buffer saved = {0};
    tables.kept.seed = 77;
    fill(&tables);
    kept_tables_save(&tables.kept, &saved);
    cr_expect(kept_tables_restore(&restored.kept, buffer_slice(&saved)));
    cr_expect(is_filled(&restored));
    cr_expect_eq(restored.kept.seed, 77u);
    buffer_free(&saved);
    kept_tables_free(&tables.kept);
    kept_tables_free(&restored.kept);
}

Test(kept_tables, whole_or_not_at_all)
{
    struct tables tables = open_tables(VERSION), restored = open_tables(VERSION), other = open_tables(VERSION + 1);
    struct buffer saved = {0};
    tables.kept.seed = 77;
    fill(&tables);
    kept_tables_save(&tables.kept, &saved);
    for (size_t length = 0; length < saved.length; length++) {
        cr_expect_not(kept_tables_restore(&restored.kept, slice_of(saved.data, length)), "%zu", length);
        cr_expect_not(is_filled(&restored));
        cr_expect_eq(restored.kept.seed, keyed_hash_seed, "%zu", length);
    }
    cr_expect_not(kept_tables_restore(&other.kept, buffer_slice(&saved)), "another version");
    buffer_append_char(&saved, 'x');
    cr_expect_not(kept_tables_restore(&restored.kept, buffer_slice(&saved)), "something stands behind");
    cr_expect_not(is_filled(&restored));
    buffer_free(&saved);
    kept_tables_free(&tables.kept);
    kept_tables_free(&restored.kept);
    kept_tables_free(&other.kept);
}
