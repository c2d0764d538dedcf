/* A hundred are looked at for each request, which is nothing beside the digest: there is no index to keep. All of them
 * are compared, so that the time tells nothing about which one it was. */
#include "engine/console_session.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/memory.h"

#define DIGEST_SIZE 32u
#define RANDOM_SIZE (CONSOLE_SESSION_ID_LENGTH / 2)

struct session {
    uint64_t number; /* 0: free */
    uint64_t ends_ns;
    unsigned char digest[DIGEST_SIZE];
};

struct console_sessions {
    uint64_t lasts_ns;
    uint64_t last_number;
    struct session all[CONSOLE_SESSIONS_MAXIMUM];
};

struct console_sessions *console_sessions_create(uint64_t lasts_ns)
{
    struct console_sessions *sessions = memory_allocate_zeroed(1, sizeof *sessions);
    sessions->lasts_ns = lasts_ns;
    return sessions;
}

void console_sessions_destroy(struct console_sessions *sessions)
{
    free(sessions);
}

static bool digest_of(struct slice id, unsigned char digest[DIGEST_SIZE])
{
    return EVP_Digest(id.data, id.length, digest, NULL, EVP_sha256(), NULL) == 1;
}

static bool is_open(const struct session *session, uint64_t now_ns)
{
    return session->number && now_ns < session->ends_ns;
}

/* A place that no session has; if there is none, that of the oldest, whose number is the least. */
static struct session *place_for_one(struct console_sessions *sessions, uint64_t now_ns)
{
    struct session *oldest = &sessions->all[0];
    for (size_t index = 0; index < CONSOLE_SESSIONS_MAXIMUM; index++) {
        if (!is_open(&sessions->all[index], now_ns))
            return &sessions->all[index];
        if (sessions->all[index].number < oldest->number)
            oldest = &sessions->all[index];
    }
    return oldest;
}

bool console_sessions_begin(struct console_sessions *sessions, uint64_t now_ns, char id[CONSOLE_SESSION_ID_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[RANDOM_SIZE], digest[DIGEST_SIZE];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    for (size_t index = 0; index < RANDOM_SIZE; index++) {
        id[2 * index] = digits[bytes[index] >> 4];
        id[2 * index + 1] = digits[bytes[index] & 15];
    }
    id[CONSOLE_SESSION_ID_LENGTH] = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
    if (!digest_of(slice_of(id, CONSOLE_SESSION_ID_LENGTH), digest))
        return false;
    struct session *session = place_for_one(sessions, now_ns);
    session->number = ++sessions->last_number;
    session->ends_ns = now_ns + sessions->lasts_ns;
    memcpy(session->digest, digest, DIGEST_SIZE);
    return true;
}

uint64_t console_sessions_find(struct console_sessions *sessions, struct slice id, uint64_t now_ns)
{
    unsigned char digest[DIGEST_SIZE];
    uint64_t found = 0;
    if (id.length != CONSOLE_SESSION_ID_LENGTH || !digest_of(id, digest))
        return 0;
    for (size_t index = 0; index < CONSOLE_SESSIONS_MAXIMUM; index++) {
        const struct session *session = &sessions->all[index];
        bool same = CRYPTO_memcmp(digest, session->digest, DIGEST_SIZE) == 0;
        if (same && is_open(session, now_ns))
            found = session->number;
    }
    return found;
}

bool console_sessions_is_open(const struct console_sessions *sessions, uint64_t number, uint64_t now_ns)
{
    for (size_t index = 0; number && index < CONSOLE_SESSIONS_MAXIMUM; index++)
        if (sessions->all[index].number == number)
            return is_open(&sessions->all[index], now_ns);
    return false;
}

void console_sessions_end(struct console_sessions *sessions, uint64_t number)
{
    for (size_t index = 0; number && index < CONSOLE_SESSIONS_MAXIMUM; index++)
        if (sessions->all[index].number == number)
            sessions->all[index] = (struct session){0};
}

void console_sessions_end_all(struct console_sessions *sessions)
{
    memset(sessions->all, 0, sizeof sessions->all);
}

unsigned console_sessions_count(const struct console_sessions *sessions, uint64_t now_ns)
{
    unsigned count = 0;
    for (size_t index = 0; index < CONSOLE_SESSIONS_MAXIMUM; index++)
        count += is_open(&sessions->all[index], now_ns);
    return count;
}
