/* A chain of blocks, each at least as large as what did not fit into the one before; only the newest is ever filled. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

#define BLOCK_SIZE ((size_t)4096)
#define KEPT_SIZE ((size_t)64 << 10)
#define ALIGNMENT ((size_t)16)

struct arena_block {
    struct arena_block *older;
    size_t size;
    _Alignas(16) char bytes[];
};

struct arena_deferred {
    struct arena_deferred *older;
    void (*release)(void *pointer);
    void *pointer;
};

static void add_block(struct arena *arena, size_t least)
{
    size_t size = arena->block ? arena->block->size * 2 : BLOCK_SIZE;
    if (size < least)
        size = least;
    struct arena_block *block = memory_allocate(sizeof *block + size);
    block->older = arena->block;
    block->size = size;
    arena->block = block;
    arena->used = 0;
}

static void *take(struct arena *arena, size_t size)
{
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (!arena->block || size > arena->block->size - arena->used)
        add_block(arena, size);
    void *memory = arena->block->bytes + arena->used;
    arena->used += size;
    return memory;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    void *memory = take(arena, size);
    memset(memory, 0, size);
    return memory;
}

struct slice arena_copy(struct arena *arena, struct slice text)
{
    if (!text.data)
        return text;
    char *copy = take(arena, text.length + 1);
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return slice_of(copy, text.length);
}

struct slice arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = take(arena, (size_t)(length < 0 ? 0 : length) + 1);
    text[0] = '\0';
    if (length > 0)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return slice_of(text, strlen(text));
}

void arena_defer(struct arena *arena, void (*release)(void *pointer), void *pointer)
{
    struct arena_deferred *deferred = take(arena, sizeof *deferred);
    *deferred = (struct arena_deferred){arena->deferred, release, pointer};
    arena->deferred = deferred;
}

static void release_deferred(struct arena *arena)
{
    /* What is released may not look at the arena, which still holds the list. */
    for (struct arena_deferred *deferred = arena->deferred; deferred; deferred = deferred->older)
        deferred->release(deferred->pointer);
    arena->deferred = NULL;
}

static void free_from(struct arena_block *block)
{
    while (block) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void arena_reset(struct arena *arena)
{
    release_deferred(arena);
    arena->used = 0;
    if (!arena->block)
        return;
    free_from(arena->block->older);
    arena->block->older = NULL;
    if (arena->block->size > KEPT_SIZE) {
        free(arena->block);
        arena->block = NULL;
    }
}

void arena_free(struct arena *arena)
{
    release_deferred(arena);
    free_from(arena->block);
    *arena = (struct arena){0};
}
