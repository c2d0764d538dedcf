/* Pattern sets against PCRE2 as the reference, and the bounds of both libraries. */
#include "filters/pattern_set.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/lane.h"

static char last_error[256];
static uint32_t last_error_index;

static void remember(void *context, uint32_t index, const char *message)
{
    (void)context;
    last_error_index = index;
    snprintf(last_error, sizeof last_error, "%s", message);
}

static struct pattern_set *compile_one(struct slice text, enum pattern_syntax syntax, bool case_sensitive)
{
    struct pattern pattern = {text, syntax, case_sensitive};
    return pattern_set_compile(&pattern, 1, remember, NULL);
}

static bool hits(const char *pattern, enum pattern_syntax syntax, bool case_sensitive, const char *text)
{
    struct pattern_set *set = compile_one(slice_from_string(pattern), syntax, case_sensitive);
    cr_assert_not_null(set, "%s: %s", pattern, last_error);
    bool hit = pattern_set_scan(set, slice_from_string(text)) == 0;
    pattern_set_destroy(set);
    return hit;
}

static const struct slice texts[] = {
    {"", 0},
    SLICE("\n"),
    SLICE("a"),
    SLICE("a\n"),
    SLICE("a\nb"),
    SLICE("a\n\n"),
    SLICE("foo"),
    SLICE("FOO bar"),
    SLICE("foo\nbar"),
    SLICE("bar\nfoo\n"),
    SLICE("foobar"),
    SLICE("a.b"),
    SLICE("a\0b"),
    SLICE("a\r\nb"),
    SLICE("привет мир"),
    SLICE("ПРИВЕТ, МИР"),
    SLICE("Котик и кот"),
    SLICE("кот"),
    SLICE("ΣΊΣΥΦΟΣ σίσυφος ς"),
    SLICE("STRASSE Straße STRAẞE"),
    SLICE("\u212Aelvin kelvin"),
    SLICE("ſpam SPAM"),
    SLICE("İstanbul ıI"),
    SLICE("日本語テキスト"),
    SLICE("emoji 😀 here"),
    SLICE("٣ arabic ९ digits 7"),
    SLICE("nbsp\u00a0em\u2003line\u2028par"),
    SLICE("x\xc2\x85y"),
    SLICE("e\u0301 é É"),
    SLICE("aaaaaaaaaaaa"),
    SLICE("abcabcabc"),
    SLICE("http://example.org/?q=1"),
    SLICE("user@example.org"),
    SLICE("[x](y){z}^$|\\+*?"),
    SLICE("a-z A_Z 0-9"),
    SLICE("tab\there"),
    SLICE("1234 5678 9012 3456"),
    SLICE("  lead"),
    SLICE("trail  \n"),
    SLICE("ǅ ǆ Ǆ"),
    SLICE("Ａｂｃ fullwidth ＡＢＣ"),
};

