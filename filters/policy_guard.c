/* Guards compare without regard to case even where the rules do not: they are to be hard to get past. */
#include "filters/policy_guard.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "filters/case_folding.h"
#include "filters/glob_match.h"
#include "filters/server_name.h"

size_t policy_fold(struct slice text, char *output)
{
    size_t length = text.length;
    if (case_fold_is_ascii(text))
        memcpy(output, text.data, length);
    else
        length = case_fold_text(text, output);
    for (size_t at = 0; at < length; at++)
        output[at] = (char)(output[at] | (output[at] >= 'A' && output[at] <= 'Z' ? 0x20 : 0));
    return length;
}

static void add(struct policy_guard *guard, enum policy_kind kind, struct slice text, bool whole_only)
{
    char *folded = memory_allocate(text.length + 1);
    size_t length = policy_fold(text, folded);
    guard->entries[guard->count++] = (struct guarded){kind, whole_only, slice_of(folded, length)};
}

static enum policy_kind kind_of(struct slice text)
{
    if (text.length && text.data[0] == '@')
        return POLICY_USER;
    return text.length && text.data[0] == '!' ? POLICY_ROOM : POLICY_SERVER;
}

void policy_guard_open(struct policy_guard *guard, const struct text_list *never, struct slice server_name)
{
    struct buffer everybody = {0};
    guard->count = 0;
    guard->entries = memory_allocate_zeroed(never->count + 2, sizeof *guard->entries);
    for (size_t index = 0; index < never->count; index++) {
        struct slice text = slice_from_string(never->items[index]);
        enum policy_kind kind = kind_of(text);
        add(guard, kind, kind == POLICY_SERVER ? server_name_host(text) : text, false);
    }
    /* As somebody with a name of eight letters, whatever they are: a rule of `@?*:*` is one for all, too. */
    buffer_append_string(&everybody, "@????????:");
    buffer_append_slice(&everybody, server_name);
    add(guard, POLICY_SERVER, server_name_host(server_name), false);
    add(guard, POLICY_USER, buffer_slice(&everybody), true);
    buffer_free(&everybody);
}

void policy_guard_free(struct policy_guard *guard)
{
    for (size_t index = 0; index < guard->count; index++)
        free((char *)(uintptr_t)guard->entries[index].text.data);
    free(guard->entries);
    *guard = (struct policy_guard){0};
}

bool policy_guard_refuses(const struct policy_guard *guard, enum policy_kind kind, struct slice entity)
{
    for (size_t index = 0; index < guard->count; index++)
        if (guard->entries[index].kind == kind && glob_covers(entity, guard->entries[index].text))
            return true;
    return false;
}

bool policy_guard_exempts(const struct policy_guard *guard, enum policy_kind kind, struct slice name)
{
    for (size_t index = 0; index < guard->count; index++)
        if (guard->entries[index].kind == kind && !guard->entries[index].whole_only &&
            glob_matches(guard->entries[index].text, name))
            return true;
    return false;
}
