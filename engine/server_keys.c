/* Two memories: of the keys themselves, which are good until the server says, and of answers that came lately, so that
 * neither a server whose keys cannot be had nor an unknown key id makes us ask again for each request. Keys that nobody
 * could fetch anew are not used past their end: a server that lost its key says so by that. */
#include "engine/server_keys.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/answer_cache.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/server_key_answer.h"
#include "replication/curl_loop.h"

#define SECOND_NS UINT64_C(1000000000)
#define MILLISECOND_NS UINT64_C(1000000)
#define SERVERS_REMEMBERED 20000u
/* Keys are asked for again after so long, also those that are good for a year. */
#define KEYS_KEPT_NS (6 * 3600 * SECOND_NS)
#define LATELY_NS (15 * SECOND_NS)
#define FETCHES_MAXIMUM 64u
#define IDLE_CONNECTIONS 4

struct fetch {
    struct fetch *next;
    struct server_keys *keys;
    CURL *easy;
    bool begun; /* false: libcurl would not, or it pauses */
    struct event *pause;
    uint64_t began_ns; /* the first attempt */
    struct buffer body;
    char error[CURL_ERROR_SIZE];
    char server_name[];
};

/* Between attempts: a key server that is being restarted is back in a while, and a server that is told no does not ask
 * again. */
#define PAUSE_MS 500
static const struct timeval pause_between = {.tv_usec = PAUSE_MS * 1000};

static const struct metric_definition fetches_metric = {
    "weir_server_key_fetches_total", METRIC_COUNTER,
    "Questions to the key server about the keys of a server, by how they ended.", "result"};
/* How a fetch ended; also the first byte of what is kept of late. */
enum fetch_end { FETCH_GOOD, FETCH_NO_KEYS, FETCH_FAILED, FETCH_ENDS };
static const char *const fetch_results[FETCH_ENDS] = {"good", "no_keys", "failed"};

struct server_keys {
    struct event_base *base;
    struct curl_loop *loop;
    struct shared_waits *waits;
    struct answer_cache *records; /* by server name */
    struct answer_cache *lately;  /* the end of the last fetch: a byte for its kind, and what was wrong */
    struct fetch *fetches;
    char *notary;
    char *ca_file;
    int64_t timeout_ms;
    uint64_t *counts;
    struct log_gate gate;
    struct buffer text;
};

static const char *result_label(const void *context, size_t index)
{
    (void)context;
    return fetch_results[index];
}

static void free_fetch(struct fetch *fetch)
{
    curl_easy_cleanup(fetch->easy);
    event_free(fetch->pause);
    buffer_free(&fetch->body);
    free(fetch);
}

/* The fetch is gone before its end is told, for whoever is woken may ask for others. */
static void end_fetch(struct fetch *fetch, enum fetch_end end, const char *problem)
{
    struct server_keys *keys = fetch->keys;
    uint64_t suppressed;
    struct slice server_name = slice_from_string(fetch->server_name);
    struct fetch **place = &keys->fetches;
    while (*place != fetch)
        place = &(*place)->next;
    *place = fetch->next;
    struct buffer kept = {0};
    keys->counts[end]++;
    buffer_append_char(&kept, (char)end);
    buffer_append_string(&kept, problem ? problem : "the server has no such key");
    answer_cache_store(keys->lately, server_name, buffer_slice(&kept), clock_now_ns());
    buffer_free(&kept);
    if (problem && log_gate_pass(&keys->gate, &suppressed))
        log_warning("the keys of a server cannot be had; its requests are refused",
                    LOG_STRING("server", fetch->server_name), LOG_STRING("reason", problem),
                    LOG_STRING("key_server", keys->notary), LOG_INTEGER("suppressed", suppressed));
    shared_waits_wake(keys->waits, server_name, NULL);
    free_fetch(fetch);
}

/* Tries again while there is time. */
static void fail_fetch(struct fetch *fetch, const char *problem)
{
    struct server_keys *keys = fetch->keys;
    uint64_t spent_ms = (clock_now_ns() - fetch->began_ns) / MILLISECOND_NS;
    fetch->begun = false;
    if (spent_ms + PAUSE_MS < (uint64_t)keys->timeout_ms)
        event_add(fetch->pause, &pause_between);
    else
        end_fetch(fetch, FETCH_FAILED, problem);
}

/* What went wrong; NULL if the answer has arrived. */
static const char *transfer_problem(struct fetch *fetch, CURLcode result)
{
    long status = 0;
    struct buffer *text = &fetch->keys->text;
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    buffer_clear(text);
    if (result == CURLE_OK && status == 200)
        return NULL;
    if (result == CURLE_OK)
        buffer_append_format(text, "the key server answered with HTTP status %ld", status);
    else
        buffer_append_format(text, "the key server could not be asked: %s",
                             *fetch->error ? fetch->error : curl_easy_strerror(result));
    return buffer_string(text);
}

static void on_done(void *context, CURL *easy, CURLcode result)
{
    struct server_keys *keys = context;
    struct fetch *fetch = NULL;
    struct buffer record = {0};
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &fetch);
    const char *problem = transfer_problem(fetch, result);
    struct slice server_name = slice_from_string(fetch->server_name);
    if (problem) {
        fail_fetch(fetch, problem);
        return;
    }
    problem = server_key_answer_read(buffer_slice(&fetch->body), server_name, &record);
    if (!problem && server_key_record_until(buffer_slice(&record)) <= clock_wall_ms())
        problem = "the keys that the key server knows of the server are good no more";
    if (!problem)
        answer_cache_store(keys->records, server_name, buffer_slice(&record), clock_now_ns());
    buffer_free(&record);
    end_fetch(fetch, problem ? FETCH_NO_KEYS : FETCH_GOOD, problem);
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct fetch *fetch = context;
    size_t length = size * count;
    if (length > SERVER_KEY_ANSWER_MAXIMUM - fetch->body.length)
        return 0; /* the transfer fails */
    buffer_append(&fetch->body, data, length);
    return length;
}