static const char *const expressions[] = {
    "",
    "^",
    "$",
    "^$",
    "\\A",
    "\\z",
    "\\Z",
    "a",
    "a$",
    "a\\z",
    "a\\Z",
    "^a",
    "^b",
    "(?m)^b",
    "(?m)a$",
    "(?m)^$",
    "(?m)^",
    "(?m)$",
    "a.b",
    "(?s)a.b",
    "a\\sb",
    "foo|bar",
    "foo$|^bar",
    "fo+",
    "fo{2,}b",
    "(foo)+bar",
    "f(?:o|x)*b",
    "foo.*bar",
    "(?s)foo.*bar",
    "foo[^x]bar",
    "привет",
    "ПРИВЕТ",
    "к.т",
    "[а-я]+",
    "^[а-я]+$",
    "кот\\W",
    "\\w+",
    "^\\w+$",
    "\\W",
    "\\d",
    "^\\d+$",
    "\\D",
    "\\d{4} \\d{4}",
    "\\s",
    "\\S",
    "^\\S+$",
    "\\s$",
    "σ",
    "Σ",
    "ς",
    "straße",
    "strasse",
    "stra.e",
    "k",
    "[k]elvin",
    "\\x{212a}",
    "s",
    "[^s]pam",
    "ı",
    "i",
    "İ",
    "é",
    "e\\x{301}",
    "[é]",
    "日本",
    "[ぁ-ん]",
    "[ァ-ヶ]+",
    "😀",
    "emoji .",
    "emoji . h",
    ".",
    "^.$",
    "^..$",
    "\\bкот\\b",
    "\\bfoo\\b",
    "\\Bbar",
    "(?=foo)f",
    "foo(?!bar)",
    "(?<=a)b",
    "(?<!f)oo",
    "(a)\\1",
    "(abc)\\1\\1",
    "(?i:FOO)",
    "(?-i)FOO",
    "a++",
    "(?>a+)b",
    "a*?b",
    "a{3}",
    "a{13}",
    "^(a|aa)+$",
    "\\p{L}",
    "\\p{Lu}",
    "\\p{Ll}",
    "\\P{L}",
    "\\p{Cyrillic}",
    "\\p{Greek}+",
    "[[:alpha:]]",
    "[[:upper:]]",
    "[[:digit:]]",
    "[^[:space:]]",
    "\\R",
    "\\h",
    "\\v",
    "\\N",
    "\\X",
    "\\x41",
    "\\x{430}",
    "\\Qa.b\\E",
    "(?x) f o o # comment",
    "\\.",
    "\\[x\\]",
    "[]x]",
    "[\\w-]",
    "[a\\-z]",
    "\\t",
    "\\n",
    "\\r\\n",
    "\\e",
    "a{,3}",
    "x{0}",
    "(|a)",
    "(?:)",
    "(?#c)a",
    "https?://[^/]+/",
    "[\\w.]+@[\\w.]+",
    "ǆ",
    "ａ",
    "[^a]",
    "[^\\n]",
    "[^\\w\\s]",
    "\\$",
    "b\\n?$",
    "a$\\n",
    "a\\n$",
    "^\\n",
    "(*UCP)\\w",
    "(*CRLF)a.b",
    "(?U)a+",
    "(?i)ФОО|мир",
    "a^b",
    "b$a",
    "\\000b",
    "(?n)(a)",
    "(?J)(?<n>a)(?<n>b)",
    "(?1)(a)",
    "(a(?1)?b)",
    "\\Ga",
    "fo\\Ko",
    "(?(?=a)a|b)",
    "[\\s\\S]b$",
    "[^к]от",
    "[К]от",
};

static bool reference(const char *expression, bool case_sensitive, struct slice text)
{
    uint32_t options = PCRE2_UTF | PCRE2_UCP | (case_sensitive ? 0 : PCRE2_CASELESS);
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
    cr_assert_not_null(compiled, "%s", expression);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int status = pcre2_match(compiled, (PCRE2_SPTR)text.data, text.length, 0, 0, data, NULL);
    cr_assert(status >= PCRE2_ERROR_NOMATCH, "%s: %d", expression, status);
    pcre2_match_data_free(data);
    pcre2_code_free(compiled);
    return status >= 0;
}

Test(pattern_set, regular_expressions_agree_with_pcre2)
{
    for (size_t number = 0; number < 2 * sizeof expressions / sizeof *expressions; number++) {
        const char *expression = expressions[number / 2];
        bool case_sensitive = number % 2;
        struct pattern_set *set = compile_one(slice_from_string(expression), PATTERN_REGEX, case_sensitive);
        cr_assert_not_null(set, "%s: %s", expression, last_error);
        for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
            bool expected = reference(expression, case_sensitive, texts[index]);
            bool found = pattern_set_scan(set, texts[index]) == 0;
            cr_expect_eq(found, expected, "/%s/ case_sensitive=%d on \"%s\": %d", expression, case_sensitive,
                         texts[index].data, found);
        }
        pattern_set_destroy(set);
    }
}

