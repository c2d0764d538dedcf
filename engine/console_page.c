/* The files change with the program alone: a browser keeps them, and asks each time whether they still hold. */
#include "engine/console_page.h"

#include <stdio.h>
#include <xxhash.h>

#include "engine/console_files.h"

/* What the page may load and where it may go: nothing but its own files and the API beside them. No script or style
 * that stands in it is run, so that what an event says can never be one. */
#define PAGE_POLICY                                                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "              \
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

#define ETAG_SIZE 20u /* with its quotes and the last zero */

static void etag_of(struct slice content, char etag[ETAG_SIZE])
{
    snprintf(etag, ETAG_SIZE, "\"%016llx\"", (unsigned long long)XXH3_64bits(content.data, content.length));
}

/* Whether the browser has it: one of the tags that it names, or it takes any (RFC 9110, section 13.1.2). */
static bool is_known(struct slice if_none_match, const char *etag)
{
    return slice_present(if_none_match) &&
           (slice_equal(if_none_match, SLICE("*")) ||
            memmem(if_none_match.data, if_none_match.length, etag, strlen(etag)) != NULL);
}

static void serve(struct http_exchange *exchange, const struct http_request *request, const struct console_file *file)
{
    char etag[ETAG_SIZE];
    etag_of(file->content, etag);
    http_exchange_header(exchange, "Content-Security-Policy", PAGE_POLICY);
    http_exchange_header(exchange, "Referrer-Policy", "no-referrer");
    http_exchange_header(exchange, "Cache-Control", "no-cache");
    http_exchange_header(exchange, "ETag", etag);
    http_exchange_answer(exchange, is_known(request->if_none_match, etag) ? 304 : 200, file->content_type,
                         file->content);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    (void)context;
    for (size_t index = 0; index < CONSOLE_FILES; index++) {
        struct console_file file = console_file_at(index);
        if (slice_equal(request->path, slice_from_string(file.path))) {
            serve(exchange, request, &file);
            return;
        }
    }
    http_exchange_refuse(exchange, 404, "M_NOT_FOUND", "the console has no such file; its page is at /");
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    bool own = slice_equal(path, SLICE("/")) || slice_equal(path, SLICE("/console")) ||
               slice_starts_with(path, SLICE("/console/"));
    return own ? "GET" : NULL;
}

struct http_area console_page_http(void)
{
    return (struct http_area){.methods = methods, .handle = handle, .browser = true};
}
