/* Expressions over names: what they come to, how little of them is looked at, and what is said of broken ones. */
#include "filters/expression.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define F TRUTH_FALSE
#define U TRUTH_UNKNOWN
#define T TRUTH_TRUE

static const char *const names[] = {"a", "b", "c", "long_name2"};
#define NAMES 4u

struct asked {
    enum truth truths[NAMES];
    unsigned order[128]; /* names that were asked, one after the other */
    unsigned count;
};

static enum truth ask(void *context, unsigned name)
{
    struct asked *asked = context;
    asked->order[asked->count++] = name;
    return asked->truths[name];
}

static struct expression compile(const char *text)
{
    struct expression expression;
    struct expression_problem problem = {0};
    cr_assert(expression_compile(&expression, slice_from_string(text), names, NAMES, &problem), "%s: at %zu: %s", text,
              problem.position, problem.text);
    return expression;
}

/* What it comes to where a, b and c are so. */
static enum truth truth_of(const char *text, enum truth a, enum truth b, enum truth c, struct asked *asked)
{
    struct expression expression = compile(text);
    *asked = (struct asked){.truths = {a, b, c, F}};
    enum truth truth = expression_evaluate(&expression, ask, asked);
    expression_free(&expression);
    return truth;
}

Test(expression, what_binds_stronger)
{
    struct asked asked;
    for (unsigned bits = 0; bits < 8; bits++) {
        bool a = bits & 1, b = bits & 2, c = bits & 4;
        enum truth ta = a ? T : F, tb = b ? T : F, tc = c ? T : F;
#define EXPECT_TRUTH(text, value)                                                                                      \
    cr_expect_eq(truth_of(text, ta, tb, tc, &asked), (value) ? T : F, "%s, %u", text, bits)
        EXPECT_TRUTH("a", a);
        EXPECT_TRUTH("  !a\t", !a);
        EXPECT_TRUTH("!!a", a);
        EXPECT_TRUTH("a&b|c", (a && b) || c);
        EXPECT_TRUTH("a|b&c", a || (b && c));
        EXPECT_TRUTH("(a | b) & c", (a || b) && c);
        EXPECT_TRUTH("!a & b", !a && b);
        EXPECT_TRUTH("!(a & b)\n| !c", !(a && b) || !c);
        EXPECT_TRUTH("a & b & c & a", a && b && c);
        EXPECT_TRUTH("a | b | c | !a & long_name2", a || b || c);
        EXPECT_TRUTH("((((a))) & (b | (c & !(a | b))))", a && (b || (c && !(a || b))));
#undef EXPECT_TRUTH
    }
}

/* Unknown only where it makes a difference. */
Test(expression, the_unknown)
{
    struct asked asked;
    cr_expect_eq(truth_of("a", U, F, F, &asked), U);
    cr_expect_eq(truth_of("!a", U, F, F, &asked), U);
    cr_expect_eq(truth_of("a & b", U, F, F, &asked), F);
    cr_expect_eq(truth_of("a & b", U, T, F, &asked), U);
    cr_expect_eq(truth_of("a & b", T, U, F, &asked), U);
    cr_expect_eq(truth_of("a | b", U, T, F, &asked), T);
    cr_expect_eq(truth_of("a | b", U, F, F, &asked), U);
    cr_expect_eq(truth_of("a & !b", T, U, F, &asked), U);
    cr_expect_eq(truth_of("!(a & b)", U, F, F, &asked), T);
    cr_expect_eq(truth_of("a | !a", U, F, F, &asked), U);
}

static void expect_asked(const char *text, enum truth a, enum truth b, enum truth c, const char *wanted)
{
    struct asked asked;
    char got[129] = "";
    truth_of(text, a, b, c, &asked);
    for (unsigned index = 0; index < asked.count; index++)
        got[index] = names[asked.order[index]][0];
    cr_expect_str_eq(got, wanted, "%s", text);
}

Test(expression, no_more_is_asked_than_it_takes)
{
    expect_asked("a & b & c", F, T, T, "a");
    expect_asked("a & b & c", T, F, T, "ab");
    expect_asked("a | b | c", F, T, F, "ab");
    expect_asked("(a & b) | c", F, T, T, "ac");
    expect_asked("a & (b | c)", F, T, T, "a");
    expect_asked("a & (b | c)", T, T, T, "ab");
    expect_asked("!(a & b) & c", F, T, T, "ac");
    expect_asked("!(a & b) | c", F, T, T, "a");
    expect_asked("a & b", U, T, T, "ab");
}

