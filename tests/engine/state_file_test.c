/* The state file's form, and what is refused. */
#include "engine/state_file.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct state_owner owner = {"lab.test", "weir1"};

static void fill(struct positions_copy *positions)
{
    positions_copy_set(positions, SLICE("weir1 events persister1"), SLICE("12"));
    positions_copy_set(positions, SLICE("weir1 events.ahead persister1"), SLICE("[15,13,[14,\"$a\"]]"));
    positions_copy_set(positions, SLICE("weir1 verdicts weir1"), SLICE("900"));
}

static void expect_same(struct positions_copy *read)
{
    cr_expect_eq(read->count, 3u);
    cr_expect(slice_equal(positions_copy_find(read, SLICE("weir1 events persister1")), SLICE("12")));
    cr_expect(
        slice_equal(positions_copy_find(read, SLICE("weir1 events.ahead persister1")), SLICE("[15,13,[14,\"$a\"]]")));
}

/* Expects `text`, with the first `from` in it replaced, to be refused for a reason that says `problem`. */
static void expect_refused(struct slice text, const char *from, const char *to, const char *problem)
{
    struct buffer changed = {0};
    struct positions_copy read = {0};
    const char *found = memmem(text.data, text.length, from, strlen(from)), *reason = NULL;
    cr_assert_not_null(found, "%s", from);
    buffer_append(&changed, text.data, (size_t)(found - text.data));
    buffer_append_string(&changed, to);
    buffer_append(&changed, found + strlen(from), text.length - (size_t)(found - text.data) - strlen(from));
    cr_assert_not(state_file_parse(buffer_slice(&changed), &owner, &read, &reason), "%s", to);
    cr_expect_not_null(strstr(reason, problem), "%s: %s", to, reason);
    cr_expect_null(read.fields);
    buffer_free(&changed);
}

Test(state_file, what_is_written_is_read_and_what_was_changed_is_not)
{
    struct positions_copy positions = {0}, read = {0};
    struct buffer text = {0};
    const char *problem;
    fill(&positions);
    positions_copy_set(&positions, SLICE("weir1 events \xff"), SLICE("7")); /* no UTF-8: not kept */
    state_file_append(&text, &owner, &positions);
    cr_assert(state_file_parse(buffer_slice(&text), &owner, &read, &problem), "%s", problem);
    expect_same(&read);
    positions_copy_free(&read);

    struct slice whole = buffer_slice(&text);
    expect_refused(whole, "\"12\"", "\"13\"", "damaged");
    expect_refused(whole, "\"12\"", "12", "no text");
    expect_refused(whole, "persister1", "persister2", "damaged");
    expect_refused(whole, "\"weir_state\":1", "\"weir_state\":2", "another version");
    expect_refused(whole, "weir_state", "other_state", "no state file");
    expect_refused(whole, "\"instance_name\":\"weir1\"", "\"instance_name\":\"weir2\"", "another server or instance");
    expect_refused(whole, "lab.test", "lab.tess", "another server or instance");
    expect_refused(whole, "}}", "}", "no JSON");
    for (size_t length = 0; length < whole.length - 2; length++)
        cr_assert_not(state_file_parse(slice_of(whole.data, length), &owner, &read, &problem), "cut at %zu", length);
    positions_copy_free(&positions);
    buffer_free(&text);
}

Test(state_file, a_file_is_replaced_whole_and_leaves_nothing_beside_it)
{
    char folder[] = "/tmp/weir-state.XXXXXX";
    struct buffer path = {0}, text = {0}, missing = {0};
    struct positions_copy positions = {0}, read = {0};
    const char *problem, *step;
    cr_assert_not_null(mkdtemp(folder));
    state_file_append_path(&path, folder, &owner);
    cr_assert_eq(state_file_read(buffer_string(&path), &owner, &read, &problem), STATE_FILE_ABSENT);
    fill(&positions);
    for (int round = 0; round < 2; round++) {
        buffer_clear(&text);
        state_file_append(&text, &owner, &positions);
        cr_assert_eq(state_file_replace(buffer_string(&path), buffer_slice(&text), &step), 0, "%s", step);
    }
    cr_assert_eq(state_file_read(buffer_string(&path), &owner, &read, &problem), STATE_FILE_READ);
    expect_same(&read);
    positions_copy_free(&read);
    struct stat status;
    cr_assert_eq(stat(buffer_string(&path), &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600u);

    buffer_append_format(&missing, "%s/none/file", folder);
    cr_expect_neq(state_file_replace(buffer_string(&missing), buffer_slice(&text), &step), 0);
    cr_expect_str_eq(step, "create the temporary file");
    cr_expect_eq(state_file_read(folder, &owner, &read, &problem), STATE_FILE_UNUSABLE, "a folder");
    cr_assert_eq(unlink(buffer_string(&path)), 0);
    cr_assert_eq(rmdir(folder), 0, "nothing else is left");
    positions_copy_free(&positions);
    buffer_free(&path);
    buffer_free(&text);
    buffer_free(&missing);
}

Test(state_file, names_stay_in_the_folder)
{
    struct buffer path = {0};
    state_file_append_path(&path, "/d", &(struct state_owner){"../a:8448", "w/\xc3\xa4"});
    cr_expect_str_eq(buffer_string(&path), "/d/..%2Fa%3A8448.w%2F%C3%A4.positions");
    char longest[256];
    memset(longest, '/', sizeof longest - 1);
    longest[255] = 0;
    struct buffer other = {0};
    buffer_clear(&path);
    state_file_append_path(&path, "/d", &(struct state_owner){longest, "weir1"});
    state_file_append_path(&other, "/d", &(struct state_owner){longest, "weir2"});
    cr_expect_lt(path.length, 3u + 255u - 12u, "room for the temporary file's name");
    cr_expect(!slice_equal(buffer_slice(&path), buffer_slice(&other)));
    buffer_free(&path);
    buffer_free(&other);
}
