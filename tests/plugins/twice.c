/* One callback twice, a login type twice, a checker without fields, a row without a function. */
#include "wrong.h"

static const char *const fields[] = {"password", NULL};

static const struct weir_callback callbacks[] = {
    {"check_event_for_spam", wrong_answer, NULL, NULL},
    {"check_event_for_spam", wrong_answer, NULL, NULL},
    {"auth_checkers", wrong_answer, "m.login.password", fields},
    {"auth_checkers", wrong_answer, "m.login.password", fields},
    {"auth_checkers", wrong_answer, "com.example.token", NULL},
    {"user_may_invite", NULL, NULL, NULL},
};

WEIR_PLUGIN = WRONG_PLUGIN(WEIR_PLUGIN_ABI_VERSION, sizeof(struct weir_plugin), callbacks);
