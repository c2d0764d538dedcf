/* A key is asked for by its id: a notary that is asked about a server as a whole tells what it happens to have, old or
 * not, and fetches nothing (Synapse's rest/key/v2/remote_key_resource.py); asked for a key that must still be good now,
 * it does.
 *
 * Two memories, by server and key id: of the keys, which are good until their server says, and for a while of those
 * that nobody knows, so that a stranger does not make us ask for each of its requests. A notary that cannot be asked is
 * not remembered. Keys are not used past their end: a server that lost its key says so by that. */
#include "engine/server_keys.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/answer_cache.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/server_key_answer.h"
#include "filters/server_name.h"
#include "replication/curl_loop.h"

#define SECOND_NS UINT64_C(1000000000)
#define MILLISECOND_NS UINT64_C(1000000)
#define KEYS_REMEMBERED 20000u
/* Keys are asked for again after so long, also those that are good for a year. */
#define KEYS_KEPT_NS (6 * 3600 * SECOND_NS)
#define UNKNOWN_NS (15 * SECOND_NS)
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
    struct buffer name; /* server and key id, with a space between them: what is waited for and remembered by */
    struct buffer question;
    char error[CURL_ERROR_SIZE];
    char server_name[SERVER_NAME_MAXIMUM + 1];
};

/* Between attempts: a key server that is being restarted is back in a while, and a server that is told no does not ask
 * again. */
#define PAUSE_MS 500
static const struct timeval pause_between = {.tv_usec = PAUSE_MS * 1000};

static const struct metric_definition fetches_metric = {
    "weir_server_key_fetches_total", METRIC_COUNTER,
    "Questions to the key server about the keys of a server, by how they ended.", "result"};
/* How a fetch ended. */
enum fetch_end { FETCH_GOOD, FETCH_NO_KEYS, FETCH_FAILED, FETCH_ENDS };
static const char *const fetch_results[FETCH_ENDS] = {"good", "no_keys", "failed"};

struct server_keys {
    struct event_base *base;
    struct curl_loop *loop;
    struct shared_waits *waits;
    struct answer_cache *records;
    struct answer_cache *unknown; /* why */
    struct fetch *fetches;
    char *notary;
    char *ca_file;
    int64_t timeout_ms;
    uint64_t *counts;
    struct log_gate gate;
    struct curl_slist *headers;
    struct buffer name;
    struct buffer text;
};

static const char *result_label(const void *context, size_t index)
{
    (void)context;
    return fetch_results[index];
}

static void free_fetch(struct fetch *fetch)
{
    curl.easy_cleanup(fetch->easy);
    event_free(fetch->pause);
    buffer_free(&fetch->body);
    buffer_free(&fetch->name);
    buffer_free(&fetch->question);
    free(fetch);
}

/* The fetch is gone before its end is told, for whoever is woken may ask for others. */
static void end_fetch(struct fetch *fetch, enum fetch_end end, const char *problem)
{
    struct server_keys *keys = fetch->keys;
    uint64_t suppressed;
    struct fetch **place = &keys->fetches;
    while (*place != fetch)
        place = &(*place)->next;
    *place = fetch->next;
    keys->counts[end]++;
    if (end == FETCH_NO_KEYS)
        answer_cache_store(keys->unknown, buffer_slice(&fetch->name), slice_from_string(problem), clock_now_ns());
    if (problem && log_gate_pass(&keys->gate, &suppressed))
        log_warning("the key of a server cannot be had; its requests are refused",
                    LOG_TEXT("key", buffer_slice(&fetch->name)), LOG_STRING("reason", problem),
                    LOG_STRING("key_server", keys->notary), LOG_INTEGER("suppressed", suppressed));
    shared_waits_wake(keys->waits, buffer_slice(&fetch->name), NULL);
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
    curl.easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    buffer_clear(text);
    if (result == CURLE_OK && status == 200)
        return NULL;
    if (result == CURLE_OK)
        buffer_append_format(text, "the key server answered with HTTP status %ld", status);
    else
        buffer_append_format(text, "the key server could not be asked: %s",
                             *fetch->error ? fetch->error : curl.easy_strerror(result));
    return buffer_string(text);
}

/* What the answer lacks; NULL if the key is in it, and remembered now. */
static const char *read_answer(struct fetch *fetch)
{
    struct server_keys *keys = fetch->keys;
    struct slice server_name = slice_from_string(fetch->server_name), name = buffer_slice(&fetch->name);
    struct slice key_id = slice_of(name.data + server_name.length + 1, name.length - server_name.length - 1);
    unsigned char key[SIGNING_KEY_PUBLIC_SIZE];
    struct buffer record = {0};
    const char *problem = server_key_answer_read(buffer_slice(&fetch->body), server_name, &record);
    if (!problem && server_key_record_until(buffer_slice(&record)) <= clock_wall_ms())
        problem = "the keys that the key server knows of the server are good no more";
    if (!problem && !server_key_record_find(buffer_slice(&record), key_id, key))
        problem = "the server has no such key";
    if (!problem)
        answer_cache_store(keys->records, name, buffer_slice(&record), clock_now_ns());
    buffer_free(&record);
    return problem;
}