/* Windows over the expressions, since vectorscan takes seconds for a set with all of those that use `\w`. */
Test(pattern_set, lowest_index_wins)
{
    enum { ALL = sizeof expressions / sizeof *expressions, COUNT = 12 };
    struct pattern patterns[COUNT];
    for (size_t begin = 0; begin + COUNT <= ALL; begin += 3 * COUNT) {
        /* Backwards, so that the anchors and empty expressions, which match nearly everything, come last. */
        for (uint32_t index = 0; index < COUNT; index++)
            patterns[index] = (struct pattern){slice_from_string(expressions[begin + COUNT - 1 - index]), PATTERN_REGEX,
                                               index % 3 == 0};
        struct pattern_set *set = pattern_set_compile(patterns, COUNT, remember, NULL);
        cr_assert_not_null(set, "%s", last_error);
        for (size_t text = 0; text < sizeof texts / sizeof *texts; text++) {
            uint32_t expected = 0;
            while (expected < COUNT &&
                   !reference(patterns[expected].text.data, patterns[expected].case_sensitive, texts[text]))
                expected++;
            cr_expect_eq(pattern_set_scan(set, texts[text]), expected < COUNT ? expected : PATTERN_NONE, "text %zu",
                         text);
        }
        pattern_set_destroy(set);
    }
}

Test(pattern_set, literals)
{
    cr_expect(hits("a.b*", PATTERN_LITERAL, true, "xa.b*x"));
    cr_expect_not(hits("a.b*", PATTERN_LITERAL, true, "xaxbbx"));
    cr_expect(hits("[](){}^$|\\+*?#-/\"' ", PATTERN_LITERAL, true, "a[](){}^$|\\+*?#-/\"' b"));
    cr_expect(hits("ПриВет", PATTERN_LITERAL, false, "о, пРивЕТ!"));
    cr_expect_not(hits("ПриВет", PATTERN_LITERAL, true, "о, пРивЕТ!"));
    cr_expect(hits("kelvin", PATTERN_LITERAL, false, "\u212Aelvin"));
    cr_expect(hits("\u212Aelvin", PATTERN_LITERAL, false, "KELVIN"));
    cr_expect(hits("spam", PATTERN_LITERAL, false, "ſPAM"));
    cr_expect(hits("σίσυφος", PATTERN_LITERAL, false, "ΣΊΣΥΦΟΣ"));
    cr_expect(hits("ᲐᲑ", PATTERN_LITERAL, false, "აბ"));
    cr_expect_not(hits("straße", PATTERN_LITERAL, false, "STRASSE"));
    cr_expect_not(hits("é", PATTERN_LITERAL, false, "e"));
    cr_expect(hits("", PATTERN_LITERAL, false, ""));
    cr_expect(hits("", PATTERN_LITERAL, false, "x"));
    cr_expect(hits("a\nb", PATTERN_LITERAL, false, "A\nB"));
    struct pattern_set *set = compile_one(SLICE("a\0b"), PATTERN_LITERAL, true);
    cr_expect_eq(pattern_set_scan(set, SLICE("xa\0bx")), 0);
    cr_expect_eq(pattern_set_scan(set, SLICE("xa")), PATTERN_NONE);
    pattern_set_destroy(set);
}

/* As a person would match a glob, over code points. */
static bool glob_reference(const char *glob, const char *text)
{
    if (*glob == '\0')
        return *text == '\0';
    if (*glob == '*')
        return glob_reference(glob + 1, text) || (*text && glob_reference(glob, text + 1));
    if (*text == '\0' || (*glob != '?' && *glob != *text))
        return false;
    size_t step = 1;
    while (*glob == '?' && ((unsigned char)text[step] & 0xc0) == 0x80)
        step++;
    return ((unsigned char)*text & 0xc0) != 0x80 ? glob_reference(glob + 1, text + step)
                                                 : *glob != '?' && glob_reference(glob + 1, text + 1);
}

