/* The words for values in the tables of options, which completion reads. */
#include <criterion/criterion.h>

#include "engine/option.h"
#include "engine/option_value.h"

static void expect_known(const struct subcommand *subcommand, const char *words)
{
    struct slice rest = slice_from_string(words), word;
    enum option_value value;
    while (option_value_next(&rest, &word, &value))
        cr_expect_neq(value, OPTION_VALUE_UNKNOWN, "weir %s: engine/option_value.c lacks %.*s", subcommand->name,
                      (int)word.length, word.data);
}

Test(completion, every_word_for_a_value_is_known)
{
    for (const struct subcommand *const *subcommand = subcommands; *subcommand; subcommand++) {
        for (const struct option_definition *option = (*subcommand)->options; option && option->name; option++) {
            cr_expect_eq(option->argument == NULL, option->type == OPTION_FLAG, "%s --%s", (*subcommand)->name,
                         option->name);
            expect_known(*subcommand, option->argument);
        }
        cr_expect_eq((*subcommand)->operand == NULL, (*subcommand)->maximum_operands == 0, "%s", (*subcommand)->name);
        expect_known(*subcommand, (*subcommand)->operand);
    }
}

Test(completion, values_are_parted_by_bars)
{
    struct slice rest = SLICE("now|stored|TOKEN|-|WORD"), word;
    enum option_value value, expected[] = {OPTION_VALUE_LITERAL, OPTION_VALUE_LITERAL, OPTION_VALUE_ANY,
                                           OPTION_VALUE_LITERAL, OPTION_VALUE_UNKNOWN};
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++) {
        cr_assert(option_value_next(&rest, &word, &value));
        cr_expect_eq(value, expected[index], "%.*s", (int)word.length, word.data);
    }
    cr_expect_not(option_value_next(&rest, &word, &value));
}
