/* One place that decides what being out of memory means, so that no other file has a path it cannot test. */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *checked(void *pointer, size_t size)
{
    if (pointer == NULL && size != 0) {
        fprintf(stderr, "weir: out of memory (%zu bytes asked for)\n", size);
        abort();
    }
    return pointer;
}

void *memory_allocate(size_t size)
{
    return checked(malloc(size ? size : 1), size);
}

void *memory_allocate_zeroed(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1), size);
}

void *memory_reallocate(void *pointer, size_t size)
{
    return checked(realloc(pointer, size ? size : 1), size);
}

char *memory_copy_text(const char *text, size_t length)
{
    char *copy = memory_allocate(length + 1);
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

/* A huge page would be filled by the first key of a table. */
void *memory_map_zeroed(size_t size)
{
    void *pointer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pointer = checked(pointer == MAP_FAILED ? NULL : pointer, size);
    (void)madvise(pointer, size, MADV_NOHUGEPAGE);
    return pointer;
}

void memory_unmap(void *pointer, size_t size)
{
    if (pointer)
        munmap(pointer, size);
}

void memory_exchange(void *one, void *other, size_t size)
{
    unsigned char *left = one, *right = other;
    for (size_t index = 0; index < size; index++) {
        unsigned char byte = left[index];
        left[index] = right[index];
        right[index] = byte;
    }
}
