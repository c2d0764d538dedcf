/* What media catches and what it must let pass. */
#include "tests/filters/content_fixture.h"

#define MESSAGE(type, members) "{\"type\":\"m.room.message\",\"content\":{\"msgtype\":\"" type "\"" members "}}"
#define NAMED(name) MESSAGE("m.file", ",\"body\":\"" name "\"")
#define TYPED(type) MESSAGE("m.image", ",\"body\":\"x\",\"info\":{\"mimetype\":\"" type "\"}")
#define HTML(text) MESSAGE("m.text", ",\"body\":\"x\",\"formatted_body\":\"" text "\"")
#define EDIT(content) "{\"type\":\"m.room.message\",\"content\":{\"msgtype\":\"m.text\",\"m.new_content\":" content "}}"
#define VOICE MESSAGE("m.audio", ",\"org.matrix.msc3245.voice\":{}")
#define STICKER "{\"type\":\"m.sticker\",\"content\":{\"body\":\"See a.exe\",\"url\":\"mxc://a/b\"}}"
#define REACTION(key)                                                                                                  \
    "{\"type\":\"m.reaction\",\"content\":{\"m.relates_to\":{\"rel_type\":\"m.annotation\",\"key\":\"" key "\"}}}"
#define GALLERY(items) MESSAGE("dm.filament.gallery", ",\"itemtypes\":[" items "]")

static void open_media(struct module_fixture *fixture, const char *configuration)
{
    *fixture = (struct module_fixture){0};
    cr_assert(fixture_open(fixture, "media", configuration), "%s", fixture->reports);
}

Test(media, nothing_by_default)
{
    struct module_fixture fixture;
    open_media(&fixture, "{}");
    cr_expect(strstr(fixture.reports, "warning: : nothing is denied"), "%s", fixture.reports);
    CONTENT_PASS(&fixture, MESSAGE("m.image", ",\"info\":{\"size\":99999999999}"));
    CONTENT_PASS(&fixture, HTML("<img src=x height=9999>"));
    CONTENT_PASS(&fixture, STICKER);
    fixture_close(&fixture);
}

Test(media, kinds)
{
    static const struct {
        const char *kind;
        const char *body;
    } cases[] = {
        {"image", MESSAGE("m.image", "")},
        {"video", MESSAGE("m.video", "")},
        {"audio", MESSAGE("m.audio", "")},
        {"voice", VOICE},
        {"file", MESSAGE("m.file", "")},
        {"sticker", STICKER},
        {"inline_image", HTML("a <IMG src='mxc://a/b' data-mx-emoticon height=32>")},
        {"custom_reaction", REACTION("mxc://a/b")},
        {"gallery", GALLERY("{\"itemtype\":\"m.image\"}")},
    };
    size_t count = sizeof cases / sizeof *cases;
    for (size_t denied = 0; denied < count; denied++) {
        struct module_fixture fixture;
        char configuration[64];
        snprintf(configuration, sizeof configuration, "{\"deny\": \"%s\"}", cases[denied].kind);
        open_media(&fixture, configuration);
        for (size_t index = 0; index < count; index++) {
            bool in_gallery = denied == 0 && index == count - 1;
            if (index == denied || in_gallery)
                CONTENT_HIT(&fixture, cases[index].body, cases[denied].kind);
            else
                CONTENT_PASS(&fixture, cases[index].body);
        }
        CONTENT_PASS(&fixture, MESSAGE("m.text", ",\"body\":\"image video.mp4 <img>\""));
        CONTENT_PASS(&fixture, HTML("no &lt;img&gt; <b>here</b>"));
        CONTENT_PASS(&fixture, REACTION("👍"));
        fixture_close(&fixture);
    }
}

Test(media, an_edit_is_looked_into)
{
    struct module_fixture fixture;
    open_media(&fixture, "{\"deny\": [\"image\", \"inline_image\"], \"deny_mimetypes\": \"video/*\"}");
    CONTENT_HIT(&fixture, EDIT("{\"msgtype\":\"m.image\"}"), "image");
    CONTENT_HIT(&fixture, EDIT("{\"msgtype\":\"m.text\",\"formatted_body\":\"<img src=x>\"}"), "inline_image");
    CONTENT_HIT(&fixture, EDIT("{\"msgtype\":\"m.file\",\"info\":{\"mimetype\":\"video/mp4\"}}"), "video/*");
    CONTENT_PASS(&fixture, EDIT("{\"msgtype\":\"m.text\",\"body\":\"x\"}"));
    CONTENT_PASS(&fixture, EDIT("7"));
    fixture_close(&fixture);
}

