/* Of an invite over federation user_may_invite is asked after federated_user_may_invite; it shall not count twice. */
#include "filters/rate_actions.h"

#include <stdio.h>

#include "filters/pattern_list.h"

#define KEY_BIT(key) (1u << (key))
#define KEYS_OF_USERS (KEY_BIT(RATE_KEY_SENDER) | KEY_BIT(RATE_KEY_SERVER))
#define KEYS_IN_ROOMS (KEYS_OF_USERS | KEY_BIT(RATE_KEY_ROOM) | KEY_BIT(RATE_KEY_SENDER_ROOM))

/* The callbacks that tell of each, and the keys which those have. */
static const struct action {
    const char *name;
    enum callback callbacks[2];
    unsigned keys;
} actions[] = {
    /* The first is RATE_ACTION_EVENTS. */
    {"events", {CALLBACK_check_event_for_spam, CALLBACK_check_event_allowed}, KEYS_IN_ROOMS},
    {"joins", {CALLBACK_user_may_join_room, CALLBACK_UNKNOWN}, KEYS_IN_ROOMS},
    {"invites", {CALLBACK_user_may_invite, CALLBACK_UNKNOWN}, KEYS_IN_ROOMS},
    {"threepid_invites", {CALLBACK_user_may_send_3pid_invite, CALLBACK_UNKNOWN}, KEYS_IN_ROOMS},
    {"rooms", {CALLBACK_user_may_create_room, CALLBACK_UNKNOWN}, KEYS_OF_USERS},
    {"aliases", {CALLBACK_user_may_create_room_alias, CALLBACK_UNKNOWN}, KEYS_OF_USERS},
    {"logins", {CALLBACK_check_login_for_spam, CALLBACK_UNKNOWN}, KEY_BIT(RATE_KEY_SENDER) | KEY_BIT(RATE_KEY_IP)},
    {"registrations", {CALLBACK_check_registration_for_spam, CALLBACK_UNKNOWN}, KEY_BIT(RATE_KEY_IP)},
};
#define ACTIONS (sizeof actions / sizeof *actions)

static bool read_action(unsigned *bits, const struct module_host *host, const struct text_list *list, size_t item,
                        enum rate_key key, const char *key_name)
{
    const char *names[ACTIONS + 1] = {NULL};
    for (size_t number = 0; number < ACTIONS; number++) {
        names[number] = actions[number].name;
        if (strcmp(list->items[item], actions[number].name) != 0)
            continue;
        *bits |= 1u << number;
        if (actions[number].keys & KEY_BIT(key))
            return true;
        module_host_report(host, "key", "Synapse tells no `%s` of %s: give those a rule with another key", key_name,
                           actions[number].name);
        return false;
    }
    const char *nearest = nearest_word(list->items[item], names);
    char message[256];
    if (nearest)
        snprintf(message, sizeof message, "is no action; did you mean `%s`?", nearest);
    else
        snprintf(message, sizeof message,
                 "is no action: those are events, joins, invites, threepid_invites, rooms, "
                 "aliases, logins and registrations");
    text_list_report(host, "actions", list, item, message);
    return false;
}

bool rate_actions_read(unsigned *bits, const struct module_host *host, const struct text_list *names, enum rate_key key,
                       const char *key_name)
{
    bool good = names->count > 0;
    *bits = 0;
    for (size_t item = 0; item < names->count; item++)
        good = read_action(bits, host, names, item, key, key_name) && good;
    if (!names->count)
        module_host_report(host, "actions", "is empty: the rule would count nothing");
    return good;
}

unsigned rate_action_of(enum callback callback)
{
    for (size_t number = 0; number < ACTIONS; number++)
        if (actions[number].callbacks[0] == callback || actions[number].callbacks[1] == callback)
            return 1u << number;
    return 0;
}

void rate_actions_register(unsigned bits, const struct module_setup *setup, callback_function *function)
{
    for (size_t number = 0; number < ACTIONS; number++)
        for (size_t index = 0; index < 2 && bits >> number & 1; index++)
            if (actions[number].callbacks[index] != CALLBACK_UNKNOWN)
                module_register(setup, &(struct module_callback){.callback = actions[number].callbacks[index],
                                                                 .function = function});
}
