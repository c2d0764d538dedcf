/* One lock guards who does what; it is taken twice for each work, so a work should take tens of microseconds or more.
 * Whoever looks for work looks through all that is open: the places are few. */
#include "engine/work_line.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lane.h"
#include "base/memory.h"

#define READ WORK_STAGES_MAXIMUM

struct place {
    uint32_t begun; /* stages, a bit for each */
    uint32_t done;
};

/* Pieces are counted from 0; piece `n` is in place `n % piece_count`. */
struct line_state {
    const struct work_line *line;
    struct place places[WORK_PIECES_MAXIMUM];
    uint64_t read_count;
    uint64_t passed; /* pieces that are through, in order */
    uint64_t next[WORK_STAGES_MAXIMUM];
    bool busy[WORK_STAGES_MAXIMUM + 1]; /* of ordered stages, and of READ */
    bool ended;                         /* there are no more pieces to read */
};

struct works {
    struct line_state *lines;
    uint32_t line_count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned idle;
};

struct work {
    struct line_state *line;
    uint32_t stage; /* or READ */
    uint64_t number;
};

struct worker {
    struct works *works;
    unsigned lane;
    pthread_t thread;
};

static bool line_over(const struct line_state *line)
{
    return line->ended && line->passed == line->read_count;
}

static struct place *place_of(struct line_state *line, uint64_t number)
{
    return &line->places[number % line->line->piece_count];
}

static bool is_open(struct line_state *line, uint32_t stage, uint64_t number)
{
    const struct place *place = place_of(line, number);
    uint32_t needs = line->line->stages[stage].needs;
    return !(place->begun >> stage & 1) && (place->done & needs) == needs;
}

static bool find_piece(struct line_state *line, uint32_t stage, uint64_t *number)
{
    bool ordered = line->line->stages[stage].ordered;
    if (ordered && line->busy[stage])
        return false;
    for (*number = ordered ? line->next[stage] : line->passed; *number < line->read_count; ++*number) {
        if (is_open(line, stage, *number))
            return true;
        if (ordered)
            break;
    }
    return false;
}

/* With the lock: takes what is nearest to the end of its line. */
static bool take_work(struct works *works, struct work *work)
{
    bool all_before = true;
    for (uint32_t index = 0; index < works->line_count; index++) {
        struct line_state *line = &works->lines[index];
        work->line = line;
        for (work->stage = line->line->stage_count; work->stage-- > 0;) {
            if ((line->line->stages[work->stage].held && !all_before) || !find_piece(line, work->stage, &work->number))
                continue;
            place_of(line, work->number)->begun |= 1u << work->stage;
            line->busy[work->stage] = true;
            return true;
        }
        if (!line->ended && !line->busy[READ] && line->read_count - line->passed < line->line->piece_count) {
            work->stage = READ;
            work->number = line->read_count;
            return line->busy[READ] = true;
        }
        all_before = all_before && line_over(line);
    }
    return false;
}

/* Without the lock. Of a reading: whether there was a piece. */
static bool do_work(const struct work *work)
{
    const struct work_line *line = work->line->line;
    void *piece = line->pieces[work->number % line->piece_count];
    if (work->stage == READ)
        return line->read(line->context, piece);
    line->stages[work->stage].run(line->context, piece);
    return true;
}

/* With the lock. */
static void end_work(struct works *works, const struct work *work, bool was_piece)
{
    struct line_state *line = work->line;
    line->busy[work->stage] = false;
    if (work->stage == READ && was_piece)
        *place_of(line, line->read_count++) = (struct place){0};
    else if (work->stage == READ)
        line->ended = true;
    else
        place_of(line, work->number)->done |= 1u << work->stage;
    if (work->stage != READ && line->line->stages[work->stage].ordered)
        line->next[work->stage] = work->number + 1;
    uint32_t all = (1u << line->line->stage_count) - 1;
    while (line->passed < line->read_count && place_of(line, line->passed)->done == all)
        line->passed++;
    if (works->idle)
        pthread_cond_broadcast(&works->changed);
}

static bool all_over(const struct works *works)
{
    bool over = true;
    for (uint32_t index = 0; index < works->line_count; index++)
        over = over && line_over(&works->lines[index]);
    return over;
}

static void work_on(struct works *works, void (*between)(void *context), void *context)
{
    pthread_mutex_lock(&works->lock);
    while (!all_over(works)) {
        struct work work;
        if (!take_work(works, &work)) {
            works->idle++;
            pthread_cond_wait(&works->changed, &works->lock);
            works->idle--;
            continue;
        }
        pthread_mutex_unlock(&works->lock);
        bool was_piece = do_work(&work);
        if (between)
            between(context);
        pthread_mutex_lock(&works->lock);
        end_work(works, &work, was_piece);
    }
    pthread_mutex_unlock(&works->lock);
}

static void *run_worker(void *argument)
{
    const struct worker *worker = argument;
    lane_number = worker->lane;
    work_on(worker->works, NULL, NULL);
    return NULL;
}

void work_lines_run(const struct work_line *lines, uint32_t line_count, unsigned jobs, void (*between)(void *context),
                    void *context)
{
    struct works works = {.lines = memory_allocate_zeroed(line_count, sizeof *works.lines), .line_count = line_count};
    struct worker workers[LANES_MAXIMUM];
    unsigned count = 1;
    for (uint32_t index = 0; index < line_count; index++)
        works.lines[index].line = &lines[index];
    pthread_mutex_init(&works.lock, NULL);
    pthread_cond_init(&works.changed, NULL);
    for (; count < jobs && count < LANES_MAXIMUM; count++) {
        workers[count] = (struct worker){.works = &works, .lane = count};
        if (pthread_create(&workers[count].thread, NULL, run_worker, &workers[count]) != 0)
            break;
    }
    work_on(&works, between, context);
    for (unsigned index = 1; index < count; index++)
        pthread_join(workers[index].thread, NULL);
    pthread_cond_destroy(&works.changed);
    pthread_mutex_destroy(&works.lock);
    free(works.lines);
}
