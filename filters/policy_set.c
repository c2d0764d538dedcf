/* Each event that stands in a list's state is an entry, found by its place: list, kind, state key and spelling. While
 * it is a rule that counts, it is linked into the index under its name, its hash, or an anchor of its glob. Entries are
 * emptied, but never given back: an event older than the last is to be known as such.
 *
 * State keys and event ids are kept as hashes alone. Whoever can make two of them collide writes to that list anyway,
 * and no list's places are another's. */
#include "filters/policy_set.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "filters/glob.h"
#include "filters/glob_match.h"
#include "filters/policy_set_parts.h"
#include "filters/server_name.h"

/* An anchor with so few globs under it is good enough to be taken before better ones are looked for. */
#define FEW 4u
/* Of the places of one state key; even, so that they stay odd, and never 0. */
#define SPELLING_STEP 0x9e3779b97f4a7c16u

static const enum standing standings[] = {[POLICY_RULE_READ] = STANDING_RULE,
                                          [POLICY_RULE_EMPTY] = STANDING_EMPTY,
                                          [POLICY_RULE_UNKNOWN] = STANDING_UNKNOWN,
                                          [POLICY_RULE_BAD] = STANDING_BAD};

struct policy_set *policy_set_create(const struct policy_set_settings *settings)
{
    struct policy_set *set = memory_allocate_zeroed(1, sizeof *set);
    set->settings = *settings;
    set->owners = 1;
    memcpy(set->apply, settings->apply, settings->lists * sizeof *set->apply);
    set->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    set->digesting = EVP_MD_CTX_new();
    if (!set->sha256 || !set->digesting)
        abort(); /* no memory, as in base/memory.h */
    return set;
}

void policy_set_destroy(struct policy_set *set)
{
    if (!set || atomic_fetch_sub(&set->owners, 1) > 1)
        return;
    for (size_t index = 0; index < set->count; index++)
        free(set->entries[index].texts);
    free(set->entries);
    policy_index_free(&set->places);
    policy_index_free(&set->rules);
    EVP_MD_free(set->sha256);
    EVP_MD_CTX_free(set->digesting);
    policy_guard_free(&set->settings.guard);
    free(set);
}

struct policy_set *policy_set_share(struct policy_set *set)
{
    atomic_fetch_add(&set->owners, 1);
    return set;
}

const struct policy_guard *policy_set_guard(const struct policy_set *set)
{
    return &set->settings.guard;
}

/* ---- keys and texts */

static uint64_t key_of_name(struct slice name, enum policy_kind kind)
{
    return XXH3_64bits_withSeed(name.data, name.length, 0x10000u + (unsigned)kind) | 1;
}

static uint64_t key_of_digest(const unsigned char *digest, enum policy_kind kind)
{
    uint64_t key;
    memcpy(&key, digest, sizeof key);
    return (key ^ ((uint64_t)kind + 1) << 60) | 1;
}

static struct slice entity_of(const struct entry *entry)
{
    return slice_of(entry->texts, entry->entity_length);
}

static struct slice folded_of(const struct entry *entry)
{
    return slice_of(entry->texts + entry->entity_length + entry->reason_length, entry->folded_length);
}

static size_t texts_length(const struct entry *entry)
{
    return (size_t)entry->entity_length + entry->reason_length + entry->folded_length;
}

static void free_texts(struct policy_set *set, struct entry *entry)
{
    if (entry->texts)
        set->text_bytes -= texts_length(entry);
    free(entry->texts);
    entry->texts = NULL;
}

/* `name` as rules of that kind are compared. `output` has room for its length. */
static struct slice comparable(const struct policy_set *set, enum policy_kind kind, struct slice name, char *output)
{
    if (!set->settings.ignore_case && kind != POLICY_SERVER)
        return name;
    return slice_of(output, policy_fold(name, output));
}

