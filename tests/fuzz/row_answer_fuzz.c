/* Any text as an answer of a replication listener: whatever comes out rises from the position that was asked from, is
 * JSON that the readers of rows may be given, and an answer that goes on goes on from further up. */
#include <stdlib.h>

#include "replication/json.h"
#include "replication/row_answer.h"

#define FROM 100

static int64_t last;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_rows(void *context, const struct position_rows *rows)
{
    require(rows->token > last && rows->count > 0);
    last = rows->token;
    for (uint32_t index = 0; index < rows->count; index++) {
        const char *problem;
        struct event_row row;
        yyjson_doc *document = json_read(rows->rows[index], NULL, &problem);
        require(document != NULL);
        yyjson_doc_free(document);
        if (event_row_scan(rows->rows[index], &row))
            require(event_row_parse(rows->rows[index], context, &row, &problem));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of that very size, so that reading beyond it is seen */
    memcpy(copy, data, size);
    struct json_pool pool = {0};
    struct row_request request = {STREAM_events, SLICE("p1"), FROM, FROM + 10};
    struct row_answer_receiver receiver = {&pool, check_rows};
    struct row_answer answer;
    struct buffer sentence = {0};
    last = FROM;
    row_answer_read(slice_of(copy, size), &request, &receiver, &answer);
    if (!answer.failure)
        require(answer.reached >= last && (!answer.limited || answer.reached > FROM));
    require(row_answer_error(slice_of(copy, size), &sentence) == (sentence.length > 0) && sentence.length <= 1500);
    buffer_free(&sentence);
    json_pool_free(&pool);
    free(copy);
    return 0;
}
