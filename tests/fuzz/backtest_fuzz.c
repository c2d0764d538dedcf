/* A recording and its bodies through a backtest of two chains: any bytes are counted or passed over, and what comes out
 * of it as JSON is JSON. The input is both files, parted by a NUL byte. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yyjson.h>

#include "engine/backtest_report.h"
#include "engine/log.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char *file_of(int *descriptor, char path[64], const uint8_t *data, size_t size)
{
    if (*descriptor <= 0)
        *descriptor = memfd_create("part", 0);
    snprintf(path, 64, "/proc/self/fd/%d", *descriptor);
    require(ftruncate(*descriptor, 0) == 0 && pwrite(*descriptor, data, size, 0) == (ssize_t)size);
    return path;
}

static struct chain *chain_of(const char *word)
{
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    static const struct module_host host = {0};
    json_t *keywords = json_pack("{s:[s]}", "patterns", word);
    struct module_options dry = {.dry_run = true};
    require(chain_append(chain, module_find("keywords"), keywords, NULL, &host));
    require(chain_append(chain, module_find("keywords"), keywords, &dry, &host));
    require(chain_seal(chain, NULL, NULL));
    json_decref(keywords);
    return chain;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct configuration sides[BACKTEST_SIDES];
    static int recording_file, bodies_file;
    static char recording_path[64], bodies_path[64];
    static char path[] = "x.yaml", server_name[] = "lab.test", instance_name[] = "weir1";
    if (!sides[0].chain) {
        log_threshold = LOG_ERROR;
        for (unsigned side = 0; side < BACKTEST_SIDES; side++)
            sides[side] = (struct configuration){.path = path,
                                                 .server_name = server_name,
                                                 .instance_name = instance_name,
                                                 .chain = chain_of(side ? "a" : "b")};
    }
    const uint8_t *part = size ? memchr(data, 0, size) : NULL;
    size_t length = part ? (size_t)(part - data) : size;
    const char *recording = file_of(&recording_file, recording_path, data, length);
    const char *bodies = part ? file_of(&bodies_file, bodies_path, part + 1, size - length - 1) : NULL;
    struct backtest_settings settings = {.configurations = {&sides[0], &sides[1]},
                                         .recordings = &recording,
                                         .recording_count = 1,
                                         .bodies = &bodies,
                                         .body_count = bodies ? 1 : 0,
                                         .jobs = 1};
    struct backtest_report report;
    struct buffer error = {0}, output = {0};
    bool good = backtest_run(&settings, &report, &error);
    require(good == (error.length == 0));
    backtest_append_json(&output, &report);
    yyjson_doc *document = yyjson_read(output.data, output.length, YYJSON_READ_NOFLAG);
    require(document != NULL);
    yyjson_doc_free(document);
    backtest_append_text(&output, &report);
    backtest_append_page(&output, &report);
    backtest_report_free(&report);
    buffer_free(&error);
    buffer_free(&output);
    return 0;
}
