/* Busy senders first, then ever quieter ones that still fit: fifty senders come within a few events of any share. */
#include "bench/hit_share.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "bench/figure.h"

#define SENDERS_MAXIMUM 256

struct sender {
    char id[256];
    size_t events;
};

struct senders {
    struct sender senders[SENDERS_MAXIMUM];
    size_t count;
};

static void count_event(struct senders *senders, const char *id)
{
    size_t place = 0;
    while (place < senders->count && strcmp(senders->senders[place].id, id) != 0)
        place++;
    if (place == SENDERS_MAXIMUM || strlen(id) >= sizeof senders->senders->id)
        bench_fail("the recording has more senders, or longer ids, than this bench expects");
    if (place == senders->count) {
        memcpy(senders->senders[place].id, id, strlen(id) + 1);
        senders->senders[senders->count++].events = 0;
    }
    senders->senders[place].events++;
}

static int compare(const void *left, const void *right)
{
    size_t one = ((const struct sender *)left)->events;
    size_t other = ((const struct sender *)right)->events;
    return (one < other) - (one > other);
}

static void count_senders(struct senders *senders, const struct corpus_event *events, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        yyjson_doc *document = yyjson_read(events[index].body.data, events[index].body.length, 0);
        const char *id = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), "sender"));
        if (!id)
            bench_fail("a recorded event has no sender");
        count_event(senders, id);
        yyjson_doc_free(document);
    }
    qsort(senders->senders, senders->count, sizeof *senders->senders, compare);
}

struct rules_module hit_share_senders(const struct corpus_event *events, size_t count, unsigned per_cent)
{
    struct senders senders = {.count = 0};
    struct rules_module module = rules_senders(RULES_SENDERS);
    json_t *listed = json_array();
    size_t left = count * per_cent / 100;
    count_senders(&senders, events, count);
    for (size_t place = 0; place < senders.count; place++) {
        if (senders.senders[place].events > left)
            continue;
        left -= senders.senders[place].events;
        json_array_append_new(listed, json_string(senders.senders[place].id));
    }
    json_object_set_new(module.configuration, "users", listed);
    return module;
}