/* Keeps the rule's texts, and looks what the guard says to it. */
static void keep_rule(struct policy_set *set, struct entry *entry, const struct policy_rule *rule)
{
    char folded[POLICY_ENTITY_MAXIMUM];
    struct slice entity = rule->hashed ? slice_of((const char *)rule->digest, POLICY_DIGEST_SIZE) : rule->entity;
    struct slice compared = SLICE(""), guarded = SLICE("");
    enum policy_kind kind = (enum policy_kind)entry->kind;
    entry->form = rule->hashed ? FORM_HASH : glob_has_wildcard(entity) ? FORM_GLOB : FORM_NAME;
    if (!rule->hashed) {
        struct slice name = kind == POLICY_SERVER && entry->form == FORM_NAME ? server_name_host(entity) : entity;
        guarded = slice_of(folded, policy_fold(name, folded));
        compared = set->settings.ignore_case || kind == POLICY_SERVER ? guarded : name;
    }
    entry->recommendation = (uint8_t)rule->recommendation & 3u;
    entry->entity_length = (uint16_t)entity.length;
    entry->reason_length = (uint16_t)rule->reason.length;
    entry->folded_length = (uint16_t)compared.length;
    entry->texts = memory_allocate(texts_length(entry) + 1);
    memcpy(entry->texts, entity.data, entity.length);
    if (rule->reason.length)
        memcpy(entry->texts + entity.length, rule->reason.data, rule->reason.length);
    memcpy(entry->texts + entity.length + rule->reason.length, compared.data, compared.length);
    set->text_bytes += texts_length(entry);
    bool excepts = rule->recommendation == POLICY_ALLOW || rule->recommendation == POLICY_UNBAN;
    entry->refused = !rule->hashed && !excepts && policy_guard_refuses(&set->settings.guard, kind, guarded);
}

/* ---- the index of rules */

/* The first anchor with few globs under it, or that with the fewest. */
static struct policy_anchor choose_anchor(const struct policy_set *set, const struct entry *entry)
{
    struct policy_anchor anchors[POLICY_ANCHORS_MAXIMUM], best = {0};
    uint32_t count = policy_anchors_of_glob(folded_of(entry), entry->kind, anchors), fewest = UINT32_MAX;
    for (uint32_t index = 0; index < count && fewest > FEW; index++) {
        const struct policy_bucket *bucket = policy_index_find(&set->rules, anchors[index].key);
        uint32_t others = bucket ? bucket->count : 0;
        /* What lies nowhere is looked at for every text: only if there is nothing else. */
        if (others >= fewest || (anchors[index].place == POLICY_ANCHOR_NOWHERE && index))
            continue;
        fewest = others;
        best = anchors[index];
    }
    return best;
}

static void count_anchor(struct policy_set *set, const struct entry *entry, int step)
{
    uint32_t *count = &set->anchors[entry->kind][entry->anchor], bit = 1u << entry->anchor;
    *count = (uint32_t)((int64_t)*count + step);
    set->anchor_places[entry->kind] =
        *count ? set->anchor_places[entry->kind] | bit : set->anchor_places[entry->kind] & ~bit;
}

static void link_rule(struct policy_set *set, struct entry *entry)
{
    if (entry->form == FORM_NAME) {
        entry->key = key_of_name(folded_of(entry), (enum policy_kind)entry->kind);
    } else if (entry->form == FORM_HASH) {
        entry->key = key_of_digest((const unsigned char *)entry->texts, (enum policy_kind)entry->kind);
        set->hashed[entry->kind]++;
    } else {
        struct policy_anchor anchor = choose_anchor(set, entry);
        entry->key = anchor.key;
        entry->anchor = anchor.place;
        count_anchor(set, entry, 1);
    }
    struct policy_bucket *bucket = policy_index_take(&set->rules, entry->key);
    entry->next = bucket->first;
    bucket->first = (uint32_t)(entry - set->entries);
    bucket->count++;
}

static void unlink_rule(struct policy_set *set, struct entry *entry)
{
    struct policy_bucket *bucket = policy_index_take(&set->rules, entry->key);
    uint32_t *link = &bucket->first;
    while (*link != (uint32_t)(entry - set->entries))
        link = &set->entries[*link].next;
    *link = entry->next;
    bucket->count--;
    entry->key = 0;
    if (entry->form == FORM_HASH)
        set->hashed[entry->kind]--;
    else if (entry->form == FORM_GLOB)
        count_anchor(set, entry, -1);
}

/* What it counts as, or NULL. */
static uint64_t *count_of(struct policy_counts *counts, const struct entry *entry)
{
    switch ((enum standing)entry->standing) {
    case STANDING_UNKNOWN:
        return &counts->unknown;
    case STANDING_BAD:
        return &counts->bad;
    case STANDING_RULE:
        return entry->refused ? &counts->refused : entry->key ? &counts->rules : NULL;
    default:
        return NULL;
    }
}

