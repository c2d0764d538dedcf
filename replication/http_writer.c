/* Sentences come from a table by libcurl's result: its own words name no writer and often not the cause. */
#include "replication/http_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "replication/row_answer.h"

static char *copy(struct buffer *text)
{
    return memory_copy_text(text->data, text->length);
}

void http_writer_fill(struct http_writer *writer, const struct rows_http_writer *settings)
{
    struct buffer text = {0};
    const char *scheme = settings->tls ? "https" : "http";
    writer->name = memory_copy_text(settings->name, strlen(settings->name));
    if (settings->unix_path) {
        writer->unix_path = memory_copy_text(settings->unix_path, strlen(settings->unix_path));
        buffer_append_format(&text, "%s://localhost", scheme);
    } else {
        bool bare = strchr(settings->host, ':') != NULL; /* an IPv6 address */
        buffer_append_format(&text, bare ? "%s://[%s]:%u" : "%s://%s:%u", scheme, settings->host, settings->port);
    }
    writer->url = copy(&text);
    const char *address = settings->unix_path ? settings->unix_path : strstr(writer->url, "//") + 2;
    buffer_clear(&text);
    buffer_append_format(&text, "the writer `%s` at %s", settings->name, address);
    writer->words = copy(&text);
    buffer_free(&text);
}

void http_writer_clear(struct http_writer *writer)
{
    free(writer->name);
    free(writer->url);
    free(writer->unix_path);
    free(writer->words);
}

enum detail { DETAIL_NONE, DETAIL_SYSTEM, DETAIL_CURL, DETAIL_TIMEOUT, DETAIL_MAXIMUM };

static const struct result_words {
    CURLcode result;
    const char *words; /* behind the writer's */
    enum detail detail;
} result_words[] = {
    {CURLE_COULDNT_CONNECT, "cannot be reached; it does not run, or has no `replication` listener there",
     DETAIL_SYSTEM},
    {CURLE_COULDNT_RESOLVE_HOST, "cannot be reached: its host name has no address", DETAIL_CURL},
    {CURLE_OPERATION_TIMEDOUT, "did not answer in time", DETAIL_TIMEOUT},
    {CURLE_FILESIZE_EXCEEDED, "gave an answer that is too large", DETAIL_MAXIMUM},
    {CURLE_GOT_NOTHING, "closed the connection without an answer", DETAIL_NONE},
    {CURLE_RECV_ERROR, "closed the connection before its answer was complete", DETAIL_CURL},
    {CURLE_SEND_ERROR, "closed the connection before it was asked", DETAIL_CURL},
    {CURLE_PARTIAL_FILE, "closed the connection before its answer was complete", DETAIL_CURL},
    {CURLE_PEER_FAILED_VERIFICATION, "has a certificate that is not trusted here; see `ca_file`", DETAIL_CURL},
    {CURLE_SSL_CACERT_BADFILE, "was not asked: the file of trusted certificates cannot be read", DETAIL_CURL},
    {CURLE_SSL_CONNECT_ERROR, "speaks no TLS there, or none that can be agreed on", DETAIL_CURL},
    {CURLE_UNSUPPORTED_PROTOCOL, "does not speak HTTP there", DETAIL_CURL},
    {CURLE_WEIRD_SERVER_REPLY, "does not speak HTTP there", DETAIL_CURL},
    {CURLE_URL_MALFORMAT, "was not asked: its address is none", DETAIL_CURL},
};

static void say_detail(enum detail detail, const struct http_outcome *outcome, struct buffer *sentence)
{
    char reason[128];
    if (detail == DETAIL_SYSTEM && outcome->system_error)
        buffer_append_format(sentence, " (%s)", strerror_r((int)outcome->system_error, reason, sizeof reason));
    else if (detail == DETAIL_TIMEOUT)
        buffer_append_format(sentence, " (%lld ms)", (long long)outcome->timeout_ms);
    else if (detail == DETAIL_MAXIMUM)
        buffer_append_format(sentence, " (more than %u MiB)", ROWS_HTTP_ANSWER_MAXIMUM >> 20);
    else if (detail != DETAIL_NONE)
        buffer_append_format(sentence, " (%s)", *outcome->error ? outcome->error : curl.easy_strerror(outcome->result));
}

static void say_result(const struct http_outcome *outcome, struct buffer *sentence)
{
    for (size_t index = 0; index < sizeof result_words / sizeof *result_words; index++) {
        if (result_words[index].result != outcome->result)
            continue;
        buffer_append_string(sentence, result_words[index].words);
        say_detail(result_words[index].detail, outcome, sentence);
        return;
    }
    buffer_append_string(sentence, "could not be asked");
    say_detail(DETAIL_CURL, outcome, sentence);
}

static void say_status(const struct http_outcome *outcome, struct buffer *sentence)
{
    buffer_append_format(sentence, "answered with HTTP status %ld", outcome->status);
    size_t before = sentence->length;
    buffer_append_string(sentence, ": ");
    if (!row_answer_error(outcome->body, sentence))
        sentence->length = before;
    /* Synapse answers so to a missing or wrong secret, as to its own failures (replication.md 7.2). */
    if (outcome->status == 500)
        buffer_append_string(sentence, "; is `worker_replication_secret` the same here and there? Its log says more");
    else if (outcome->status / 100 == 3)
        buffer_append_string(sentence, ", which leads elsewhere: nothing but the listener itself is asked");
    else if (sentence->length == before)
        buffer_append_string(sentence, ", not as Synapse's `replication` listener does");
}

void http_writer_say_failure(const struct http_writer *writer, const struct http_outcome *outcome,
                             struct buffer *sentence)
{
    buffer_append_format(sentence, "%s ", writer->words);
    if (outcome->result != CURLE_OK)
        say_result(outcome, sentence);
    else
        say_status(outcome, sentence);
}

void http_writer_say_answer(const struct http_writer *writer, const char *problem, struct buffer *sentence)
{
    buffer_append_format(sentence, "%s gave an answer that cannot be used: %s", writer->words, problem);
}
