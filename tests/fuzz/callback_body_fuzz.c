/* Bodies of questions over HTTP, held against yyjson: the two must agree on what is JSON, and what is found must be the
 * member's own text. */
#include <stdlib.h>
#include <yyjson.h>

#include "engine/callback_body.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The last member of that name counts. */
static yyjson_val *member(yyjson_val *object, const char *name)
{
    size_t index, count;
    yyjson_val *key, *value, *found = NULL;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        if (yyjson_equals_str(key, name))
            found = value;
    }
    return found;
}

static void check_args(struct slice args, yyjson_val *object)
{
    yyjson_doc *doc = yyjson_read(args.data, args.length, 0);
    require(doc && yyjson_equals(yyjson_doc_get_root(doc), member(object, "args")));
    yyjson_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer scratch = {0};
    struct callback_body body;
    struct slice text = slice_of((const char *)data, size);
    yyjson_doc *doc = yyjson_read(text.data, text.length, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (callback_body_read(text, &body, &scratch)) {
        require(root && yyjson_is_obj(root) && yyjson_is_obj(member(root, "args")));
        require(body.timeout_ms >= 0 && !body.problem);
        require(slice_present(body.args) && body.args.data >= text.data &&
                body.args.data + body.args.length <= text.data + text.length);
        yyjson_doc_free(doc);
        doc = yyjson_read(text.data, text.length, 0);
        if (doc) /* a number may be too large for it */
            check_args(body.args, yyjson_doc_get_root(doc));
    } else {
        require(body.errcode && body.problem);
        /* Only what is nested above the scanner's limit is JSON for the one and not for the other. */
        if (strcmp(body.errcode, "M_NOT_JSON") == 0)
            require(!root || size > 1024);
        else
            require(root != NULL);
    }
    yyjson_doc_free(doc);
    buffer_free(&scratch);
    return 0;
}
