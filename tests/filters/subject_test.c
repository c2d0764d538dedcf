/* Who and what each callback is about: every callback is asked with arguments as a request carries them. */
#include "filters/subject.h"

#include <criterion/criterion.h>

#include "filters/server_name.h"

/* The names of the parts, as the examples below write them. */
static const char *const part_names[SUBJECT_PARTS] = {
    [SUBJECT_USER] = "user",           [SUBJECT_TARGET] = "target",
    [SUBJECT_ROOM] = "room",           [SUBJECT_TYPE] = "type",
    [SUBJECT_STATE_KEY] = "state_key", [SUBJECT_MEDIUM] = "medium",
    [SUBJECT_ADDRESS] = "address",     [SUBJECT_PROVIDER] = "provider",
    [SUBJECT_DEVICE_NAME] = "device",  [SUBJECT_DISPLAY_NAME] = "display",
    [SUBJECT_ROOM_ALIAS] = "alias",    [SUBJECT_ROOM_NAME] = "name",
    [SUBJECT_ROOM_TOPIC] = "topic",    [SUBJECT_ORIGINS] = "origins",
};

/* What each callback is asked with, and all that it tells, in the order of the parts. Those about an event are in
 * tests of their own. */
static const struct {
    const char *arguments;
    const char *told;
} examples[CALLBACK_COUNT] = {
    [CALLBACK_user_may_join_room] = {"{'user_id':'@a:x','room_id':'!r:x','is_invited':true}", "user=@a:x room=!r:x"},
    [CALLBACK_user_may_invite] = {"{'inviter':'@a:x','invitee':'@b:y','room_id':'!r:x'}",
                                  "user=@a:x target=@b:y room=!r:x"},
    [CALLBACK_user_may_send_3pid_invite] = {"{'inviter':'@a:x','medium':'email','address':'b@y','room_id':'!r:x'}",
                                            "user=@a:x room=!r:x medium=email address=b@y"},
    [CALLBACK_user_may_create_room] = {"{'user_id':'@a:x','room_config':{'name':'N','topic':'T','room_alias_name':'l',"
                                       "'preset':'public_chat'}}",
                                       "user=@a:x alias=l name=N topic=T"},
    [CALLBACK_user_may_create_room_with_invites] = {"{'user_id':'@a:x','invites':['@b:y'],'threepid_invites':[]}",
                                                    "user=@a:x"},
    [CALLBACK_user_may_create_room_alias] = {"{'user_id':'@a:x','room_alias':'#l:x'}", "user=@a:x alias=#l:x"},
    [CALLBACK_user_may_publish_room] = {"{'user_id':'@a:x','room_id':'!r:x'}", "user=@a:x room=!r:x"},
    [CALLBACK_user_may_send_state_event] = {"{'user_id':'@a:x','room_id':'!r:x','event_type':'t','state_key':'',"
                                            "'content':{}}",
                                            "user=@a:x room=!r:x type=t state_key="},
    [CALLBACK_check_username_for_spam] = {"{'user_profile':{'user_id':'@b:y','display_name':'B','avatar_url':null},"
                                          "'requester_id':'@a:x'}",
                                          "user=@a:x target=@b:y display=B"},
    [CALLBACK_check_registration_for_spam] =
        {"{'email_threepid':{'medium':'email','address':'b@y','validated_at':1},'username':'bob',"
         "'request_info':[['agent','1.2.3.4'],[null,'::1']],'auth_provider_id':'oidc'}",
         "user=bob medium=email address=b@y provider=oidc origins=agent,1.2.3.4;-,::1;"},
    [CALLBACK_check_media_file_for_spam] = {"{'file':{},'file_info':{'server_name':null}}", ""},
    [CALLBACK_check_login_for_spam] = {"{'user_id':'@a:x','device_id':'D','initial_display_name':'phone',"
                                       "'request_info':[['agent','1.2.3.4']],'auth_provider_id':null}",
                                       "user=@a:x device=phone origins=agent,1.2.3.4;"},
    [CALLBACK_on_create_room] = {"{'requester':{'user_id':'@a:x','device_id':'D'},'config':{'name':'N','topic':'T',"
                                 "'room_alias_name':'l'},'is_requester_admin':false}",
                                 "user=@a:x alias=l name=N topic=T"},
    [CALLBACK_check_threepid_can_be_invited] = {"{'medium':'email','address':'b@y','state':[]}",
                                                "medium=email address=b@y"},
    [CALLBACK_check_visibility_can_be_modified] = {"{'room_id':'!r:x','state':[],'new_visibility':'public'}",
                                                   "room=!r:x"},
    [CALLBACK_check_can_shutdown_room] = {"{'user_id':null,'room_id':'!r:x'}", "room=!r:x"},
    [CALLBACK_check_can_deactivate_user] = {"{'user_id':'@a:x','by_admin':true}", "user=@a:x"},
    [CALLBACK_on_profile_update] = {"{'user_id':'@a:x','new_profile':{'display_name':'A','avatar_url':'mxc://x/y'},"
                                    "'by_admin':false,'deactivation':false}",
                                    "user=@a:x display=A"},
    [CALLBACK_on_user_deactivation_status_changed] = {"{'user_id':'@a:x','deactivated':true,'by_admin':true}",
                                                      "user=@a:x"},
    [CALLBACK_on_threepid_bind] = {"{'user_id':'@a:x','medium':'email','address':'a@y'}",
                                   "user=@a:x medium=email address=a@y"},
    [CALLBACK_on_add_user_third_party_identifier] = {"{'user_id':'@a:x','medium':'msisdn','address':'447700900000'}",
                                                     "user=@a:x medium=msisdn address=447700900000"},
    [CALLBACK_on_remove_user_third_party_identifier] = {"{'user_id':'@a:x','medium':'email','address':'a@y'}",
                                                        "user=@a:x medium=email address=a@y"},
    [CALLBACK_get_users_for_states] = {"{'state_updates':[{'user_id':'@a:x','state':'online'}]}", ""},
    [CALLBACK_get_interested_users] = {"{'user_id':'@a:x'}", "user=@a:x"},
    [CALLBACK_is_user_expired] = {"{'user_id':'@a:x'}", "user=@a:x"},
    [CALLBACK_on_user_registration] = {"{'user_id':'@a:x'}", "user=@a:x"},
    [CALLBACK_on_user_login] = {"{'user_id':'@a:x','auth_provider_type':'m.login.sso','auth_provider_id':'oidc'}",
                                "user=@a:x provider=oidc"},
    [CALLBACK_on_legacy_send_mail] = {"{'user_id':'@a:x'}", "user=@a:x"},
    [CALLBACK_on_legacy_renew] = {"{'renewal_token':'t'}", ""},
    [CALLBACK_on_legacy_admin_request] = {"{'request':null}", ""},
    [CALLBACK_auth_checkers] = {"{'username':'bob','login_type':'m.login.password','login_dict':{'password':'p'}}",
                                "user=bob"},
    [CALLBACK_check_3pid_auth] = {"{'medium':'email','address':'b@y','password':'p'}", "medium=email address=b@y"},
    [CALLBACK_on_logged_out] = {"{'user_id':'@a:x','device_id':null,'access_token':'t'}", "user=@a:x"},
    [CALLBACK_get_username_for_registration] = {"{'uia_results':{},'params':{'username':'bob','password':'p'}}",
                                                "user=bob"},
    [CALLBACK_get_displayname_for_registration] = {"{'uia_results':{},'params':{}}", ""},
    [CALLBACK_is_3pid_allowed] = {"{'medium':'email','address':'b@y','registration':true}", "medium=email address=b@y"},
    [CALLBACK_get_media_config_for_user] = {"{'user_id':'@a:x'}", "user=@a:x"},
    [CALLBACK_is_user_allowed_to_upload_media_of_size] = {"{'user_id':'@a:x','size':5}", "user=@a:x"},
    [CALLBACK_get_media_upload_limits_for_user] = {"{'user_id':'@a:x'}", "user=@a:x"},
    [CALLBACK_on_media_upload_limit_exceeded] = {"{'user_id':'@a:x','limit':[1,2],'sent_bytes':1,'attempted_bytes':2}",
                                                 "user=@a:x"},
    [CALLBACK_get_ratelimit_override_for_user] = {"{'user_id':'@a:x','limiter_name':'rc_invites.per_user'}",
                                                  "user=@a:x"},
    [CALLBACK_on_account_data_updated] = {"{'user_id':'@a:x','room_id':null,'account_data_type':'m.direct',"
                                          "'content':{}}",
                                          "user=@a:x type=m.direct"},
    [CALLBACK_on_update] = {"{'update_name':'u','database_name':'main','one_shot':false}", ""},
    [CALLBACK_default_batch_size] = {"{'update_name':'u','database_name':'main'}", ""},
    [CALLBACK_min_batch_size] = {"{'update_name':'u','database_name':'main'}", ""},
};

