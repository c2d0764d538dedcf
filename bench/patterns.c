/* What makes a list slow or fast is how much of each pattern the texts share. So the words are those of spam and of
 * talk, the names are built of syllables, and the digits are few: numbered words would be told apart by their digits
 * alone, which texts hardly have.
 *
 * In a shape, A, B and C stand for words, N for a name, D for two digits; everything else for itself. Each shape names
 * enough of them to tell all numbers apart. */
#include "bench/patterns.h"

static const char *const words[] = {
    "free",     "bitcoin", "now",     "claim",    "airdrop", "win",    "crypto",  "wallet",  "link",    "verify",
    "account",  "cheap",   "buy",     "great",    "profit",  "daily",  "update",  "likes",   "help",    "token",
    "presale",  "earn",    "reward",  "casino",   "report",  "loan",   "essay",   "service", "join",    "channel",
    "telegram", "signal",  "user",    "password", "reset",   "gift",   "card",    "nitro",   "discord", "server",
    "please",   "send",    "money",   "double",   "your",    "invest", "returns", "trading", "meeting", "singles",
    "dating",   "photos",  "private", "camera",   "stream",  "watch",  "hello",   "replica", "rolex",   "pills",
    "order",    "online",  "expert",  "backlinks"};
static const char *const syllables[] = {"xa",   "no", "ril", "va", "lum", "tra", "ze",  "pol", "mi", "ka",  "dro",
                                        "sen",  "bu", "tor", "fi", "qui", "re",  "lan", "os",  "pe", "gam", "hi",
                                        "ster", "jo", "wex", "ci", "al",  "nu",  "bro", "mex", "ty", "en"};
_Static_assert(sizeof words / sizeof *words == 64, "a word is six bits of a number");
_Static_assert(sizeof syllables / sizeof *syllables == 32, "a syllable is five bits of a number");

#define NUMBER_BITS 18u
#define SHAPES 8u
_Static_assert(PATTERNS_MAXIMUM <= SHAPES << NUMBER_BITS, "numbers are not used twice");

static const char *const shapes[][SHAPES] = {
    [PATTERN_LITERAL] = {"A B C", "N", "t.me/ABC", "A your B C", "N.shop/A", "A ND", "ABCD", "A, N"},
    [PATTERN_GLOB] = {"*A B C*", "*N*", "*t.me/ABC*", "*A?B?C*", "*N.sh?p/A*", "A B*C*", "*ABCD", "*A*N*"},
    [PATTERN_REGEX] = {"\\bN\\s+(?:A|B)\\b", "\\bN(?:s|ing)?\\b", "t\\.me/(?:joinchat/)?NA", "A\\s+(?:your\\s+)?B\\s+C",
                       "https?://(?:www\\.)?N\\.[a-z]{2,}", "\\bA\\s?N\\d+", "A[ .-]?N[ .-]?B",
                       "[a-z0-9._%+-]+@N\\.(?:com|A)"},
};

/* One to one on NUMBER_BITS bits, so that neighbours have nothing in common. */
static unsigned scramble(unsigned number)
{
    const unsigned mask = (1u << NUMBER_BITS) - 1;
    number = (number * 0x9e37u + 0x1b3u) & mask;
    number ^= number >> 9;
    return number * 0xb529u & mask;
}

static void append_name(struct buffer *output, unsigned number)
{
    for (unsigned place = 0; place < 4; place++)
        buffer_append_string(output, syllables[number >> 5 * place & 31]);
}

void patterns_append(struct buffer *output, enum pattern_syntax syntax, unsigned index)
{
    unsigned number = scramble(index / SHAPES);
    for (const char *at = shapes[syntax][index % SHAPES]; *at; at++) {
        if (*at >= 'A' && *at <= 'C')
            buffer_append_string(output, words[number >> 6 * (unsigned)(*at - 'A') & 63]);
        else if (*at == 'D')
            buffer_append_format(output, "%02u", number >> 12 & 63);
        else if (*at == 'N')
            append_name(output, number);
        else
            buffer_append_char(output, *at);
    }
}

void patterns_append_lines(struct buffer *output, enum pattern_syntax syntax, unsigned count)
{
    for (unsigned index = 0; index < count; index++) {
        patterns_append(output, syntax, index);
        buffer_append_char(output, '\n');
    }
}
