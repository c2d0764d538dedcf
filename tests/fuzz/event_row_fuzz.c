/* The scan of the usual form of a row against the reading of its tree: a row that the scan takes is one that the tree
 * gives in the same words. Bytes that are no UTF-8 never come so far. */
#include <stdlib.h>

#include "base/utf8.h"
#include "replication/json.h"
#include "replication/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of that very size, so that reading beyond it is seen */
    memcpy(copy, data, size);
    struct slice json = slice_of(copy, size);
    struct event_row scanned, read;
    if (utf8_valid(json) && event_row_scan(json, &scanned)) {
        const char *problem;
        yyjson_doc *document = json_read(json, NULL, &problem);
        if (!document || !event_row_read(yyjson_doc_get_root(document), &read, &problem))
            abort();
        const struct slice ours[] = {scanned.event_id, scanned.room_id,    scanned.type,      scanned.state_key,
                                     scanned.redacts,  scanned.relates_to, scanned.membership};
        const struct slice theirs[] = {read.event_id, read.room_id,    read.type,      read.state_key,
                                       read.redacts,  read.relates_to, read.membership};
        for (size_t index = 0; index < sizeof ours / sizeof *ours; index++)
            if (!slice_equal(ours[index], theirs[index]))
                abort();
        if (scanned.kind != read.kind || scanned.rejected != read.rejected || scanned.outlier != read.outlier ||
            scanned.newer != read.newer)
            abort();
        yyjson_doc_free(document);
    }
    free(copy);
    return 0;
}
