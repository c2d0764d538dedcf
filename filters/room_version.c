#include "filters/room_version.h"

static const struct room_version versions[] = {
    {"1", EVENT_ID_GIVEN, 1, false, false},
    {"2", EVENT_ID_GIVEN, 1, false, false},
    {"3", EVENT_ID_HASH_STANDARD, 1, false, false},
    {"4", EVENT_ID_HASH_URL_SAFE, 1, false, false},
    {"5", EVENT_ID_HASH_URL_SAFE, 1, false, false},
    {"6", EVENT_ID_HASH_URL_SAFE, 6, true, false},
    {"7", EVENT_ID_HASH_URL_SAFE, 6, true, false},
    {"8", EVENT_ID_HASH_URL_SAFE, 8, true, false},
    {"9", EVENT_ID_HASH_URL_SAFE, 9, true, false},
    {"10", EVENT_ID_HASH_URL_SAFE, 9, true, false},
    {"11", EVENT_ID_HASH_URL_SAFE, 11, true, false},
    {"12", EVENT_ID_HASH_URL_SAFE, 12, true, true},
    /* Unstable ones that the newest Synapse knows without being told to. */
    {"org.matrix.msc3757.10", EVENT_ID_HASH_URL_SAFE, 9, true, false},
    {"org.matrix.msc3757.11", EVENT_ID_HASH_URL_SAFE, 11, true, false},
    {"org.matrix.hydra.11", EVENT_ID_HASH_URL_SAFE, 12, true, true},
};
#define VERSIONS (sizeof versions / sizeof *versions)

const struct room_version *room_version_find(struct slice name)
{
    for (size_t index = 0; index < VERSIONS; index++)
        if (slice_equal(slice_from_string(versions[index].name), name))
            return &versions[index];
    return NULL;
}

const struct room_version *room_version_at(size_t index)
{
    return index < VERSIONS ? &versions[index] : NULL;
}
