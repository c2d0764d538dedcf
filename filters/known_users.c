#include "filters/known_users.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/parts.h"

static struct known_generation generation_create(uint32_t size)
{
    return (struct known_generation){.places = string_table_create(),
                                     .users = memory_allocate_zeroed(size, sizeof(struct known_user))};
}

static void generation_free(struct known_generation *generation)
{
    for (uint32_t index = 0; index < generation->count; index++)
        free(generation->users[index].id);
    string_table_destroy(generation->places);
    free(generation->users);
    *generation = (struct known_generation){0};
}

void known_users_create(struct known_users *users, uint32_t maximum)
{
    users->half = maximum / 2;
    users->young = generation_create(users->half);
    users->old = generation_create(users->half);
}

void known_users_free(struct known_users *users)
{
    if (!users->half)
        return;
    generation_free(&users->young);
    generation_free(&users->old);
}

static struct known_user *generation_find(const struct known_generation *generation, struct slice id)
{
    uint32_t place = string_table_find(generation->places, id);
    struct known_user *user = place == STRING_TABLE_NONE ? NULL : &generation->users[place];
    return user && user->id ? user : NULL;
}

void known_users_see(struct known_users *users, struct slice id, uint64_t mark)
{
    struct known_user *user = generation_find(&users->young, id);
    if (user) {
        user->mark = mark;
        return;
    }
    user = generation_find(&users->old, id);
    struct known_user moving = {
        .id = user ? user->id : memory_copy_text(id.data, id.length), .length = (uint32_t)id.length, .mark = mark};
    if (user)
        user->id = NULL;
    if (users->young.count == users->half) {
        generation_free(&users->old);
        users->old = users->young;
        users->young = generation_create(users->half);
    }
    string_table_add(users->young.places, id, users->young.count);
    users->young.users[users->young.count++] = moving;
}

bool known_users_find(const struct known_users *users, struct slice id, uint64_t *mark)
{
    const struct known_user *user = generation_find(&users->young, id);
    if (!user)
        user = generation_find(&users->old, id);
    if (user)
        *mark = user->mark;
    return user;
}

const struct known_user *known_users_next(const struct known_users *users, uint32_t *place)
{
    while (*place < users->young.count + users->old.count) {
        uint32_t index = (*place)++;
        const struct known_user *user = index < users->young.count
                                            ? &users->young.users[users->young.count - 1 - index]
                                            : &users->old.users[users->old.count - 1 - (index - users->young.count)];
        if (user->id)
            return user;
    }
    return NULL;
}

static void generation_save(const struct known_generation *generation, struct buffer *output)
{
    for (uint32_t index = 0; index < generation->count; index++) {
        const struct known_user *user = &generation->users[index];
        if (!user->id)
            continue;
        size_t start = parts_begin(output);
        buffer_append(output, user->id, user->length);
        parts_end(output, start);
    }
}

void known_users_save(const struct known_users *users, struct buffer *output)
{
    generation_save(&users->old, output);
    generation_save(&users->young, output);
}
