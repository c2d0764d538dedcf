/* A program that is started, waited for until it says that it is ready, looked at, and stopped. */
#ifndef WEIR_BENCH_STARTED_H
#define WEIR_BENCH_STARTED_H

struct started {
    double seconds;      /* from before exec to the phrase */
    double resident_mib; /* a tenth of a second later */
    double peak_mib;     /* the most until then */
};

/* Starts `arguments` (NULL-terminated; the first is looked for on PATH unless it has a slash) until its output holds
 * `phrase`, then ends it by SIGTERM. Ends the process with 1, showing the output, if the phrase does not come, or the
 * program does not end with 0. */
struct started started_program(const char *const *arguments, const char *phrase);

#endif
