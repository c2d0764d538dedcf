/* libyaml's events are composed into our own tree rather than taken from its document interface, because that one has
 * no bound on anything, keeps keys that are there twice, and forgets where an alias was written. Depth, size, number of
 * nodes and anchors are bounded while the tree grows, so that the composing may be recursive and a small file cannot
 * stand for a large one. */
#include "engine/yaml_document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/memory.h"

#define NODES_IN_BLOCK 256u

struct node_block {
    struct node_block *next;
    size_t used;
    struct yaml_node nodes[NODES_IN_BLOCK];
};

struct yaml_document {
    struct node_block *blocks;
    struct yaml_node *root;
};

struct anchor {
    char *name;
    struct yaml_node *node;
    bool open; /* its node is still being read */
};

struct composer {
    yaml_parser_t parser;
    yaml_event_t event;
    struct yaml_document *document;
    struct anchor *anchors;
    size_t anchor_count;
    size_t nodes;
    yaml_report_function *report;
    void *context;
};

static struct yaml_node *node_create(struct composer *composer, enum yaml_kind kind)
{
    struct node_block *block = composer->document->blocks;
    if (!block || block->used == NODES_IN_BLOCK) {
        block = memory_allocate_zeroed(1, sizeof *block);
        block->next = composer->document->blocks;
        composer->document->blocks = block;
    }
    struct yaml_node *node = &block->nodes[block->used++];
    node->kind = kind;
    node->mark.line = (uint32_t)composer->event.start_mark.line + 1;
    node->mark.column = (uint32_t)composer->event.start_mark.column + 1;
    node->weight = 1;
    composer->nodes++;
    return node;
}

static void node_free(struct yaml_node *node)
{
    if (node->kind == YAML_KIND_MAP)
        for (size_t index = 0; index < node->count; index++)
            free((char *)node->pairs[index].key);
    free(node->pairs);
    free(node->items);
    free(node->text);
}

void yaml_document_destroy(struct yaml_document *document)
{
    if (!document)
        return;
    while (document->blocks) {
        struct node_block *block = document->blocks;
        document->blocks = block->next;
        for (size_t index = 0; index < block->used; index++)
            node_free(&block->nodes[index]);
        free(block);
    }
    free(document);
}

const struct yaml_node *yaml_document_root(const struct yaml_document *document)
{
    return document ? document->root : NULL;
}

static struct yaml_mark event_mark(const struct composer *composer)
{
    return (struct yaml_mark){(uint32_t)composer->event.start_mark.line + 1,
                              (uint32_t)composer->event.start_mark.column + 1};
}

static bool refuse(struct composer *composer, struct yaml_mark mark, const char *sentence)
{
    composer->report(composer->context, mark, sentence);
    return false;
}

static bool refuse_syntax(struct composer *composer)
{
    const yaml_parser_t *parser = &composer->parser;
    char sentence[300];
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR) {
        snprintf(sentence, sizeof sentence, "this is no text in UTF-8: %s at byte %zu", parser->problem,
                 parser->problem_offset);
        mark = parser->mark;
    } else if (parser->context) {
        snprintf(sentence, sizeof sentence, "YAML syntax: %s %s (begun in line %zu)", parser->problem, parser->context,
                 parser->context_mark.line + 1);
    } else {
        snprintf(sentence, sizeof sentence, "YAML syntax: %s", parser->problem ? parser->problem : "cannot be read");
    }
    return refuse(composer, (struct yaml_mark){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1}, sentence);
}

static bool next_event(struct composer *composer)
{
    yaml_event_delete(&composer->event);
    return yaml_parser_parse(&composer->parser, &composer->event) || refuse_syntax(composer);
}

/* The place of an anchor's name in the table, or the number of anchors. The latest of one name counts. */
static size_t anchor_find(const struct composer *composer, const char *name)
{
    size_t index = 0;
    while (index < composer->anchor_count && strcmp(composer->anchors[index].name, name) != 0)
        index++;
    return index;
}

