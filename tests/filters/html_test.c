/* HTML as text, its tags and their attributes. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/html.h"

static void expect_text(const char *html, bool without_code, const char *expected)
{
    size_t length = strlen(html);
    char *output = memory_allocate(length ? length : 1); /* of that size, so that ASan sees a byte too many */
    char *input = memory_allocate(length ? length : 1);
    memcpy(input, html, length);
    struct slice text = slice_of(output, html_text(slice_of(input, length), without_code, output));
    cr_expect(slice_equal(text, slice_from_string(expected)), "`%s` became `%.*s`", html, (int)text.length, text.data);
    free(input);
    free(output);
}

Test(html, text_that_people_see)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"", ""},
        {"v<b></b>i<i>a</i>gra", "viagra"},
        {"a &lt;b&gt; &amp; &#64;c&#x41;&#X42", "a <b> & @cAB"},
        {"&amp;lt; &unknown; & &; &#; &#x; &lt", "&lt; &unknown; & &; &#; &#x; &lt"},
        {"&#0;&#x110000;&#xd800;&#99999999999;", "\ufffd\ufffd\ufffd\ufffd"},
        {"&#128;&eacute;&nbsp;&#x1f600;", "\u20ac\u00e9\u00a0\U0001f600"},
        {"&commat;room &Tab;", "@room \t"},
        {"  a \n\t b  ", "a b"},
        {"<p>one</p>\n<p>two</p>", "one\ntwo"},
        {"a<br>b<br/>\n<br />c", "a\nb\n\nc"},
        {"a<br><br>", "a\n\n"},
        {"<ul><li>a</li><li>b</li></ul>", "a\nb"},
        {"<pre><code>a  b\n\n  c</code></pre>d", "a  b\n\n  c\nd"},
        {"<!-- no > --><b>x</b><!doctype y><?z?><!-->w", "xw"},
        {"1 < 2 <3 a<b", "1 < 2 <3 a"},
        {"<a href=\"x>y\" title='>'>z</a>", "z"},
        {"<a href=\"never closed>z", ""},
        {"a</b", "a"},
        {"a<", "a<"},
        {"a</>b", "ab"},
        {"<a =\">b\">c</a>", "c"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        expect_text(cases[index][0], false, cases[index][1]);
    expect_text("a <code>b</code> c<pre>d</pre>e", true, "a c\ne");
    expect_text("a</code></pre><code>b", true, "a");
}

Test(html, attributes)
{
    static const char attributes[] = " SRC = 'mxc://a/b'data-mx-emoticon height=32 alt=\"\" x src=2/";
    struct slice text = slice_from_string(attributes);
    cr_expect(slice_equal(html_attribute(text, "src"), SLICE("mxc://a/b")));
    cr_expect(slice_equal(html_attribute(text, "data-mx-emoticon"), SLICE("")));
    cr_expect(slice_equal(html_attribute(text, "height"), SLICE("32")));
    cr_expect(slice_equal(html_attribute(text, "alt"), SLICE("")));
    cr_expect(slice_equal(html_attribute(text, "x"), SLICE("")));
    cr_expect_not(slice_present(html_attribute(text, "width")));
    cr_expect_not(slice_present(html_attribute(SLICE_ABSENT, "width")));
    cr_expect(slice_equal(html_attribute(SLICE("a='b"), "a"), SLICE("b")));
}

Test(html, tags)
{
    static const char html[] = "x<IMG src=a>y</img z=1><br/>";
    size_t position = 0;
    struct html_tag tag;
    cr_assert(html_next(SLICE(html), &position, &tag));
    cr_expect(html_tag_is(&tag, "img") && !tag.closing && slice_equal(tag.before, SLICE("x")));
    cr_expect(slice_equal(html_attribute(tag.attributes, "src"), SLICE("a")));
    cr_assert(html_next(SLICE(html), &position, &tag));
    cr_expect(html_tag_is(&tag, "img") && tag.closing && slice_equal(tag.before, SLICE("y")));
    cr_assert(html_next(SLICE(html), &position, &tag));
    cr_expect(html_tag_is(&tag, "br") && !html_tag_is(&tag, "b"));
    cr_expect_not(html_next(SLICE(html), &position, &tag));
    position = 0;
    cr_expect_not(html_next(SLICE_ABSENT, &position, &tag));
}
