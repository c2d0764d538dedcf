/* A callback that Synapse does not have. */
#include "wrong.h"

static const struct weir_callback callbacks[] = {{"chek_event_for_spam", wrong_answer, NULL, NULL}};

WEIR_PLUGIN = WRONG_PLUGIN(WEIR_PLUGIN_ABI_VERSION, sizeof(struct weir_plugin), callbacks);
