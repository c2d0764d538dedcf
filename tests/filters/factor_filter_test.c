/* A filter may let too much pass, never too little: whatever PCRE2 finds in a text must get through. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "filters/factor_filter_kernel.h"
#include "filters/pattern_confirm.h"

/* Expressions that have factors, each with texts that match. */
static const struct {
    const char *expression;
    const char *matches[4];
} known[] = {
    {"casino", {"casino", "CASINO", "CaSiNo"}},
    {"casino|jackpot\\s+slots?|sportsbook", {"casino", "jackpot slots", "JACKPOT \xe2\x80\x83 slot", "sportsbook"}},
    {"\\b(?:earn|make|win)\\s+\\$\\d{3,}", {"earn $500", "win \t\xc2\xa0$\xd9\xa3\xd9\xa3\xd9\xa3", "make $1234567"}},
    {"https?://(?:www\\.)?bit\\.ly/\\w+", {"http://bit.ly/a", "https://www.bit.ly/\xc3\xa9", "HTTPS://BIT.LY/X"}},
    {"t\\.me/(?:joinchat/)?[a-z0-9_]{5,}",
     {"t.me/abcde", "t.me/joinchat/ABCDE", "t.me/\xc5\xbf\xc5\xbf\xc5\xbf\xc5\xbf\xc5\xbf"}},
    {"\\b0x[0-9a-f]{40}\\b", {"0x0123456789abcdefABCDEF0123456789abcdef01"}},
    {"8(?:00|33|44)[- )]*\\d{3}[- ]?\\d{4}", {"800-555-1234", "8335551234", "844) 555 1234"}},
    {"(?:replica|fake)\\s+(?:rolex|watch(?:es)?)", {"fake rolex", "replica  watches"}},
    {"(?:\\bfree\\b\\W+){3}", {"free, free! free?", "FREE \xe2\x82\xac free - free."}},
    {"\\.(?:zip|mov|xyz)/[a-z0-9]{6,}", {".zip/abcdef", ".XYZ/123456"}},
    {"[A-Za-z0-9._%+-]+@(?:proton|tuta)\\.(?:me|com)", {"a@proton.me", "\xc5\xbf@tuta.com"}},
    {"(?:kill|harm)\\s+your\\s?self",
     {"kill yourself", "\xe2\x84\xaaill your \xc5\xbf"
                       "elf"}},
    {"discord",
     {"di\xc5\xbf"
      "cord",
      "DISCORD"}},
    {"seed{2}phrase", {"seeddphrase"}},
    {"ab{0,2}cdef", {"acdef", "abbcdef"}},
    {"x(?:ab|cd)*yzwv", {"xyzwv", "xababyzwv"}},
    {"foo(?=bar)bar", {"foobar"}},
    {"(?<!un)happy", {"happy"}},
    {"^spam$", {"spam"}},
    {"a\\.b\\.c\\.d", {"a.b.c.d"}},
    {"price:[ ]?\\x24[^0]\\d",
     {"price: $1\xd9\xa3", "PRICE:$\xe2\x82\xac"
                           "1"}},
    {"[[]x[]]yz", {"[x]yz"}},
    {"q[\\]x-z]q[^]]qq", {"q]qaqq", "qyq\xe2\x82\xacqq"}},
    {"[a-]b[-c]d[+--]e", {"-b-d,e", "abcd+e"}},
    {"caf\xc3\xa9 crypto", {"caf\xc3\xa9 crypto", "CAF\xc3\x89 CRYPTO"}},
    {"(?:a|b|)cdefg", {"cdefg", "acdefg"}},
    {"(?:abc|defg(?:hi|jk)+)lmno", {"abclmno", "defghijklmno"}},
    {"\\d{2,3}\\s*%\\s+(?:daily|profit)", {"20% daily", "\xd9\xa3\xd9\xa3 %\xc2\xa0profit"}},
    {"{x}{1y", {"{x}{1y"}},
    {"win{1,}ner", {"winner", "winnner"}},
    {"ab++c\\+d", {"abbbc+d"}},
    {".ab.cd\\Ref",
     {"\xe2\x82\xac"
      "ab\xe2\x82\xac"
      "cd\r\nef"}},
};
#define KNOWN (sizeof known / sizeof *known)

/* The filter's answer, which must not depend on what the processor can do. */
static bool passes(const struct factor_filter *filter, struct slice text)
{
    bool answer = factor_filter_passes(filter, text);
    cr_assert_eq(factor_filter_scan_plainly(filter, text), answer, "`%.*s`", (int)text.length, text.data);
    return answer;
}

static struct pattern regex(const char *text)
{
    return (struct pattern){.text = slice_from_string(text), .syntax = PATTERN_REGEX};
}

static bool pcre2_finds(const struct pattern *pattern, struct slice text)
{
    struct buffer error = {0};
    struct confirm_pattern *confirm = confirm_pattern_create(pattern->text, true, pattern->case_sensitive, &error);
    cr_assert_not_null(confirm, "%s", buffer_string(&error));
    struct confirm_context *context = confirm_context_create();
    bool found = confirm_pattern_match(context, confirm, text) == CONFIRM_MATCH;
    confirm_context_destroy(context);
    confirm_pattern_destroy(confirm);
    buffer_free(&error);
    return found;
}

