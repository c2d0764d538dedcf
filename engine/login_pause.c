/* Kept in the order of the last try, so that the first one is always the next to be forgotten. */
#include "engine/login_pause.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/memory.h"

#define SECOND_NS UINT64_C(1000000000)
#define FORGET_NS (3600 * SECOND_NS)
#define KEY_SIZE 8u

struct login_pause {
    UT_hash_handle hh;
    TAILQ_ENTRY(login_pause) link;
    uint64_t tried_ns;
    uint64_t until_ns;
    unsigned wrong;
    unsigned char key[KEY_SIZE + 1]; /* the family's first letter and the address, or its network */
};

struct login_pauses {
    struct login_pause *by_key;
    TAILQ_HEAD(, login_pause) by_time;
    size_t count;
};

struct login_pauses *login_pauses_create(void)
{
    struct login_pauses *pauses = memory_allocate_zeroed(1, sizeof *pauses);
    TAILQ_INIT(&pauses->by_time);
    return pauses;
}

static void forget(struct login_pauses *pauses, struct login_pause *pause)
{
    HASH_DEL(pauses->by_key, pause);
    TAILQ_REMOVE(&pauses->by_time, pause, link);
    pauses->count--;
    free(pause);
}

void login_pauses_destroy(struct login_pauses *pauses)
{
    struct login_pause *pause;
    while (pauses && (pause = TAILQ_FIRST(&pauses->by_time)))
        forget(pauses, pause);
    free(pauses);
}

/* What is no address is one with all others that are none: clients of a unix socket. */
static void key_of(struct slice address, unsigned char key[KEY_SIZE + 1])
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)] = {0};
    memset(key, 0, KEY_SIZE + 1);
    if (address.length >= sizeof text)
        return;
    memcpy(text, address.data, address.length);
    text[address.length] = '\0';
    if (inet_pton(AF_INET, text, bytes) == 1)
        key[0] = '4';
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        key[0] = '6';
    memcpy(key + 1, bytes, KEY_SIZE);
}

static struct login_pause *find(struct login_pauses *pauses, struct slice address)
{
    unsigned char key[KEY_SIZE + 1];
    struct login_pause *pause;
    key_of(address, key);
    HASH_FIND(hh, pauses->by_key, key, sizeof key, pause);
    return pause;
}

unsigned login_pauses_left(struct login_pauses *pauses, struct slice address, uint64_t now_ns)
{
    struct login_pause *pause;
    while ((pause = TAILQ_FIRST(&pauses->by_time)) && now_ns - pause->tried_ns >= FORGET_NS)
        forget(pauses, pause);
    pause = find(pauses, address);
    return pause && now_ns < pause->until_ns ? (unsigned)((pause->until_ns - now_ns + SECOND_NS - 1) / SECOND_NS) : 0;
}

static struct login_pause *add(struct login_pauses *pauses, struct slice address)
{
    if (pauses->count == LOGIN_PAUSE_ADDRESSES)
        forget(pauses, TAILQ_FIRST(&pauses->by_time));
    struct login_pause *pause = memory_allocate_zeroed(1, sizeof *pause);
    key_of(address, pause->key);
    HASH_ADD(hh, pauses->by_key, key, sizeof pause->key, pause);
    TAILQ_INSERT_TAIL(&pauses->by_time, pause, link);
    pauses->count++;
    return pause;
}

static uint64_t pause_seconds(unsigned wrong)
{
    if (wrong <= LOGIN_PAUSE_FREE)
        return 0;
    unsigned doublings = wrong - LOGIN_PAUSE_FREE - 1;
    return doublings < 6 ? UINT64_C(1) << doublings : LOGIN_PAUSE_MAXIMUM_S;
}

void login_pauses_wrong(struct login_pauses *pauses, struct slice address, uint64_t now_ns)
{
    struct login_pause *pause = find(pauses, address);
    if (!pause)
        pause = add(pauses, address);
    TAILQ_REMOVE(&pauses->by_time, pause, link);
    TAILQ_INSERT_TAIL(&pauses->by_time, pause, link);
    pause->wrong++;
    pause->tried_ns = now_ns;
    pause->until_ns = now_ns + pause_seconds(pause->wrong) * SECOND_NS;
}

void login_pauses_right(struct login_pauses *pauses, struct slice address)
{
    struct login_pause *pause = find(pauses, address);
    if (pause)
        forget(pauses, pause);
}
