/* The rules are literal renderings of Synapse's walks: where they look odd (None rejects), Synapse is so. */
#include "filters/chain_rules.h"

/* An illegal answer rejects with a sentence of the host's in Synapse; this one is ours. */
#define REJECTED_TEXT SLICE("This event has been rejected as probable spam by the spam checker")

bool chain_rule_first_not_pass(struct result *result)
{
    switch (result->kind) {
    case RESULT_NOT_SPAM:
        return false;
    case RESULT_BOOLEAN:
        if (!result->boolean)
            return false;
        result->kind = RESULT_CODE;
        result->text = SLICE("M_FORBIDDEN");
        result->object = NULL;
        return true;
    case RESULT_TEXT:
        return !slice_equal(result->text, SLICE("NOT_SPAM"));
    case RESULT_CODE:
    case RESULT_RAISED:
        return true;
    case RESULT_NONE:
    case RESULT_DECISION:
        break;
    }
    result->kind = RESULT_TEXT;
    result->text = REJECTED_TEXT;
    return true;
}

bool chain_rule_first_refusal_or_replacement(struct result *result)
{
    if (result->kind == RESULT_RAISED)
        return true;
    if (result->kind != RESULT_DECISION) {
        result->kind = RESULT_RAISED;
        result->text = SLICE("the module did not answer with a pair");
        return true;
    }
    if (!result->boolean) {
        result->object = NULL;
        return true;
    }
    return result->object != NULL;
}
