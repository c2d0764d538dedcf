/* Synapse keeps an answer for half an hour under the request's id alone, and gives it again to whoever uses that id,
 * whatever is asked (replication.md 7.2): each request therefore has 128 bits of chance as its id, a repeated one too.
 */
#include "replication/rows_http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "replication/curl_loop.h"
#include "replication/http_writer.h"
#include "replication/row_answer.h"

/* Idle connections beside one for each writer. */
#define IDLE_CONNECTIONS_EXTRA 4

struct transfer {
    struct transfer *next;
    struct rows_http *rows;
    const struct http_writer *writer; /* NULL: unknown */
    uint64_t ticket;
    struct row_request request; /* `writer` is the transfer's own copy */
    CURL *easy;
    const char *not_begun; /* why not; NULL if it is under way */
    struct buffer body;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

struct rows_http {
    struct row_source_callbacks callbacks;
    struct curl_loop *loop;
    struct http_writer *writers;
    size_t writer_count;
    int64_t timeout_ms;
    char *ca_file;
    char *ca_path;
    bool verify;
    struct curl_slist *headers;
    struct transfer *transfers;
    struct event *not_begun; /* ends the requests that could not begin */
    struct buffer text;
};

static struct http_writer *find_writer(const struct rows_http *rows, struct slice name)
{
    for (size_t index = 0; index < rows->writer_count; index++)
        if (slice_equal(slice_from_string(rows->writers[index].name), name))
            return &rows->writers[index];
    return NULL;
}

static void transfer_free(struct transfer *transfer)
{
    curl.easy_cleanup(transfer->easy);
    buffer_free(&transfer->body);
    free((char *)(uintptr_t)transfer->request.writer.data);
    free(transfer);
}

/* The transfer is gone before its end is told: a new request may be made from within. */
static void end_transfer(struct transfer *transfer, const struct row_answer *answer)
{
    struct rows_http *rows = transfer->rows;
    uint64_t ticket = transfer->ticket;
    struct transfer **place = &rows->transfers;
    while (*place != transfer)
        place = &(*place)->next;
    *place = transfer->next;
    transfer_free(transfer);
    rows->callbacks.ended(rows->callbacks.context, ticket, answer);
}

static void hand_on(void *context, const struct position_rows *position_rows)
{
    const struct transfer *transfer = context;
    const struct row_source_callbacks *callbacks = &transfer->rows->callbacks;
    callbacks->rows(callbacks->context, transfer->ticket, position_rows);
}

static void on_done(void *context, CURL *easy, CURLcode result)
{
    struct rows_http *rows = context;
    struct transfer *transfer = NULL;
    curl.easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    struct http_outcome outcome = {.result = transfer->too_large ? CURLE_FILESIZE_EXCEEDED : result,
                                   .error = transfer->error,
                                   .body = buffer_slice(&transfer->body),
                                   .timeout_ms = rows->timeout_ms};
    curl.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &outcome.status);
    curl.easy_getinfo(easy, CURLINFO_OS_ERRNO, &outcome.system_error);
    struct row_answer answer = {0};
    buffer_clear(&rows->text);
    if (outcome.result != CURLE_OK || outcome.status != 200) {
        http_writer_say_failure(transfer->writer, &outcome, &rows->text);
        answer.failure = buffer_string(&rows->text);
    } else {
        struct row_answer_receiver receiver = {transfer, hand_on};
        row_answer_read(outcome.body, &transfer->request, &receiver, &answer);
        if (answer.failure) {
            http_writer_say_answer(transfer->writer, answer.failure, &rows->text);
            answer.failure = buffer_string(&rows->text);
        }
    }
    end_transfer(transfer, &answer);
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;
    if (length > ROWS_HTTP_ANSWER_MAXIMUM - transfer->body.length) {
        transfer->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buffer_append(&transfer->body, data, length);
    return length;
}

/* Room for the address, a stream's name, the id and the numbers. False if the system has no chance to give. */
static bool append_url(const struct http_writer *writer, const struct row_request *request, struct buffer *url)
{
    uint64_t id[2];
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        return false;
    buffer_clear(url);
    buffer_append_format(url,
                         "%s/_synapse/replication/get_repl_stream_updates/%s/%016" PRIx64 "%016" PRIx64
                         "?from_token=%" PRId64 "&upto_token=%" PRId64,
                         writer->url, stream_definitions[request->stream].name, id[0], id[1], request->from,
                         request->upto);
    return true;
}

static void set_trust(const struct rows_http *rows, CURL *easy)
{
    curl.easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, rows->verify ? 1L : 0L);
    curl.easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, rows->verify ? 2L : 0L);
    if (rows->ca_file || rows->ca_path) { /* nobody else then */
        curl.easy_setopt(easy, CURLOPT_CAINFO, rows->ca_file);
        curl.easy_setopt(easy, CURLOPT_CAPATH, rows->ca_path);
    }
}