Test(media, types_and_names)
{
    struct module_fixture fixture;
    open_media(&fixture, "{\"deny_mimetypes\": [\"video/*\", \"image/svg*\"], \"allow_mimetypes\": [\"video/mp4\"], "
                         "\"deny_extensions\": [\"exe\", \"s?r\"]}");
    CONTENT_HIT(&fixture, TYPED("video/webm"), "video/*");
    EXPECT_SLICE(fixture.outcome.result.reason, "the type of the file is on the list");
    EXPECT_SLICE(fixture.outcome.result.evidence, "video/webm");
    CONTENT_HIT(&fixture, TYPED(" Image/SVG+xml ; charset=utf-8"), "image/svg*");
    CONTENT_PASS(&fixture, TYPED("video/mp4;codecs=x"));
    CONTENT_PASS(&fixture, TYPED("image/png"));
    CONTENT_PASS(&fixture, MESSAGE("m.image", ""));
    CONTENT_HIT(&fixture, NAMED("setup.EXE"), "exe");
    CONTENT_HIT(&fixture, NAMED("a.pdf.scr. "), "s?r");
    CONTENT_HIT(&fixture, NAMED("photo\\u202egpj.exe"), "exe");
    CONTENT_HIT(&fixture, MESSAGE("m.image", ",\"body\":\"a caption\",\"filename\":\"a.exe\""), "exe");
    CONTENT_PASS(&fixture, MESSAGE("m.image", ",\"body\":\"not setup.exe\",\"filename\":\"a.png\""));
    CONTENT_PASS(&fixture, NAMED("exe"));
    CONTENT_PASS(&fixture, NAMED("a.exe.pdf"));
    CONTENT_PASS(&fixture, MESSAGE("m.text", ",\"body\":\"run setup.exe\""));
    CONTENT_PASS(&fixture, STICKER);
    CONTENT_HIT(&fixture,
                GALLERY("{\"itemtype\":\"m.file\",\"body\":\"a.pdf\"},{\"itemtype\":\"m.file\",\"body\":\"b.exe\"}"),
                "exe");
    fixture_close(&fixture);
    open_media(&fixture, "{\"deny_extensions\": \"*\", \"allow_extensions\": [\"png\", \"jp*g\"]}");
    CONTENT_PASS(&fixture, NAMED("a.PNG"));
    CONTENT_HIT(&fixture, NAMED("a.gif"), "*");
    CONTENT_HIT(&fixture, NAMED("a"), "*");
    fixture_close(&fixture);
}

Test(media, sizes_and_counts)
{
    struct module_fixture fixture;
    open_media(&fixture, "{\"max_bytes\": 1000, \"max_per_event\": 2}");
    CONTENT_HIT(&fixture, MESSAGE("m.file", ",\"info\":{\"size\":1001}"), "max_bytes");
    EXPECT_SLICE(fixture.outcome.result.reason, "the file has 1001 bytes");
    CONTENT_HIT(&fixture, MESSAGE("m.file", ",\"info\":{\"size\":1e30}"), "max_bytes");
    CONTENT_PASS(&fixture, MESSAGE("m.file", ",\"info\":{\"size\":1000}"));
    CONTENT_PASS(&fixture, MESSAGE("m.file", ",\"info\":{\"size\":\"9999\"}"));
    CONTENT_PASS(&fixture, MESSAGE("m.file", ""));
    CONTENT_HIT(&fixture, HTML("<img><img/><img>"), "max_per_event");
    CONTENT_PASS(&fixture, HTML("<img><img>"));
    CONTENT_HIT(&fixture, MESSAGE("m.image", ",\"formatted_body\":\"<img><img>\""), "max_per_event");
    CONTENT_HIT(&fixture, GALLERY("{\"itemtype\":\"m.image\"},{\"itemtype\":\"m.video\"},{\"itemtype\":\"m.file\"}"),
                "max_per_event");
    CONTENT_PASS(&fixture, GALLERY("{\"itemtype\":\"m.image\"},{\"itemtype\":\"m.video\"},7,{}"));
    fixture_close(&fixture);
}

Test(media, the_height_of_images_within_html)
{
    struct module_fixture fixture;
    open_media(&fixture, "{\"max_inline_height\": 32}");
    CONTENT_HIT(&fixture, HTML("<img src=x height=33>"), "max_inline_height");
    EXPECT_SLICE(fixture.outcome.result.reason, "an image within HTML is 33 pixels high");
    CONTENT_HIT(&fixture, HTML("<img data-mx-emoticon height='1000000000000000000000'>"), "max_inline_height");
    CONTENT_HIT(&fixture, HTML("<img src=x>"), "max_inline_height");
    CONTENT_HIT(&fixture, HTML("<img height=auto src=x>"), "max_inline_height");
    CONTENT_PASS(&fixture, HTML("<img src=x height=\\\"32\\\">"));
    CONTENT_PASS(&fixture, HTML("<img height='32px'>"));
    CONTENT_PASS(&fixture, HTML("<img data-mx-emoticon src=x>"));
    CONTENT_PASS(&fixture, HTML("<p height=99>no image</p>"));
    fixture_close(&fixture);
}

Test(media, what_is_no_kind)
{
    struct module_fixture fixture = {0};
    cr_assert_not(fixture_open(&fixture, "media", "{\"deny\": [\"images\"], \"max_inline_height\": 2001}"));
    cr_expect(strstr(fixture.reports, "deny[0]: must be one of image, video,"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "did you mean `image`?"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "max_inline_height: must be a whole number from 0 to 2000"), "%s",
              fixture.reports);
    fixture_close(&fixture);
}
