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

#define CAPTURES_MAXIMUM 32
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

struct item {
    unsigned char kind;
    char repeat; /* ITEM_ONE: `*`, `+`, `-`, `?`, or 0 */
    unsigned char capture;
    unsigned char open;
    unsigned char close;
    uint64_t set[4];
};

struct program {
    bool anchored;
    unsigned captures;
    bool is_position[CAPTURES_MAXIMUM];
    struct item items[];
};

struct compiler {
    lua_State *L;
    const char *at;
    const char *end;
    struct program *program;
    unsigned count;
    unsigned char opened[CAPTURES_MAXIMUM]; /* captures that are not closed yet, innermost last */
    unsigned opened_count;
    bool closed[CAPTURES_MAXIMUM];
};

static inline bool set_has(const struct item *item, char byte)
{
    unsigned char index = (unsigned char)byte;
    return item->set[index / 64] >> index % 64 & 1;
}

static void set_add(struct item *item, unsigned byte)
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

static void set_add_class(struct item *item, unsigned char letter)
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
static void compile_set(struct compiler *compiler, struct item *item)
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

static struct item *add_item(struct compiler *compiler, enum item_kind kind)
{
    if (compiler->count >= LUA_PATTERN_ITEMS_MAXIMUM)
        luaL_error(compiler->L, "pattern too complex");
    struct item *item = &compiler->program->items[compiler->count++];
    *item = (struct item){.kind = (unsigned char)kind};
    return item;
}

static void compile_open(struct compiler *compiler)
{
    struct program *program = compiler->program;
    if (program->captures == CAPTURES_MAXIMUM)
        luaL_error(compiler->L, "too many captures");
    bool position = compiler->at + 1 < compiler->end && compiler->at[1] == ')';
    unsigned capture = program->captures++;
    program->is_position[capture] = position;
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
    struct item *item = add_item(compiler, ITEM_BALANCE);
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
    if (capture < 0 || capture >= (int)compiler->program->captures || !compiler->closed[capture])
        luaL_error(compiler->L, "invalid capture index %%%d", capture + 1);
    add_item(compiler, ITEM_REFERENCE)->capture = (unsigned char)capture;
    compiler->at += 2;
}

