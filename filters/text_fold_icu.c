/* A character is folded by itself: decomposition, case, and look-alikes need no neighbours once marks are left out, so
 * that what ICU says of each can be kept in a table.
 *
 * UTS 39 maps each character to one that stands for all that look like it, capitals and small letters apart, and in
 * ways that suit the comparison of identifiers: `m` stands as `rn`, `0` as `O`. Here case comes first, and ASCII stays.
 */
#include "filters/text_fold_icu.h"

#include <dlfcn.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "filters/characters.h"

#define UNITS 32

/* The functions that are used, by the names that this version of ICU gives them: the headers' macros put the version
 * behind each. */
#define NAME_OF(symbol) NAME_OF_EXPANDED(symbol)
#define NAME_OF_EXPANDED(symbol) #symbol

static struct {
    void *library;
    __typeof__(uspoof_open) *spoof_open;
    __typeof__(uspoof_getSkeleton) *skeleton;
    __typeof__(unorm2_getNFKDInstance) *nfkd_instance;
    __typeof__(unorm2_normalize) *normalize;
    __typeof__(u_strFoldCase) *fold_case;
    __typeof__(u_toupper) *capital;
    __typeof__(u_charDigitValue) *digit;
    __typeof__(u_hasBinaryProperty) *has_property;
    USpoofChecker *checker;
    const UNormalizer2 *nfkd;
    /* Letters of other scripts of which only the capital form looks like a plain letter: by what their small form looks
     * like, the plain letter. */
    struct {
        uint32_t small;
        char plain;
    } by_capital[128];
    size_t by_capital_count;
    /* ASCII of which UTS 39 makes something else, such as `m`. */
    struct {
        UChar skeleton[4];
        int32_t length;
        char plain;
    } ascii[16];
    size_t ascii_count;
} icu;

/* A run of UTF-16. */
struct units {
    UChar data[UNITS];
    int32_t length; /* above UNITS: it did not fit */
};

static struct units units_of(uint32_t point)
{
    struct units units = {.length = 0};
    U16_APPEND_UNSAFE(units.data, units.length, point);
    return units;
}

static bool in_order(const struct units *units, UErrorCode error)
{
    return U_SUCCESS(error) && units->length <= UNITS;
}

static bool decompose(struct units *units)
{
    struct units output;
    UErrorCode error = U_ZERO_ERROR;
    output.length = icu.normalize(icu.nfkd, units->data, units->length, output.data, UNITS, &error);
    if (!in_order(&output, error))
        return false;
    *units = output;
    return true;
}

static bool fold_case(struct units *units)
{
    struct units output;
    UErrorCode error = U_ZERO_ERROR;
    output.length = icu.fold_case(output.data, UNITS, units->data, units->length, U_FOLD_CASE_DEFAULT, &error);
    if (!in_order(&output, error))
        return false;
    *units = output;
    return true;
}