static void append_slice_or_dash(struct buffer *output, struct slice text)
{
    buffer_append_slice(output, slice_present(text) ? text : SLICE("-"));
}

/* All that the arguments tell, in the examples' form. */
static const char *told(const struct callback_arguments *arguments)
{
    static struct buffer output;
    buffer_clear(&output);
    for (int part = 0; part < SUBJECT_PARTS; part++) {
        struct slice text = subject_text(arguments, (enum subject_part)part);
        if (!slice_present(text))
            continue;
        buffer_append_format(&output, "%s%s=", output.length ? " " : "", part_names[part]);
        buffer_append_slice(&output, text);
    }
    struct subject_origin origin;
    for (size_t index = 0; subject_origin(arguments, index, &origin); index++) {
        if (index == 0)
            buffer_append_format(&output, "%sorigins=", output.length ? " " : "");
        append_slice_or_dash(&output, origin.agent);
        buffer_append_char(&output, ',');
        append_slice_or_dash(&output, origin.address);
        buffer_append_char(&output, ';');
    }
    return buffer_string(&output);
}

static bool is_about_event(int callback)
{
    return callback_definitions[callback].arguments[0].type == ARGUMENT_EVENT;
}

Test(subject, every_callback_tells_what_its_example_says)
{
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        const char *name = callback_definitions[callback].name;
        if (is_about_event(callback))
            continue;
        cr_assert_not_null(examples[callback].arguments, "%s has no example here", name);
        char json[512];
        snprintf(json, sizeof json, "%s", examples[callback].arguments);
        for (char *quote = json; (quote = strchr(quote, '\'')); quote++)
            *quote = '"';
        struct arena arena = {0};
        struct callback_arguments arguments = {0};
        const char *problem = NULL;
        json_t *object = json_loads(json, 0, NULL);
        cr_assert(callback_read_arguments((enum callback)callback, object, &arena, &arguments, &problem), "%s: %s",
                  name, problem);
        cr_expect_str_eq(told(&arguments), examples[callback].told, "%s: %s", name, told(&arguments));
        arguments.values = NULL;
        cr_expect_str_eq(told(&arguments), "", "%s without its arguments", name);
        json_decref(object);
        arena_free(&arena);
    }
}

