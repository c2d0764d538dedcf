/* Links to rooms and events: https://matrix.to/#/!room:x/$event?via=a.example&via=b.example, matrix:roomid/…?via=… */
#ifndef WEIR_FILTERS_MATRIX_LINKS_H
#define WEIR_FILTERS_MATRIX_LINKS_H

#include "base/arena.h"

/* `text`, plain or HTML, with the `via` parameters of its Matrix links taken out: itself if there are none, otherwise
 * in `arena`. Doing it again changes nothing. */
struct slice matrix_links_without_via(struct slice text, struct arena *arena);

#endif
