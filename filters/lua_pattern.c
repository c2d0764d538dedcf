/* A pattern is compiled into items, each with the set of bytes that it takes, and kept for the next call: scripts use
 * the same few patterns again and again. The matcher backtracks as Lua's does, so that it finds the same; it recurs
 * only at a repeated item, so that it is never deeper than the pattern has items, and counts its steps. Captures need
 * no undoing: whatever is tried again sets those behind it anew. */
#include "filters/lua_pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "filters/lua_sandbox.h"

/* A step of the matcher is quicker than an instruction of the machine. */
#define STEPS_PER_INSTRUCTION 4
/* Compiled patterns that are kept. */
#define CACHE_MAXIMUM 64

enum item_kind {
    ITEM_ONE,       /* one byte of the set, or a run of them */
    ITEM_OPEN,      /* a capture begins */
    ITEM_POSITION,  /* a capture of the position */
    ITEM_CLOSE,     /* a capture ends */
    ITEM_REFERENCE, /* what a capture has caught, again */
    ITEM_BALANCE,   /* from `open` to its `close` */
    ITEM_FRONTIER,  /* between a byte outside of the set and one in it */
    ITEM_TEXT_END,
    ITEM_DONE,
};

struct lua_pattern_item {
    unsigned char kind;
    char repeat; /* ITEM_ONE: `*`, `+`, `-`, `?`, or 0 */
    unsigned char capture;
    unsigned char open;
    unsigned char close;
    uint64_t set[4];
};

struct compiler {
    lua_State *L;
    const char *at;
    const char *end;
    struct lua_pattern *pattern;
    struct lua_pattern_item *items; /* of the pattern */
    unsigned count;
    unsigned char opened[LUA_PATTERN_CAPTURES_MAXIMUM]; /* captures that are not closed yet, innermost last */
    unsigned opened_count;
    bool closed[LUA_PATTERN_CAPTURES_MAXIMUM];
};

static inline bool set_has(const struct lua_pattern_item *item, char byte)
{
    unsigned char index = (unsigned char)byte;
    return item->set[index / 64] >> index % 64 & 1;
}

static void set_add(struct lua_pattern_item *item, unsigned byte)
{
    item->set[byte / 64] |= 1ull << byte % 64;
}

static int is_any(int byte)
{
    (void)byte;
    return 1;
}

static int is_zero(int byte)
{
    return byte == 0;
}

/* The classes by their letter; a capital letter is the complement. */
static const struct character_class {
    char letter;
    int (*has)(int byte);
} classes[] = {
    {'a', isalpha}, {'c', iscntrl}, {'d', isdigit}, {'g', isgraph},  {'l', islower}, {'p', ispunct},
    {'s', isspace}, {'u', isupper}, {'w', isalnum}, {'x', isxdigit}, {'z', is_zero}, {0, is_any},
};

static void set_add_class(struct lua_pattern_item *item, unsigned char letter)
{
    for (const struct character_class *class = classes; class->letter; class ++) {
        if (class->letter != tolower(letter))
            continue;
        bool complement = isupper(letter);
        for (unsigned byte = 0; byte < 256; byte++)
            if ((class->has((int)byte) != 0) != complement)
                set_add(item, byte);
        return;
    }
    set_add(item, letter);
}

/* The place behind the `]` that ends the set whose content begins at `at`. A `]` that comes first stands for itself. */
static const char *set_end(const struct compiler *compiler, const char *at)
{
    const char *first = at;
    for (; at < compiler->end; at++) {
        if (*at == ']' && at > first)
            return at + 1;
        if (*at == '%' && at + 1 < compiler->end)
            at++;
    }
    luaL_error(compiler->L, "malformed pattern (missing ']')");
    return NULL;
}

/* `compiler->at` stands behind the `[`. */
static void compile_set(struct compiler *compiler, struct lua_pattern_item *item)
{
    const char *at = compiler->at;
    bool complement = at < compiler->end && *at == '^';
    at += complement;
    const char *end = set_end(compiler, at);
    const char *last = end - 1;
    while (at < last) {
        if (*at == '%') {
            set_add_class(item, (unsigned char)at[1]);
            at += 2;
        } else if (at[1] == '-' && at + 2 < last) {
            for (unsigned byte = (unsigned char)at[0]; byte <= (unsigned char)at[2]; byte++)
                set_add(item, byte);
            at += 3;
        } else {
            set_add(item, (unsigned char)*at++);
        }
    }
    for (unsigned word = 0; complement && word < 4; word++)
        item->set[word] = ~item->set[word];
    compiler->at = end;
}

static struct lua_pattern_item *add_item(struct compiler *compiler, enum item_kind kind)
{
    if (compiler->count >= LUA_PATTERN_ITEMS_MAXIMUM)
        luaL_error(compiler->L, "pattern too complex");
    struct lua_pattern_item *item = &compiler->items[compiler->count++];
    *item = (struct lua_pattern_item){.kind = (unsigned char)kind};
    return item;
}

