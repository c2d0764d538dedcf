/* The folder of kept pattern sets: what goes when it is too large, or too old, and which folder is trusted. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/pattern_folder.h"

static char folder_path[] = "/tmp/weir-patterns.XXXXXX";
static char path[4096];

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/patterns/%s", folder_path, name);
    return path;
}

static void open_folder(struct pattern_folder *folder)
{
    cr_assert_not_null(mkdtemp(folder_path));
    in_folder("");
    path[strlen(path) - 1] = '\0';
    pattern_folder_open(folder, path);
}

static void set_age(const char *name, int days)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - (time_t)days * 86400}, {.tv_nsec = 0}};
    times[1] = times[0];
    cr_assert_eq(utimensat(AT_FDCWD, in_folder(name), times, 0), 0);
}

static bool is_there(const char *name)
{
    return access(in_folder(name), F_OK) == 0;
}

static bool get(struct pattern_folder *folder, const char *name)
{
    struct buffer content = {0};
    bool got = folder->store.get(folder, name, &content);
    buffer_free(&content);
    return got;
}

static void remove_all(struct pattern_folder *folder)
{
    char command[4200];
    pattern_folder_close(folder);
    snprintf(command, sizeof command, "rm -rf %s", folder_path);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c) */
}

Test(pattern_folder, what_was_used_least_recently_goes)
{
    struct pattern_folder folder;
    char content[1000] = {0};
    open_folder(&folder);
    folder.bytes_maximum = 3500;
    cr_expect_not(get(&folder, "a"));
    static const char *const names[] = {"a", "b", "c"};
    for (int index = 0; index < 3; index++)
        folder.store.put(&folder, names[index], slice_of(content, sizeof content));
    cr_expect_eq(folder.written, 3);
    set_age("a.patterns", 3);
    set_age("b.patterns", 2);
    set_age("c.patterns", 1);
    cr_expect(get(&folder, "a"), "now it is the newest");
    cr_expect_eq(folder.found, 1);
    folder.store.put(&folder, "d", slice_of(content, sizeof content));
    cr_expect(is_there("a.patterns"));
    cr_expect_not(is_there("b.patterns"));
    cr_expect(is_there("c.patterns"));
    cr_expect(is_there("d.patterns"));
    folder.bytes_maximum = 10;
    folder.store.put(&folder, "e", slice_of(content, sizeof content));
    cr_expect(is_there("e.patterns"), "the newest stays, however large");
    cr_expect_not(is_there("a.patterns"));
    remove_all(&folder);
}

Test(pattern_folder, what_is_old_goes_and_what_is_not_ours_stays)
{
    struct pattern_folder folder;
    open_folder(&folder);
    folder.store.put(&folder, "old", SLICE("x"));
    folder.store.put(&folder, "young", SLICE("x"));
    set_age("old.patterns", PATTERN_FOLDER_DAYS_MAXIMUM + 1);
    static const char *const others[] = {"notes", "left.patterns.1234", "new.patterns.99"};
    for (int index = 0; index < 3; index++) {
        FILE *file = fopen(in_folder(others[index]), "w");
        cr_assert_not_null(file);
        fclose(file);
    }
    set_age("notes", 1000);
    set_age("left.patterns.1234", 1);
    folder.store.put(&folder, "next", SLICE("x"));
    cr_expect_not(is_there("old.patterns"));
    cr_expect(is_there("young.patterns"));
    cr_expect(is_there("notes"));
    cr_expect_not(is_there("left.patterns.1234"), "somebody died while it was written");
    cr_expect(is_there("new.patterns.99"), "somebody writes it now");
    remove_all(&folder);
}

Test(pattern_folder, others_may_not_write_to_it)
{
    struct pattern_folder folder;
    open_folder(&folder);
    folder.store.put(&folder, "a", SLICE("x"));
    cr_expect(get(&folder, "a"));
    in_folder("");
    char *trusted = strdup(path);
    pattern_folder_close(&folder);
    cr_assert_eq(chmod(trusted, 0770), 0);
    pattern_folder_open(&folder, trusted);
    cr_expect_not(get(&folder, "a"));
    folder.store.put(&folder, "b", SLICE("x"));
    cr_expect_eq(folder.written, 0);
    free(trusted);
    remove_all(&folder);
}

Test(pattern_folder, a_folder_that_cannot_be_made_stops_nothing)
{
    struct pattern_folder folder;
    pattern_folder_open(&folder, "/nowhere/at/all");
    cr_expect_not(get(&folder, "a"));
    folder.store.put(&folder, "a", SLICE("x"));
    cr_expect_eq(folder.written, 0);
    pattern_folder_close(&folder);
}
