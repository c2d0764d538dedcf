/* A minor version that is yet to come. */
#include "wrong.h"

static const struct weir_callback callbacks[] = {{"check_event_for_spam", wrong_answer, NULL, NULL}};

WEIR_PLUGIN = WRONG_PLUGIN(WEIR_PLUGIN_ABI_VERSION + 7, sizeof(struct weir_plugin), callbacks);
