/* Decoders of single parameters, shared by the files that the table of types (parameter.c) is spread over. Each reports
 * what is wrong and returns false; what it decoded so far is released like the rest. */
#ifndef WEIR_FILTERS_PARAMETER_DECODING_H
#define WEIR_FILTERS_PARAMETER_DECODING_H

#include "filters/parameter.h"

struct decoding {
    const struct parameter *parameter;
    void *target; /* the member of the configuration struct */
    const struct module_host *host;
};

bool decode_text_list(const struct decoding *decoding, const json_t *value);

/* parameter_files.c */
bool decode_lines_file(const struct decoding *decoding, const json_t *value);
bool decode_lines_files(const struct decoding *decoding, const json_t *value);
void release_lines_files(const struct parameter *parameter, void *target);

/* parameter_maps.c */
bool decode_map_list(const struct decoding *decoding, const json_t *value);
void release_map_list(const struct parameter *parameter, void *target);
bool decode_fields(const struct decoding *decoding, const json_t *value);
void release_fields(const struct parameter *parameter, void *target);

#endif