static bool anchor_set(struct composer *composer, const yaml_char_t *name, struct yaml_node *node, bool open)
{
    if (!name)
        return true;
    size_t index = anchor_find(composer, (const char *)name);
    if (index == composer->anchor_count) {
        if (composer->anchor_count == YAML_ANCHORS_MAXIMUM)
            return refuse(composer, node->mark, "there are too many anchors: at most 1000 are supported");
        if (!composer->anchors)
            composer->anchors = memory_allocate(YAML_ANCHORS_MAXIMUM * sizeof *composer->anchors);
        composer->anchors[composer->anchor_count++].name =
            memory_copy_text((const char *)name, strlen((const char *)name));
    }
    composer->anchors[index].node = node;
    composer->anchors[index].open = open;
    return true;
}

static void anchor_close(struct composer *composer, const struct yaml_node *node)
{
    for (size_t index = 0; index < composer->anchor_count; index++)
        if (composer->anchors[index].node == node)
            composer->anchors[index].open = false;
}

static struct yaml_node *compose_alias(struct composer *composer)
{
    const char *name = (const char *)composer->event.data.alias.anchor;
    size_t index = anchor_find(composer, name);
    char sentence[200];
    if (index == composer->anchor_count) {
        snprintf(sentence, sizeof sentence, "the alias *%.100s stands for an anchor that is not defined above it",
                 name);
    } else if (composer->anchors[index].open) {
        snprintf(sentence, sizeof sentence, "the alias *%.100s stands inside of its own anchor", name);
    } else {
        return composer->anchors[index].node;
    }
    refuse(composer, event_mark(composer), sentence);
    return NULL;
}

/* `!!str` and `!` make a text, the other tags of YAML's core must agree with what is there, and all else is refused: a
 * tag of an application cannot mean anything here. */
static bool apply_tag(struct composer *composer, struct yaml_node *node, const yaml_char_t *tag)
{
    static const struct {
        const char *tag;
        enum yaml_kind kind;
    } known[] = {
        {YAML_NULL_TAG, YAML_KIND_NULL}, {YAML_BOOL_TAG, YAML_KIND_BOOLEAN}, {YAML_INT_TAG, YAML_KIND_INTEGER},
        {YAML_STR_TAG, YAML_KIND_TEXT},  {YAML_FLOAT_TAG, YAML_KIND_NUMBER}, {YAML_SEQ_TAG, YAML_KIND_LIST},
        {YAML_MAP_TAG, YAML_KIND_MAP},
    };
    const char *name = (const char *)tag;
    char sentence[200];
    for (size_t index = 0; index < sizeof known / sizeof *known; index++) {
        if (strcmp(name, known[index].tag) != 0)
            continue;
        if (known[index].kind == YAML_KIND_TEXT && node->text)
            node->kind = YAML_KIND_TEXT;
        if (node->kind == known[index].kind)
            return true;
        snprintf(sentence, sizeof sentence, "the tag says %s, but this is %s", yaml_kind_text(known[index].kind),
                 yaml_kind_text(node->kind));
        return refuse(composer, node->mark, sentence);
    }
    if (strcmp(name, "!") == 0)
        return true;
    snprintf(sentence, sizeof sentence, "the tag %.100s is not supported", name);
    return refuse(composer, node->mark, sentence);
}

static struct yaml_node *compose_scalar(struct composer *composer)
{
    const char *value = (const char *)composer->event.data.scalar.value;
    size_t length = composer->event.data.scalar.length;
    struct yaml_node *node = node_create(composer, YAML_KIND_TEXT);
    node->text = memory_copy_text(value, length);
    if (memchr(value, '\0', length)) {
        refuse(composer, node->mark, "this text holds a NUL character");
        return NULL;
    }
    const yaml_char_t *tag = composer->event.data.scalar.tag;
    bool text = tag && (strcmp((const char *)tag, YAML_STR_TAG) == 0 || strcmp((const char *)tag, "!") == 0);
    if (!text && (tag || composer->event.data.scalar.plain_implicit))
        yaml_scalar_resolve(node);
    if (tag && !apply_tag(composer, node, tag))
        return NULL;
    return anchor_set(composer, composer->event.data.scalar.anchor, node, false) ? node : NULL;
}

