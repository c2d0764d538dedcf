/* One row a library, whose functions are asked where they can tell: hiredis and Lua have their versions in headers
 * alone, libyaml in its function alone. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/libraries.h"

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <hs/hs.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <lua.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <pcre2.h>
#include <pg_config.h>
#include <string.h>
#include <xxhash.h>
#include <yaml.h>
#include <yyjson.h>
#include <zstd.h>

#include "replication/curl_library.h"

#define STRING_OF(text) #text
#define STRING(text) STRING_OF(text)
#define VERSION_BYTES 64u

/* Puts the version that runs into `text`, empty if it cannot be told. */
typedef void running_version(char text[VERSION_BYTES]);

/* Up to the first space: what follows is a build date, or whose build it is. */
static void copy_version(char text[VERSION_BYTES], const char *version)
{
    snprintf(text, VERSION_BYTES, "%.*s", (int)strcspn(version, " "), version);
}

static void libevent_running(char text[VERSION_BYTES])
{
    copy_version(text, event_get_version());
}

static void jansson_running(char text[VERSION_BYTES])
{
    copy_version(text, jansson_version_str());
}

static void yyjson_running(char text[VERSION_BYTES])
{
    unsigned version = yyjson_version();
    snprintf(text, VERSION_BYTES, "%u.%u.%u", version >> 16 & 0xff, version >> 8 & 0xff, version & 0xff);
}

static void libyaml_running(char text[VERSION_BYTES])
{
    copy_version(text, yaml_get_version_string());
}

static void openssl_running(char text[VERSION_BYTES])
{
    copy_version(text, OpenSSL_version(OPENSSL_VERSION_STRING));
}

static void vectorscan_running(char text[VERSION_BYTES])
{
    copy_version(text, hs_version());
}

static void pcre2_running(char text[VERSION_BYTES])
{
    char version[VERSION_BYTES] = "";
    pcre2_config(PCRE2_CONFIG_VERSION, version);
    copy_version(text, version);
}

static void zstd_running(char text[VERSION_BYTES])
{
    copy_version(text, ZSTD_versionString());
}

static void xxhash_running(char text[VERSION_BYTES])
{
    unsigned version = XXH_versionNumber();
    snprintf(text, VERSION_BYTES, "%u.%u.%u", version / 10000, version / 100 % 100, version % 100);
}

static void libpq_running(char text[VERSION_BYTES])
{
    int version = PQlibVersion();
    snprintf(text, VERSION_BYTES, "%d.%d", version / 10000, version % 10000);
}

static void libcurl_running(char text[VERSION_BYTES])
{
    struct buffer error = {0};
    if (curl_library_load(&error))
        copy_version(text, curl.version_info(CURLVERSION_NOW)->version);
    buffer_free(&error);
}

static const struct library {
    const char *name;
    const char *compiled; /* NULL: its headers do not say */
    running_version *running;
} libraries[] = {
    {"libevent", LIBEVENT_VERSION, libevent_running},
    {"hiredis", STRING(HIREDIS_MAJOR) "." STRING(HIREDIS_MINOR) "." STRING(HIREDIS_PATCH), NULL},
    {"jansson", JANSSON_VERSION, jansson_running},
    {"yyjson", YYJSON_VERSION_STRING, yyjson_running},
    {"libyaml", NULL, libyaml_running},
    {"OpenSSL", OPENSSL_FULL_VERSION_STR, openssl_running},
    {"Vectorscan", STRING(HS_MAJOR) "." STRING(HS_MINOR) "." STRING(HS_PATCH), vectorscan_running},
    {"PCRE2", STRING(PCRE2_MAJOR) "." STRING(PCRE2_MINOR), pcre2_running},
    {"Lua", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE, NULL},
    {"zstd", ZSTD_VERSION_STRING, zstd_running},
    {"xxHash", STRING(XXH_VERSION_MAJOR) "." STRING(XXH_VERSION_MINOR) "." STRING(XXH_VERSION_RELEASE), xxhash_running},
    {"libpq", PG_VERSION, libpq_running},
    {"libcurl", LIBCURL_VERSION, libcurl_running},
};
#define LIBRARY_COUNT (sizeof libraries / sizeof *libraries)

static void find_versions(const struct library *library, char compiled[VERSION_BYTES], char running[VERSION_BYTES])
{
    *compiled = *running = '\0';
    if (library->compiled)
        copy_version(compiled, library->compiled);
    if (library->running)
        library->running(running);
}

void libraries_append_text(struct buffer *output)
{
    buffer_append_format(output, "  %-12s%-16s%s\n", "library", "compiled with", "running");
    for (size_t index = 0; index < LIBRARY_COUNT; index++) {
        char compiled[VERSION_BYTES], running[VERSION_BYTES];
        find_versions(&libraries[index], compiled, running);
        buffer_append_format(output, "  %-12s%-16s%s\n", libraries[index].name, *compiled ? compiled : "-",
                             *running ? running : "-");
    }
}

static void append_json_version(struct buffer *output, const char *version)
{
    if (*version)
        buffer_append_json_string(output, slice_from_string(version));
    else
        buffer_append_string(output, "null");
}

void libraries_append_json(struct buffer *output)
{
    for (size_t index = 0; index < LIBRARY_COUNT; index++) {
        char compiled[VERSION_BYTES], running[VERSION_BYTES];
        find_versions(&libraries[index], compiled, running);
        buffer_append_format(output, "%s\"%s\":{\"compiled\":", index ? "," : "{", libraries[index].name);
        append_json_version(output, compiled);
        buffer_append_string(output, ",\"running\":");
        append_json_version(output, running);
        buffer_append_char(output, '}');
    }
    buffer_append_char(output, '}');
}
