/* A web service's answer as http_service takes it: the first byte chooses the callback, the rest is the body. What is
 * read must be a value that can be written; what is refused must have a reason. The same bytes, if they are JSON, go
 * through the writer of canonical JSON, whose text must read as the same value and be its own canonical form. */
#include <stdlib.h>

#include "filters/antispam_wire.h"
#include "filters/canonical_json.h"
#include "filters/service_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What stands for a real number may differ in its last digit from what jansson would write, but not from itself. */
static void check_canonical(const json_t *json)
{
    struct buffer once = {0}, again = {0};
    if (canonical_json_append(json, 1 << 20, &once)) {
        json_t *back = json_loadb(once.data, once.length, JSON_DECODE_ANY, NULL);
        require(back && json_equal(back, (json_t *)(uintptr_t)json));
        require(canonical_json_append(back, once.length, &again));
        require(slice_equal(buffer_slice(&once), buffer_slice(&again)));
        json_decref(back);
    }
    require(!canonical_json_append(json, once.length ? once.length - 1 : 0, &again) || once.length == 0);
    buffer_free(&once);
    buffer_free(&again);
}

static void read_reply(enum callback callback, const json_t *json)
{
    struct presence_state states[] = {
        {.user_id = SLICE("@b:h"), .state = SLICE("online")},
        {.user_id = SLICE("@a:h"), .state = SLICE("offline")},
        {.user_id = SLICE("@b:h"), .state = SLICE("busy"), .status_message = SLICE("x")},
    };
    struct value updates[3];
    struct value values[CALLBACK_ARGUMENTS_MAXIMUM] = {0};
    struct arena arena = {0};
    struct callback_arguments arguments = {.callback = callback, .values = values, .count = 1, .arena = &arena};
    for (size_t index = 0; index < 3; index++)
        updates[index] = (struct value){.kind = VALUE_STATE, .state = &states[index]};
    json_t *shared = json_object();
    if (callback == CALLBACK_get_users_for_states)
        values[0] = value_container(VALUE_LIST, updates, 3);
    if (callback == CALLBACK_on_create_room)
        values[1] = value_json(shared);
    struct value value = {0};
    const char *problem = NULL;
    struct buffer text = {0};
    if (service_reply_read(&arguments, json, &value, &problem)) {
        value_append_json(&value, &text);
        require(text.length > 0);
    } else {
        require(problem && *problem);
    }
    buffer_free(&text);
    arena_free(&arena);
    json_decref(shared);
}

/* The same as an answer of a server for synapse-http-antispam. */
static void read_antispam(struct slice body)
{
    static const int statuses[] = {200, 403, 503};
    for (size_t index = 0; index < sizeof statuses / sizeof *statuses; index++) {
        struct arena arena = {0};
        struct callback_arguments arguments = {.callback = CALLBACK_user_may_join_room, .arena = &arena};
        struct service_answer answer = {.arrived = true, .status = statuses[index], .body = body};
        struct value value = {0};
        const char *problem = NULL;
        struct buffer text = {0};
        if (antispam_wire_read(&arguments, &answer, &value, &problem)) {
            value_append_json(&value, &text);
            require(text.length > 0 && statuses[index] != 503);
        } else {
            require(problem && *problem);
        }
        buffer_free(&text);
        arena_free(&arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    read_antispam(slice_of((const char *)data + 1, size - 1));
    json_t *json = json_loadb((const char *)data + 1, size - 1, JSON_DECODE_ANY, NULL);
    if (json) {
        read_reply((enum callback)(data[0] % CALLBACK_COUNT), json);
        check_canonical(json);
    }
    json_decref(json);
    return 0;
}
