/* The tracker knows what was handed on, the judging what of it was judged. */
#include "engine/writer_standing.h"

#include "engine/judging.h"

struct writer_visit {
    const struct judging *judging;
    writer_visit_function *visit;
    void *context;
};

/* Events that wait hold their writer's position back; other streams have none of that. */
static void add_progress(const struct writer_progress *progress, struct writer_standing *standing)
{
    if (progress->position != INT64_MIN)
        standing->position = progress->position;
    standing->held = progress->waiting;
    standing->since_ns = progress->first                      ? progress->first->origin.received_ns
                         : standing->state == WRITER_FETCHING ? progress->fetching_since_ns
                                                              : 0;
}

static void visit_standing(void *context, const struct position_standing *from)
{
    const struct writer_visit *visit = context;
    struct writer_standing standing = {.stream = from->stream,
                                       .writer = from->writer,
                                       .state = from->open        ? WRITER_LIVE
                                                : from->announced ? WRITER_FETCHING
                                                                  : WRITER_WAITING,
                                       .known = from->known,
                                       .position = from->token,
                                       .newest = from->newest};
    const struct writer_progress *progress =
        from->stream == STREAM_events ? judging_find_writer(visit->judging, from->writer) : NULL;
    if (progress)
        add_progress(progress, &standing);
    visit->visit(visit->context, &standing);
}

void writer_standings(const struct position_tracker *tracker, const struct judging *judging,
                      writer_visit_function *visit, void *context)
{
    struct writer_visit passed = {judging, visit, context};
    position_each_standing(tracker, visit_standing, &passed);
}
