/* Who is known to share a room with whom. */
#include "filters/common_rooms.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SEED 7

static struct slice name(char *text, size_t size, const char *sign, int number)
{
    return slice_of(text, (size_t)snprintf(text, size, "%s%d:x", sign, number));
}

static void see(struct recent_table *table, int user, int room, bool is_in)
{
    char user_text[32], room_text[32];
    common_rooms_see(table, SEED, name(user_text, sizeof user_text, "@", user),
                     name(room_text, sizeof room_text, "!", room), is_in);
}

static bool share(const struct recent_table *table, int user, int other)
{
    char user_text[32], other_text[32];
    struct slice one = name(user_text, sizeof user_text, "@", user);
    struct slice two = name(other_text, sizeof other_text, "@", other);
    bool answer = common_rooms_share(table, SEED, one, two);
    cr_expect_eq(common_rooms_share(table, SEED, two, one), answer, "both ways the same");
    return answer;
}

Test(common_rooms, until_one_leaves)
{
    struct recent_table *table = recent_table_create(4096);
    cr_expect_not(share(table, 1, 2));
    see(table, 1, 100, true);
    cr_expect_not(share(table, 1, 2));
    see(table, 2, 100, true);
    see(table, 3, 101, true);
    cr_expect(share(table, 1, 2));
    cr_expect_not(share(table, 1, 3));
    see(table, 2, 101, false);
    cr_expect(share(table, 1, 2), "it left another room");
    see(table, 2, 100, false);
    cr_expect_not(share(table, 1, 2));
    see(table, 1, 100, false);
    cr_expect_not(share(table, 1, 2), "two that are nowhere share nothing");
    recent_table_destroy(table);
}

/* Rooms of which several fall into one slot: of users with twenty, nearly all that are common are found. */
Test(common_rooms, users_with_many_rooms)
{
    struct recent_table *table = recent_table_create(1u << 17);
    int found = 0, wrong = 0;
    for (int pair = 0; pair < 200; pair++) {
        for (int number = 0; number < 40; number++)
            see(table, 2 * pair + number % 2, 10000 * (pair + 1) + number, true);
        wrong += share(table, 2 * pair, 2 * pair + 1);
        see(table, 2 * pair, 5, true);
        see(table, 2 * pair + 1, 5, true);
        for (int number = 50; number < 70; number++)
            see(table, 2 * pair + number % 2, 10000 * (pair + 1) + number, true);
        found += share(table, 2 * pair, 2 * pair + 1);
    }
    cr_expect_eq(wrong, 0, "%d", wrong);
    cr_expect_geq(found, 170, "%d", found);
    recent_table_destroy(table);
}
