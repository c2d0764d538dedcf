/* Recorded events that differ from the recording in one respect, which a sweep varies. */
#ifndef WEIR_BENCH_VARIANTS_H
#define WEIR_BENCH_VARIANTS_H

#include "bench/corpus.h"

struct variants {
    struct corpus_event *events;
    size_t count;
    struct buffer texts; /* of their bodies */
};

/* Where the text goes that makes an event long. */
enum variants_text { TEXT_IN_BODY, TEXT_IN_UNKNOWN_FIELD };

/* `count` events of `size` bytes (less some two or three where a character or an escape would be cut), made of the
 * `recorded` events that hold a body: what a client sees of them (content, time, room, sender, type), the text of one
 * and, behind it or in a field that no module knows, those of the following ones. */
struct variants *variants_of_size(const struct corpus_event *recorded, size_t recorded_count, size_t size, size_t count,
                                  enum variants_text text);
/* The recorded events, each of another sender that no list of rules.h holds. */
struct variants *variants_of_senders(const struct corpus_event *recorded, size_t count);
void variants_free(struct variants *variants);

#endif