Test(subject, rows_name_the_arguments_that_stand_there)
{
    static const struct {
        enum callback callback;
        uint32_t place;
        const char *argument;
    } rows[] = {
#define SUBJECT(callback, part, place, argument, member) {CALLBACK_##callback, place, argument},
#include "filters/subjects.def"
#undef SUBJECT
    };
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        const struct callback_definition *definition = &callback_definitions[rows[index].callback];
        cr_assert_lt(rows[index].place, definition->argument_count, "%s %s", definition->name, rows[index].argument);
        cr_expect_str_eq(definition->arguments[rows[index].place].name, rows[index].argument, "%s", definition->name);
    }
}

Test(subject, an_event_tells_the_same_to_every_callback)
{
    struct event message = {.type = SLICE("m.room.message"), .room_id = SLICE("!r:x"), .sender = SLICE("@a:x:8448")};
    struct event invite = {.type = SLICE("m.room.member"),
                           .room_id = SLICE("!r:x"),
                           .sender = SLICE("@a:x"),
                           .state_key = SLICE("@b:y"),
                           .membership = SLICE("invite")};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        if (!is_about_event(callback))
            continue;
        bool invites = callback == CALLBACK_federated_user_may_invite;
        struct callback_arguments arguments = {.callback = (enum callback)callback, .event = &message};
        cr_expect_str_eq(told(&arguments), "user=@a:x:8448 room=!r:x type=m.room.message");
        cr_expect(slice_equal(subject_server(&arguments), SLICE("x:8448")));
        cr_expect_eq(subject_is_invite(&arguments, 0), invites);
        arguments.event = &invite;
        cr_expect_str_eq(told(&arguments), "user=@a:x target=@b:y room=!r:x type=m.room.member state_key=@b:y");
        cr_expect(subject_is_invite(&arguments, 0));
        cr_expect_not(subject_is_leave(&arguments, 0));
    }
}

