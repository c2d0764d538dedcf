/* Rows by table, beside the recorded vectors: names found, older and newer forms, wrong shapes. */
#include <criterion/criterion.h>

#include "replication/json.h"
#include "replication/stream.h"

Test(stream, every_name_is_found)
{
    for (int stream = 0; stream < STREAM_COUNT; stream++)
        cr_expect_eq(stream_find(slice_from_string(stream_definitions[stream].name)), (enum stream)stream);
    cr_expect_eq(stream_find(SLICE("")), STREAM_UNKNOWN);
    cr_expect_eq(stream_find(SLICE("event")), STREAM_UNKNOWN);
    cr_expect_eq(stream_find(SLICE("Events")), STREAM_UNKNOWN);
    cr_expect_eq(stream_find(SLICE("events\0")), STREAM_UNKNOWN);
}

static const struct row_case {
    enum stream stream;
    const char *row;
    const char *names; /* of the fields, in order; NULL if the row is refused */
    bool newer;
} row_cases[] = {
    {STREAM_receipts, "[\"r\",\"m.read\",\"u\",\"e\",null,{}]", "room_id receipt_type user_id event_id thread_id data",
     false},
    {STREAM_receipts, "[\"r\",\"m.read\",\"u\",\"e\",{}]", "room_id receipt_type user_id event_id data", false},
    {STREAM_receipts, "[\"r\",\"m.read\",\"u\",\"e\"]", NULL, false},
    {STREAM_device_lists, "[\"u\"]", "entity", false},
    {STREAM_device_lists, "[\"u\",true]", "user_id is_signature", false},
    {STREAM_device_lists, "[\"u\",true,false]", "user_id is_signature hosts_calculated", false},
    {STREAM_device_lists, "[\"u\",true,false,1]", NULL, false},
    {STREAM_device_lists, "[]", NULL, false},
    {STREAM_to_device, "{}", NULL, false},
    {STREAM_to_device, "\"u\"", NULL, false},
    {STREAM_UNKNOWN, "[]", NULL, false},
    {STREAM_events, "[\"ev\",[1,2,3,4,5,6,7,8]]",
     "event_id room_id type state_key redacts relates_to membership rejected", false},
    {STREAM_events, "[\"ev\",[1,2,3,4,5,6,7]]", NULL, false},
    {STREAM_events, "[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false,false,1,2]]",
     "event_id room_id type state_key redacts relates_to membership rejected outlier", true},
    {STREAM_events, "[\"state-all\",[\"!r\"]]", "room_id", false},
    {STREAM_events, "[\"state-all\",[]]", NULL, false},
    {STREAM_events, "[\"state\",{}]", NULL, false},
    {STREAM_events, "[[],[]]", NULL, false},
    {STREAM_events, "[\"ev\\u0000\",[1,2,3,4,5,6,7,8]]", NULL, false},
};

Test(stream, rows)
{
    for (size_t index = 0; index < sizeof row_cases / sizeof *row_cases; index++) {
        const struct row_case *row_case = &row_cases[index];
        const char *problem = NULL;
        struct stream_row row;
        struct buffer names = {0};
        yyjson_doc *document = json_read(slice_from_string(row_case->row), NULL, &problem);
        cr_assert_not_null(document);
        bool good = stream_row_read(row_case->stream, yyjson_doc_get_root(document), &row, &problem);
        cr_expect_eq(good, row_case->names != NULL, "%s", row_case->row);
        for (uint32_t field = 0; good && field < row.count; field++) {
            if (field)
                buffer_append_char(&names, ' ');
            buffer_append_slice(&names, row.names[field]);
        }
        if (good && row_case->names) {
            cr_expect_str_eq(buffer_string(&names), row_case->names);
            cr_expect_eq(row.newer, row_case->newer, "%s", row_case->row);
        } else {
            cr_expect_not_null(problem);
        }
        buffer_free(&names);
        yyjson_doc_free(document);
    }
}

static bool read_event(const char *text, struct event_row *row, yyjson_doc **document)
{
    const char *problem;
    *document = json_read(slice_from_string(text), NULL, &problem);
    return event_row_read(yyjson_doc_get_root(*document), row, &problem);
}