static void compile_open(struct compiler *compiler)
{
    struct lua_pattern *pattern = compiler->pattern;
    if (pattern->captures == LUA_PATTERN_CAPTURES_MAXIMUM)
        luaL_error(compiler->L, "too many captures");
    bool position = compiler->at + 1 < compiler->end && compiler->at[1] == ')';
    unsigned capture = pattern->captures++;
    pattern->is_position[capture] = position;
    add_item(compiler, position ? ITEM_POSITION : ITEM_OPEN)->capture = (unsigned char)capture;
    compiler->closed[capture] = position;
    if (!position)
        compiler->opened[compiler->opened_count++] = (unsigned char)capture;
    compiler->at += position ? 2 : 1;
}

static void compile_close(struct compiler *compiler)
{
    if (compiler->opened_count == 0)
        luaL_error(compiler->L, "invalid pattern capture");
    unsigned char capture = compiler->opened[--compiler->opened_count];
    add_item(compiler, ITEM_CLOSE)->capture = capture;
    compiler->closed[capture] = true;
    compiler->at++;
}

static void compile_balance(struct compiler *compiler)
{
    if (compiler->end - compiler->at < 4)
        luaL_error(compiler->L, "malformed pattern (missing arguments to '%%b')");
    struct lua_pattern_item *item = add_item(compiler, ITEM_BALANCE);
    item->open = (unsigned char)compiler->at[2];
    item->close = (unsigned char)compiler->at[3];
    compiler->at += 4;
}

static void compile_frontier(struct compiler *compiler)
{
    if (compiler->end - compiler->at < 3 || compiler->at[2] != '[')
        luaL_error(compiler->L, "missing '[' after '%%f' in pattern");
    compiler->at += 3;
    compile_set(compiler, add_item(compiler, ITEM_FRONTIER));
}

static void compile_reference(struct compiler *compiler)
{
    int capture = compiler->at[1] - '1';
    if (capture < 0 || capture >= (int)compiler->pattern->captures || !compiler->closed[capture])
        luaL_error(compiler->L, "invalid capture index %%%d", capture + 1);
    add_item(compiler, ITEM_REFERENCE)->capture = (unsigned char)capture;
    compiler->at += 2;
}

static void compile_one(struct compiler *compiler)
{
    struct lua_pattern_item *item = add_item(compiler, ITEM_ONE);
    char byte = *compiler->at++;
    if (byte == '[') {
        compile_set(compiler, item);
    } else if (byte == '.') {
        memset(item->set, 0xff, sizeof item->set);
    } else if (byte == '%') {
        if (compiler->at == compiler->end)
            luaL_error(compiler->L, "malformed pattern (ends with '%%')");
        set_add_class(item, (unsigned char)*compiler->at++);
    } else {
        set_add(item, (unsigned char)byte);
    }
    if (compiler->at < compiler->end && *compiler->at && strchr("*+-?", *compiler->at))
        item->repeat = *compiler->at++;
}

static void compile_item(struct compiler *compiler)
{
    char byte = *compiler->at;
    bool last = compiler->at + 1 == compiler->end;
    char next = last ? '\0' : compiler->at[1];
    if (byte == '(') {
        compile_open(compiler);
    } else if (byte == ')') {
        compile_close(compiler);
    } else if (byte == '$' && last) {
        add_item(compiler, ITEM_TEXT_END);
        compiler->at++;
    } else if (byte == '%' && next == 'b') {
        compile_balance(compiler);
    } else if (byte == '%' && next == 'f') {
        compile_frontier(compiler);
    } else if (byte == '%' && next >= '0' && next <= '9') {
        compile_reference(compiler);
    } else {
        compile_one(compiler);
    }
}

/* Compiles the string at `index` and pushes the pattern, a userdata. */
const struct lua_pattern *lua_pattern_compile(lua_State *L, int index, bool may_anchor)
{
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    lua_sandbox_charge(L, length + 8);
    size_t items = length < LUA_PATTERN_ITEMS_MAXIMUM ? length + 1 : LUA_PATTERN_ITEMS_MAXIMUM;
    struct lua_pattern *pattern = lua_newuserdatauv(L, sizeof *pattern + items * sizeof *pattern->items, 0);
    memset(pattern, 0, sizeof *pattern);
    pattern->items = (struct lua_pattern_item *)(pattern + 1);
    struct compiler compiler = {.L = L, .at = text, .end = text + length, .pattern = pattern, .items = pattern->items};
    if (may_anchor && length && *text == '^') {
        pattern->anchored = true;
        compiler.at++;
    }
    while (compiler.at < compiler.end)
        compile_item(&compiler);
    if (compiler.opened_count)
        luaL_error(L, "unfinished capture");
    add_item(&compiler, ITEM_DONE);
    return pattern;
}

static const char cache_key; /* its address */

/* Pushes the table of compiled patterns, by their text; its item 1 counts them. */
static void push_cache(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cache_key) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_Integer count = lua_tointeger(L, -1);
        lua_pop(L, 1);
        if (count < CACHE_MAXIMUM)
            return;
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
}