static void compile_one(struct compiler *compiler)
{
    struct item *item = add_item(compiler, ITEM_ONE);
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

/* Compiles the string at `index` and pushes the program, a userdata. */
static const struct program *compile(lua_State *L, int index, bool may_anchor)
{
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    lua_sandbox_charge(L, length + 8);
    size_t items = (length < LUA_PATTERN_ITEMS_MAXIMUM ? length : LUA_PATTERN_ITEMS_MAXIMUM) + 1;
    struct program *program = lua_newuserdatauv(L, sizeof *program + items * sizeof *program->items, 0);
    memset(program, 0, sizeof *program);
    struct compiler compiler = {.L = L, .at = text, .end = text + length, .program = program};
    if (may_anchor && length && *text == '^') {
        program->anchored = true;
        compiler.at++;
    }
    while (compiler.at < compiler.end)
        compile_item(&compiler);
    if (compiler.opened_count)
        luaL_error(L, "unfinished capture");
    program->items[compiler.count] = (struct item){.kind = ITEM_DONE};
    return program;
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

/* The program of the pattern at `index`, left on the stack so that it stays alive. */
static const struct program *find_program(lua_State *L, int index)
{
    luaL_checkstack(L, 8, NULL);
    push_cache(L);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TUSERDATA) {
        lua_remove(L, -2);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    const struct program *program = compile(L, index, true);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
    lua_rawgeti(L, -2, 1);
    lua_pushinteger(L, lua_tointeger(L, -1) + 1);
    lua_rawseti(L, -4, 1);
    lua_pop(L, 1);
    lua_remove(L, -2);
    return program;
}

struct matcher {
    lua_State *L;
    const struct program *program;
    const char *text;
    const char *end;
    size_t steps; /* not paid yet */
    struct {
        const char *begin;
        const char *end;
    } captures[CAPTURES_MAXIMUM];
};

static void pay(struct matcher *matcher)
{
    size_t instructions = matcher->steps / STEPS_PER_INSTRUCTION;
    matcher->steps = 0;
    lua_sandbox_charge(matcher->L, instructions);
}

static inline void step(struct matcher *matcher, size_t count)
{
    matcher->steps += count;
    if (matcher->steps >= 256)
        pay(matcher);
}

/* The end of the balanced run that begins at `at`, or NULL. */
static const char *match_balance(struct matcher *matcher, const struct item *item, const char *at)
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

static const char *match_reference(struct matcher *matcher, const struct item *item, const char *at)
{
    if (matcher->program->is_position[item->capture])
        return NULL;
    size_t length = (size_t)(matcher->captures[item->capture].end - matcher->captures[item->capture].begin);
    step(matcher, length / 8);
    if ((size_t)(matcher->end - at) < length || memcmp(matcher->captures[item->capture].begin, at, length) != 0)
        return NULL;
    return at + length;
}

static bool at_frontier(const struct matcher *matcher, const struct item *item, const char *at)
{
    char before = '\0', behind = '\0';
    if (at > matcher->text)
        before = at[-1];
    if (at < matcher->end)
        behind = *at;
    return !set_has(item, before) && set_has(item, behind);
}

static const char *match_items(struct matcher *matcher, const struct item *item, const char *at);

/* `*`, `+` and `?`: as many as there are, then fewer. */
static const char *match_most(struct matcher *matcher, const struct item *item, const char *at)
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
static const char *match_least(struct matcher *matcher, const struct item *item, const char *at)
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
static const char *match_single(struct matcher *matcher, const struct item *item, const char *at)
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
static const char *match_items(struct matcher *matcher, const struct item *item, const char *at)
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
static const char *search(struct matcher *matcher, const char *at, const char **match_end)
{
    const struct item *first = matcher->program->items;
    bool needs_first = first->kind == ITEM_ONE && (first->repeat == 0 || first->repeat == '+');
    for (;; at++) {
        const char *from = at;
        while (needs_first && !matcher->program->anchored && at < matcher->end && !set_has(first, *at))
            at++;
        step(matcher, (size_t)(at - from) / 2);
        *match_end = match_items(matcher, first, at);
        if (*match_end)
            return at;
        if (at == matcher->end || matcher->program->anchored)
            return NULL;
    }
}

static void push_capture(struct matcher *matcher, unsigned capture, const char *begin, const char *end)
{
    if (capture >= matcher->program->captures) {
        if (capture > 0)
            luaL_error(matcher->L, "invalid capture index %%%d in replacement string", (int)capture + 1);
        lua_pushlstring(matcher->L, begin, (size_t)(end - begin));
    } else if (matcher->program->is_position[capture]) {
        lua_pushinteger(matcher->L, matcher->captures[capture].begin - matcher->text + 1);
    } else {
        const char *from = matcher->captures[capture].begin;
        lua_pushlstring(matcher->L, from, (size_t)(matcher->captures[capture].end - from));
    }
}

/* All captures, or the whole match if there are none and `whole`. */
static int push_captures(struct matcher *matcher, const char *begin, const char *end, bool whole)
{
    unsigned count = matcher->program->captures;
    if (count == 0 && whole)
        count = 1;
    luaL_checkstack(matcher->L, (int)count, "too many captures");
    for (unsigned capture = 0; capture < count; capture++)
        push_capture(matcher, capture, begin, end);
    return (int)count;
}

/* Where to begin, as an offset, from the optional argument at `index`; above `length` if that is behind the end. */
static size_t begin_argument(lua_State *L, int index, size_t length)
{
    lua_Integer begin = luaL_optinteger(L, index, 1);
    if (begin > 0)
        return (size_t)begin - 1;
    if (begin == 0 || begin < -(lua_Integer)length)
        return 0;
    return length - (size_t)-begin;
}

static bool has_specials(const char *pattern, size_t length)
{
    for (size_t index = 0; index < length; index++)
        if (pattern[index] && strchr("^$*+?.([%-", pattern[index]))
            return true;
    return false;
}

static int find_plain(lua_State *L, const char *text, size_t length, size_t begin)
{
    size_t wanted_length;
    const char *wanted = lua_tolstring(L, 2, &wanted_length);
    lua_sandbox_charge(L, (length - begin) / LUA_SANDBOX_BYTES_PER_INSTRUCTION);
    const char *found = wanted_length ? memmem(text + begin, length - begin, wanted, wanted_length) : text + begin;
    if (!found) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, found - text + 1);
    lua_pushinteger(L, found - text + (lua_Integer)wanted_length);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t length, pattern_length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *pattern = luaL_checklstring(L, 2, &pattern_length);
    size_t begin = begin_argument(L, 3, length);
    if (begin > length) {
        luaL_pushfail(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || !has_specials(pattern, pattern_length)))
        return find_plain(L, text, length, begin);
    struct matcher matcher = {.L = L, .program = find_program(L, 2), .text = text, .end = text + length};
    const char *match_end;
    const char *match = search(&matcher, text + begin, &match_end);
    pay(&matcher);
    if (!match) {
        luaL_pushfail(L);
        return 1;
    }
    if (!find)
        return push_captures(&matcher, match, match_end, true);
    lua_pushinteger(L, match - text + 1);
    lua_pushinteger(L, match_end - text);
    return push_captures(&matcher, NULL, NULL, false) + 2;
}

int lua_pattern_find(lua_State *L)
{
    return find_or_match(L, true);
}

int lua_pattern_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: text, program, offset of the next try, offset where the last match ended (-1: none). */
static int gmatch_next(lua_State *L)
{
    size_t length;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &length);
    struct matcher matcher = {
        .L = L, .program = lua_touserdata(L, lua_upvalueindex(2)), .text = text, .end = text + length};
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    while (at <= length) {
        const char *match_end;
        const char *match = search(&matcher, text + at, &match_end);
        if (!match)
            break;
        if (match_end - text == last) { /* an empty match right behind the last one */
            at = (size_t)(match - text) + 1;
            continue;
        }
        lua_pushinteger(L, match_end - text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        pay(&matcher);
        return push_captures(&matcher, match, match_end, true);
    }
    lua_pushinteger(L, (lua_Integer)length + 1);
    lua_replace(L, lua_upvalueindex(3));
    pay(&matcher);
    return 0;
}

int lua_pattern_gmatch(lua_State *L)
{
    size_t length, pattern_length;
    luaL_checklstring(L, 1, &length);
    const char *pattern = luaL_checklstring(L, 2, &pattern_length);
    size_t begin = begin_argument(L, 3, length);
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    if (pattern_length && *pattern == '^')
        compile(L, 2, false);
    else
        find_program(L, 2);
    lua_pushinteger(L, begin > length ? (lua_Integer)length + 1 : (lua_Integer)begin);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* What stands for a match, by the text of argument 3 with its `%1`. */
static void add_text(struct matcher *matcher, luaL_Buffer *output, const char *begin, const char *end)
{
    lua_State *L = matcher->L;
    size_t length;
    const char *text = lua_tolstring(L, 3, &length);
    step(matcher, length / 4);
    for (size_t index = 0; index < length; index++) {
        if (text[index] != '%') {
            luaL_addchar(output, text[index]);
            continue;
        }
        char next = text[++index]; /* a NUL behind the end */
        if (next == '%') {
            luaL_addchar(output, '%');
        } else if (next == '0') {
            luaL_addlstring(output, begin, (size_t)(end - begin));
        } else if (next >= '1' && next <= '9') {
            push_capture(matcher, (unsigned)(next - '1'), begin, end);
            luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(output);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* What stands for a match, by argument 3, which is a text, a table or a function. */
static void add_replacement(struct matcher *matcher, luaL_Buffer *output, const char *begin, const char *end)
{
    lua_State *L = matcher->L;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_text(matcher, output, begin, end);
        return;
    }
    if (type == LUA_TTABLE) {
        push_capture(matcher, 0, begin, end);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(matcher, begin, end, true), 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(output, begin, (size_t)(end - begin));
    } else if (lua_isstring(L, -1)) {
        luaL_addvalue(output);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

int lua_pattern_gsub(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_checkstring(L, 2);
    int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                     "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)length + 1);
    if (type == LUA_TNUMBER) {
        lua_settop(L, 3);
        luaL_tolstring(L, 3, NULL);
        lua_replace(L, 3);
    }
    lua_settop(L, 3);
    struct matcher matcher = {.L = L, .program = find_program(L, 2), .text = text, .end = text + length};
    luaL_Buffer output;
    luaL_buffinit(L, &output);
    const char *copied = text; /* up to here */
    const char *at = text;
    const char *last = NULL;
    lua_Integer count = 0;
    while (count < most) {
        const char *match_end;
        const char *match = search(&matcher, at, &match_end);
        if (!match)
            break;
        if (match_end != last) {
            count++;
            luaL_addlstring(&output, copied, (size_t)(match - copied));
            add_replacement(&matcher, &output, match, match_end);
            at = copied = last = match_end;
        } else {
            at = match + 1;
        }
        if (matcher.program->anchored || at > matcher.end)
            break;
    }
    luaL_addlstring(&output, copied, (size_t)(matcher.end - copied));
    luaL_pushresult(&output);
    lua_pushinteger(L, count);
    pay(&matcher);
    return 2;
}
