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
    struct asked_once *asked;
};

static void open_tables(struct tables *tables, uint64_t version)
{
    tables->kept = kept_tables_open(version);
    kept_tables_add_recent(&tables->kept, &tables->recent, recent_table_create(64));
    kept_tables_add_rate(&tables->kept, &tables->rate, rate_table_create(&(struct rate_limit){2, 60000, 2}, 64));
    kept_tables_add_window(&tables->kept, &tables->window, window_table_create(60000, 64));
    kept_tables_add_similar(&tables->kept, &tables->similar, similar_texts_create(0.7, 64));
    kept_tables_add_asked_once(&tables->kept, &tables->asked, asked_once_create(64));
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
    struct tables tables, restored;
    open_tables(&tables, VERSION);
    open_tables(&restored, VERSION);
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
    struct tables tables, restored, other;
    open_tables(&tables, VERSION);
    open_tables(&restored, VERSION);
    open_tables(&other, VERSION + 1);
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

Test(kept_tables, exchanged)
{
    struct tables tables, others;
    open_tables(&tables, VERSION);
    open_tables(&others, VERSION);
    tables.kept.seed = 77;
    fill(&tables);
    kept_tables_exchange(&others.kept, &tables.kept);
    cr_expect(is_filled(&others));
    cr_expect_not(is_filled(&tables));
    cr_expect_eq(others.kept.seed, 77u);
    cr_expect_eq(tables.kept.seed, keyed_hash_seed);
    kept_tables_free(&tables.kept);
    cr_expect(is_filled(&others));
    kept_tables_free(&others.kept);
}
