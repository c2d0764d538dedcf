/* Any bytes as a configuration: it is refused with lines of text or accepted, never more. No file that it names is
 * read. The first byte chooses the purpose. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/configuration_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration =
        configuration_load_text("fuzz.yaml", slice_of((const char *)data + 1, size - 1),
                                (enum configuration_purpose)(data[0] % 3), NULL, false, &errors, &warnings);
    if ((configuration == NULL) != (errors.length > 0))
        abort();
    configuration_destroy(configuration);
    buffer_free(&errors);
    buffer_free(&warnings);
    return 0;
}
