/* Records are found by the module's name, the hash of its `config` and its place among those that are equal in both. */
#include "filters/chain_state.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "filters/chain_walk.h"

#define VERSION 1
#define NAME_MAXIMUM 64

static const char magic[8] = {'w', 'e', 'i', 'r', 'm', 'o', 'd', 's'};

struct head {
    char magic[8];
    uint32_t version;
    uint32_t records;
};

/* What stands before a module's bytes. */
struct record {
    char name[NAME_MAXIMUM]; /* filled up with NULs */
    uint64_t config_hash;
    uint32_t place; /* among those with the same name and hash, from 0 */
    uint32_t zero;
    uint64_t length;
    uint64_t checksum; /* of all of the record before it, then of the bytes */
};

static bool remembers(const struct chain_module *module)
{
    return module->definition->save && module->definition->restore;
}

bool chain_state_any(const struct chain *chain)
{
    bool any = false;
    for (uint32_t index = 0; index < chain->module_count; index++)
        any = any || remembers(&chain->modules[index]);
    return any;
}

static bool are_alike(const struct chain_module *left, const struct chain_module *right)
{
    return left->definition == right->definition && left->config_hash == right->config_hash;
}

/* How many modules before it are like it. */
static uint32_t place_of(const struct chain *chain, const struct chain_module *module)
{
    uint32_t place = 0;
    for (const struct chain_module *other = chain->modules; other < module; other++)
        place += are_alike(other, module);
    return place;
}

static uint64_t checksum_of(const struct record *record, const char *bytes)
{
    uint64_t before = XXH3_64bits(record, offsetof(struct record, checksum));
    return XXH3_64bits_withSeed(bytes, record->length, before);
}

/* ---- saving */

static void save_module(const struct chain *chain, const struct chain_module *module, struct buffer *snapshot)
{
    struct record record = {.config_hash = module->config_hash, .place = place_of(chain, module)};
    size_t start = snapshot->length;
    strncpy(record.name, module->definition->name, NAME_MAXIMUM - 1);
    buffer_append(snapshot, (const char *)&record, sizeof record);
    module->definition->save(module->state, snapshot);
    record.length = snapshot->length - start - sizeof record;
    memcpy(snapshot->data + start, &record, sizeof record);
}

void chain_state_save_begin(struct chain_state_saving *saving, struct buffer *snapshot)
{
    struct head head = {.version = VERSION};
    *saving = (struct chain_state_saving){0};
    memcpy(head.magic, magic, sizeof magic);
    buffer_append(snapshot, (const char *)&head, sizeof head);
}

bool chain_state_save_next(const struct chain *chain, struct chain_state_saving *saving, struct buffer *snapshot)
{
    struct head head;
    while (saving->next < chain->module_count && !remembers(&chain->modules[saving->next]))
        saving->next++;
    if (saving->next >= chain->module_count)
        return false;
    save_module(chain, &chain->modules[saving->next++], snapshot);
    memcpy(&head, snapshot->data, sizeof head);
    head.records++;
    memcpy(snapshot->data, &head, sizeof head);
    return true;
}

void chain_state_save_end(struct buffer *snapshot)
{
    for (size_t at = sizeof(struct head); at < snapshot->length;) {
        struct record record;
        memcpy(&record, snapshot->data + at, sizeof record);
        record.checksum = checksum_of(&record, snapshot->data + at + sizeof record);
        memcpy(snapshot->data + at, &record, sizeof record);
        at += sizeof record + (size_t)record.length;
    }
}

void chain_state_save(const struct chain *chain, struct buffer *snapshot)
{
    struct chain_state_saving saving;
    chain_state_save_begin(&saving, snapshot);
    while (chain_state_save_next(chain, &saving, snapshot))
        ;
    chain_state_save_end(snapshot);
}

/* ---- restoring */

/* The module that a record is for, or NULL. */
static struct chain_module *find_module(const struct chain *chain, const struct record *record)
{
    uint32_t place = 0;
    for (uint32_t index = 0; index < chain->module_count; index++) {
        struct chain_module *module = &chain->modules[index];
        if (remembers(module) && module->config_hash == record->config_hash &&
            strcmp(module->definition->name, record->name) == 0 && place++ == record->place)
            return module;
    }
    return NULL;
}

