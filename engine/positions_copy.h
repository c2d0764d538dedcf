/* A copy of what the hash `<server_name>/weir/positions` holds of one engine: its fields by name (engine/own_stream.h,
 * engine/stored_positions.h say which there are). The outbox keeps one of what Redis has acknowledged, to notice when
 * Redis has lost it; the state file holds another. */
#ifndef WEIR_ENGINE_POSITIONS_COPY_H
#define WEIR_ENGINE_POSITIONS_COPY_H

#include <stdint.h>

#include "base/buffer.h"

struct copied_field {
    struct slice name; /* owned */
    struct buffer value;
};

/* A zeroed struct is empty. */
struct positions_copy {
    struct copied_field *fields;
    size_t count;
    size_t last; /* looked for: the same few fields change again and again */
};

void positions_copy_free(struct positions_copy *copy);
/* Both slices are copied; an absent value takes the field away. */
void positions_copy_set(struct positions_copy *copy, struct slice name, struct slice value);
/* Absent if there is no such field; lives until the copy is changed. */
struct slice positions_copy_find(struct positions_copy *copy, struct slice name);
/* Adds every field of `other`, over those of the same name. */
void positions_copy_add(struct positions_copy *copy, const struct positions_copy *other);

/* A token; false for other values, such as the records of what was judged ahead. */
bool positions_copy_number(const struct copied_field *field, int64_t *number);
/* Whether some token of `older` is below that of the same name in `newer`. */
bool positions_copy_is_behind(struct positions_copy *older, const struct positions_copy *newer);

#endif