static void expect_problem(const char *text, size_t position, const char *part)
{
    struct expression expression;
    struct expression_problem problem = {0};
    cr_assert_not(expression_compile(&expression, slice_from_string(text), names, NAMES, &problem), "%s", text);
    expression_free(&expression);
    cr_expect_eq(problem.position, position, "%s: at %zu: %s", text, problem.position, problem.text);
    cr_expect(strstr(problem.text, part), "%s: %s", text, problem.text);
}

Test(expression, what_is_wrong_and_where)
{
    expect_problem("", 1, "expected a name, `!` or `(`");
    expect_problem("   ", 4, "expected a name");
    expect_problem("a &", 4, "expected a name");
    expect_problem("a && b", 4, "expected a name");
    expect_problem("a b", 3, "expected `&`, `|` or the end");
    expect_problem("a and b", 3, "expected `&`, `|` or the end");
    expect_problem("(a | b", 7, "for the `(` at 1");
    expect_problem("(a | b))", 8, "or the end");
    expect_problem("a & ()", 6, "expected a name");
    expect_problem("a & 1", 5, "expected a name");
    expect_problem("a & long_name", 5, "there is no `long_name`; did you mean `long_name2`?");
    expect_problem("nothing_like_it", 1, "there is no `nothing_like_it`");
    expect_problem("a | a234567890123456789012345678901234567890", 5, "at most 32 letters");
    expect_problem("a & \xc3\xa4", 5, "expected a name");
}

Test(expression, bounds)
{
    struct expression expression;
    struct expression_problem problem = {0};
    char text[EXPRESSION_TEXT_MAXIMUM + 2];
    /* As deep, and as long, as it may be: the stack holds it. */
    size_t length = 0;
    for (unsigned depth = 0; depth < EXPRESSION_DEPTH_MAXIMUM; depth++)
        length += (size_t)snprintf(text + length, sizeof text - length, "a | b & (");
    text[length++] = 'c';
    memset(text + length, ')', EXPRESSION_DEPTH_MAXIMUM);
    text[length + EXPRESSION_DEPTH_MAXIMUM] = '\0';
    struct asked asked;
    expression = compile(text);
    asked = (struct asked){.truths = {F, T, T, F}};
    cr_expect_eq(expression_evaluate(&expression, ask, &asked), T);
    cr_expect(expression_may_be_true(&expression, 7));
    expression_free(&expression);
    memset(text, '!', EXPRESSION_DEPTH_MAXIMUM + 1);
    memcpy(text + EXPRESSION_DEPTH_MAXIMUM + 1, "a", 2);
    expect_problem(text, EXPRESSION_DEPTH_MAXIMUM + 1, "more than 32 parentheses and `!`");
    expression = compile(text + 1);
    expression_free(&expression);
    for (size_t at = 0; at < sizeof text; at++)
        text[at] = at % 2 ? '|' : 'a';
    struct slice longest = slice_of(text, EXPRESSION_TEXT_MAXIMUM - 1), longer = slice_of(text, sizeof text - 1);
    cr_expect(expression_compile(&expression, longest, names, NAMES, &problem), "%s", problem.text);
    expression_free(&expression);
    cr_expect_not(expression_compile(&expression, longer, names, NAMES, &problem));
    cr_expect_str_eq(problem.text, "more than 4096 bytes");
    expression_free(&expression);
    cr_expect_not(expression_compile(&expression, slice_of("a\0b", 3), names, NAMES, &problem));
    cr_expect_eq(problem.position, 2u);
    expression_free(&expression);
}

Test(expression, where_it_may_be_true)
{
    static const struct {
        const char *text;
        uint64_t known;
        bool may;
    } rows[] = {
        {"a", 1, true},
        {"a", 2, false},
        {"!a", 2, false},
        {"!a", 1, true},
        {"a & b", 1, false},
        {"a & b", 3, true},
        {"a | b", 2, true},
        {"a & !b", 1, false},
        {"!(a & b)", 2, true},
        {"!(a | b)", 2, false},
        {"!(a | b)", 3, true},
        {"a & (b | c)", 5, true},
        {"a & (b & c)", 5, false},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct expression expression = compile(rows[row].text);
        cr_expect_eq(expression_may_be_true(&expression, rows[row].known), rows[row].may, "%s, %llu", rows[row].text,
                     (unsigned long long)rows[row].known);
        expression_free(&expression);
    }
}

Test(expression, names)
{
    static const char *const good[] = {"a", "A_9", "_x", "a2345678901234567890123456789012"};
    static const char *const bad[] = {"", "9a", "a-b", "a b", "a23456789012345678901234567890123", "\xc3\xa4"};
    for (size_t index = 0; index < sizeof good / sizeof *good; index++)
        cr_expect(expression_name_valid(slice_from_string(good[index])), "%s", good[index]);
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        cr_expect_not(expression_name_valid(slice_from_string(bad[index])), "%s", bad[index]);
}