static void restore_record(struct chain *chain, const struct record *record, const char *bytes, bool *done,
                           struct chain_state_counts *counts)
{
    struct chain_module *module = find_module(chain, record);
    if (!module) {
        counts->unknown++;
        return;
    }
    if (done[module - chain->modules] ||
        !module->definition->restore(module->state, slice_of(bytes, (size_t)record->length))) {
        counts->damaged++;
        return;
    }
    done[module - chain->modules] = true;
    counts->restored++;
}

/* NULL, or what is wrong with the snapshot as a whole. */
static const char *restore_records(struct chain *chain, struct slice rest, uint32_t records, bool *done,
                                   struct chain_state_counts *counts)
{
    for (; records; records--) {
        struct record record;
        if (rest.length < sizeof record)
            return "the snapshot of the modules is cut off";
        memcpy(&record, rest.data, sizeof record);
        rest = slice_of(rest.data + sizeof record, rest.length - sizeof record);
        if (record.length > rest.length)
            return "the snapshot of the modules is cut off or damaged";
        if (record.name[NAME_MAXIMUM - 1] != '\0' || record.checksum != checksum_of(&record, rest.data))
            counts->damaged++;
        else
            restore_record(chain, &record, rest.data, done, counts);
        rest = slice_of(rest.data + record.length, rest.length - (size_t)record.length);
    }
    return rest.length ? "something stands behind the snapshot of the modules" : NULL;
}

static void count_anew(const struct chain *chain, const bool *done, struct chain_state_counts *counts)
{
    for (uint32_t index = 0; index < chain->module_count; index++)
        counts->anew += remembers(&chain->modules[index]) && !done[index];
}

bool chain_state_restore(struct chain *chain, struct slice snapshot, struct chain_state_counts *counts,
                         const char **problem)
{
    struct head head = {.records = 0};
    *counts = (struct chain_state_counts){0};
    *problem = NULL;
    if (snapshot.length >= sizeof head)
        memcpy(&head, snapshot.data, sizeof head);
    bool *done = memory_allocate_zeroed(chain->module_count, sizeof *done);
    if (memcmp(head.magic, magic, sizeof magic) != 0)
        *problem = "this is no snapshot of modules";
    else if (head.version != VERSION)
        *problem = "the snapshot of the modules is of another version";
    else
        *problem = restore_records(chain, slice_of(snapshot.data + sizeof head, snapshot.length - sizeof head),
                                   head.records, done, counts);
    count_anew(chain, done, counts);
    free(done);
    return *problem == NULL;
}

/* ---- handing over */

static const struct chain_module *find_alike(const struct chain *chain, const struct chain_module *module,
                                             uint32_t place)
{
    for (uint32_t index = 0; index < chain->module_count; index++)
        if (are_alike(&chain->modules[index], module) && place-- == 0)
            return &chain->modules[index];
    return NULL;
}

/* False if the module refuses what the other one knows. */
static bool hand_over(const struct chain_module *from, const struct chain_module *to, struct buffer *saved)
{
    if (to->definition->take_over) {
        to->definition->take_over(to->state, from->state);
        return true;
    }
    buffer_clear(saved);
    from->definition->save(from->state, saved);
    return to->definition->restore(to->state, buffer_slice(saved));
}

void chain_state_hand_over(struct chain *from, struct chain *to, struct chain_state_counts *counts)
{
    struct buffer state = {0};
    *counts = (struct chain_state_counts){0};
    for (uint32_t index = 0; index < to->module_count; index++) {
        struct chain_module *module = &to->modules[index];
        if (!remembers(module))
            continue;
        const struct chain_module *before = find_alike(from, module, place_of(to, module));
        if (!before)
            counts->anew++;
        else if ((module->handed_over = hand_over(before, module, &state)))
            counts->restored++;
        else
            counts->damaged++;
    }
    for (uint32_t index = 0; index < from->module_count; index++) {
        const struct chain_module *module = &from->modules[index];
        counts->unknown += remembers(module) && !find_alike(to, module, place_of(from, module));
    }
    buffer_free(&state);
}
