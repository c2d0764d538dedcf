/* A backtest: events of the past judged by a new configuration and, if there is one, by the old one, and what came of
 * it counted. Nothing is changed anywhere, and nobody is asked: no services, no Redis.
 *
 * The events come from recordings with their bodies, or from Synapse's database. The new configuration says which of
 * them count (`server_name`, `observe.rejected`, `observe.outliers`): both sides are asked about the same ones. */
#ifndef WEIR_ENGINE_BACKTEST_H
#define WEIR_ENGINE_BACKTEST_H

#include "engine/backtest_cost.h"
#include "engine/backtest_recording.h"
#include "engine/backtest_tally.h"
#include "engine/configuration.h"

struct backtest_progress {
    double share; /* 0…1 of what is to be read */
    uint64_t events;
};

struct backtest_settings {
    const struct configuration *configurations[BACKTEST_SIDES]; /* the old one NULL if there is none */
    /* In order; none: the events come from the new configuration's database. */
    const char *const *recordings;
    size_t recording_count;
    /* Files of bodies: one for each recording, or one for all, or none. */
    const char *const *bodies;
    size_t body_count;
    int64_t since_ms; /* from the database: events that came at this time (since 1970) or later */
    unsigned jobs;    /* threads, from 1 to LANES_MAXIMUM */
    /* Called now and then, by the thread that called backtest_run. May be NULL. */
    void (*progress)(void *context, const struct backtest_progress *progress);
    void *context;
};

struct backtest_report {
    const struct backtest_settings *settings;
    struct backtest_tally *tally;
    struct observer_counts counts[BACKTEST_SIDES]; /* what judging counts */
    struct backtest_recording_counts recording;    /* 0 in all with a database */
    uint64_t bad_bodies;                           /* lines of the files of bodies that are none */
    uint64_t bodies_cut_short;                     /* of these files that broke off */
    struct module_cost *costs[BACKTEST_SIDES];     /* by place in the chain; NULL for a side that is not there */
    uint32_t sampled;                              /* events that they were measured on */
    const char *ordered_by[BACKTEST_SIDES];        /* why a chain's events are judged one after another; NULL: not */
    bool bodies_failed;                            /* the bodies could not be read: nothing was judged */
    double seconds;                                /* without the measuring of costs */
};

/* False with a sentence in `error` if something cannot be read; the report then says how far it came. To be freed in
 * either case; the configurations must still be there. */
bool backtest_run(const struct backtest_settings *settings, struct backtest_report *report, struct buffer *error);
void backtest_report_free(struct backtest_report *report);

#endif
