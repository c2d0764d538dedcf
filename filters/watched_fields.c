/* The reasons are made when the module is, so that a hit costs no formatting. */
#include "filters/watched_fields.h"

#include <stdlib.h>

#include "base/memory.h"

bool watched_fields_create(struct watched_fields *watched, const struct text_list *names, const char *what,
                           struct field_table *table, const struct module_host *host)
{
    *watched = (struct watched_fields){memory_allocate_zeroed(names->count, sizeof *watched->fields), 0};
    if (names->count == 0)
        module_host_report(host, "fields", "without fields the module would look at nothing");
    for (size_t index = 0; index < names->count; index++) {
        struct slice name = slice_from_string(names->items[index]);
        struct buffer reason = {0};
        buffer_append_format(&reason, "%s %s", names->items[index], what);
        watched->fields[watched->count++] = (struct watched_field){
            field_table_declare(table, name), slice_of(memory_copy_text(reason.data, reason.length), reason.length)};
        buffer_free(&reason);
    }
    return names->count != 0;
}

void watched_fields_free(struct watched_fields *watched)
{
    for (size_t index = 0; index < watched->count; index++)
        free((char *)watched->fields[index].reason.data);
    free(watched->fields);
    *watched = (struct watched_fields){0};
}