static void show(struct policy_set *set, struct entry *entry, bool visible)
{
    const uint32_t totals[] = {entry->list, POLICY_LISTS_MAXIMUM};
    if (entry->visible == visible)
        return;
    entry->visible = visible;
    if (visible && entry->standing == STANDING_RULE && !entry->refused &&
        set->apply[entry->list] >> entry->recommendation & 1)
        link_rule(set, entry);
    for (size_t index = 0; index < sizeof totals / sizeof *totals; index++) {
        uint64_t *count = count_of(&set->counts[totals[index]], entry);
        if (count)
            *count += visible ? 1 : UINT64_MAX;
    }
    if (!visible && entry->key)
        unlink_rule(set, entry);
}

/* ---- places */

static struct entry *find_entry(const struct policy_set *set, uint64_t place, uint64_t check)
{
    const struct policy_bucket *bucket = policy_index_find(&set->places, place);
    for (uint32_t index = bucket ? bucket->first : POLICY_INDEX_NONE; index != POLICY_INDEX_NONE;
         index = set->entries[index].next_place)
        if (set->entries[index].place_check == check)
            return &set->entries[index];
    return NULL;
}

static struct entry *add_entry(struct policy_set *set, const struct known *known)
{
    if (set->count >= set->settings.capacity || set->count >= POLICY_INDEX_NONE)
        return NULL;
    if (set->count == set->room) {
        set->room = set->room ? set->room * 2 : 64;
        set->entries = memory_reallocate(set->entries, set->room * sizeof *set->entries);
    }
    struct policy_bucket *bucket = policy_index_take(&set->places, known->place);
    struct entry *entry = &set->entries[set->count];
    *entry = (struct entry){.place = known->place,
                            .place_check = known->place_check,
                            .ordering = known->ordering,
                            .next_place = bucket->first,
                            .list = (uint8_t)known->list,
                            .kind = (uint8_t)known->type.kind & 3u,
                            .spelling = known->type.spelling & 3u};
    bucket->first = (uint32_t)set->count++;
    bucket->count++;
    return entry;
}

/* Of the spellings of one state key the newest that is there is seen. */
static void choose_spelling(struct policy_set *set, const struct known *known)
{
    uint64_t first = known->place - known->type.spelling * SPELLING_STEP;
    struct entry *seen = NULL;
    for (unsigned spelling = 0; spelling < POLICY_SPELLINGS; spelling++) {
        struct entry *entry = find_entry(set, first + spelling * SPELLING_STEP, known->place_check);
        if (!entry)
            continue;
        if (!seen && entry->standing != STANDING_GONE)
            seen = entry;
        if (entry != seen)
            show(set, entry, false);
    }
    if (seen)
        show(set, seen, true);
}

/* Whether what comes changes nothing. The same event may come again from elsewhere, with another ordering; one that was
 * seen redacted stays so, since a copy of it may be older. */
static bool is_old(const struct entry *entry, const struct known *known)
{
    if (entry->standing != STANDING_GONE && known->standing != STANDING_GONE && entry->event == known->event)
        return entry->standing == STANDING_EMPTY || entry->standing == known->standing;
    return known->ordering < entry->ordering;
}

bool policy_set_put_known(struct policy_set *set, const struct known *known, const struct policy_rule *rule)
{
    struct entry *entry = find_entry(set, known->place, known->place_check);
    if (entry && is_old(entry, known)) {
        if (entry->event == known->event && known->ordering > entry->ordering)
            entry->ordering = known->ordering;
        return true;
    }
    if (!entry)
        entry = add_entry(set, known);
    if (!entry)
        return false;
    show(set, entry, false);
    free_texts(set, entry);
    entry->event = known->event;
    if (known->ordering > entry->ordering)
        entry->ordering = known->ordering;
    entry->standing = (uint8_t)known->standing & 15u;
    entry->refused = false;
    if (known->standing == STANDING_RULE)
        keep_rule(set, entry, rule);
    choose_spelling(set, known);
    return true;
}

bool policy_set_put(struct policy_set *set, const struct policy_place *place, enum policy_rule_status status,
                    const struct policy_rule *rule)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(place->state_key.data, place->state_key.length,
                                               (uint64_t)place->list * POLICY_KINDS + place->type.kind);
    struct known known = {.place = (hash.low64 | 1) + place->type.spelling * SPELLING_STEP,
                          .place_check = hash.high64,
                          .ordering = place->ordering,
                          .list = place->list,
                          .type = place->type,
                          .standing = slice_present(place->event_id) ? standings[status] : STANDING_GONE};
    if (slice_present(place->event_id))
        known.event = XXH3_64bits(place->event_id.data, place->event_id.length);
    return policy_set_put_known(set, &known, rule);
}

