/* The program works on a stack of truths. Behind the left side of `&` and `|` stands a step that jumps over the right
 * side when the left one alone decides; it is unknown which side is dearer, so that they are taken as written.
 *
 * Reading recurs for each parenthesis and `!`, which are bounded, and so is the stack: a level holds at most the left
 * side of a `|` and that of a `&`. */
#include "filters/expression.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/parameter.h"

#define STACK_MAXIMUM (2 * (EXPRESSION_DEPTH_MAXIMUM + 1) + 1)

enum operation {
    OPERATION_NAME,       /* asks for it and puts it on the stack */
    OPERATION_NOT,        /* turns the topmost round */
    OPERATION_AND,        /* the lesser of the two topmost, in their place */
    OPERATION_OR,         /* the greater */
    OPERATION_JUMP_FALSE, /* goes on at `target` if the topmost is false, and leaves it there */
    OPERATION_JUMP_TRUE,
};

struct expression_step {
    uint8_t operation;
    uint8_t name;
    uint16_t target; /* a text has fewer steps than twice its bytes */
};
_Static_assert(2 * EXPRESSION_TEXT_MAXIMUM <= UINT16_MAX, "jumps reach every step");

struct reading {
    struct expression *expression;
    struct slice text;
    size_t at;
    unsigned depth;
    const char *const *names;
    unsigned name_count;
    struct expression_problem *problem;
};

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* How many bytes at the beginning are a name. */
static size_t name_length(struct slice text)
{
    size_t length = 0;
    if (text.length && is_letter(text.data[0]))
        while (length < text.length && (is_letter(text.data[length]) || is_digit(text.data[length])))
            length++;
    return length;
}

bool expression_name_valid(struct slice name)
{
    return name.length && name.length <= EXPRESSION_NAME_MAXIMUM && name_length(name) == name.length;
}

static bool fail(struct reading *reading, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fail(struct reading *reading, size_t at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->problem->text, sizeof reading->problem->text, format, arguments);
    va_end(arguments);
    reading->problem->position = at + 1;
    return false;
}

static uint32_t emit(struct reading *reading, enum operation operation, unsigned name)
{
    struct expression *expression = reading->expression;
    if ((expression->count & (expression->count - 1)) == 0)
        expression->steps = memory_reallocate(
            expression->steps, (expression->count ? 2 * (size_t)expression->count : 1) * sizeof *expression->steps);
    expression->steps[expression->count] =
        (struct expression_step){.operation = (uint8_t)operation, .name = (uint8_t)name};
    return expression->count++;
}

/* The next byte that is no blank, or 0 at the end. */
static char next(struct reading *reading)
{
    const struct slice *text = &reading->text;
    while (reading->at < text->length && memchr(" \t\r\n", text->data[reading->at], 4))
        reading->at++;
    return reading->at < text->length ? text->data[reading->at] : '\0';
}

static bool read_name(struct reading *reading)
{
    struct slice rest = slice_of(reading->text.data + reading->at, reading->text.length - reading->at);
    char name[EXPRESSION_NAME_MAXIMUM + 1];
    size_t length = name_length(rest);
    if (length > EXPRESSION_NAME_MAXIMUM)
        return fail(reading, reading->at, "a name has at most %u letters", EXPRESSION_NAME_MAXIMUM);
    snprintf(name, sizeof name, "%.*s", (int)length, rest.data);
    for (unsigned index = 0; index < reading->name_count; index++) {
        if (strcmp(reading->names[index], name) != 0)
            continue;
        emit(reading, OPERATION_NAME, index);
        reading->expression->names |= 1ull << index;
        reading->at += length;
        return true;
    }
    const char *nearest = nearest_word(name, reading->names);
    return nearest ? fail(reading, reading->at, "there is no `%s`; did you mean `%s`?", name, nearest)
                   : fail(reading, reading->at, "there is no `%s`", name);
}

static bool read_either(struct reading *reading);

static bool read_group(struct reading *reading)
{
    size_t opened = reading->at++;
    if (!read_either(reading))
        return false;
    if (next(reading) != ')')
        return fail(reading, reading->at, "expected `&`, `|` or `)` for the `(` at %zu", opened + 1);
    reading->at++;
    return true;
}

static bool read_one(struct reading *reading);

static bool read_negated(struct reading *reading)
{
    reading->at++;
    if (!read_one(reading))
        return false;
    emit(reading, OPERATION_NOT, 0);
    return true;
}

static bool read_one(struct reading *reading)
{
    char first = next(reading);
    if (is_letter(first))
        return read_name(reading);
    if (first != '(' && first != '!')
        return fail(reading, reading->at, "expected a name, `!` or `(`");
    if (reading->depth == EXPRESSION_DEPTH_MAXIMUM)
        return fail(reading, reading->at, "more than %u parentheses and `!` inside each other",
                    EXPRESSION_DEPTH_MAXIMUM);
    reading->depth++;
    bool good = first == '(' ? read_group(reading) : read_negated(reading);
    reading->depth--;
    return good;
}