static struct yaml_node *compose_node(struct composer *composer, unsigned depth);

/* Adds a child's size to its collection's; refuses what would be too large or too deep with its aliases written out. */
static bool account(struct composer *composer, struct yaml_node *node, const struct yaml_node *child, unsigned depth)
{
    node->weight += child->weight;
    if (node->weight > YAML_NODES_MAXIMUM || composer->nodes > YAML_NODES_MAXIMUM)
        return refuse(composer, node->mark,
                      "this holds too many values (at most 2000000, aliases counted each time): put long lists into "
                      "files of their own");
    if (child->height + 1 > node->height)
        node->height = child->height + 1;
    if (depth + node->height > YAML_DEPTH_MAXIMUM)
        return refuse(composer, child->mark, "this is nested too deeply: at most 64 levels are supported");
    return true;
}

static void *grown(void *array, size_t count, size_t size)
{
    bool full = count == 0 || (count >= 4 && (count & (count - 1)) == 0);
    return full ? memory_reallocate(array, (count ? count * 2 : 4) * size) : array;
}

static bool compose_items(struct composer *composer, struct yaml_node *node, unsigned depth)
{
    for (;;) {
        if (!next_event(composer))
            return false;
        if (composer->event.type == YAML_SEQUENCE_END_EVENT)
            return true;
        struct yaml_node *item = compose_node(composer, depth + 1);
        if (!item || !account(composer, node, item, depth))
            return false;
        node->items = grown(node->items, node->count, sizeof(void *));
        node->items[node->count++] = item;
    }
}

/* A key's text; it must be a scalar. */
static char *compose_key(struct composer *composer)
{
    const yaml_event_t *event = &composer->event;
    const char *problem = NULL;
    if (event->type != YAML_SCALAR_EVENT)
        problem = "a key must be a plain text";
    else if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
        problem = "this key holds a NUL character";
    else if (event->data.scalar.anchor || event->data.scalar.tag)
        problem = "a key must be a plain text, without an anchor or a tag";
    else if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
             strcmp((const char *)event->data.scalar.value, "<<") == 0)
        problem = "merge keys (<<) are not supported: write the keys out";
    if (problem) {
        refuse(composer, event_mark(composer), problem);
        return NULL;
    }
    return memory_copy_text((const char *)event->data.scalar.value, event->data.scalar.length);
}

static bool compose_pairs(struct composer *composer, struct yaml_node *node, unsigned depth)
{
    for (;;) {
        if (!next_event(composer))
            return false;
        if (composer->event.type == YAML_MAPPING_END_EVENT)
            return true;
        struct yaml_mark mark = event_mark(composer);
        char *key = compose_key(composer);
        if (!key)
            return false;
        node->pairs = grown(node->pairs, node->count, sizeof *node->pairs);
        struct yaml_pair *pair = &node->pairs[node->count++];
        *pair = (struct yaml_pair){.key = key, .mark = mark};
        if (!next_event(composer))
            return false;
        pair->value = compose_node(composer, depth + 1);
        if (!pair->value || !account(composer, node, pair->value, depth))
            return false;
    }
}

/* A key and its place among the pairs, for sorting. */
struct key_place {
    const char *key;
    size_t index;
};

static int compare_keys(const void *left, const void *right)
{
    const struct key_place *first = left, *second = right;
    int order = strcmp(first->key, second->key);
    return order ? order : (first->index > second->index) - (first->index < second->index);
}

/* Reports every key that is there again and takes it out. */
static void drop_duplicates(struct composer *composer, struct yaml_node *node)
{
    if (node->count < 2)
        return;
    struct key_place *sorted = memory_allocate(node->count * sizeof *sorted);
    for (size_t index = 0; index < node->count; index++)
        sorted[index] = (struct key_place){node->pairs[index].key, index};
    qsort(sorted, node->count, sizeof *sorted, compare_keys);
    const struct yaml_pair *first = &node->pairs[sorted[0].index];
    for (size_t index = 1; index < node->count; index++) {
        struct yaml_pair *pair = &node->pairs[sorted[index].index];
        if (strcmp(first->key, pair->key) != 0) {
            first = pair;
            continue;
        }
        char sentence[200];
        snprintf(sentence, sizeof sentence, "the key \"%.100s\" is here a second time; it is already in line %u",
                 first->key, first->mark.line);
        refuse(composer, pair->mark, sentence);
        pair->value = NULL;
    }
    free(sorted);
    size_t kept = 0;
    for (size_t index = 0; index < node->count; index++) {
        if (node->pairs[index].value)
            node->pairs[kept++] = node->pairs[index];
        else
            free((char *)node->pairs[index].key);
    }
    node->count = kept;
}