Test(subject, tells_leaving_from_being_kicked)
{
    struct event event = {.type = SLICE("m.room.member"), .sender = SLICE("@a:x"), .state_key = SLICE("@a:x")};
    struct callback_arguments arguments = {.callback = CALLBACK_check_event_for_spam, .event = &event};
    event.membership = SLICE("leave");
    cr_expect(subject_is_leave(&arguments, 0));
    event.membership = SLICE("join");
    cr_expect_not(subject_is_leave(&arguments, 0));
    event.membership = SLICE("leave");
    event.state_key = SLICE("@b:x");
    cr_expect_not(subject_is_leave(&arguments, 0), "a kick");
    event.state_key = SLICE_ABSENT;
    event.sender = SLICE_ABSENT;
    cr_expect_not(subject_is_leave(&arguments, 0), "without a body nobody knows");
    /* A request's event has it in its content only. */
    static const struct slice content[] = {{"join", 4}, {"leave", 5}};
    event = (struct event){.type = SLICE("m.room.member"), .sender = SLICE("@a:x"), .state_key = SLICE("@a:x")};
    event.has_body = true;
    event.content_strings = content;
    cr_expect(subject_is_leave(&arguments, 1));
    cr_expect_not(subject_is_leave(&arguments, 0));
    event.type = SLICE("org.other");
    cr_expect_not(subject_is_leave(&arguments, 1));
    arguments = (struct callback_arguments){.callback = CALLBACK_user_may_join_room};
    cr_expect_not(subject_is_leave(&arguments, 0));
}

Test(subject, takes_request_info_as_it_comes)
{
    static const char *const odd[] = {"null", "{}", "7", "[]"};
    for (size_t index = 0; index < sizeof odd / sizeof *odd; index++) {
        json_t *json = json_loads(odd[index], JSON_DECODE_ANY, NULL);
        struct value values[CALLBACK_ARGUMENTS_MAXIMUM] = {[3] = value_json(json)};
        struct callback_arguments arguments = {.callback = CALLBACK_check_login_for_spam, .values = values, .count = 5};
        struct subject_origin origin;
        cr_expect_not(subject_origin(&arguments, 0, &origin), "%s", odd[index]);
        json_decref(json);
    }
    json_t *json = json_loads("[7,[],[null],[1,2],[\"a\",\"1.2.3.4\"]]", 0, NULL);
    struct value values[CALLBACK_ARGUMENTS_MAXIMUM] = {[3] = value_json(json)};
    struct callback_arguments arguments = {.callback = CALLBACK_check_login_for_spam, .values = values, .count = 5};
    cr_expect_str_eq(told(&arguments), "origins=-,-;-,-;-,-;-,-;a,1.2.3.4;");
    json_decref(json);
}

Test(subject, server_names_behind_the_first_colon_and_without_their_port)
{
    static const struct {
        const char *id, *server, *host;
    } cases[] = {
        {"@a:x.example", "x.example", "x.example"},
        {"@a:x.example:8448", "x.example:8448", "x.example"},
        {"!r:[2001:db8::1]:8448", "[2001:db8::1]:8448", "[2001:db8::1]"},
        {"!r:[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]"},
        {"!r:[2001:db8::1", "[2001:db8::1", "[2001:db8::1"},
        {"@a:", "", ""},
        {"!version12roomid", NULL, NULL},
        {NULL, NULL, NULL},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct slice server = server_name_of(slice_from_string(cases[index].id));
        cr_expect(slice_equal(server, slice_from_string(cases[index].server)), "%s", cases[index].id);
        cr_expect(slice_equal(server_name_host(server), slice_from_string(cases[index].host)), "%s", cases[index].id);
    }
}
