/* Reads one subcommand's command line by its table of options. Apart from engine/option.h, which is what a subcommand
 * needs to know. */
#ifndef WEIR_ENGINE_OPTION_PARSER_H
#define WEIR_ENGINE_OPTION_PARSER_H

#include "base/buffer.h"
#include "engine/option.h"

enum option_parse_status { OPTION_PARSE_OK, OPTION_PARSE_HELP, OPTION_PARSE_WRONG };

/* Fills `options` (zeroed, of subcommand->options_size) and moves the operands to the front of `arguments`, their
 * number to `operand_count`. Options may stand anywhere before `--`: `--name value`, `--name=value`, `-n value`,
 * `-nvalue`; the last of several wins, but for OPTION_TEXTS. HELP as soon as --help or -h is met. WRONG with a sentence
 * in `error`. */
enum option_parse_status option_parse(const struct subcommand *subcommand, char **arguments, size_t argument_count,
                                      void *options, size_t *operand_count, struct buffer *error);

/* The page of a subcommand, and the overview of all. */
void option_append_page(struct buffer *output, const struct subcommand *subcommand);
void option_append_overview(struct buffer *output, const struct subcommand *const *all);

/* What weir ends with, for people: EXIT STATUS of every page. Ends with a NULL meaning. */
struct option_exit_meaning {
    enum exit_code code;
    const char *meaning;
};
extern const struct option_exit_meaning option_exit_meanings[];
/* The DESCRIPTION of weir itself. */
extern const char option_weir_description[];

#endif