/* One or more sides with `sign` between them. */
static bool read_sides(struct reading *reading, char sign, enum operation operation, enum operation jump,
                       bool read_side(struct reading *reading))
{
    if (!read_side(reading))
        return false;
    while (next(reading) == sign) {
        reading->at++;
        uint32_t over = emit(reading, jump, 0);
        if (!read_side(reading))
            return false;
        emit(reading, operation, 0);
        reading->expression->steps[over].target = (uint16_t)reading->expression->count;
    }
    return true;
}

static bool read_both(struct reading *reading)
{
    return read_sides(reading, '&', OPERATION_AND, OPERATION_JUMP_FALSE, read_one);
}

static bool read_either(struct reading *reading)
{
    return read_sides(reading, '|', OPERATION_OR, OPERATION_JUMP_TRUE, read_both);
}

bool expression_compile(struct expression *expression, struct slice text, const char *const *names, unsigned count,
                        struct expression_problem *problem)
{
    /* For nearest_word, which wants an end. */
    const char *ended[EXPRESSION_NAMES_MAXIMUM + 1] = {NULL};
    struct reading reading = {.expression = expression, .text = text, .names = ended, .problem = problem};
    *expression = (struct expression){0};
    reading.name_count = count < EXPRESSION_NAMES_MAXIMUM ? count : EXPRESSION_NAMES_MAXIMUM;
    for (unsigned index = 0; index < reading.name_count; index++)
        ended[index] = names[index];
    if (text.length > EXPRESSION_TEXT_MAXIMUM)
        return fail(&reading, EXPRESSION_TEXT_MAXIMUM, "more than %u bytes", EXPRESSION_TEXT_MAXIMUM);
    if (!read_either(&reading))
        return false;
    return next(&reading) == '\0' && reading.at == text.length
               ? true
               : fail(&reading, reading.at, "expected `&`, `|` or the end");
}

void expression_free(struct expression *expression)
{
    free(expression->steps);
    *expression = (struct expression){0};
}

enum truth expression_evaluate(const struct expression *expression, expression_ask_function *ask, void *context)
{
    enum truth stack[STACK_MAXIMUM] = {TRUTH_UNKNOWN};
    unsigned height = 0;
    for (uint32_t at = 0; at < expression->count; at++) {
        const struct expression_step *step = &expression->steps[at];
        switch ((enum operation)step->operation) {
        case OPERATION_NAME:
            stack[height++] = ask(context, step->name);
            break;
        case OPERATION_NOT:
            stack[height - 1] = TRUTH_TRUE - stack[height - 1];
            break;
        case OPERATION_AND:
            height--;
            if (stack[height] < stack[height - 1])
                stack[height - 1] = stack[height];
            break;
        case OPERATION_OR:
            height--;
            if (stack[height] > stack[height - 1])
                stack[height - 1] = stack[height];
            break;
        case OPERATION_JUMP_FALSE:
        case OPERATION_JUMP_TRUE:
            if (stack[height - 1] == (step->operation == OPERATION_JUMP_FALSE ? TRUTH_FALSE : TRUTH_TRUE))
                at = step->target - 1u;
            break;
        }
    }
    return stack[0];
}

/* For each side whether it may be true, and whether it may be false, as if names had nothing to do with each other. */
enum { MAY_BE_FALSE = 1, MAY_BE_TRUE = 2 };

static unsigned negation_of(unsigned side)
{
    return (side & MAY_BE_FALSE ? MAY_BE_TRUE : 0) | (side & MAY_BE_TRUE ? MAY_BE_FALSE : 0);
}

bool expression_may_be_true(const struct expression *expression, uint64_t known)
{
    unsigned stack[STACK_MAXIMUM] = {0};
    unsigned height = 0;
    for (uint32_t at = 0; at < expression->count; at++) {
        const struct expression_step *step = &expression->steps[at];
        switch ((enum operation)step->operation) {
        case OPERATION_NAME:
            stack[height++] = known >> step->name & 1 ? MAY_BE_TRUE | MAY_BE_FALSE : 0;
            break;
        case OPERATION_NOT:
            stack[height - 1] = negation_of(stack[height - 1]);
            break;
        case OPERATION_AND:
            height--;
            stack[height - 1] = (stack[height - 1] & stack[height] & MAY_BE_TRUE) |
                                ((stack[height - 1] | stack[height]) & MAY_BE_FALSE);
            break;
        case OPERATION_OR:
            height--;
            stack[height - 1] = ((stack[height - 1] | stack[height]) & MAY_BE_TRUE) |
                                (stack[height - 1] & stack[height] & MAY_BE_FALSE);
            break;
        case OPERATION_JUMP_FALSE:
        case OPERATION_JUMP_TRUE:
            break;
        }
    }
    return stack[0] & MAY_BE_TRUE;
}
