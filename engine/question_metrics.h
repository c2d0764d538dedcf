/* The metric families of questions from outside. */
#ifndef WEIR_ENGINE_QUESTION_METRICS_H
#define WEIR_ENGINE_QUESTION_METRICS_H

#include "engine/questions.h"

struct question_metrics {
    uint64_t *callbacks;     /* questions asked, by enum callback; CALLBACK_UNKNOWN is a place, too */
    struct latency *latency; /* from a question to its end */
};

/* `counts` is rendered as it is then, and must not move. */
struct question_metrics question_metrics_register(struct metrics *metrics, const struct questions_counts *counts);

#endif
