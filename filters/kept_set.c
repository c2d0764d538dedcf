/* The checksum is ours, before vectorscan's own: its reader is handed only what was written here, whole. */
#include "filters/kept_set.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "filters/pattern_confirm.h"
#include "filters/vectorscan.h"

#define VERSION 1u

static const char magic[8] = {'w', 'e', 'i', 'r', 'p', 'a', 't', 's'};

struct head {
    char magic[8];
    uint32_t version;
    uint32_t count; /* patterns */
    char name[KEPT_SET_NAME_SIZE];
    char zero[7];
    uint64_t lengths[PART_COUNT]; /* of the databases; 0: the part has none */
    uint64_t checksum[2];         /* XXH3 (128 bits) of all before it, then of all behind it */
};

/* ---- the name */

static void hash_bytes(EVP_MD_CTX *context, const void *bytes, size_t length)
{
    if (EVP_DigestUpdate(context, bytes, length) != 1)
        abort(); /* no memory, as in base/memory.h */
}

static void hash_text(EVP_MD_CTX *context, struct slice text)
{
    uint64_t length = text.length;
    hash_bytes(context, &length, sizeof length);
    hash_bytes(context, text.data, text.length);
}

/* What a set depends on beside its patterns. */
static void hash_surroundings(EVP_MD_CTX *context)
{
    const struct vectorscan *vectorscan = vectorscan_implementation();
    hs_platform_info_t platform = {0};
    struct buffer version_text = {0};
    uint32_t version = VERSION;
    if (vectorscan->platform)
        platform = *vectorscan->platform;
    else if (hs_populate_platform(&platform) != HS_SUCCESS)
        platform = (hs_platform_info_t){0};
    hash_bytes(context, &version, sizeof version);
    hash_text(context, SLICE(WEIR_VERSION));
    hash_text(context, slice_from_string(hs_version()));
    confirm_append_version(&version_text);
    hash_text(context, buffer_slice(&version_text));
    buffer_free(&version_text);
    hash_bytes(context, &platform.tune, sizeof platform.tune);
    hash_bytes(context, &platform.cpu_features, sizeof platform.cpu_features);
}

void kept_set_name(const struct pattern *patterns, uint32_t count, char name[static KEPT_SET_NAME_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        abort();
    hash_surroundings(context);
    for (uint32_t index = 0; index < count; index++) {
        const unsigned char kind[2] = {(unsigned char)patterns[index].syntax, patterns[index].case_sensitive};
        hash_bytes(context, kind, sizeof kind);
        hash_text(context, patterns[index].text);
    }
    if (EVP_DigestFinal_ex(context, digest, NULL) != 1)
        abort();
    EVP_MD_CTX_free(context);
    for (size_t index = 0; index < (KEPT_SET_NAME_SIZE - 1) / 2; index++)
        snprintf(name + 2 * index, 3, "%02x", digest[index]);
}

/* ---- the envelope */

static XXH128_hash_t checksum_of(const char *content, size_t length)
{
    uint64_t before = XXH3_64bits(content, offsetof(struct head, checksum));
    return XXH3_128bits_withSeed(content + sizeof(struct head), length - sizeof(struct head), before);
}

bool kept_set_seal(struct buffer *content, const char *name)
{
    if (content->length < sizeof(struct head))
        return false;
    if (name)
        memcpy(content->data + offsetof(struct head, name), name, KEPT_SET_NAME_SIZE);
    XXH128_hash_t checksum = checksum_of(content->data, content->length);
    memcpy(content->data + offsetof(struct head, checksum), &checksum.low64, sizeof checksum.low64);
    memcpy(content->data + offsetof(struct head, checksum) + sizeof checksum.low64, &checksum.high64,
           sizeof checksum.high64);
    return true;
}

static bool append_databases(hs_database_t *const databases[static PART_COUNT], struct head *head,
                             struct buffer *content)
{
    for (enum part part = 0; part < PART_COUNT; part++) {
        char *bytes = NULL;
        size_t length = 0;
        if (!databases[part])
            continue;
        if (hs_serialize_database(databases[part], &bytes, &length) != HS_SUCCESS)
            return false;
        buffer_append(content, bytes, length);
        head->lengths[part] = length;
        free(bytes);
    }
    return true;
}

bool kept_set_append(const char *name, const struct candidate *candidates, uint32_t count,
                     hs_database_t *const databases[static PART_COUNT], struct buffer *content)
{
    struct head head = {.version = VERSION, .count = count};
    struct buffer made = {0};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(head.name, name, KEPT_SET_NAME_SIZE);
    buffer_append(&made, (const char *)&head, sizeof head);
    for (uint32_t index = 0; index < count; index++)
        buffer_append_char(&made, (char)candidates[index].route);
    bool good = append_databases(databases, &head, &made);
    if (good) {
        memcpy(made.data, &head, sizeof head);
        (void)kept_set_seal(&made, NULL);
        buffer_append_slice(content, buffer_slice(&made));
    }
    buffer_free(&made);
    return good;
}

static const char *problem_of_head(struct slice content, const struct head *head, const char *name, uint32_t count)
{
    if (memcmp(head->magic, magic, sizeof magic) != 0)
        return "it is no pattern set";
    if (head->version != VERSION)
        return "it is of another version of Weir";
    XXH128_hash_t checksum = checksum_of(content.data, content.length);
    if (head->checksum[0] != checksum.low64 || head->checksum[1] != checksum.high64)
        return "its checksum does not fit: it is damaged";
    if (memcmp(head->name, name, KEPT_SET_NAME_SIZE) != 0 || head->count != count)
        return "it is another set than its name says";
    return NULL;
}

const char *kept_set_read(struct slice content, const char *name, uint32_t count, struct kept_set *kept)
{
    struct head head;
    if (content.length < sizeof head)
        return "it is cut off";
    memcpy(&head, content.data, sizeof head);
    const char *problem = problem_of_head(content, &head, name, count);
    if (problem)
        return problem;
    struct slice rest = slice_of(content.data + sizeof head, content.length - sizeof head);
    if (rest.length < count)
        return "it is cut off";
    *kept = (struct kept_set){.routes = (const unsigned char *)rest.data};
    for (uint32_t index = 0; index < count; index++)
        if (kept->routes[index] > ROUTE_ALONE)
            return "one of its patterns has no route that there is";
    rest = slice_of(rest.data + count, rest.length - count);
    for (enum part part = 0; part < PART_COUNT; part++) {
        if (head.lengths[part] > rest.length)
            return "it is cut off";
        kept->databases[part] = slice_of(rest.data, (size_t)head.lengths[part]);
        rest = slice_of(rest.data + head.lengths[part], rest.length - (size_t)head.lengths[part]);
    }
    return rest.length ? "something stands behind its end" : NULL;
}
