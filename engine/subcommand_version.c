/* `weir version`: the versions that a bug report needs. Those of the libraries are asked of the libraries that are
 * loaded, where they can tell. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <hs/hs.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include <yaml.h>
#include <yyjson.h>
#include <zstd.h>

#include "engine/option.h"

static int version_run(const void *options, char **operands, size_t operand_count)
{
    (void)options, (void)operands, (void)operand_count;
    char pcre2[64] = "unknown";
    unsigned xxhash = XXH_versionNumber(), yyjson = yyjson_version();
    int libpq = PQlibVersion();
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    printf("weir %s\n", WEIR_VERSION);
    printf("  libevent    %s\n", event_get_version());
    printf("  hiredis     %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    printf("  jansson     %s\n", jansson_version_str());
    printf("  yyjson      %u.%u.%u\n", yyjson >> 16 & 0xff, yyjson >> 8 & 0xff, yyjson & 0xff);
    /* It ends in a build date, or in a space where that was left out. */
    printf("  vectorscan  %.*s\n", (int)strcspn(hs_version(), " "), hs_version());
    printf("  pcre2       %s\n", pcre2);
    printf("  libyaml     %s\n", yaml_get_version_string());
    printf("  libpq       %d.%d\n", libpq / 10000, libpq % 10000);
    printf("  xxhash      %u.%u.%u\n", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
    printf("  zstd        %s\n", ZSTD_versionString());
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static const struct option_definition version_options[] = {{.name = NULL}};

const struct subcommand subcommand_version = {
    .name = "version",
    .summary = "show the version of weir and of its libraries",
    .synopsis = "weir version",
    .description = "Prints weir's version on the first line, then the libraries that it runs with, one a line.",
    .options = version_options,
    .run = version_run,
};