Test(pattern_set, globs)
{
    static const char *const globs[] = {
        "",
        "*",
        "**",
        "?",
        "??",
        "?*",
        "*?",
        "*?*",
        "a",
        "a*",
        "*a",
        "*a*",
        "a*b",
        "a?b",
        "a??b",
        "*a*b*",
        "foo*",
        "*bar",
        "foo?bar",
        "*.*",
        "к?т",
        "*кот*",
        "*кот",
        "?отик*",
        "日?語*",
        "emoji ? here",
        "emoji ?? here",
        "*😀*",
        "*[x]*",
        "*\\*",
        "a.b",
        "*\n",
        "*\n*",
        "e?*",
        "é",
        "?",
        "*é*É",
        "***a***a***",
        "f*o*o*b*r",
        "*?отик?*т",
    };
    for (size_t number = 0; number < sizeof globs / sizeof *globs; number++) {
        struct pattern_set *set = compile_one(slice_from_string(globs[number]), PATTERN_GLOB, true);
        cr_assert_not_null(set, "%s", last_error);
        for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
            if (strlen(texts[index].data) != texts[index].length)
                continue;
            bool expected = glob_reference(globs[number], texts[index].data);
            cr_expect_eq(pattern_set_scan(set, texts[index]) == 0, expected, "%s on \"%s\"", globs[number],
                         texts[index].data);
        }
        pattern_set_destroy(set);
    }
    cr_expect(hits("ПР?ВЕТ*", PATTERN_GLOB, false, "привет\nмир"));
    cr_expect(hits("*.Spam.example", PATTERN_GLOB, false, "A.SPAM.EXAMPLE"));
    cr_expect_not(hits("*.spam.example", PATTERN_GLOB, false, "a.spam.example\n"));
}

Test(pattern_set, absent_text_and_empty_set)
{
    struct pattern_set *set = compile_one(SLICE("*"), PATTERN_GLOB, false);
    cr_expect_eq(pattern_set_scan(set, SLICE_ABSENT), PATTERN_NONE);
    cr_expect_eq(pattern_set_scan(set, SLICE("")), 0);
    pattern_set_destroy(set);
    set = pattern_set_compile(NULL, 0, NULL, NULL);
    cr_assert_not_null(set);
    cr_expect_eq(pattern_set_scan(set, SLICE("x")), PATTERN_NONE);
    pattern_set_destroy(set);
}

Test(pattern_set, bad_patterns_are_reported)
{
    struct pattern patterns[] = {{SLICE("good"), PATTERN_REGEX, false}, {SLICE("ba[d"), PATTERN_REGEX, false}};
    cr_expect_null(pattern_set_compile(patterns, 2, remember, NULL));
    cr_expect_eq(last_error_index, 1);
    cr_expect_str_eq(last_error, "missing terminating ] for character class, at byte 4 of the pattern");
    cr_expect_null(compile_one(SLICE("caf\xe9"), PATTERN_LITERAL, false));
    cr_expect(strstr(last_error, "UTF-8"));
    cr_expect_null(compile_one(SLICE("a\\Cb"), PATTERN_REGEX, false));
    static char longest[PATTERN_LENGTH_MAXIMUM + 1];
    memset(longest, 'a', sizeof longest);
    cr_expect_null(compile_one(slice_of(longest, sizeof longest), PATTERN_LITERAL, false));
    cr_expect(strstr(last_error, "8193 bytes"), "%s", last_error);
}

/* Vectorscan refuses expressions of more than 16,000 bytes and automata of too many states. */
Test(pattern_set, longest_patterns_still_work)
{
    static char longest[PATTERN_LENGTH_MAXIMUM];
    static const char fills[] = {'a', '\n', '?'};
    for (size_t index = 0; index < sizeof fills; index++) {
        memset(longest, fills[index], sizeof longest);
        struct pattern_set *set = compile_one(slice_of(longest, sizeof longest), PATTERN_GLOB, false);
        cr_assert_not_null(set, "%s", last_error);
        cr_expect_eq(pattern_set_scan(set, slice_of(longest, sizeof longest)), 0);
        cr_expect_eq(pattern_set_scan(set, slice_of(longest, sizeof longest - 1)), PATTERN_NONE);
        pattern_set_destroy(set);
    }
}

Test(pattern_set, hostile_text_hits_the_limit)
{
    struct pattern_set *set = compile_one(SLICE("(?=(a+)+$)(a+)+\\2$"), PATTERN_REGEX, false);
    static char text[4096];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '!';
    cr_expect_eq(pattern_set_scan(set, slice_of(text, sizeof text)), PATTERN_NONE);
    cr_expect_gt(pattern_set_limit_hits(set), 0);
    cr_expect_eq(pattern_set_scan(set, SLICE("aaaa")), 0);
    pattern_set_destroy(set);
}