/* A match at every distance from the begin, from the end, and from the borders of sixty-four bytes. */
static void expect_passes(const struct factor_filter *filter, const struct pattern *pattern, const char *match,
                          const char *filler)
{
    bool anchored = pattern->text.data[0] == '^';
    cr_assert(pcre2_finds(pattern, slice_from_string(match)), "`%s` in `%s`", pattern->text.data, match);
    for (size_t before = 0; before <= (anchored ? 0 : 130); before++) {
        for (size_t behind = 0; behind < 3; behind++) {
            struct buffer text = {0};
            for (size_t count = 0; count < before; count++)
                buffer_append_string(&text, filler);
            buffer_append_string(&text, match);
            for (size_t count = 0; count < behind * 37; count++)
                buffer_append_string(&text, filler);
            char *copy = malloc(text.length); /* of exactly its size */
            memcpy(copy, text.data, text.length);
            cr_assert(passes(filter, slice_of(copy, text.length)), "`%s` in `%s`", pattern->text.data,
                      buffer_string(&text));
            free(copy);
            buffer_free(&text);
        }
    }
}

Test(factor_filter, what_matches_passes)
{
    for (size_t index = 0; index < KNOWN; index++) {
        struct pattern pattern = regex(known[index].expression);
        struct factor_filter *filter = factor_filter_create(&pattern, 1);
        bool has_factors = strcmp(known[index].expression, ".ab.cd\\Ref") != 0;
        cr_assert_eq(filter != NULL, has_factors, "`%s`", known[index].expression);
        if (!filter)
            continue;
        for (size_t match = 0; match < 4 && known[index].matches[match]; match++) {
            expect_passes(filter, &pattern, known[index].matches[match], " ");
            expect_passes(filter, &pattern, known[index].matches[match], "\xe2\x82\xac");
        }
        cr_expect_not(passes(filter, SLICE("an ordinary text of more than sixty-four bytes, as people "
                                           "write them to each other")),
                      "`%s`", known[index].expression);
        cr_expect_not(passes(filter, SLICE("")));
        factor_filter_destroy(filter);
    }
}

Test(factor_filter, many_patterns_share_one)
{
    struct pattern patterns[KNOWN];
    uint32_t count = 0;
    for (size_t index = 0; index + 1 < KNOWN; index++)
        patterns[count++] = regex(known[index].expression);
    struct factor_filter *filter = factor_filter_create(patterns, count);
    cr_assert_not_null(filter);
    for (size_t index = 0; index < count; index++)
        for (size_t match = 0; match < 4 && known[index].matches[match]; match++)
            expect_passes(filter, &patterns[index], known[index].matches[match], "-");
    factor_filter_destroy(filter);
}

Test(factor_filter, literals_and_globs)
{
    static const struct {
        struct pattern pattern;
        const char *match;
    } cases[] = {
        {{SLICE("Nitro"), PATTERN_LITERAL, false}, "free nITRO here"},
        {{SLICE("Nitro"), PATTERN_LITERAL, true}, "free Nitro here"},
        {{SLICE("kilo*zinc?"), PATTERN_GLOB, false}, "\xe2\x84\xaailo and zinc\xc3\xa9"},
        {{SLICE("@*:evil.example"), PATTERN_GLOB, true}, "@a:evil.example"},
        {{SLICE("caf\xc3\xa9 gratis"), PATTERN_LITERAL, false}, "CAF\xc3\x89 GRATIS"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct factor_filter *filter = factor_filter_create(&cases[index].pattern, 1);
        cr_assert_not_null(filter, "%zu", index);
        cr_expect(passes(filter, slice_from_string(cases[index].match)), "%s", cases[index].match);
        cr_expect_not(passes(filter, SLICE("nothing of that")));
        factor_filter_destroy(filter);
    }
}

Test(factor_filter, what_tells_nothing_has_none)
{
    static const char *const expressions[] = {
        "",         "\\w+",       "a",          "(?:abcd)?",  "abcd|",       "abcd|\\d+",
        "(?i)abcd", "(abcd)\\1",  "(?<n>abcd)", "\\Qabcd\\E", "[[:alpha:]]", "abc\\Kdef",
        "(?>abcd)", "(*UCP)abcd", "\\p{L}abcd", "ab{,3}cdef", "(?=abcd)",    "\xe6\x97\xa5\xe6\x9c\xac",
    };
    for (size_t index = 0; index < sizeof expressions / sizeof *expressions; index++) {
        struct pattern pattern = regex(expressions[index]);
        cr_expect_null(factor_filter_create(&pattern, 1), "`%s`", expressions[index]);
    }
    cr_expect_null(factor_filter_create(NULL, 0));
}

/* One pattern that tells nothing spoils it for all. */
Test(factor_filter, all_patterns_need_factors)
{
    struct pattern patterns[] = {regex("casino"), regex("\\w{3}")};
    cr_expect_null(factor_filter_create(patterns, 2));
}

Test(factor_filter, nesting_is_bounded)
{
    struct buffer text = {0};
    for (int depth = 0; depth < 200; depth++)
        buffer_append_string(&text, "(?:");
    buffer_append_string(&text, "casino");
    for (int depth = 0; depth < 200; depth++)
        buffer_append_string(&text, ")");
    struct pattern pattern = {.text = buffer_slice(&text), .syntax = PATTERN_REGEX};
    cr_expect_null(factor_filter_create(&pattern, 1));
    buffer_free(&text);
}
