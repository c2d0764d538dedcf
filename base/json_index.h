/* Where the tokens of a JSON text lie, found 64 bytes at a time, and what sequence of tokens it is: its skeleton.
 *
 * The skeleton decides whether a text is well formed: if two texts have the same one and the first is valid JSON, so is
 * the second, as long as each of its other values (numbers, true, false, null) is, which json_index_value tells.
 * Strings have then been checked already. So a text whose skeleton is known need not be parsed again.
 *
 * Available where the processor has AVX-512 with VBMI2 (Intel since Ice Lake, AMD since Zen 4); elsewhere nothing can
 * be indexed and json_scan.h does the work. */
#ifndef WEIR_BASE_JSON_INDEX_H
#define WEIR_BASE_JSON_INDEX_H

#include <stdint.h>

#include "base/slice.h"

/* Texts above this, and those with more tokens, are not indexed: what Matrix allows for an event is 65,536 bytes. */
#define JSON_INDEX_TEXT_MAXIMUM 65535u
#define JSON_INDEX_TOKENS_MAXIMUM 2048u
#define JSON_INDEX_BLOCK 64

/* The two quotes of a string are tokens, what is between them is none. */
enum json_token {
    JSON_TOKEN_VALUE, /* the first byte of a number, true, false or null, or of what is nothing at all */
    JSON_TOKEN_OBJECT,
    JSON_TOKEN_OBJECT_END,
    JSON_TOKEN_ARRAY,
    JSON_TOKEN_ARRAY_END,
    JSON_TOKEN_COLON,
    JSON_TOKEN_COMMA,
    JSON_TOKEN_QUOTE,
};

struct json_index {
    uint32_t count;
    bool has_escapes; /* in some string */
    uint64_t hash;    /* of the kinds */
    /* By token: an enum json_token; another number begins nothing that is valid. Zeros follow, to the next multiple of
     * JSON_INDEX_BLOCK. */
    unsigned char kinds[JSON_INDEX_TOKENS_MAXIMUM + 2 * JSON_INDEX_BLOCK];
    uint16_t places[JSON_INDEX_TOKENS_MAXIMUM + 2 * JSON_INDEX_BLOCK]; /* by token, in bytes from the text's begin */
};

/* Whether this processor can. */
bool json_index_available(void);

/* Fills `index`. False if the text is too large or has too many tokens, has a string that is not valid (a control
 * character, an escape that is none, no UTF-8, no end), or if the processor cannot; then `index` says nothing. Reads no
 * byte outside the text. */
bool json_index_build(struct json_index *index, struct slice text);

/* Whether a JSON_TOKEN_VALUE at `place` begins a valid number, true, false or null with nothing stuck to its end. */
bool json_index_value(struct slice text, uint32_t place);

#endif