static struct yaml_node *compose_collection(struct composer *composer, unsigned depth)
{
    bool list = composer->event.type == YAML_SEQUENCE_START_EVENT;
    struct yaml_node *node = node_create(composer, list ? YAML_KIND_LIST : YAML_KIND_MAP);
    const yaml_char_t *tag = list ? composer->event.data.sequence_start.tag : composer->event.data.mapping_start.tag;
    const yaml_char_t *anchor =
        list ? composer->event.data.sequence_start.anchor : composer->event.data.mapping_start.anchor;
    bool anchored = anchor != NULL;
    if (depth >= YAML_DEPTH_MAXIMUM) {
        refuse(composer, node->mark, "this is nested too deeply: at most 64 levels are supported");
        return NULL;
    }
    if ((tag && !apply_tag(composer, node, tag)) || !anchor_set(composer, anchor, node, true))
        return NULL;
    if (!(list ? compose_items(composer, node, depth) : compose_pairs(composer, node, depth)))
        return NULL;
    if (!list)
        drop_duplicates(composer, node);
    if (anchored)
        anchor_close(composer, node);
    return node;
}

static struct yaml_node *compose_node(struct composer *composer, unsigned depth)
{
    switch (composer->event.type) {
    case YAML_ALIAS_EVENT:
        return compose_alias(composer);
    case YAML_SCALAR_EVENT:
        return compose_scalar(composer);
    default:
        return compose_collection(composer, depth);
    }
}

/* Passes over `count` events; the last of them is the one at hand. */
static bool next_events(struct composer *composer, unsigned count)
{
    while (count--)
        if (!next_event(composer))
            return false;
    return true;
}

/* Stream start, at most one document, stream end. */
static bool compose_document(struct composer *composer)
{
    if (!next_events(composer, 2))
        return false;
    if (composer->event.type == YAML_STREAM_END_EVENT) {
        composer->document->root = node_create(composer, YAML_KIND_NULL);
        composer->document->root->text = memory_copy_text("", 0);
        return true;
    }
    if (!next_event(composer))
        return false;
    composer->document->root = compose_node(composer, 0);
    if (!composer->document->root)
        return false;
    if (!next_events(composer, 2))
        return false;
    if (composer->event.type != YAML_STREAM_END_EVENT)
        return refuse(composer, event_mark(composer), "a second document begins here: only one is supported");
    return true;
}

struct yaml_document *yaml_document_read(struct slice text, yaml_report_function *report, void *context)
{
    struct composer composer = {.report = report, .context = context};
    if (text.length > YAML_SIZE_MAXIMUM) {
        refuse(&composer, (struct yaml_mark){1, 1}, "this file is larger than 16 MiB");
        return NULL;
    }
    if (!yaml_parser_initialize(&composer.parser)) {
        refuse(&composer, (struct yaml_mark){1, 1}, "there is no memory to read this");
        return NULL;
    }
    composer.document = memory_allocate_zeroed(1, sizeof *composer.document);
    yaml_parser_set_input_string(&composer.parser, (const unsigned char *)(text.data ? text.data : ""), text.length);
    bool composed = compose_document(&composer);
    yaml_event_delete(&composer.event);
    yaml_parser_delete(&composer.parser);
    for (size_t index = 0; index < composer.anchor_count; index++)
        free(composer.anchors[index].name);
    free(composer.anchors);
    if (!composed) {
        yaml_document_destroy(composer.document);
        return NULL;
    }
    return composer.document;
}
