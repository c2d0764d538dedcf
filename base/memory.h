/* Allocation that cannot fail: out of memory ends the process with a message, as in Redis. Everything whose size comes
 * from outside is bounded before it is allocated, so that this happens only when the machine itself is out. */
#ifndef WEIR_BASE_MEMORY_H
#define WEIR_BASE_MEMORY_H

#include <stddef.h>

void *memory_allocate(size_t size);
void *memory_allocate_zeroed(size_t count, size_t size);
void *memory_reallocate(void *pointer, size_t size);
/* A NUL-terminated copy of `length` bytes; the caller frees it. */
char *memory_copy_text(const char *text, size_t length);

/* Puts each in the other's place. */
void memory_exchange(void *one, void *other, size_t size);

/* Zeroed memory of which only what is touched takes room, page by page, aligned to a page: for large tables that may
 * stay almost empty. Given back with memory_unmap and the same size. */
void *memory_map_zeroed(size_t size);
void memory_unmap(void *pointer, size_t size);

#endif
