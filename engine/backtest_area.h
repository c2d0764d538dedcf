/* GET /v1/backtest: the page that `weir backtest --html` wrote last (docs/backtest.md), for the console to show in a
 * frame. The file is read when it is asked for, piece by piece as the client takes it. */
#ifndef WEIR_ENGINE_BACKTEST_AREA_H
#define WEIR_ENGINE_BACKTEST_AREA_H

#include "engine/http_server.h"

#define BACKTEST_AREA_PATH "/v1/backtest"
#define BACKTEST_AREA_BYTES_MAXIMUM (16u << 20)

struct backtest_area;

/* `path` is the file's, which need not be there, and must stay valid; NULL: there is none. */
struct backtest_area *backtest_area_create(struct event_base *base, const char *path);
/* Hangs up on who is still being sent it. */
void backtest_area_stop(struct backtest_area *area);
/* After the servers that its area was added to. */
void backtest_area_destroy(struct backtest_area *area);
struct http_area backtest_area_http(struct backtest_area *area);

#endif
