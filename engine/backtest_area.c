/* The page is the tool's own and has no script, but what it shows came from strangers: it may load nothing, run
 * nothing, and is of no origin at all (`sandbox`), so that nothing in it could ask the API with the console's cookie.
 *
 * A large file in one piece would hold up the events, so it goes in pieces. It has ended when the client has taken the
 * last one; a client that takes nothing for PATIENCE_NS gives its place to others. */
#include "engine/backtest_area.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/clock.h"

#define PAGE_POLICY "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
#define PIECE_BYTES (256u << 10)
#define PIECE_MS 10
#define PATIENCE_NS UINT64_C(15000000000)
#define SENDINGS_MAXIMUM 8u

struct sending {
    TAILQ_ENTRY(sending) link;
    struct backtest_area *area;
    struct http_exchange *exchange;
    int file;
    size_t left;       /* as large as the file was when it was opened */
    size_t unsent;     /* at the last look */
    uint64_t taken_ns; /* when the client last took something */
    struct event *timer;
};

struct backtest_area {
    struct event_base *base;
    const char *path;
    TAILQ_HEAD(, sending) sendings;
    unsigned count;
    char piece[PIECE_BYTES];
};

static void free_sending(struct sending *sending)
{
    TAILQ_REMOVE(&sending->area->sendings, sending, link);
    sending->area->count--;
    event_free(sending->timer);
    close(sending->file);
    free(sending);
}

static void on_gone(void *context)
{
    free_sending(context);
}

/* The next piece, in the area's buffer; absent at the end. */
static struct slice next_piece(struct sending *sending)
{
    char *piece = sending->area->piece;
    ssize_t count = read(sending->file, piece, sending->left < PIECE_BYTES ? sending->left : PIECE_BYTES);
    if (count <= 0)
        return SLICE_ABSENT;
    sending->left -= (size_t)count;
    return slice_of(piece, (size_t)count);
}

/* Whether the client has not taken anything for too long. */
static bool is_stuck(struct sending *sending, size_t unsent)
{
    uint64_t now_ns = clock_now_ns();
    if (unsent != sending->unsent)
        sending->taken_ns = now_ns;
    sending->unsent = unsent;
    return now_ns - sending->taken_ns >= PATIENCE_NS;
}

static void on_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct sending *sending = context;
    size_t unsent = http_exchange_unsent(sending->exchange);
    bool stuck = is_stuck(sending, unsent);
    if (unsent >= (sending->left ? PIECE_BYTES : 1)) {
        if (stuck)
            http_exchange_cut(sending->exchange);
        return;
    }
    struct slice piece = sending->left ? next_piece(sending) : SLICE_ABSENT;
    if (slice_present(piece)) {
        http_exchange_send(sending->exchange, piece);
        return;
    }
    http_exchange_end(sending->exchange);
    free_sending(sending);
}

static void begin(struct backtest_area *area, struct http_exchange *exchange, int file, size_t size)
{
    static const struct timeval pause = {.tv_usec = PIECE_MS * 1000};
    struct sending *sending = memory_allocate_zeroed(1, sizeof *sending);
    *sending =
        (struct sending){.area = area, .exchange = exchange, .file = file, .left = size, .taken_ns = clock_now_ns()};
    sending->timer = event_new(area->base, -1, EV_PERSIST, on_timer, sending);
    TAILQ_INSERT_TAIL(&area->sendings, sending, link);
    area->count++;
    http_exchange_on_gone(exchange, on_gone, sending);
    http_exchange_header(exchange, "Content-Security-Policy", PAGE_POLICY);
    http_exchange_header(exchange, "Referrer-Policy", "no-referrer");
    struct slice piece = next_piece(sending);
    if (http_exchange_stream(exchange, "text/html; charset=utf-8", slice_present(piece) ? piece : SLICE("\n")))
        event_add(sending->timer, &pause);
    else
        free_sending(sending);
}

/* The file, open for reading, and its size; -1 with a sentence. */
static int open_file(const char *path, size_t *size, const char **sentence)
{
    struct stat status;
    int file = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    *sentence = NULL;
    if (!path)
        *sentence = "there is no report: neither `console.backtest` nor `state_dir` is configured";
    else if (file < 0)
        *sentence = errno == ENOENT ? "there is no report yet: `weir backtest --html FILE` writes one, where "
                                      "`console.backtest` says (without it, backtest.html in `state_dir`)"
                                    : "the report cannot be read: may Weir's user read the file that "
                                      "`console.backtest` names?";
    else if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        *sentence = "the report cannot be read: what `console.backtest` names is no file";
    else if (status.st_size > BACKTEST_AREA_BYTES_MAXIMUM)
        *sentence = "the report is larger than 16 MiB, and is not shown here: open the file itself";
    else
        *size = (size_t)status.st_size;
    if (!*sentence)
        return file;
    if (file >= 0)
        close(file);
    return -1;
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    (void)request;
    struct backtest_area *area = context;
    const char *sentence;
    size_t size = 0;
    if (area->count == SENDINGS_MAXIMUM) {
        http_exchange_refuse(exchange, 503, "M_LIMIT_EXCEEDED", "the report is being sent to too many");
        return;
    }
    int file = open_file(area->path, &size, &sentence);
    if (file < 0)
        http_exchange_refuse(exchange, 404, "M_NOT_FOUND", sentence);
    else
        begin(area, exchange, file, size);
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(BACKTEST_AREA_PATH)) ? "GET" : NULL;
}

struct http_area backtest_area_http(struct backtest_area *area)
{
    return (struct http_area){.methods = methods, .handle = handle, .context = area, .closed = true};
}

struct backtest_area *backtest_area_create(struct event_base *base, const char *path)
{
    struct backtest_area *area = memory_allocate_zeroed(1, sizeof *area);
    area->base = base;
    area->path = path;
    TAILQ_INIT(&area->sendings);
    return area;
}

void backtest_area_stop(struct backtest_area *area)
{
    while (area && !TAILQ_EMPTY(&area->sendings))
        http_exchange_cut(TAILQ_FIRST(&area->sendings)->exchange);
}

void backtest_area_destroy(struct backtest_area *area)
{
    free(area);
}
