/* Pictures and what strangers write into them: well-formed, escaped, in proportion. */
#include <criterion/criterion.h>

#include "engine/backtest_excerpt.h"
#include "engine/svg_chart.h"

static const struct text_case {
    const char *text;
    const char *plain;
    const char *markup;
} text_cases[] = {
    {"", "", ""},
    {"a b", "a b", "a b"},
    {"<script>alert('x')</script>", "<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"},
    {"\" & ]]>", "\" & ]]>", "&quot; &amp; ]]&gt;"},
    {"two\nlines\tand\rmore", "two lines and more", "two lines and more"},
    {"\033[2Jgone\a", "\uFFFD[2Jgone\uFFFD", "\uFFFD[2Jgone\uFFFD"},
    {"\xc2\x9b"
     "31m",
     "\uFFFD31m", "\uFFFD31m"},
    {"a\u202Eb\u2066c\u200F", "a\uFFFDb\uFFFDc\uFFFD", "a\uFFFDb\uFFFDc\uFFFD"},
    {"\xff\xc0\x80", "\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD"},
    {"\uFFFE\uFEFF", "\uFFFD\uFFFD", "\uFFFD\uFFFD"},
    {"größe 日本 😀", "größe 日本 😀", "größe 日本 😀"},
    {"12345678901234567890123456789012345678901", "1234567890123456789012345678901234567890…",
     "1234567890123456789012345678901234567890…"},
};

Test(svg_chart, texts_of_strangers)
{
    for (size_t index = 0; index < sizeof text_cases / sizeof *text_cases; index++) {
        struct buffer plain = {0}, markup = {0};
        backtest_append_plain(&plain, slice_from_string(text_cases[index].text), 40);
        markup_append_text(&markup, slice_from_string(text_cases[index].text), 40);
        cr_expect_str_eq(buffer_string(&plain), text_cases[index].plain);
        cr_expect_str_eq(buffer_string(&markup), text_cases[index].markup);
        buffer_free(&plain);
        buffer_free(&markup);
    }
}

static const struct excerpt_case {
    const char *body;
    const char *excerpt;
} excerpt_cases[] = {
    {"{\"content\":{\"body\":\"hello\\nthere\"}}", "hello there"},
    {"{\"content\":{\"body\":5,\"x\":[1.0,\"a\"]}}", "{\"body\":5,\"x\":[1.0,\"a\"]}"},
    {"{\"content\":{\"membership\":\"join\"}}", "{\"membership\":\"join\"}"},
    {"{\"content\":{\"body\":\"\\u202e\\ud83d\\ude00\"}}", "\uFFFD😀"},
    {"{}", ""},
    {"[]", ""},
    {"no json", ""},
};

Test(svg_chart, excerpts)
{
    struct buffer text = {0};
    for (size_t index = 0; index < sizeof excerpt_cases / sizeof *excerpt_cases; index++) {
        buffer_clear(&text);
        backtest_append_excerpt(&text, slice_from_string(excerpt_cases[index].body), 100);
        cr_expect_str_eq(buffer_string(&text), excerpt_cases[index].excerpt);
    }
    buffer_clear(&text);
    backtest_append_excerpt(&text, SLICE_ABSENT, 100);
    cr_expect_eq(text.length, 0);
    buffer_free(&text);
}

static void append_step(void *context, uint32_t step, bool brief, struct buffer *output)
{
    (void)context;
    buffer_append_format(output, brief ? "s%u" : "step %u", (unsigned)step);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

Test(svg_chart, stack)
{
    const struct svg_series series[] = {{"a<b", "c0"}, {"c", "c1"}};
    const uint64_t values[] = {1, 0, 0, 0, 30, 70};
    const uint64_t line[] = {0, 200, 5};
    struct svg_stack stack = {.title = "t & t",
                              .steps = 3,
                              .series_count = 2,
                              .series = series,
                              .values = values,
                              .append_step = append_step};
    struct buffer output = {0};
    svg_append_stack(&output, &stack);
    const char *text = buffer_string(&output);
    cr_expect_eq(count_of(text, "<rect"), 3, "nothing is drawn of what is 0");
    cr_expect_eq(count_of(text, "<g>"), 3);
    cr_expect_eq(count_of(text, "<polyline"), 0);
    cr_expect(strstr(text, "a&lt;b: 30") && strstr(text, "t &amp; t") && strstr(text, ">100</text>"));
    buffer_clear(&output);
    stack.line = line;
    stack.line_name = "old";
    svg_append_stack(&output, &stack);
    text = buffer_string(&output);
    cr_expect_eq(count_of(text, "<polyline"), 1);
    cr_expect(strstr(text, ">200</text>"), "the axis reaches the line, too");
    buffer_clear(&output);
    stack.steps = 0;
    svg_append_stack(&output, &stack);
    cr_expect_eq(output.length, 0);
    buffer_free(&output);
}

Test(svg_chart, bars)
{
    const struct svg_bar bars[] = {{SLICE("!room<&"), {100, 50}, {"cd", "co"}}, {SLICE("zero"), {0, 0}, {"cd", "co"}}};
    struct buffer output = {0};
    svg_append_bars(&output, "title", bars, 2, true, " ns");
    const char *text = buffer_string(&output);
    cr_expect_eq(count_of(text, "<rect"), 4);
    cr_expect(strstr(text, "!room&lt;&amp;") && strstr(text, "100 / 50 ns") && strstr(text, "width=\"500.0\"") &&
              strstr(text, "width=\"250.0\""));
    cr_expect_eq(count_of(text, "nan"), 0);
    buffer_clear(&output);
    svg_append_bars(&output, "title", bars + 1, 1, false, "");
    cr_expect(strstr(buffer_string(&output), "width=\"0.0\""));
    buffer_clear(&output);
    svg_append_bars(&output, "title", bars, 0, false, "");
    cr_expect_eq(output.length, 0);
    buffer_free(&output);
}
