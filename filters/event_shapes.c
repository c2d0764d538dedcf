/* The table is small and has no chains: a set of eight places for each hash, as many kinds of state differ in nothing
 * but the key of their content. A stranger who sends a new shape with every event pushes others out and costs them a
 * parse each, no memory. */
#include "filters/event_shapes.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/event.h"

_Static_assert(_Alignof(max_align_t) >= 16, "memory from malloc must do for the keys");

#define WAYS 8
#define SETS (EVENT_SHAPES_MAXIMUM / WAYS)

/* What is allocated for a shape at first; the recorded events need 0.8 to 1.6 KiB. */
#define SHAPE_MEMORY 2048

/* Sixteen bytes at a time, in whatever way the processor has. */
typedef uint8_t bytes16 __attribute__((vector_size(16)));

struct shape_key {
    bytes16 text; /* its first bytes, zeros behind its end */
    bytes16 mask;
    uint16_t token;
    uint16_t length;
};

/* A key of more than sixteen bytes is looked at as a whole, too. */
struct long_key {
    uint32_t text; /* where it lies in `texts` */
    uint16_t token;
    uint16_t length;
};

struct shape {
    struct event_shape found;
    uint32_t token_count;
    uint32_t key_count;
    uint32_t long_key_count;
    uint32_t value_count;
    struct shape_key *keys; /* these six lie in `memory` */
    struct long_key *long_keys;
    unsigned char *kinds;
    uint16_t *values; /* tokens */
    struct event_capture *captures;
    char *texts;
    void *memory;
    size_t capacity;
};

struct set {
    uint64_t hashes[WAYS];
    struct shape *shapes[WAYS];
    unsigned oldest;
};

struct event_shapes {
    struct set sets[SETS];
    bool indexed;
    struct json_index index;
};

struct event_shapes *event_shapes_create(void)
{
    return json_index_available() ? memory_allocate_zeroed(1, sizeof(struct event_shapes)) : NULL;
}

void event_shapes_destroy(struct event_shapes *shapes)
{
    if (!shapes)
        return;
    for (size_t set = 0; set < SETS; set++) {
        for (size_t way = 0; way < WAYS; way++) {
            struct shape *shape = shapes->sets[set].shapes[way];
            if (shape)
                free(shape->memory);
            free(shape);
        }
    }
    free(shapes);
}

