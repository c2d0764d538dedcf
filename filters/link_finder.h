/* Finds the links of a text as the people who read it see them: those with a scheme, of several schemes, and domains
 * that stand there bare, of which clients make links, too. links.h is the plain form of it, for http and https alone.
 *
 * A link with a scheme that has `//` behind it is found wherever it stands, also within another one; its host is that
 * of links.h, except that a `\` ends it as in browsers. Without `//` (`matrix:r/…`, `mailto:…`) it has to begin a word,
 * and to hold one of `/ @ ?`. A link ends at white space and at `< > "`, without the punctuation before that. */
#ifndef WEIR_FILTERS_LINK_FINDER_H
#define WEIR_FILTERS_LINK_FINDER_H

#include "base/slice.h"

/* No scheme is longer; of a link no more bytes than that are read behind its host. */
#define LINK_SCHEME_MAXIMUM 32u
#define LINK_REST_MAXIMUM 2048u

struct link_kinds {
    const struct slice *schemes; /* in small letters, without the colon */
    size_t scheme_count;
    bool bare_domains;
};

struct link {
    struct slice text;   /* the whole */
    struct slice scheme; /* absent of a bare domain */
    struct slice host;   /* perhaps empty; absent if the scheme has none */
    struct slice rest;   /* the path and what follows; empty if there is nothing */
    bool nested;         /* a part of the link before it: `?to=https://…` */
    bool doubtful;       /* bare, and as likely a file's name or two sentences without a blank as a domain */
};

/* A walk over the links; zeroed at first. */
struct link_walk {
    size_t position;
    size_t link_end; /* of the last one */
    size_t word_end; /* of the word it is in */
    size_t colon;    /* the next ones, as far as they were looked for */
    size_t dot;
};

/* The next link of `text` (valid UTF-8), in slices of it; false if there is none left. At most LINK_REST_MAXIMUM steps
 * for a byte, in the worst of texts. */
bool link_finder_next(const struct link_kinds *kinds, struct slice text, struct link_walk *walk, struct link *link);

/* The link that a decoded `href` is, as browsers read it: `http:host` and `https:/\host` are links, too. False if it is
 * of no such scheme. */
bool link_finder_reference(const struct link_kinds *kinds, struct slice reference, struct link *link);

/* Whether `text` can be a scheme. */
bool link_scheme_possible(struct slice text);

#endif
