/* The checksum is of the content, not of the text, so that an administrator may look at the file with a tool that lays
 * it out anew. */
#include "engine/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <yyjson.h>

#include "base/memory.h"
#include "base/utf8.h"

#define STATE_VERSION 1
#define CHECKSUM_LENGTH 16
/* A file's name has at most 255 bytes, of which the temporary file needs some more than the file itself. */
#define NAME_KEPT 200

static void append_safe(struct buffer *output, const char *name)
{
    for (; *name; name++) {
        unsigned char byte = (unsigned char)*name;
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     byte == '-' || byte == '_' || byte == '.';
        if (plain)
            buffer_append_char(output, *name);
        else
            buffer_append_format(output, "%%%02X", byte);
    }
}

void state_file_append_path(struct buffer *path, const char *directory, const struct state_owner *owner)
{
    state_file_append_path_of(path, directory, owner, "positions");
}

void state_file_append_path_of(struct buffer *path, const char *directory, const struct state_owner *owner,
                               const char *what)
{
    buffer_append_format(path, "%s/", directory);
    size_t begins = path->length;
    append_safe(path, owner->server_name);
    buffer_append_char(path, '.');
    append_safe(path, owner->instance_name);
    if (path->length - begins > NAME_KEPT) {
        XXH64_hash_t hash = XXH3_64bits(path->data + begins, path->length - begins);
        path->length = begins + NAME_KEPT;
        buffer_append_format(path, "-%016" PRIx64, (uint64_t)hash);
    }
    buffer_append_format(path, ".%s", what);
}

static void hash_text(XXH3_state_t *state, struct slice text)
{
    unsigned char length[8];
    for (size_t index = 0; index < sizeof length; index++)
        length[index] = (unsigned char)((uint64_t)text.length >> 8 * index);
    XXH3_64bits_update(state, length, sizeof length);
    XXH3_64bits_update(state, text.data, text.length);
}

static bool can_be_kept(const struct copied_field *field)
{
    return utf8_valid(field->name) && utf8_valid(buffer_slice(&field->value));
}

/* Of those of `positions` that can be kept. */
static void checksum(const struct state_owner *owner, const struct positions_copy *positions,
                     char text[CHECKSUM_LENGTH + 1])
{
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    hash_text(state, slice_from_string(owner->server_name));
    hash_text(state, slice_from_string(owner->instance_name));
    for (size_t index = 0; index < positions->count; index++) {
        if (!can_be_kept(&positions->fields[index]))
            continue;
        hash_text(state, positions->fields[index].name);
        hash_text(state, buffer_slice(&positions->fields[index].value));
    }
    snprintf(text, CHECKSUM_LENGTH + 1, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(state));
    XXH3_freeState(state);
}

void state_file_append(struct buffer *text, const struct state_owner *owner, const struct positions_copy *positions)
{
    char sum[CHECKSUM_LENGTH + 1];
    checksum(owner, positions, sum);
    buffer_append_format(text, "{\"weir_state\":%d,\"server_name\":", STATE_VERSION);
    buffer_append_json_string(text, slice_from_string(owner->server_name));
    buffer_append_string(text, ",\"instance_name\":");
    buffer_append_json_string(text, slice_from_string(owner->instance_name));
    buffer_append_format(text, ",\"checksum\":\"%s\",\"positions\":{", sum);
    bool first = true;
    for (size_t index = 0; index < positions->count; index++) {
        const struct copied_field *field = &positions->fields[index];
        if (!can_be_kept(field))
            continue;
        buffer_append_string(text, first ? "\n" : ",\n");
        buffer_append_json_string(text, field->name);
        buffer_append_char(text, ':');
        buffer_append_json_string(text, buffer_slice(&field->value));
        first = false;
    }
    buffer_append_string(text, "}}\n");
}