static inline bytes16 load16(const char *at)
{
    bytes16 bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

static inline uint64_t any_bit(bytes16 bytes)
{
    uint64_t words[2];
    memcpy(words, &bytes, sizeof words);
    return words[0] | words[1];
}

/* Differences are gathered and looked at once: keys nearly always fit, and a branch for each would cost more. The last
 * ones, which have fewer than sixteen bytes behind them, are the exception. */
static inline bool keys_fit(const struct shape *shape, const struct json_index *index, struct slice body)
{
    uint32_t count = shape->key_count;
    for (; count; count--) {
        const struct shape_key *key = &shape->keys[count - 1];
        uint32_t place = index->places[key->token] + 1u;
        if (place + sizeof(bytes16) <= body.length)
            break;
        if (index->places[key->token + 1] - place != key->length ||
            memcmp(&key->text, body.data + place, key->length) != 0)
            return false;
    }
    bytes16 differences = {0};
    uint32_t lengths = 0;
    for (uint32_t number = 0; number < count; number++) {
        const struct shape_key *key = &shape->keys[number];
        uint32_t place = index->places[key->token] + 1u;
        lengths |= (index->places[key->token + 1] - place) ^ key->length;
        differences |= (load16(body.data + place) ^ key->text) & key->mask;
    }
    if (any_bit(differences) | lengths)
        return false;
    for (uint32_t number = 0; number < shape->long_key_count; number++) {
        const struct long_key *key = &shape->long_keys[number];
        if (memcmp(shape->texts + key->text, body.data + index->places[key->token] + 1, key->length) != 0)
            return false;
    }
    return true;
}

/* Both end in zeros up to a multiple of sixteen. */
static inline bool kinds_fit(const struct shape *shape, const struct json_index *index)
{
    bytes16 differences = {0};
    for (uint32_t token = 0; token < index->count; token += sizeof(bytes16))
        differences |= load16((const char *)index->kinds + token) ^ load16((const char *)shape->kinds + token);
    return any_bit(differences) == 0;
}

static inline bool values_fit(const struct shape *shape, const struct json_index *index, struct slice body)
{
    for (uint32_t number = 0; number < shape->value_count; number++)
        if (!json_index_value(body, index->places[shape->values[number]]))
            return false;
    return true;
}

const struct event_shape *event_shapes_find(struct event_shapes *shapes, struct slice body)
{
    struct json_index *index = &shapes->index;
    shapes->indexed = json_index_build(index, body);
    if (!shapes->indexed)
        return NULL;
    const struct set *set = &shapes->sets[index->hash % SETS];
    for (size_t way = 0; way < WAYS; way++) {
        const struct shape *shape = set->shapes[way];
        if (set->hashes[way] != index->hash || !shape || shape->token_count != index->count)
            continue;
        if (kinds_fit(shape, index) && keys_fit(shape, index, body) && values_fit(shape, index, body))
            return &shape->found;
    }
    return NULL;
}

const struct json_index *event_shapes_index(const struct event_shapes *shapes)
{
    return shapes->indexed ? &shapes->index : NULL;
}

/* A shape in the making. Captures are by field, until it is known which of several equal keys is the last. */
struct lesson {
    struct slice body;
    const struct json_index *index;
    event_field_function *field_of;
    void *context;
    uint32_t keys[EVENT_SHAPE_KEYS_MAXIMUM]; /* tokens */
    uint32_t key_count;
    uint32_t values[EVENT_SHAPE_VALUES_MAXIMUM];
    uint32_t value_count;
    struct event_capture captures[EVENT_SHAPE_KEYS_MAXIMUM];
    bool of_content[EVENT_SHAPE_KEYS_MAXIMUM]; /* by capture */
    uint32_t capture_count;
    uint64_t others;
    uint32_t content; /* token where the content begins, 0: none */
    bool in_content;
    uint32_t depth;
};

static struct slice text_between(const struct json_index *index, struct slice body, uint32_t token)
{
    uint32_t begin = index->places[token] + 1u;
    return slice_of(body.data + begin, index->places[token + 1] - begin);
}

/* Drops the captures of `field`, or with EVENT_FIELD_CONTENT those of all of `content`: a later key counts. */
static void forget(struct lesson *lesson, uint32_t field)
{
    uint32_t kept = 0;
    for (uint32_t number = 0; number < lesson->capture_count; number++) {
        bool dropped = field == EVENT_FIELD_CONTENT ? lesson->of_content[number]
                                                    : lesson->captures[number].field == (uint16_t)field;
        if (dropped)
            continue;
        lesson->captures[kept] = lesson->captures[number];
        lesson->of_content[kept++] = lesson->of_content[number];
    }
    lesson->capture_count = kept;
    if (field == EVENT_FIELD_CONTENT)
        lesson->others = 0;
    else if (lesson->in_content && field < 63)
        lesson->others &= ~EVENT_FIELD_BIT(field);
}

/* Whether the value at `token` is an object or an array with nothing in it. */
static bool is_empty(const struct json_index *index, uint32_t token)
{
    unsigned char kind = index->kinds[token];
    unsigned char next = index->kinds[token + 1];
    return (kind == JSON_TOKEN_OBJECT && next == JSON_TOKEN_OBJECT_END) ||
           (kind == JSON_TOKEN_ARRAY && next == JSON_TOKEN_ARRAY_END);
}

/* A key of the event or of its content. */
static bool learn_key(struct lesson *lesson, uint32_t token)
{
    struct slice key = text_between(lesson->index, lesson->body, token);
    if (lesson->key_count == EVENT_SHAPE_KEYS_MAXIMUM || key.length > UINT16_MAX ||
        (key.length && memchr(key.data, '\\', key.length)))
        return false;
    lesson->keys[lesson->key_count++] = token;
    uint32_t field = lesson->field_of(lesson->context, lesson->in_content, key);
    uint32_t value = token + 3; /* behind the key's quotes and the colon */
    if (field == EVENT_FIELD_NONE)
        return true;
    forget(lesson, field);
    if (field == EVENT_FIELD_CONTENT) {
        lesson->content = value;
    } else if (lesson->index->kinds[value] == JSON_TOKEN_QUOTE) {
        lesson->captures[lesson->capture_count] = (struct event_capture){(uint16_t)value, (uint16_t)field};
        lesson->of_content[lesson->capture_count++] = lesson->in_content;
    } else if (lesson->in_content && !is_empty(lesson->index, value)) {
        lesson->others |= EVENT_FIELD_BIT(field);
    }
    return true;
}

/* The string whose opening quote is at `token`. */
static bool learn_string(struct lesson *lesson, uint32_t token)
{
    bool is_key = lesson->index->kinds[token + 2] == JSON_TOKEN_COLON;
    bool watched = lesson->depth == 1 || (lesson->depth == 2 && lesson->in_content);
    return !is_key || !watched || learn_key(lesson, token);
}

static bool learn_tokens(struct lesson *lesson)
{
    const struct json_index *index = lesson->index;
    for (uint32_t token = 0; token < index->count; token++) {
        switch (index->kinds[token]) {
        case JSON_TOKEN_OBJECT:
        case JSON_TOKEN_ARRAY:
            lesson->in_content |= lesson->content && token == lesson->content;
            lesson->depth++;
            break;
        case JSON_TOKEN_OBJECT_END:
        case JSON_TOKEN_ARRAY_END:
            lesson->depth--;
            lesson->in_content &= lesson->depth > 1;
            break;
        case JSON_TOKEN_QUOTE:
            if (!learn_string(lesson, token))
                return false;
            token++;
            break;
        case JSON_TOKEN_VALUE:
            if (lesson->value_count == EVENT_SHAPE_VALUES_MAXIMUM)
                return false;
            lesson->values[lesson->value_count++] = token;
            break;
        default: /* the commas and colons stand where they must */
            break;
        }
    }
    return true;
}

static struct slice lesson_key(const struct lesson *lesson, uint32_t number)
{
    return text_between(lesson->index, lesson->body, lesson->keys[number]);
}

static bool is_long(struct slice key)
{
    return key.length > sizeof(bytes16);
}

/* Lays out what the lesson needs, in the memory that the shape has where that is enough; wide types first. The kinds
 * are copied already, with the zeros behind them. */
static void lay_out(struct shape *shape, const struct lesson *lesson)
{
    size_t long_keys = 0;
    size_t texts = 0;
    for (uint32_t number = 0; number < lesson->key_count; number++) {
        long_keys += is_long(lesson_key(lesson, number));
        texts += is_long(lesson_key(lesson, number)) ? lesson_key(lesson, number).length : 0;
    }
    size_t keys_size = lesson->key_count * sizeof(struct shape_key);
    size_t long_keys_size = long_keys * sizeof(struct long_key);
    size_t captures_size = lesson->capture_count * sizeof(struct event_capture);
    size_t values_size = lesson->value_count * sizeof(uint16_t);
    size_t kinds_size = (lesson->index->count + sizeof(bytes16) - 1) / sizeof(bytes16) * sizeof(bytes16);
    size_t needed = keys_size + long_keys_size + captures_size + values_size + kinds_size + texts;
    if (needed > shape->capacity) {
        free(shape->memory);
        /* Shapes that share a place are about as large: one that comes in fits where another one goes. */
        shape->capacity = SHAPE_MEMORY;
        while (shape->capacity < needed)
            shape->capacity *= 2;
        shape->memory = memory_allocate(shape->capacity);
    }
    shape->keys = shape->memory;
    shape->long_keys = (struct long_key *)(void *)((char *)shape->memory + keys_size);
    shape->captures = (struct event_capture *)(void *)((char *)shape->long_keys + long_keys_size);
    shape->values = (uint16_t *)(void *)((char *)shape->captures + captures_size);
    shape->kinds = (unsigned char *)shape->values + values_size;
    shape->texts = (char *)shape->kinds + kinds_size;
    memcpy(shape->kinds, lesson->index->kinds, kinds_size);
}

static void fill_keys(struct shape *shape, const struct lesson *lesson)
{
    uint32_t text = 0;
    shape->long_key_count = 0;
    for (uint32_t number = 0; number < lesson->key_count; number++) {
        struct slice key = lesson_key(lesson, number);
        struct shape_key *known = &shape->keys[number];
        *known = (struct shape_key){.token = (uint16_t)lesson->keys[number], .length = (uint16_t)key.length};
        size_t first = is_long(key) ? sizeof known->text : key.length;
        memcpy(&known->text, key.data, first);
        memset(&known->mask, 0xff, first);
        if (!is_long(key))
            continue;
        memcpy(shape->texts + text, key.data, key.length);
        shape->long_keys[shape->long_key_count++] = (struct long_key){text, known->token, known->length};
        text += (uint32_t)key.length;
    }
}

static void fill(struct shape *shape, const struct lesson *lesson)
{
    fill_keys(shape, lesson);
    for (uint32_t number = 0; number < lesson->value_count; number++)
        shape->values[number] = (uint16_t)lesson->values[number];
    memcpy(shape->captures, lesson->captures, lesson->capture_count * sizeof *shape->captures);
    shape->token_count = lesson->index->count;
    shape->key_count = lesson->key_count;
    shape->value_count = lesson->value_count;
    shape->found = (struct event_shape){shape->captures, lesson->capture_count, lesson->others};
}

void event_shapes_learn(struct event_shapes *shapes, struct slice body, event_field_function *field_of, void *context)
{
    const struct json_index *index = event_shapes_index(shapes);
    if (!index || index->count > EVENT_SHAPE_TOKENS_MAXIMUM)
        return;
    struct lesson lesson;
    lesson.body = body;
    lesson.index = index;
    lesson.field_of = field_of;
    lesson.context = context;
    lesson.key_count = lesson.value_count = lesson.capture_count = lesson.content = lesson.depth = 0;
    lesson.in_content = false;
    lesson.others = 0;
    if (!learn_tokens(&lesson))
        return;
    struct set *set = &shapes->sets[index->hash % SETS];
    unsigned way = set->oldest;
    set->oldest = (way + 1) % WAYS;
    if (!set->shapes[way])
        set->shapes[way] = memory_allocate_zeroed(1, sizeof *set->shapes[way]);
    set->hashes[way] = index->hash;
    lay_out(set->shapes[way], &lesson);
    fill(set->shapes[way], &lesson);
}
