/* What is no HTTP, and what is too large for it, evhttp answers itself, with a page of HTML that cannot be chosen. Our
 * answers are errors as the Matrix APIs have them, and a client such as synapse-http-antispam reads nothing else. So
 * the page is taken back when it is whole, which is before any of it is written, and another one put in its place.
 * evhttp closes the connection behind either. */
#include <event2/buffer.h>
#include <stdlib.h>

#include "engine/http_server_parts.h"

#define PAGE_MAXIMUM 4096u

static const struct slice page_end = {"</BODY></HTML>\n", 15};

static const struct complaint {
    int status;
    const char *errcode;
    const char *sentence;
} complaints[] = {
    {413, "M_TOO_LARGE", "the body is larger than is taken here"},
    {417, "M_UNRECOGNIZED", "this expectation cannot be met"},
    {501, "M_UNRECOGNIZED", "this method is not served here"},
    {400, "M_UNRECOGNIZED", "this is no HTTP request, or its head is too large"},
};

static const struct complaint *complaint_of(int status)
{
    const struct complaint *complaint = complaints;
    while (complaint->status != status && complaint->status != 400)
        complaint++;
    return complaint;
}

/* The status of evhttp's page, once all of it is there; 0 before. */
static int whole_page(struct evbuffer *output)
{
    size_t length = evbuffer_get_length(output);
    if (length < page_end.length || length > PAGE_MAXIMUM)
        return 0;
    const char *text = (const char *)evbuffer_pullup(output, -1);
    static const struct slice start = {"HTTP/1.", 7};
    bool whole = slice_starts_with(slice_of(text, length), start) &&
                 memcmp(text + length - page_end.length, page_end.data, page_end.length) == 0;
    return whole ? (int)strtol(text + start.length + 1, NULL, 10) : 0;
}

void http_complaint_replace(struct http_connection *connection, struct evbuffer *output)
{
    int status = whole_page(output);
    if (!status)
        return;
    const struct complaint *complaint = complaint_of(status);
    struct buffer body = {0}, *answer = &connection->answer;
    struct web_response refusal = {.body = &body};
    web_response_refuse(&refusal, complaint->status, complaint->errcode, complaint->sentence);
    buffer_clear(answer);
    http_answer_begin(connection->server, answer, complaint->status, NULL);
    http_answer_length(answer, body.length);
    buffer_append_string(answer, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
    buffer_append_slice(answer, buffer_slice(&body));
    /* A plain stream keeps its output from being drained by others than itself. */
    size_t length = evbuffer_get_length(output);
    if (evbuffer_drain(output, length) != 0) {
        evbuffer_unfreeze(output, 1);
        evbuffer_drain(output, length);
        evbuffer_freeze(output, 1);
    }
    evbuffer_add(output, answer->data, answer->length);
    buffer_free(&body);
}