/* A server name has no characters but those of hosts, brackets and colons, which may stand in a path. */
static void set_options(struct fetch *fetch)
{
    struct server_keys *keys = fetch->keys;
    CURL *easy = fetch->easy;
    long left_ms = (long)keys->timeout_ms - (long)((clock_now_ns() - fetch->began_ns) / MILLISECOND_NS);
    left_ms = left_ms < PAUSE_MS ? PAUSE_MS : left_ms;
    buffer_clear(&keys->text);
    buffer_append_format(&keys->text, "%s/_matrix/key/v2/query/%s", keys->notary, fetch->server_name);
    curl_easy_setopt(easy, CURLOPT_URL, buffer_string(&keys->text));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, left_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name being looked up does not hold up server_keys_destroy */
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)SERVER_KEY_ANSWER_MAXIMUM);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
    if (keys->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, keys->ca_file);
}

/* The first attempt, or another one. What libcurl refuses is tried again, too. */
static void on_pause_over(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct fetch *fetch = argument;
    curl_easy_cleanup(fetch->easy);
    buffer_clear(&fetch->body);
    *fetch->error = '\0';
    fetch->easy = curl_easy_init();
    if (fetch->easy) {
        set_options(fetch);
        fetch->begun = curl_loop_add(fetch->keys->loop, fetch->easy);
    }
    if (!fetch->begun)
        fail_fetch(fetch, "libcurl refused the request");
}

static void begin_fetch(struct server_keys *keys, struct slice server_name)
{
    struct fetch *fetch = memory_allocate_zeroed(1, sizeof *fetch + server_name.length + 1);
    memcpy(fetch->server_name, server_name.data, server_name.length);
    fetch->keys = keys;
    fetch->began_ns = clock_now_ns();
    fetch->pause = event_new(keys->base, -1, 0, on_pause_over, fetch);
    fetch->next = keys->fetches;
    keys->fetches = fetch;
    event_active(fetch->pause, EV_TIMEOUT, 0);
}

struct server_keys *server_keys_create(struct event_base *base, const struct server_keys_settings *settings,
                                       struct metrics *metrics)
{
    struct server_keys *keys = memory_allocate_zeroed(1, sizeof *keys);
    keys->base = base;
    keys->loop = curl_loop_create(base, IDLE_CONNECTIONS, on_done, keys);
    keys->waits = shared_waits_create();
    keys->records = answer_cache_create(SERVERS_REMEMBERED, KEYS_KEPT_NS);
    keys->lately = answer_cache_create(SERVERS_REMEMBERED, LATELY_NS);
    keys->notary = memory_copy_text(settings->notary, strlen(settings->notary));
    keys->ca_file = settings->ca_file ? memory_copy_text(settings->ca_file, strlen(settings->ca_file)) : NULL;
    keys->timeout_ms = settings->timeout_ms;
    keys->counts = metrics_register(metrics, &fetches_metric, FETCH_ENDS, result_label, NULL);
    return keys;
}

void server_keys_destroy(struct server_keys *keys)
{
    if (!keys)
        return;
    while (keys->fetches) {
        struct fetch *fetch = keys->fetches;
        keys->fetches = fetch->next;
        if (fetch->begun)
            curl_loop_remove(keys->loop, fetch->easy);
        free_fetch(fetch);
    }
    curl_loop_destroy(keys->loop);
    shared_waits_destroy(keys->waits);
    answer_cache_destroy(keys->records);
    answer_cache_destroy(keys->lately);
    free(keys->notary);
    free(keys->ca_file);
    buffer_free(&keys->text);
    free(keys);
}

enum server_keys_status server_keys_find(struct server_keys *keys, struct slice server_name, struct slice key_id,
                                         unsigned char public[static SIGNING_KEY_PUBLIC_SIZE], const char **problem)
{
    uint64_t now = clock_now_ns();
    struct slice record = answer_cache_find(keys->records, server_name, now);
    bool good = slice_present(record) && server_key_record_until(record) > clock_wall_ms();
    if (good && server_key_record_find(record, key_id, public))
        return SERVER_KEYS_FOUND;
    struct slice lately = answer_cache_find(keys->lately, server_name, now);
    if (slice_present(lately)) {
        buffer_clear(&keys->text);
        buffer_append(&keys->text, lately.data + 1, lately.length - 1);
        *problem = buffer_string(&keys->text);
        return lately.data[0] == FETCH_FAILED ? SERVER_KEYS_FAILED : SERVER_KEYS_NONE;
    }
    if (!shared_waits_has(keys->waits, server_name) && shared_waits_count(keys->waits) >= FETCHES_MAXIMUM) {
        *problem = "the keys of too many servers are being asked for";
        return SERVER_KEYS_TOO_MANY;
    }
    return SERVER_KEYS_WANTED;
}

void server_keys_wait(struct server_keys *keys, struct slice server_name, struct shared_waiter *waiter)
{
    if (shared_waits_join(keys->waits, server_name, waiter))
        begin_fetch(keys, server_name);
}