/* ---- looking */

/* Of two rules of one list the one that counts. */
static bool is_before(const struct entry *entry, const struct entry *other)
{
    if (entry->form != other->form)
        return entry->form < other->form;
    return entry->ordering != other->ordering ? entry->ordering > other->ordering : entry > other;
}

static void take_hit(const struct policy_set *set, uint32_t rule, struct policy_hits *hits)
{
    const struct entry *entry = &set->entries[rule];
    uint64_t bit = 1ull << entry->list;
    if (!(hits->lists & bit) || is_before(entry, &set->entries[hits->rules[entry->list]]))
        hits->rules[entry->list] = rule;
    hits->lists |= bit;
}

static void look_under(const struct policy_set *set, uint64_t key, enum policy_kind kind, enum form form,
                       struct slice text, struct policy_hits *hits)
{
    const struct policy_bucket *bucket = policy_index_find(&set->rules, key);
    for (uint32_t rule = bucket ? bucket->first : POLICY_INDEX_NONE; rule != POLICY_INDEX_NONE;
         rule = set->entries[rule].next) {
        const struct entry *entry = &set->entries[rule];
        if (entry->kind != (unsigned)kind || entry->form != (unsigned)form)
            continue;
        bool matches = form == FORM_NAME   ? slice_equal(folded_of(entry), text)
                       : form == FORM_HASH ? slice_equal(entity_of(entry), text)
                                           : glob_matches(folded_of(entry), text);
        if (matches)
            take_hit(set, rule, hits);
    }
}

static void look_by_hash(const struct policy_set *set, enum policy_kind kind, struct slice name,
                         struct policy_hits *hits)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestInit_ex2(set->digesting, set->sha256, NULL) != 1 ||
        EVP_DigestUpdate(set->digesting, name.data, name.length) != 1 ||
        EVP_DigestFinal_ex(set->digesting, digest, NULL) != 1)
        abort(); /* no memory, as in base/memory.h */
    look_under(set, key_of_digest(digest, kind), kind, FORM_HASH, slice_of((char *)digest, POLICY_DIGEST_SIZE), hits);
}

bool policy_set_find(const struct policy_set *set, enum policy_kind kind, struct slice name, struct policy_hits *hits)
{
    char folded[POLICY_ENTITY_MAXIMUM];
    hits->lists = 0;
    if (!slice_present(name) || name.length > POLICY_ENTITY_MAXIMUM)
        return false;
    struct slice text = comparable(set, kind, name, folded);
    look_under(set, key_of_name(text, kind), kind, FORM_NAME, text, hits);
    if (set->hashed[kind])
        look_by_hash(set, kind, name, hits);
    if (set->anchor_places[kind]) {
        uint64_t keys[POLICY_ANCHOR_KEYS];
        uint32_t count = policy_anchors_of_text(text, (uint8_t)kind, set->anchor_places[kind], keys);
        for (uint32_t index = 0; index < count; index++)
            if (policy_index_may_have(&set->rules, keys[index]))
                look_under(set, keys[index], kind, FORM_GLOB, text, hits);
    }
    return hits->lists != 0;
}

struct policy_found policy_set_rule(const struct policy_set *set, uint32_t rule)
{
    const struct entry *entry = &set->entries[rule];
    return (struct policy_found){.recommendation = (enum policy_recommendation)entry->recommendation,
                                 .entity = entity_of(entry),
                                 .hashed = entry->form == FORM_HASH,
                                 .reason = entry->reason_length
                                               ? slice_of(entry->texts + entry->entity_length, entry->reason_length)
                                               : SLICE_ABSENT};
}

struct policy_counts policy_set_counts(const struct policy_set *set, uint32_t list)
{
    return set->counts[list < set->settings.lists ? list : POLICY_LISTS_MAXIMUM];
}

size_t policy_set_size(const struct policy_set *set)
{
    return set->count;
}

size_t policy_set_memory(const struct policy_set *set)
{
    return sizeof *set + set->room * sizeof *set->entries + set->text_bytes + policy_index_memory(&set->places) +
           policy_index_memory(&set->rules);
}