/* The pattern of the pattern at `index`, left on the stack so that it stays alive. */
const struct lua_pattern *lua_pattern_get(lua_State *L, int index)
{
    luaL_checkstack(L, 8, NULL);
    push_cache(L);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TUSERDATA) {
        lua_remove(L, -2);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    const struct lua_pattern *pattern = lua_pattern_compile(L, index, true);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
    lua_rawgeti(L, -2, 1);
    lua_pushinteger(L, lua_tointeger(L, -1) + 1);
    lua_rawseti(L, -4, 1);
    lua_pop(L, 1);
    lua_remove(L, -2);
    return pattern;
}

void lua_matcher_pay(struct lua_matcher *matcher)
{
    size_t instructions = matcher->steps / STEPS_PER_INSTRUCTION;
    matcher->steps = 0;
    lua_sandbox_charge(matcher->L, instructions);
}

static inline void step(struct lua_matcher *matcher, size_t count)
{
    matcher->steps += count;
    if (matcher->steps >= 256)
        lua_matcher_pay(matcher);
}

/* The end of the balanced run that begins at `at`, or NULL. */
static const char *match_balance(struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
{
    if (at == matcher->end || (unsigned char)*at != item->open)
        return NULL;
    const char *begin = at;
    size_t depth = 1;
    for (at++; at < matcher->end; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == item->close) {
            if (--depth == 0)
                break;
        } else if (byte == item->open) {
            depth++;
        }
    }
    step(matcher, (size_t)(at - begin));
    return at < matcher->end ? at + 1 : NULL;
}

static const char *match_reference(struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
{
    if (matcher->pattern->is_position[item->capture])
        return NULL;
    size_t length = (size_t)(matcher->captures[item->capture].end - matcher->captures[item->capture].begin);
    step(matcher, length / 8);
    if ((size_t)(matcher->end - at) < length || memcmp(matcher->captures[item->capture].begin, at, length) != 0)
        return NULL;
    return at + length;
}

static bool at_frontier(const struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
{
    char before = '\0', behind = '\0';
    if (at > matcher->text)
        before = at[-1];
    if (at < matcher->end)
        behind = *at;
    return !set_has(item, before) && set_has(item, behind);
}

static const char *match_items(struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
    __attribute__((nonnull));

/* `*`, `+` and `?`: as many as there are, then fewer. */
static const char *match_most(struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
{
    const char *last = at;
    const char *end = matcher->end;
    if (item->repeat == '?' && end > at)
        end = at + 1;
    while (last < end && set_has(item, *last))
        last++;
    step(matcher, (size_t)(last - at));
    const char *least = item->repeat == '+' ? at + 1 : at;
    for (; last >= least; last--) {
        const char *found = match_items(matcher, item + 1, last);
        if (found)
            return found;
    }
    return NULL;
}

/* `-`: as few as will do. */
static const char *match_least(struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
{
    for (;;) {
        const char *found = match_items(matcher, item + 1, at);
        if (found)
            return found;
        if (at == matcher->end || !set_has(item, *at))
            return NULL;
        at++;
        step(matcher, 1);
    }
}

/* One item that is not repeated: the place behind it, or NULL. */
static const char *match_single(struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
{
    switch ((enum item_kind)item->kind) {
    case ITEM_ONE:
        return at < matcher->end && set_has(item, *at) ? at + 1 : NULL;
    case ITEM_OPEN:
    case ITEM_POSITION:
        matcher->captures[item->capture].begin = at;
        return at;
    case ITEM_CLOSE:
        matcher->captures[item->capture].end = at;
        return at;
    case ITEM_REFERENCE:
        return match_reference(matcher, item, at);
    case ITEM_BALANCE:
        return match_balance(matcher, item, at);
    case ITEM_FRONTIER:
        return at_frontier(matcher, item, at) ? at : NULL;
    case ITEM_TEXT_END:
        return at == matcher->end ? at : NULL;
    case ITEM_DONE:
        break;
    }
    return at;
}

/* Where the match of `item` and all behind it ends that begins at `at`, or NULL. As deep as there are repeats. */
// NOLINTNEXTLINE(misc-no-recursion)
static const char *match_items(struct lua_matcher *matcher, const struct lua_pattern_item *item, const char *at)
{
    for (; item->kind != ITEM_DONE; item++) {
        step(matcher, 1);
        if (item->repeat)
            return item->repeat == '-' ? match_least(matcher, item, at) : match_most(matcher, item, at);
        at = match_single(matcher, item, at);
        if (!at)
            return NULL;
    }
    return at;
}

/* The first place from `at` on where a match begins, with its end; NULL if there is none. */
const char *lua_matcher_search(struct lua_matcher *matcher, const char *at, const char **match_end)
{
    const struct lua_pattern_item *first = matcher->pattern->items;
    bool needs_first = first->kind == ITEM_ONE && (first->repeat == 0 || first->repeat == '+');
    for (;; at++) {
        const char *from = at;
        while (needs_first && !matcher->pattern->anchored && at < matcher->end && !set_has(first, *at))
            at++;
        step(matcher, (size_t)(at - from) / 2);
        *match_end = match_items(matcher, first, at);
        if (*match_end)
            return at;
        if (at == matcher->end || matcher->pattern->anchored)
            return NULL;
    }
}
