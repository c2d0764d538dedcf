/* Placeholder of the interface until the real one lands. */
#include "filters/selector.h"
#include <stdlib.h>
struct selector *selector_create(const json_t *only, const json_t *except, const struct module_host *host)
{
    (void)only, (void)except, (void)host;
    return NULL;
}
void selector_destroy(struct selector *selector)
{
    (void)selector;
}
bool selector_selects(const struct selector *selector, const struct callback_arguments *arguments)
{
    (void)selector, (void)arguments;
    return true;
}
void selector_describe(const struct selector *selector, struct buffer *output)
{
    (void)selector, (void)output;
}
