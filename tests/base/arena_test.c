/* Memory of one question: alignment, growth, what is released when. */
#include <criterion/criterion.h>
#include <stdint.h>

#include "base/arena.h"

static int released[3];
static int released_count;

static void release(void *pointer)
{
    released[released_count++] = *(int *)pointer;
}

Test(arena, hands_out_zeroed_and_aligned_memory)
{
    struct arena arena = {0};
    for (size_t size = 1; size < 20000; size = size * 3 + 1) {
        char *memory = arena_allocate(&arena, size);
        cr_expect_eq((uintptr_t)memory % 16, 0u);
        for (size_t index = 0; index < size; index++)
            cr_assert_eq(memory[index], 0);
        memset(memory, 0xff, size);
    }
    arena_reset(&arena);
    char *again = arena_allocate(&arena, 4096);
    for (size_t index = 0; index < 4096; index++)
        cr_assert_eq(again[index], 0, "memory that was used before is zeroed again");
    arena_free(&arena);
}

Test(arena, copies_texts_with_a_nul_behind_them)
{
    struct arena arena = {0};
    struct slice copy = arena_copy(&arena, slice_of("abcdef", 3));
    cr_expect_str_eq(copy.data, "abc");
    cr_expect_not(slice_present(arena_copy(&arena, SLICE_ABSENT)));
    cr_expect_str_eq(arena_copy(&arena, SLICE("")).data, "");
    cr_expect_str_eq(arena_format(&arena, "%d of %s", 7, "nine").data, "7 of nine");
    arena_free(&arena);
}

Test(arena, releases_at_the_reset_the_latest_first_and_once)
{
    struct arena arena = {0};
    static int numbers[] = {1, 2, 3};
    for (int index = 0; index < 3; index++)
        arena_defer(&arena, release, &numbers[index]);
    cr_expect_eq(released_count, 0);
    arena_reset(&arena);
    cr_assert_eq(released_count, 3);
    cr_expect_eq(released[0], 3);
    cr_expect_eq(released[2], 1);
    arena_reset(&arena);
    arena_free(&arena);
    cr_expect_eq(released_count, 3);
}