/* What is set here is that no environment, file or server may lead the secret elsewhere. */
static void set_options(struct transfer *transfer, const char *url)
{
    const struct rows_http *rows = transfer->rows;
    CURL *easy = transfer->easy;
    curl.easy_setopt(easy, CURLOPT_URL, url);
    curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, transfer->writer->unix_path);
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.easy_setopt(easy, CURLOPT_PROXY, "");
    curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl.easy_setopt(easy, CURLOPT_HTTPHEADER, rows->headers);
    curl.easy_setopt(easy, CURLOPT_USERAGENT, "weir");
    curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)rows->timeout_ms);
    curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)rows->timeout_ms);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name being looked up does not hold up rows_http_destroy */
    curl.easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)ROWS_HTTP_ANSWER_MAXIMUM);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl.easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    set_trust(rows, easy);
}

/* Why the request cannot begin; NULL if it did. */
static const char *begin(struct rows_http *rows, struct transfer *transfer)
{
    if (!transfer->writer)
        return "the writer has no address here: `instance_map` does not name it";
    if (!append_url(transfer->writer, &transfer->request, &rows->text))
        return "the system gives no random numbers for the id of a request";
    transfer->easy = curl.easy_init();
    if (!transfer->easy)
        return "libcurl has no memory for a request";
    set_options(transfer, buffer_string(&rows->text));
    return curl_loop_add(rows->loop, transfer->easy) ? NULL : "libcurl refused the request";
}

static void request_rows(void *context, uint64_t ticket, const struct row_request *request)
{
    struct rows_http *rows = context;
    struct transfer *transfer = memory_allocate_zeroed(1, sizeof *transfer);
    *transfer = (struct transfer){.next = rows->transfers,
                                  .rows = rows,
                                  .writer = find_writer(rows, request->writer),
                                  .ticket = ticket,
                                  .request = *request};
    transfer->request.writer =
        slice_of(memory_copy_text(request->writer.data, request->writer.length), request->writer.length);
    rows->transfers = transfer;
    transfer->not_begun = begin(rows, transfer);
    if (transfer->not_begun)
        event_active(rows->not_begun, EV_TIMEOUT, 0);
}

/* What is asked for from within comes first in the list and has its turn in the next round of the loop. */
static void on_not_begun(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct rows_http *rows = argument;
    struct transfer *transfer = rows->transfers;
    while (transfer && !transfer->not_begun)
        transfer = transfer->next;
    if (!transfer)
        return;
    event_active(rows->not_begun, EV_TIMEOUT, 0);
    struct row_answer answer = {.failure = transfer->not_begun};
    end_transfer(transfer, &answer);
}

static bool serves(void *context, enum stream stream, struct slice writer)
{
    (void)stream;
    return find_writer(context, writer) != NULL;
}

static char *copy_or_null(const char *text)
{
    return text ? memory_copy_text(text, strlen(text)) : NULL;
}

struct rows_http *rows_http_create(struct event_base *base, const struct rows_http_settings *settings,
                                   const struct row_source_callbacks *callbacks)
{
    struct rows_http *rows = memory_allocate_zeroed(1, sizeof *rows);
    rows->callbacks = *callbacks;
    rows->loop = curl_loop_create(base, (long)settings->writer_count + IDLE_CONNECTIONS_EXTRA, on_done, rows);
    rows->writer_count = settings->writer_count;
    rows->writers = memory_allocate_zeroed(settings->writer_count + 1, sizeof *rows->writers);
    for (size_t index = 0; index < settings->writer_count; index++)
        http_writer_fill(&rows->writers[index], &settings->writers[index]);
    rows->timeout_ms = settings->timeout_ms;
    rows->ca_file = copy_or_null(settings->ca_file);
    rows->ca_path = copy_or_null(settings->ca_path);
    rows->verify = settings->verify;
    rows->not_begun = event_new(base, -1, 0, on_not_begun, rows);
    if (settings->secret) {
        buffer_append_format(&rows->text, "Authorization: Bearer %s", settings->secret);
        rows->headers = curl.slist_append(NULL, buffer_string(&rows->text));
    }
    return rows;
}

void rows_http_destroy(struct rows_http *rows)
{
    if (!rows)
        return;
    while (rows->transfers) {
        struct transfer *transfer = rows->transfers;
        rows->transfers = transfer->next;
        if (!transfer->not_begun)
            curl_loop_remove(rows->loop, transfer->easy);
        transfer_free(transfer);
    }
    curl_loop_destroy(rows->loop);
    curl.slist_free_all(rows->headers);
    event_free(rows->not_begun);
    for (size_t index = 0; index < rows->writer_count; index++)
        http_writer_clear(&rows->writers[index]);
    free(rows->writers);
    free(rows->ca_file);
    free(rows->ca_path);
    buffer_free(&rows->text);
    free(rows);
}

struct row_source rows_http_source(struct rows_http *rows)
{
    return (struct row_source){.context = rows, .serves = serves, .request = request_rows};
}
