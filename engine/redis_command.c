/* Redis's protocol in the direction of the server: an array of bulk strings, so that every argument may hold any byte.
 */
#include "engine/redis_link.h"

static void append_header(struct buffer *output, char type, size_t value)
{
    buffer_append_char(output, type);
    buffer_append_integer(output, (int64_t)value);
    buffer_append(output, "\r\n", 2);
}

void redis_append_argument(struct buffer *output, struct slice argument)
{
    append_header(output, '$', argument.length);
    buffer_append_slice(output, argument);
    buffer_append(output, "\r\n", 2);
}

void redis_append_command(struct buffer *output, const struct slice *arguments, size_t count)
{
    append_header(output, '*', count);
    for (size_t index = 0; index < count; index++)
        redis_append_argument(output, arguments[index]);
}