static bool is_left_out(uint32_t point)
{
    return character_is_combining(point) || (point >= 0x7f && point < 0xa0) ||
           icu.has_property((UChar32)point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

/* Small letters without marks, of `units` or of what they decompose to. */
static bool simplify(struct units *units)
{
    if (!decompose(units) || !fold_case(units) || !decompose(units))
        return false;
    struct units output = {.length = 0};
    for (int32_t index = 0; index < units->length;) {
        UChar32 point;
        U16_NEXT(units->data, index, units->length, point);
        if (!is_left_out((uint32_t)point))
            U16_APPEND_UNSAFE(output.data, output.length, point);
    }
    *units = output;
    return true;
}

/* What `point` looks like, simplified; ASCII that UTS 39 has another form for is put back. */
static bool look_of(uint32_t point, struct units *look)
{
    struct units units = units_of(point);
    UErrorCode error = U_ZERO_ERROR;
    look->length = icu.skeleton(icu.checker, 0, units.data, units.length, look->data, UNITS, &error);
    if (!in_order(look, error))
        return false;
    for (size_t index = 0; index < icu.ascii_count; index++)
        if (icu.ascii[index].length == look->length &&
            memcmp(icu.ascii[index].skeleton, look->data, (size_t)look->length * sizeof *look->data) == 0)
            *look = units_of((unsigned char)icu.ascii[index].plain);
    return simplify(look);
}

static bool is_plain(const struct units *look)
{
    return look->length == 1 && look->data[0] < 0x80;
}

/* Small capitals, which neither decompose nor look like a letter to UTS 39. */
static uint32_t small_capital(uint32_t point)
{
    static const struct {
        uint16_t point;
        char plain;
    } letters[] = {{0x1d00, 'a'}, {0x299, 'b'},  {0x1d04, 'c'}, {0x1d05, 'd'}, {0x1d07, 'e'},
                   {0xa730, 'f'}, {0x262, 'g'},  {0x29c, 'h'},  {0x26a, 'i'},  {0x1d0a, 'j'},
                   {0x1d0b, 'k'}, {0x29f, 'l'},  {0x1d0d, 'm'}, {0x274, 'n'},  {0x1d0f, 'o'},
                   {0x1d18, 'p'}, {0xa7af, 'q'}, {0x280, 'r'},  {0xa731, 's'}, {0x1d1b, 't'},
                   {0x1d1c, 'u'}, {0x1d20, 'v'}, {0x1d21, 'w'}, {0x28f, 'y'},  {0x1d22, 'z'}};
    for (size_t index = 0; index < sizeof letters / sizeof *letters; index++)
        if (letters[index].point == point)
            return (unsigned char)letters[index].plain;
    return 0;
}

/* Letters in circles and squares that do not decompose, and the letters of flags. */
static uint32_t boxed_letter(uint32_t point)
{
    static const uint32_t first[] = {0x1f150, 0x1f170, 0x1f1e6};
    for (size_t index = 0; index < sizeof first / sizeof *first; index++)
        if (point >= first[index] && point < first[index] + 26)
            return 'a' + point - first[index];
    return 0;
}

/* Appends the code points of `look`; false if there is no room. */
static bool append(const struct units *look, uint32_t output[TEXT_FOLD_POINTS], size_t *count)
{
    for (int32_t index = 0; index < look->length;) {
        UChar32 point;
        U16_NEXT(look->data, index, look->length, point);
        if (*count == TEXT_FOLD_POINTS)
            return false;
        output[(*count)++] = (uint32_t)point;
    }
    return true;
}

/* What a simplified character folds to, where no look decides; 0: nothing known. */
static uint32_t known_fold(uint32_t point)
{
    if (point < 0x80)
        return point;
    if (character_is_blank(point) || point == 0x2800)
        return ' ';
    int32_t digit = icu.digit((UChar32)point);
    return digit >= 0 ? '0' + (uint32_t)digit : small_capital(point);
}

/* Appends what a small letter, or anything else that has been simplified, folds to. */
static bool append_folded(uint32_t point, uint32_t output[TEXT_FOLD_POINTS], size_t *count)
{
    uint32_t known = known_fold(point);
    struct units look = units_of(known);
    if (known)
        return append(&look, output, count);
    uint32_t capital = (uint32_t)icu.capital((UChar32)point);
    struct units capital_look;
    if (!look_of(point, &look))
        return false;
    if (!is_plain(&look) && capital != point && look_of(capital, &capital_look) && is_plain(&capital_look))
        look = capital_look;
    struct units alone = look;
    for (size_t index = 0; index < icu.by_capital_count && look.length == 1; index++)
        if (icu.by_capital[index].small == look.data[0])
            alone = units_of((unsigned char)icu.by_capital[index].plain);
    if (look.length == 1 && small_capital(look.data[0]))
        alone = units_of(small_capital(look.data[0]));
    return append(&alone, output, count);
}

size_t text_fold_icu(uint32_t point, uint32_t output[TEXT_FOLD_POINTS])
{
    size_t count = 0;
    uint32_t boxed = boxed_letter(point);
    struct units units = units_of(boxed ? boxed : point);
    bool good = simplify(&units);
    for (int32_t index = 0; good && index < units.length;) {
        UChar32 part;
        U16_NEXT(units.data, index, units.length, part);
        good = append_folded((uint32_t)part, output, &count);
    }
    if (good)
        return count;
    output[0] = point;
    return 1;
}

static void find_ascii_exceptions(void)
{
    for (uint32_t plain = 0x21; plain < 0x7f; plain++) {
        struct units units = units_of(plain);
        struct units look;
        UErrorCode error = U_ZERO_ERROR;
        /* `1` and `|` look like `l`, `0` like `O`: what looks like those is the letter. */
        look.length = icu.skeleton(icu.checker, 0, units.data, units.length, look.data, UNITS, &error);
        if (!in_order(&look, error) || is_plain(&look) || look.length > 4 ||
            icu.ascii_count == sizeof icu.ascii / sizeof *icu.ascii)
            continue;
        icu.ascii[icu.ascii_count].length = look.length;
        memcpy(icu.ascii[icu.ascii_count].skeleton, look.data, (size_t)look.length * sizeof *look.data);
        icu.ascii[icu.ascii_count++].plain = (char)plain;
    }
}

/* Greek, Cyrillic and Armenian: т looks like ᴛ alone, but Т like T. */
static void find_letters_by_capital(void)
{
    for (uint32_t point = 0x370; point < 0x590; point++) {
        uint32_t capital = (uint32_t)icu.capital((UChar32)point);
        struct units look;
        struct units capital_look;
        if (capital == point || !look_of(point, &look) || look.length != 1 || is_plain(&look) ||
            !look_of(capital, &capital_look) || !is_plain(&capital_look) ||
            icu.by_capital_count == sizeof icu.by_capital / sizeof *icu.by_capital)
            continue;
        icu.by_capital[icu.by_capital_count].small = look.data[0];
        icu.by_capital[icu.by_capital_count++].plain = (char)capital_look.data[0];
    }
}

static bool load_functions(void)
{
    /* The second library comes with the first, which needs it. */
    icu.library = dlopen("libicui18n.so." U_ICU_VERSION_SHORT, RTLD_NOW | RTLD_LOCAL);
    if (!icu.library)
        return false;
    const struct {
        const char *name;
        void *target;
    } functions[] = {
        {NAME_OF(uspoof_open), &icu.spoof_open},
        {NAME_OF(uspoof_getSkeleton), &icu.skeleton},
        {NAME_OF(unorm2_getNFKDInstance), &icu.nfkd_instance},
        {NAME_OF(unorm2_normalize), &icu.normalize},
        {NAME_OF(u_strFoldCase), &icu.fold_case},
        {NAME_OF(u_toupper), &icu.capital},
        {NAME_OF(u_charDigitValue), &icu.digit},
        {NAME_OF(u_hasBinaryProperty), &icu.has_property},
    };
    for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
        void *function = dlsym(icu.library, functions[index].name);
        if (!function)
            return false;
        memcpy(functions[index].target, &function, sizeof function);
    }
    UErrorCode error = U_ZERO_ERROR;
    icu.nfkd = icu.nfkd_instance(&error);
    icu.checker = icu.spoof_open(&error);
    return U_SUCCESS(error);
}

bool text_fold_icu_open(const char **problem)
{
    if (icu.checker)
        return true;
    if (!load_functions()) {
        *problem = "needs the library ICU (libicui18n.so." U_ICU_VERSION_SHORT ", Debian's libicu" U_ICU_VERSION_SHORT
                   "), which cannot be loaded";
        icu.checker = NULL;
        return false;
    }
    find_ascii_exceptions();
    find_letters_by_capital();
    return true;
}