static struct slice text_of(yyjson_val *value)
{
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

static bool is_text(yyjson_val *root, const char *key, const char *wanted)
{
    return slice_equal(text_of(yyjson_obj_get(root, key)), slice_from_string(wanted));
}

/* NULL, or what is wrong. */
static const char *read_root(yyjson_val *root, const struct state_owner *owner, struct positions_copy *positions)
{
    yyjson_val *version = yyjson_obj_get(root, "weir_state"), *fields = yyjson_obj_get(root, "positions"), *name;
    if (!yyjson_is_uint(version))
        return "it is no state file of Weir";
    if (yyjson_get_uint(version) != STATE_VERSION)
        return "it is of another version of Weir";
    if (!is_text(root, "server_name", owner->server_name) || !is_text(root, "instance_name", owner->instance_name))
        return "it belongs to another server or instance";
    if (!yyjson_is_obj(fields))
        return "it holds no positions";
    yyjson_obj_iter iterator = yyjson_obj_iter_with(fields);
    while ((name = yyjson_obj_iter_next(&iterator))) {
        struct slice value = text_of(yyjson_obj_iter_get_val(name));
        if (!slice_present(value) || slice_present(positions_copy_find(positions, text_of(name))))
            return "one of its positions is no text, or there twice";
        positions_copy_set(positions, text_of(name), value);
    }
    char sum[CHECKSUM_LENGTH + 1];
    checksum(owner, positions, sum);
    return is_text(root, "checksum", sum) ? NULL : "its checksum does not fit: it is damaged";
}

bool state_file_parse(struct slice text, const struct state_owner *owner, struct positions_copy *positions,
                      const char **problem)
{
    yyjson_doc *document =
        text.length <= STATE_FILE_MAXIMUM ? yyjson_read(text.data, text.length, YYJSON_READ_NOFLAG) : NULL;
    *problem = document ? read_root(yyjson_doc_get_root(document), owner, positions) : "it is no JSON: it is damaged";
    yyjson_doc_free(document);
    if (*problem)
        positions_copy_free(positions);
    return !*problem;
}

/* All of a regular file of a size that may be; NULL or what is wrong. */
static const char *read_descriptor(int descriptor, size_t limit, struct buffer *text)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "it is no regular file";
    ssize_t count = 1;
    while (count > 0 && text->length <= limit) {
        count = read(descriptor, buffer_reserve(text, 65536), 65536);
        text->length += count > 0 ? (size_t)count : 0;
    }
    return count < 0 ? strerror(errno) : text->length > limit ? "it is too large" : NULL;
}

enum state_file_status state_file_load(const char *path, size_t limit, struct buffer *content, const char **problem)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        *problem = strerror(errno);
        return errno == ENOENT ? STATE_FILE_ABSENT : STATE_FILE_UNUSABLE;
    }
    *problem = read_descriptor(descriptor, limit, content);
    close(descriptor);
    return *problem ? STATE_FILE_UNUSABLE : STATE_FILE_READ;
}

enum state_file_status state_file_read(const char *path, const struct state_owner *owner,
                                       struct positions_copy *positions, const char **problem)
{
    struct buffer text = {0};
    enum state_file_status status = state_file_load(path, STATE_FILE_MAXIMUM, &text, problem);
    if (status == STATE_FILE_READ && !state_file_parse(buffer_slice(&text), owner, positions, problem))
        status = STATE_FILE_UNUSABLE;
    buffer_free(&text);
    return status;
}

static bool write_all(int descriptor, struct slice text)
{
    while (text.length) {
        ssize_t count = write(descriptor, text.data, text.length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        text = slice_of(text.data + count, text.length - (size_t)count);
    }
    return true;
}

static int write_temporary(const char *temporary, struct slice text, const char **step)
{
    *step = "create the temporary file";
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0)
        return errno;
    *step = "write the temporary file";
    int error = write_all(descriptor, text) && fsync(descriptor) == 0 ? 0 : errno;
    if (close(descriptor) != 0 && !error)
        error = errno;
    return error;
}

static int sync_folder_of(const char *path)
{
    char *copy = memory_copy_text(path, strlen(path));
    int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = descriptor >= 0 && fsync(descriptor) == 0 ? 0 : errno;
    if (descriptor >= 0)
        close(descriptor);
    free(copy);
    return error;
}

int state_file_replace(const char *path, struct slice text, const char **step)
{
    struct buffer temporary = {0};
    buffer_append_format(&temporary, "%s.%ld", path, (long)getpid());
    int error = write_temporary(buffer_string(&temporary), text, step);
    if (!error) {
        *step = "put the temporary file in its place";
        error = rename(buffer_string(&temporary), path) == 0 ? 0 : errno;
    }
    if (error) {
        unlink(buffer_string(&temporary));
    } else {
        *step = "make the folder durable";
        error = sync_folder_of(path);
    }
    buffer_free(&temporary);
    return error;
}
