/* What `weir check` prints of a good configuration. */
#ifndef WEIR_ENGINE_CHECK_REPORT_H
#define WEIR_ENGINE_CHECK_REPORT_H

#include "engine/configuration.h"

/* The settings, then for each callback that some module registered its chain in order, its rule and what happens on
 * errors, the pages and the login types of modules, and the callbacks that nobody registered. */
void check_report_append(const struct configuration *configuration, struct buffer *output);

#endif
