/* Bodies of events, through the proxy: a script walks everything that is there, by every way there is, and keeps what
 * it got until the next event, where it must not be of use. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/judge.h"
#include "filters/module.h"

static const char script[] =
    "fields = {'body'}\n"
    "local kept\n"
    "local function walk(value, depth)\n"
    "  if type(value) ~= 'userdata' then return 1 end\n"
    "  local n = #value\n"
    "  for key, member in pairs(value) do n = n + walk(member, depth + 1) + walk(value[key], depth + 1) end\n"
    "  for index, item in ipairs(value) do n = n + walk(item, depth + 1) end\n"
    "  for index = #value, 1, -1 do n = n + walk(value[index], depth + 1) end\n"
    "  return n\n"
    "end\n"
    "function check_event_for_spam(event)\n"
    "  if kept then\n"
    "    local good = pcall(function() return #kept end)\n"
    "    if good then error('a proxy outlived its event') end\n"
    "  end\n"
    "  kept = event.content\n"
    "  local n = event.content and walk(event.content, 0) or 0\n"
    "  local copied, copy = pcall(weir.copy, event.content)\n"
    "  for _, name in ipairs{'sender', 'type', 'room_id', 'state_key', 'redacts', 'event_id', 'membership', "
    "'unsigned'} do\n"
    "    n = n + (event[name] and 1 or 0)\n"
    "  end\n"
    "  if event.content and event.content.body then n = n + #tostring(event.content.body) end\n"
    "  return copied and copy, event.content, n\n"
    "end\n"
    "function check_event_allowed(event)\n"
    "  return true, replace{content = event.content}\n"
    "end\n";

static void report(void *context, const char *path, const char *message)
{
    (void)context, (void)path, (void)message;
    abort();
}

static bool read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    (void)context, (void)name, (void)error;
    buffer_append_string(content, script);
    return true;
}

static struct judge *open_judge(void)
{
    struct module_host host = {.report = report, .read_file = read_file};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    json_t *config = json_pack("{s:s, s:i, s:i}", "script", "fuzz.lua", "instructions", 100000, "memory", 4 << 20);
    if (!chain_append(chain, module_find("lua"), config, NULL, &host))
        abort();
    json_decref(config);
    if (!chain_seal(chain, NULL, NULL))
        abort();
    return judge_create(chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct judge *judge;
    if (!judge)
        judge = open_judge();
    char *copy = memory_copy_text((const char *)data, size); /* of its own size, so that ASan sees its end */
    struct event event = {0};
    if (judge_read(judge, slice_of(copy, size), &event) == EVENT_READ_OK) {
        const struct value *value = &judge_event(judge, &event, JUDGE_EVENT_FOR_SPAM)->result.value;
        if (value->kind == VALUE_RAISED && memmem(value->raised->text.data, value->raised->text.length, "outlived", 8))
            abort();
        judge_event(judge, &event, JUDGE_EVENT_ALLOWED);
    }
    free(copy);
    return 0;
}
