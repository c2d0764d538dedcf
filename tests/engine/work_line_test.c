/* Pieces pass all stages, ordered ones in order, and a held stage waits for the line before. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/lane.h"
#include "engine/work_line.h"

enum { PIECES = 5, COUNT = 2000 };

struct piece {
    unsigned number;
    atomic_uint passed;
};

struct test_line {
    struct piece pieces[PIECES];
    unsigned next;
    unsigned ordered_next;
    unsigned last_next;
    atomic_uint free_count;
    atomic_bool *before_over;
    atomic_bool over;
    atomic_uint lanes; /* that did something, a bit for each */
    atomic_bool wrong;
};

static bool read_piece(void *context, void *pointer)
{
    struct test_line *line = context;
    struct piece *piece = pointer;
    if (line->next == COUNT)
        return false;
    piece->number = line->next++;
    atomic_store(&piece->passed, 0);
    return true;
}

static void free_stage(void *context, void *pointer)
{
    struct test_line *line = context;
    struct piece *piece = pointer;
    atomic_fetch_or(&line->lanes, 1u << lane_number);
    atomic_fetch_add(&line->free_count, 1);
    atomic_fetch_or(&piece->passed, 1);
    sched_yield();
}

static void ordered_stage(void *context, void *pointer)
{
    struct test_line *line = context;
    struct piece *piece = pointer;
    if (!(atomic_load(&piece->passed) & 1) || piece->number != line->ordered_next)
        atomic_store(&line->wrong, true);
    if (line->before_over && !atomic_load(line->before_over))
        atomic_store(&line->wrong, true);
    line->ordered_next++;
    atomic_fetch_or(&piece->passed, 2);
}

static void last_stage(void *context, void *pointer)
{
    struct test_line *line = context;
    struct piece *piece = pointer;
    if (atomic_load(&piece->passed) != 3 || piece->number != line->last_next)
        atomic_store(&line->wrong, true);
    if (++line->last_next == COUNT)
        atomic_store(&line->over, true);
}

static void make(struct work_line *work, struct test_line *line, bool held)
{
    *work = (struct work_line){.context = line,
                               .read = read_piece,
                               .stages = {{.run = free_stage},
                                          {.run = ordered_stage, .needs = 1, .ordered = true, .held = held},
                                          {.run = last_stage, .needs = 3, .ordered = true}},
                               .stage_count = 3,
                               .piece_count = PIECES};
    for (unsigned index = 0; index < PIECES; index++)
        work->pieces[index] = &line->pieces[index];
}

static void count_calls(void *context)
{
    ++*(unsigned *)context;
}

Test(work_line, every_number_of_jobs, .timeout = 120)
{
    for (unsigned jobs = 1; jobs <= 5; jobs++) {
        static struct test_line lines[2];
        struct work_line works[2];
        unsigned calls = 0;
        memset(lines, 0, sizeof lines);
        lines[1].before_over = &lines[0].over;
        make(&works[0], &lines[0], false);
        make(&works[1], &lines[1], true);
        work_lines_run(works, 2, jobs, count_calls, &calls);
        for (unsigned index = 0; index < 2; index++) {
            cr_expect_eq(lines[index].last_next, COUNT);
            cr_expect_eq(lines[index].ordered_next, COUNT);
            cr_expect_eq(atomic_load(&lines[index].free_count), COUNT);
            cr_expect_not(atomic_load(&lines[index].wrong));
            cr_expect_eq(atomic_load(&lines[index].lanes) >> jobs, 0, "lanes count up from 0");
        }
        cr_expect_gt(calls, 0);
        cr_expect_eq(lane_number, 0);
    }
}

static bool nothing(void *context, void *piece)
{
    (void)context, (void)piece;
    return false;
}

Test(work_line, nothing_to_do)
{
    struct test_line line = {0};
    struct work_line work;
    make(&work, &line, false);
    work.read = nothing;
    work_lines_run(&work, 1, 3, NULL, NULL);
    cr_expect_eq(line.last_next, 0);
}
