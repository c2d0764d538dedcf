/* Texts that roff would take for something else. */
#include "engine/roff.h"

#include <criterion/criterion.h>

static void expect_text(void (*append)(struct buffer *output, const char *text), const char *text, const char *expected)
{
    struct buffer output = {0};
    append(&output, text);
    cr_expect_str_eq(buffer_string(&output), expected, "%s\n--- expected\n%s", output.data, expected);
    buffer_free(&output);
}

Test(roff, what_would_be_a_request_or_an_escape_is_text)
{
    expect_text(roff_append_text, ".SH is no heading\\n 'br", "\\&.SH is no heading\\en \\(aqbr\n");
    expect_text(roff_append_text, "--json of event-filters, -c, 1-2, weir-modules(7)",
                "\\-\\-json of event-filters, \\-c, 1\\-2, weir\\-modules(7)\n");
    expect_text(roff_append_text, "~ ^ \" \u20ac \u2026", "\\(ti \\(ha \\(dq \\[u20AC] ...\n");
    expect_text(roff_append_lines, ".x\n  .y -z\n", ".nf\n\\&.x\n  \\&\\&.y \\-z\n.fi\n");
}

Test(roff, paragraphs_sentences_and_names)
{
    expect_text(roff_append_text, "One `two-x`. Three e.g. four.\n\n kept  -a\n.k\nlast `open",
                "One \\fBtwo\\-x\\fR.\nThree e.g. four.\n.sp\n.nf\n  kept  \\-a\n.fi\n\\&.k last \\fBopen\n\\fR\n");
}

Test(roff, lines_are_wrapped_and_a_dot_at_a_line_begin_is_harmless)
{
    char text[81];
    memset(text, 'a', 76);
    memcpy(text + 76, " .b", 4);
    struct buffer output = {0};
    roff_append_text(&output, text);
    cr_expect_str_eq(buffer_string(&output) + 76, "\n\\&.b\n");
    buffer_free(&output);
}

Test(roff, items_and_headings)
{
    struct buffer output = {0};
    roff_append_item(&output, "-c, --config", "FILE", "A file.");
    roff_append_subsection(&output, "a \"b\"");
    cr_expect_str_eq(buffer_string(&output), ".TP\n\\fB\\-c, \\-\\-config\\fR  FILE\nA file.\n.SS \"a \\(dqb\\(dq\"\n");
    buffer_free(&output);
}