static void on_done(void *context, CURL *easy, CURLcode result)
{
    (void)context;
    struct fetch *fetch = NULL;
    curl.easy_getinfo(easy, CURLINFO_PRIVATE, &fetch);
    const char *problem = transfer_problem(fetch, result);
    if (problem) {
        fail_fetch(fetch, problem);
        return;
    }
    problem = read_answer(fetch);
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

static void set_options(struct fetch *fetch)
{
    struct server_keys *keys = fetch->keys;
    CURL *easy = fetch->easy;
    long left_ms = (long)keys->timeout_ms - (long)((clock_now_ns() - fetch->began_ns) / MILLISECOND_NS);
    left_ms = left_ms < PAUSE_MS ? PAUSE_MS : left_ms;
    buffer_clear(&keys->text);
    buffer_append_format(&keys->text, "%s/_matrix/key/v2/query", keys->notary);
    curl.easy_setopt(easy, CURLOPT_URL, buffer_string(&keys->text));
    curl.easy_setopt(easy, CURLOPT_HTTPHEADER, keys->headers);
    curl.easy_setopt(easy, CURLOPT_POSTFIELDS, buffer_string(&fetch->question)); /* not copied */
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.easy_setopt(easy, CURLOPT_PROXY, "");
    curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl.easy_setopt(easy, CURLOPT_USERAGENT, "weir");
    curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms);
    curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, left_ms);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name being looked up does not hold up server_keys_destroy */
    curl.easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)SERVER_KEY_ANSWER_MAXIMUM);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
    curl.easy_setopt(easy, CURLOPT_PRIVATE, fetch);
    if (keys->ca_file)
        curl.easy_setopt(easy, CURLOPT_CAINFO, keys->ca_file);
}

/* The first attempt, or another one. What libcurl refuses is tried again, too. */
static void on_pause_over(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct fetch *fetch = argument;
    curl.easy_cleanup(fetch->easy);
    buffer_clear(&fetch->body);
    *fetch->error = '\0';
    fetch->easy = curl.easy_init();
    if (fetch->easy) {
        set_options(fetch);
        fetch->begun = curl_loop_add(fetch->keys->loop, fetch->easy);
    }
    if (!fetch->begun)
        fail_fetch(fetch, "libcurl refused the request");
}

static void begin_fetch(struct server_keys *keys, struct slice server_name, struct slice key_id, struct slice name)
{
    struct fetch *fetch = memory_allocate_zeroed(1, sizeof *fetch);
    memcpy(fetch->server_name, server_name.data, server_name.length);
    buffer_append_slice(&fetch->name, name);
    buffer_append_format(&fetch->question, "{\"server_keys\":{\"%s\":{\"%.*s\":{\"minimum_valid_until_ts\":%lld}}}}",
                         fetch->server_name, (int)key_id.length, key_id.data, (long long)clock_wall_ms());
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
    keys->records = answer_cache_create(KEYS_REMEMBERED, KEYS_KEPT_NS);
    keys->unknown = answer_cache_create(KEYS_REMEMBERED, UNKNOWN_NS);
    keys->notary = memory_copy_text(settings->notary, strlen(settings->notary));
    keys->ca_file = settings->ca_file ? memory_copy_text(settings->ca_file, strlen(settings->ca_file)) : NULL;
    keys->timeout_ms = settings->timeout_ms;
    keys->headers = curl.slist_append(NULL, "Content-Type: application/json");
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
    answer_cache_destroy(keys->unknown);
    free(keys->notary);
    free(keys->ca_file);
    curl.slist_free_all(keys->headers);
    buffer_free(&keys->name);
    buffer_free(&keys->text);
    free(keys);
}

static struct slice make_name(struct server_keys *keys, struct slice server_name, struct slice key_id)
{
    buffer_clear(&keys->name);
    buffer_append_slice(&keys->name, server_name);
    buffer_append_char(&keys->name, ' ');
    buffer_append_slice(&keys->name, key_id);
    return buffer_slice(&keys->name);
}

enum server_keys_status server_keys_find(struct server_keys *keys, struct slice server_name, struct slice key_id,
                                         unsigned char public[static SIGNING_KEY_PUBLIC_SIZE], const char **problem)
{
    uint64_t now = clock_now_ns();
    struct slice name = make_name(keys, server_name, key_id);
    struct slice record = answer_cache_find(keys->records, name, now);
    if (slice_present(record) && server_key_record_until(record) > clock_wall_ms() &&
        server_key_record_find(record, key_id, public))
        return SERVER_KEYS_FOUND;
    struct slice unknown = answer_cache_find(keys->unknown, name, now);
    if (slice_present(unknown)) {
        buffer_clear(&keys->text);
        buffer_append_slice(&keys->text, unknown);
        *problem = buffer_string(&keys->text);
        return SERVER_KEYS_NONE;
    }
    if (!shared_waits_has(keys->waits, name) && shared_waits_count(keys->waits) >= FETCHES_MAXIMUM) {
        *problem = "the keys of too many servers are being asked for";
        return SERVER_KEYS_TOO_MANY;
    }
    return SERVER_KEYS_WANTED;
}

void server_keys_wait(struct server_keys *keys, struct slice server_name, struct slice key_id,
                      struct shared_waiter *waiter)
{
    struct slice name = make_name(keys, server_name, key_id);
    if (shared_waits_join(keys->waits, name, waiter))
        begin_fetch(keys, server_name, key_id, name);
}
