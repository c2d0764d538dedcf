/* What the table of the configuration's keys tells people, held against what a configuration without any keys is. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/configuration_reader.h"
#include "filters/duration.h"

static int64_t stored_integer(const struct configuration *configuration, const struct setting *setting)
{
    const char *member = (const char *)configuration + setting->offset;
    int64_t wide = 0;
    memcpy(&wide, member, setting->size);
    return wide;
}

/* The fallback as it would be stored. */
static int64_t told_integer(const struct setting *setting)
{
    int64_t value = 0;
    switch (setting->type) {
    case SETTING_BOOLEAN:
        return strcmp(setting->fallback, "true") == 0;
    case SETTING_DURATION:
        if (strcmp(setting->fallback, "0") != 0)
            cr_expect(duration_read(setting->fallback, &value), "%s", setting->name);
        return value;
    case SETTING_CHOICE:
        while (setting->choices[value] && strcmp(setting->choices[value], setting->fallback) != 0)
            value++;
        return value;
    default:
        return strtoll(setting->fallback, NULL, 10);
    }
}

static void expect_default(const struct configuration *configuration, const struct setting *setting)
{
    if (setting->type == SETTING_TEXT) {
        const char *text = *(char *const *)((const char *)configuration + setting->offset);
        cr_expect(!text || strcmp(text, setting->fallback) == 0, "%s: %s", setting->name, text);
        return;
    }
    if (setting->type == SETTING_KNOWN || setting->check == configuration_check_redis_verify)
        return;
    cr_expect_eq(stored_integer(configuration, setting), told_integer(setting), "%s is told to be %s by default",
                 setting->name, setting->fallback);
}

static size_t expect_rows(const struct configuration *configuration, const struct setting *setting)
{
    size_t defaults = 0;
    for (; setting->name; setting++) {
        bool number = setting->type == SETTING_INTEGER || setting->type == SETTING_DURATION;
        size_t length = setting->text ? strlen(setting->text) : 0;
        cr_expect(length && setting->text[length - 1] == '.', "%s has no sentence", setting->name);
        cr_expect_eq(setting->type == SETTING_KNOWN, setting->shape != NULL, "%s", setting->name);
        cr_expect(setting->fallback || !(number || setting->type == SETTING_CHOICE), "%s has no default",
                  setting->name);
        struct buffer type = {0};
        configuration_describe_type(setting, &type);
        cr_expect(type.length > 0, "%s", setting->name);
        buffer_free(&type);
        if (setting->fallback) {
            expect_default(configuration, setting);
            defaults++;
        }
        if (setting->children)
            defaults += expect_rows(configuration, setting->children);
    }
    return defaults;
}

Test(configuration_schema, every_key_has_a_sentence_and_tells_its_true_default)
{
    struct buffer errors = {0};
    struct configuration *configuration =
        configuration_load_text("weir.yaml", slice_from_string("server_name: lab.test\nredis: {}\nmodules: []\n"),
                                CONFIGURATION_FOR_RUN, NULL, false, &errors, NULL);
    cr_assert(configuration, "%s", buffer_string(&errors));
    cr_expect_gt(expect_rows(configuration, configuration_settings), 30u);
    configuration_destroy(configuration);
    buffer_free(&errors);
}

Test(configuration_schema, types_for_people)
{
    struct buffer type = {0};
    configuration_describe_type(configuration_setting_find("lease"), &type);
    cr_expect_str_eq(buffer_string(&type), "duration from 300ms to 1h");
    buffer_clear(&type);
    configuration_describe_type(configuration_setting_find("role"), &type);
    cr_expect_str_eq(buffer_string(&type), "one of alone, active, standby");
    buffer_clear(&type);
    configuration_describe_type(configuration_setting_find("http"), &type);
    cr_expect_str_eq(buffer_string(&type), "map, or false");
    buffer_free(&type);
}