Test(pattern_set, long_texts_fold)
{
    size_t length = 300000;
    char *text = malloc(length);
    for (size_t index = 0; index < length; index += 2)
        memcpy(text + index, "я", 2);
    memcpy(text + length - 6, "ЩИТ", 6);
    struct pattern_set *set = compile_one(SLICE("яяящит"), PATTERN_LITERAL, false);
    cr_expect_eq(pattern_set_scan(set, slice_of(text, length)), 0);
    cr_expect_eq(pattern_set_scan(set, slice_of(text, length - 2)), PATTERN_NONE);
    pattern_set_destroy(set);
    free(text);
}

Test(pattern_set, ten_thousand_caseless_words)
{
    enum { COUNT = 10000 };
    static struct pattern patterns[COUNT];
    static char words[COUNT][32];
    for (uint32_t index = 0; index < COUNT; index++) {
        snprintf(words[index], sizeof words[index], index % 2 ? "слово%uконец" : "Word%uEnd", index);
        patterns[index] = (struct pattern){slice_from_string(words[index]), PATTERN_LITERAL, false};
    }
    struct pattern_set *set = pattern_set_compile(patterns, COUNT, remember, NULL);
    cr_assert_not_null(set);
    cr_expect_eq(pattern_set_scan(set, SLICE("x СЛОВО7777КОНЕЦ word4444end")), 4444);
    cr_expect_eq(pattern_set_scan(set, SLICE("слово7777коне")), PATTERN_NONE);
    pattern_set_destroy(set);
}

enum { LANES = 4, ROUNDS = 2000 };

struct lane {
    pthread_t thread;
    unsigned number;
    struct pattern_set *set;
    uint32_t wrong;
};

/* Each lane scans texts of which different patterns are found, by vectorscan, by folding and by PCRE2. */
static void *scan_in_lane(void *context)
{
    static const struct {
        struct slice text;
        uint32_t found;
    } scans[] = {{SLICE("СЛОВО"), 0}, {SLICE("a word"), 1}, {SLICE("undone xx"), 2}, {SLICE("nothing"), PATTERN_NONE}};
    struct lane *lane = context;
    lane_number = lane->number;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned index = (round + lane->number) % (sizeof scans / sizeof *scans);
        lane->wrong += pattern_set_scan(lane->set, scans[index].text) != scans[index].found;
    }
    char hostile[2048];
    memset(hostile, 'a', sizeof hostile - 1);
    hostile[sizeof hostile - 1] = '!';
    pattern_set_scan(lane->set, slice_of(hostile, sizeof hostile));
    return NULL;
}

Test(pattern_set, lanes_scan_at_the_same_time)
{
    const struct pattern patterns[] = {{SLICE("слово"), PATTERN_LITERAL, false},
                                       {SLICE("\\bword\\b"), PATTERN_REGEX, true},
                                       {SLICE("(?<=undone )(\\w)\\1"), PATTERN_REGEX, true},
                                       {SLICE("(?=(a+)+$)(a+)+\\2$"), PATTERN_REGEX, false}};
    struct pattern_set *set = pattern_set_compile(patterns, sizeof patterns / sizeof *patterns, remember, NULL);
    cr_assert_not_null(set, "%s", last_error);
    struct lane lanes[LANES];
    for (unsigned number = 0; number < LANES; number++) {
        lanes[number] = (struct lane){.number = number, .set = set};
        cr_assert_eq(pthread_create(&lanes[number].thread, NULL, scan_in_lane, &lanes[number]), 0);
    }
    for (unsigned number = 0; number < LANES; number++) {
        pthread_join(lanes[number].thread, NULL);
        cr_expect_eq(lanes[number].wrong, 0, "lane %u", number);
    }
    cr_expect_geq(pattern_set_limit_hits(set), LANES, "every lane's hits count");
    pattern_set_destroy(set);
}