Test(stream, event_rows)
{
    struct event_row row;
    yyjson_doc *document;
    cr_assert(read_event("[\"ev\",[\"$e\",\"!r\",\"t\",\"\",null,\"$p\",\"join\",true,true]]", &row, &document));
    cr_expect_eq(row.kind, EVENT_ROW_EV);
    cr_expect(slice_equal(row.event_id, SLICE("$e")));
    cr_expect(slice_equal(row.state_key, SLICE("")));
    cr_expect_not(slice_present(row.redacts));
    cr_expect(slice_equal(row.relates_to, SLICE("$p")));
    cr_expect(slice_equal(row.membership, SLICE("join")));
    cr_expect(row.rejected && row.outlier && !row.newer);
    yyjson_doc_free(document);

    cr_assert(read_event("[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false]]", &row, &document));
    cr_expect(!slice_present(row.state_key) && !row.rejected && !row.outlier);
    yyjson_doc_free(document);

    cr_assert(read_event("[\"state\",[\"!r\",\"t\",\"\",null]]", &row, &document));
    cr_expect_eq(row.kind, EVENT_ROW_STATE);
    cr_expect(slice_equal(row.room_id, SLICE("!r")) && !slice_present(row.event_id));
    yyjson_doc_free(document);

    static const char *const bad[] = {
        "5",
        "[]",
        "[\"ev\"]",
        "[\"ev\",[]]",
        "[\"ev\",[null,\"!r\",\"t\",null,null,null,null,false,false]]",
        "[\"ev\",[\"$e\",5,\"t\",null,null,null,null,false,false]]",
        "[\"what\",[\"!r\"]]",
    };
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        cr_expect_not(read_event(bad[index], &row, &document), "%s", bad[index]);
        yyjson_doc_free(document);
    }
}

/* The scan takes only what it is sure of, and what it takes is what the tree says (held against it by a fuzz target).
 */
static const struct scan_case {
    const char *row;
    bool taken;
} scan_cases[] = {
    {"[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false,false]]", true},
    {"[\"ev\",[\"$e\",\"!r\",\"t\",\"\",\"$x\",\"$y\",\"join\",true,true]]", true},
    {"[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false]]", true},
    {"[\"ev\", [\"$e\",\"!r\",\"t\",null,null,null,null,false]]", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t\\n\",null,null,null,null,false]]", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t\xc3\xa4\",null,null,null,null,false]]", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t\n\",null,null,null,null,false]]", false},
    {"[\"ev\",[\"$e\",null,\"t\",null,null,null,null,false]]", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,null]]", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false,false,1]]", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false,false]] ", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false,false]", false},
    {"[\"ev\",[\"$e\",\"!r\",\"t", false},
    {"[\"state\",[\"!r\",\"t\",\"\",\"$e\"]]", false},
    {"", false},
};

static bool same_rows(const struct event_row *left, const struct event_row *right)
{
    return left->kind == right->kind && slice_equal(left->event_id, right->event_id) &&
           slice_equal(left->room_id, right->room_id) && slice_equal(left->type, right->type) &&
           slice_equal(left->state_key, right->state_key) && slice_equal(left->redacts, right->redacts) &&
           slice_equal(left->relates_to, right->relates_to) && slice_equal(left->membership, right->membership) &&
           left->rejected == right->rejected && left->outlier == right->outlier && left->newer == right->newer;
}

Test(stream, event_rows_are_scanned_in_their_usual_form)
{
    for (size_t index = 0; index < sizeof scan_cases / sizeof *scan_cases; index++) {
        struct slice json = slice_from_string(scan_cases[index].row);
        struct event_row scanned, read;
        cr_expect_eq(event_row_scan(json, &scanned), scan_cases[index].taken, "%s", scan_cases[index].row);
        if (!scan_cases[index].taken)
            continue;
        const char *problem = NULL;
        yyjson_doc *document = json_read(json, NULL, &problem);
        cr_assert(event_row_read(yyjson_doc_get_root(document), &read, &problem));
        cr_expect(same_rows(&scanned, &read), "%s", scan_cases[index].row);
        yyjson_doc_free(document);
    }
}
