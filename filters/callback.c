/* The callback table as data, for everything that lists or looks up callbacks. */
#include "filters/callback.h"

#define PROPAGATE "the walk ends and the request fails with the module's error"

#define RULE_TEXT_first_not_pass "the first answer that does not pass ends the walk and is the verdict"
#define RULE_TEXT_first_refusal_or_replacement "a refusal or a replacement ends the walk; every other pair passes"

const struct callback_definition callback_definitions[CALLBACK_COUNT] = {
#define CALLBACK(name_, family_, rule_, pass_, on_raise_)                                                              \
    [CALLBACK_##name_] = {.name = #name_,                                                                              \
                          .family = FAMILY_##family_,                                                                  \
                          .pass = (pass_),                                                                             \
                          .rule = RULE_TEXT_##rule_,                                                                   \
                          .on_raise = (on_raise_)},
#include "filters/callbacks.def"
#undef CALLBACK
};
