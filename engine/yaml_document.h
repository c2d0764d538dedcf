/* A YAML document as a tree that remembers where each node stands, so that every error of the configuration can say its
 * line and column.
 *
 * Scalars are read as Synapse's PyYAML reads them (YAML 1.1: `yes`, `on`, `0x1f`, `1_000`, `1:30`); quoted ones are
 * always texts. An alias is the same node as its anchor's, so a tree may be a graph without cycles; the size it would
 * have written out is bounded when it is read, and whoever walks it may walk as if it were a tree. */
#ifndef WEIR_ENGINE_YAML_DOCUMENT_H
#define WEIR_ENGINE_YAML_DOCUMENT_H

#include <jansson.h>
#include <stdint.h>

#include "base/slice.h"

/* Bytes in a document, nodes with aliases written out, levels of nesting, anchors. */
#define YAML_SIZE_MAXIMUM (16u << 20)
#define YAML_NODES_MAXIMUM 2000000u
#define YAML_DEPTH_MAXIMUM 64u
#define YAML_ANCHORS_MAXIMUM 1000u

enum yaml_kind {
    YAML_KIND_NULL,
    YAML_KIND_BOOLEAN,
    YAML_KIND_INTEGER,
    YAML_KIND_NUMBER, /* with a fraction or an exponent, infinite, or an integer beyond 64 bits */
    YAML_KIND_TEXT,
    YAML_KIND_LIST,
    YAML_KIND_MAP,
};

/* Counted from 1, in characters. */
struct yaml_mark {
    uint32_t line;
    uint32_t column;
};

struct yaml_node;

struct yaml_pair {
    const char *key; /* as written, whatever YAML would make of it */
    struct yaml_mark mark;
    const struct yaml_node *value;
};

struct yaml_node {
    enum yaml_kind kind;
    struct yaml_mark mark;
    char *text; /* scalars: as written, NUL-terminated and without other NULs; else NULL */
    bool boolean;
    int64_t integer;
    double number;
    const struct yaml_node **items; /* YAML_KIND_LIST */
    struct yaml_pair *pairs;        /* YAML_KIND_MAP, in the order of the file; no key is there twice */
    size_t count;                   /* of items or pairs */
    uint32_t weight;                /* nodes below and with this one, aliases written out */
    uint32_t height;                /* levels below this one */
};

struct yaml_document;

/* One thing that is wrong with the text, a sentence. */
typedef void yaml_report_function(void *context, struct yaml_mark mark, const char *sentence);

/* NULL if `text` cannot be read at all. Keys that are there twice are reported too, but the document is still handed
 * out, with the first of them, so that all other errors can be found in it. An empty text gives a null node. */
struct yaml_document *yaml_document_read(struct slice text, yaml_report_function *report, void *context);
void yaml_document_destroy(struct yaml_document *document);
/* NULL for a NULL document. */
const struct yaml_node *yaml_document_root(const struct yaml_document *document);

/* The pair of a map's `key`; NULL without one, or if `node` is NULL or no map. */
const struct yaml_pair *yaml_map_find(const struct yaml_node *node, const char *key);

/* The node at a path such as "users[3]" or "limits.rate" below `node`, or its nearest parent that is there. */
const struct yaml_node *yaml_node_at(const struct yaml_node *node, const char *path);

/* What a node is, in words with an article: "an integer", "a list". */
const char *yaml_kind_text(enum yaml_kind kind);

/* A copy as jansson's value; the caller owns it. Infinities and not-a-number, which JSON lacks, become texts. */
json_t *yaml_node_to_json(const struct yaml_node *node);

/* Sets kind, boolean, integer and number of `node` from its plain (unquoted) text. */
void yaml_scalar_resolve(struct yaml_node *node);

#endif
