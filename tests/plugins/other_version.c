/* Another major version. */
#include "wrong.h"

static const struct weir_callback callbacks[] = {{"check_event_for_spam", wrong_answer, NULL, NULL}};

WEIR_PLUGIN = WRONG_PLUGIN(WEIR_PLUGIN_ABI_VERSION + 0x10000u, sizeof(struct weir_plugin), callbacks);
