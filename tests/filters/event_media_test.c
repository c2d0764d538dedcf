/* Which media an event names. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "filters/event_media.h"

static const struct {
    const char *body;
    const char *wanted; /* separated by spaces */
} cases[] = {
    {"{\"content\":{\"url\":\"mxc://a.example/Id_1-x\"}}", "mxc://a.example/Id_1-x"},
    {"{\"content\":{\"file\":{\"url\":\"mxc://a/1\"},\"info\":{\"thumbnail_file\":{\"url\":\"mxc://[::1]:8448/2\"}}}}",
     "mxc://a/1 mxc://[::1]:8448/2"},
    {"{\"content\":{\"a\":\"mxc://a/1\",\"b\":[\"mxc://a/1\",{\"c\":\"mxc:\\/\\/a\\/2\"}]}}", "mxc://a/1 mxc://a/2"},
    {"{\"content\":{\"formatted_body\":\"<img src='mxc://a/1'><img src=mxc://a/2/x>\"}}", "mxc://a/1 mxc://a/2"},
    {"{\"content\":{\"a\":\"mxc://\",\"b\":\"mxc://a\",\"c\":\"mxc:///id\",\"d\":\"mxc://a/\",\"e\":5}}", ""},
    {"{\"content\":{},\"url\":\"mxc://a/1\"}", ""},
    {"{\"content\":5}", ""},
};

Test(event_media, cases)
{
    struct slice uris[EVENT_MEDIA_MAXIMUM];
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct event event = {.has_body = true, .body = slice_from_string(cases[index].body)};
        char found[512] = "";
        uint32_t count = event_media(&event, uris);
        for (uint32_t uri = 0; uri < count; uri++)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.*s", uri ? " " : "",
                     (int)uris[uri].length, uris[uri].data);
        cr_expect_str_eq(found, cases[index].wanted, "%s", cases[index].body);
    }
}

Test(event_media, many_are_cut_off)
{
    char body[4096] = "{\"content\":{\"body\":\"";
    for (int index = 0; index < 50; index++)
        snprintf(body + strlen(body), sizeof body - strlen(body), " mxc://a/%d", index);
    strcat(body, "\"}}");
    struct slice uris[EVENT_MEDIA_MAXIMUM];
    struct event event = {.has_body = true, .body = slice_from_string(body)};
    cr_expect_eq(event_media(&event, uris), EVENT_MEDIA_MAXIMUM);
    cr_expect_eq(event_media(&(struct event){0}, uris), 0u);
}
