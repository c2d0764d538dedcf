/* Snapshots of a policy set: of each entry a record, then its entity (or digest) and reason. What came from files is
 * not among them: those are read at every start, and may have changed. */
#include "base/parts.h"
#include "base/utf8.h"
#include "filters/policy_set_parts.h"

#define SAVED_VERSION 1u

struct record {
    uint64_t place, place_check, event;
    int64_t ordering;
    uint16_t entity_length, reason_length;
    uint8_t list, kind, spelling, standing, recommendation, hashed, zero[6];
};

void policy_set_save(const struct policy_set *set, struct buffer *output)
{
    parts_put_head(output, SAVED_VERSION, 0);
    for (size_t index = 0; index < set->count; index++) {
        const struct entry *entry = &set->entries[index];
        if (entry->ordering <= 0)
            continue;
        struct record record = {.place = entry->place,
                                .place_check = entry->place_check,
                                .event = entry->event,
                                .ordering = entry->ordering,
                                .list = entry->list,
                                .kind = entry->kind,
                                .spelling = entry->spelling,
                                .standing = entry->standing};
        if (entry->standing == STANDING_RULE) {
            record.entity_length = entry->entity_length;
            record.reason_length = entry->reason_length;
            record.recommendation = entry->recommendation;
            record.hashed = entry->form == FORM_HASH;
        }
        buffer_append(output, (const char *)&record, sizeof record);
        if (entry->standing == STANDING_RULE)
            buffer_append(output, entry->texts, (size_t)record.entity_length + record.reason_length);
    }
}

static bool is_sound(const struct policy_set *set, const struct record *record, struct slice texts)
{
    size_t length = (size_t)record->entity_length + record->reason_length;
    bool is_rule = record->standing == STANDING_RULE;
    if (record->list >= set->settings.lists || record->kind >= POLICY_KINDS || record->spelling >= POLICY_SPELLINGS ||
        record->standing >= STANDINGS || record->ordering <= 0 || record->recommendation >= POLICY_RECOMMENDATIONS ||
        record->hashed > 1 || !(record->place & 1) || record->reason_length > POLICY_REASON_MAXIMUM ||
        texts.length < length)
        return false;
    if (!is_rule)
        return record->entity_length == 0 && !record->hashed;
    if (record->hashed)
        return record->entity_length == POLICY_DIGEST_SIZE;
    return record->entity_length > 0 && record->entity_length <= POLICY_ENTITY_MAXIMUM &&
           utf8_valid(slice_of(texts.data, record->entity_length));
}

static void restore_record(struct policy_set *set, const struct record *record, const char *texts)
{
    struct known known = {.place = record->place,
                          .place_check = record->place_check,
                          .event = record->event,
                          .ordering = record->ordering,
                          .list = record->list,
                          .type = {(enum policy_kind)record->kind, record->spelling},
                          .standing = (enum standing)record->standing};
    struct policy_rule rule = {.recommendation = (enum policy_recommendation)record->recommendation,
                               .hashed = record->hashed,
                               .entity = slice_of(texts, record->entity_length),
                               .reason = slice_of(texts + record->entity_length, record->reason_length)};
    if (rule.hashed)
        memcpy(rule.digest, texts, POLICY_DIGEST_SIZE);
    (void)policy_set_put_known(set, &known, &rule);
}

/* Goes through a snapshot; false if it is damaged. Nothing is taken in unless `take`. */
static bool read_records(struct policy_set *set, struct slice saved, bool take)
{
    uint64_t seed;
    if (!parts_take_head(&saved, SAVED_VERSION, &seed))
        return false;
    while (saved.length) {
        struct record record;
        if (saved.length < sizeof record)
            return false;
        memcpy(&record, saved.data, sizeof record);
        saved = slice_of(saved.data + sizeof record, saved.length - sizeof record);
        if (!is_sound(set, &record, saved))
            return false;
        if (take)
            restore_record(set, &record, saved.data);
        size_t length = (size_t)record.entity_length + record.reason_length;
        saved = slice_of(saved.data + length, saved.length - length);
    }
    return true;
}

bool policy_set_restore(struct policy_set *set, struct slice saved)
{
    return read_records(set, saved, false) && read_records(set, saved, true);
}
