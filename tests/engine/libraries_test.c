/* What `weir version` says of its libraries. */
#include "engine/libraries.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <zstd.h>

Test(libraries, versions_of_headers_and_of_what_is_loaded)
{
    struct buffer text = {0};
    libraries_append_json(&text);
    json_t *libraries = json_loadb(text.data, text.length, 0, NULL);
    cr_assert(libraries, "%s", buffer_string(&text));
    const char *compiled, *running;
    cr_assert_eq(json_unpack(libraries, "{s:{s:s,s:s}}", "zstd", "compiled", &compiled, "running", &running), 0);
    cr_expect_str_eq(compiled, ZSTD_VERSION_STRING);
    cr_expect_str_eq(running, ZSTD_versionString());
    const char *name;
    json_t *versions;
    json_object_foreach(libraries, name, versions)
    {
        const char *compiled_text = json_string_value(json_object_get(versions, "compiled"));
        const char *running_text = json_string_value(json_object_get(versions, "running"));
        cr_expect(compiled_text || running_text, "%s tells nothing", name);
        cr_expect(!compiled_text || (*compiled_text >= '0' && *compiled_text <= '9'), "%s: %s", name, compiled_text);
        cr_expect(!running_text || (*running_text >= '0' && *running_text <= '9'), "%s: %s", name, running_text);
    }
    cr_expect(json_is_null(json_object_get(json_object_get(libraries, "hiredis"), "running")));
    json_decref(libraries);
    buffer_free(&text);
}

Test(libraries, a_line_each)
{
    struct buffer text = {0};
    libraries_append_text(&text);
    for (const char *const *name =
             (const char *const[]){"libevent", "hiredis", "jansson", "yyjson", "libyaml", "OpenSSL", "Vectorscan",
                                   "Lua", "zstd", "libpq", "libcurl", NULL};
         *name; name++)
        cr_expect(strstr(buffer_string(&text), *name), "%s", *name);
    buffer_free(&text);
}
