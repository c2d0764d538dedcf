/* Files of ids, words and domains as administrators give them: any bytes through the modules that read them. */
#include <stdlib.h>

#include "filters/judge.h"

static struct slice file;

static void on_report(void *context, const char *path, const char *message)
{
    (void)context, (void)path;
    if (!*message)
        abort();
}

static bool read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    (void)context, (void)name, (void)error;
    buffer_append_slice(content, file);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const parameters[][2] = {
        {"sender_list", "users_file"}, {"keywords", "patterns_file"}, {"link_domains", "domains_file"}};
    static const struct module_host host = {.report = on_report, .read_file = read_file};
    if (size < 1 || size > 256)
        return 0;
    const char *const *parameter = parameters[data[0] % 3];
    file = slice_of((const char *)data + 1, size - 1);
    json_t *config = json_pack("{s:s}", parameter[1], "list.txt");
    struct chain *chain = chain_create(&(struct chain_settings){0});
    if (chain_append(chain, module_find(parameter[0]), config, NULL, &host)) {
        chain_seal(chain, NULL, NULL);
        struct judge *judge = judge_create(chain);
        struct event event = {0};
        struct slice body = SLICE("{\"sender\":\"@a:b.example\",\"content\":{\"body\":\"see http://a.example/ now\"}}");
        judge_read(judge, body, &event);
        judge_event(judge, &event, JUDGE_BOTH);
        judge_destroy(judge);
    }
    chain_destroy(chain);
    json_decref(config);
    return 0;
}
