/* The committed reference pages are those that the program prints. */
#include "engine/reference.h"

#include <criterion/criterion.h>

#include "engine/configuration_reader.h"

static void expect_page(void (*print)(struct buffer *output), const char *path)
{
    struct buffer printed = {0}, committed = {0}, error = {0};
    print(&printed);
    cr_assert(configuration_read_file(path, 1 << 20, &committed, &error), "%s: %s", path, buffer_string(&error));
    cr_expect(slice_equal(buffer_slice(&printed), buffer_slice(&committed)),
              "%s is not what the program prints: run `make reference`", path);
    buffer_free(&printed);
    buffer_free(&committed);
    buffer_free(&error);
}

Test(reference, pages_are_up_to_date)
{
    expect_page(reference_append_callbacks, "docs/reference/callbacks.md");
    expect_page(reference_append_modules, "docs/reference/modules.md");
    expect_page(reference_append_configuration, "docs/reference/configuration.md");
}
