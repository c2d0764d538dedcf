#include "engine/matrix_authorization.h"

#include <criterion/criterion.h>

static void expect_read(const char *header, const char *origin, const char *destination, const char *key,
                        const char *signature)
{
    struct arena arena = {0};
    struct matrix_authorization read;
    const char *problem = matrix_authorization_read(slice_from_string(header), &arena, &read);
    cr_assert_null(problem, "%s: %s", header, problem);
    cr_expect(slice_equal(read.origin, slice_from_string(origin)), "%s", header);
    cr_expect(slice_equal(read.destination, slice_from_string(destination)), "%s", header);
    cr_expect(slice_equal(read.key, slice_from_string(key)), "%s", header);
    cr_expect(slice_equal(read.signature, slice_from_string(signature)), "%s", header);
    arena_free(&arena);
}

Test(matrix_authorization, reads)
{
    expect_read("X-Matrix origin=\"a.example\",destination=\"b.example\",key=\"ed25519:1\",sig=\"AB+/\"", "a.example",
                "b.example", "ed25519:1", "AB+/");
    expect_read("X-Matrix origin=a.example,key=\"ed25519:1\",sig=\"AB==\"", "a.example", NULL, "ed25519:1", "AB==");
    expect_read("x-matrix  \tOrigin=a.example:8448 ,\t KEY=ed25519:a_b , sig=A+/= ", "a.example:8448", NULL,
                "ed25519:a_b", "A+/=");
    expect_read("X-Matrix origin=\"[::1]:80\",unknown=\"a,\\\"b\",key=\"ed\\2\\5519:1\",sig=\"\"", "[::1]:80", NULL,
                "ed25519:1", "");
}

static void expect_refused(const char *header, const char *sentence)
{
    struct arena arena = {0};
    struct matrix_authorization read;
    const char *problem = matrix_authorization_read(slice_from_string(header), &arena, &read);
    cr_expect_not_null(problem, "%s", header);
    if (problem)
        cr_expect_str_eq(problem, sentence, "%s", header);
    arena_free(&arena);
}

Test(matrix_authorization, refuses)
{
    static const char *const malformed[] = {
        "X-Matrix ",
        "X-Matrix origin",
        "X-Matrix origin=",
        "X-Matrix origin=\"a.example",
        "X-Matrix origin=\"a.example\\",
        "X-Matrix origin=a.example,key=ed25519:1",
        "X-Matrix origin=a.example,sig=x",
        "X-Matrix key=ed25519:1,sig=x",
        "X-Matrix origin=a.example,key=\"ed25519:a b\",sig=x",
        "X-Matrix origin=a.example,key=\"ed25519:a\\\"b\",sig=x",
        "X-Matrix origin=a.example,key=\"ed25519:\xc3\xa4\",sig=x",
        "X-Matrix origin=a.example,key=other:1,sig=x",
        "X-Matrix origin=a.example,origin=b.example,key=ed25519:1,sig=x",
        "X-Matrix origin=a.example,,key=ed25519:1,sig=x",
        "X-Matrix origin=a.example key=ed25519:1,sig=x",
        "X-Matrix origin=a.example,key=ed25519:1,sig=x,",
        "X-Matrix origin=\"a.example\"b,key=ed25519:1,sig=x",
        "X-Matrix origin=\"a_example\",key=ed25519:1,sig=x",
        "X-Matrix origin=\"a.example:123456\",key=ed25519:1,sig=x",
        "X-Matrix origin=\"\",key=ed25519:1,sig=x",
        "X-Matrix origin=\"[::1\",key=ed25519:1,sig=x",
    };
    for (size_t index = 0; index < sizeof malformed / sizeof *malformed; index++)
        expect_refused(malformed[index], "the header Authorization is malformed");
    expect_refused(NULL, "the header Authorization is missing");
    expect_refused("Bearer abc", "the header Authorization is not of the scheme X-Matrix");
    expect_refused("X-Matrixorigin=a.example", "the header Authorization is not of the scheme X-Matrix");
}

Test(matrix_authorization, too_long)
{
    struct buffer header = {0};
    struct arena arena = {0};
    struct matrix_authorization read;
    buffer_append_string(&header, "X-Matrix origin=a.example,key=ed25519:1,sig=");
    while (header.length <= MATRIX_AUTHORIZATION_MAXIMUM)
        buffer_append_char(&header, 'A');
    cr_expect_not_null(matrix_authorization_read(buffer_slice(&header), &arena, &read));
    header.length = MATRIX_AUTHORIZATION_MAXIMUM;
    cr_expect_null(matrix_authorization_read(buffer_slice(&header), &arena, &read));
    arena_free(&arena);
    buffer_free(&header);
}

Test(matrix_authorization, text_that_is_signed)
{
    json_t *content = json_loads("{\"b\": 1, \"a\": [\"\\u00e9\"]}", 0, NULL);
    struct matrix_request request = {"POST", SLICE("/_matrix/policy/v1/sign?x=%20"), SLICE("us.example"), content};
    struct buffer text = {0};
    cr_assert(matrix_authorization_text(&request, SLICE("them.example"), &text));
    cr_expect_str_eq(
        buffer_string(&text),
        "{\"content\":{\"a\":[\"é\"],\"b\":1},\"destination\":\"us.example\",\"method\":\"POST\",\"origin\":"
        "\"them.example\",\"uri\":\"/_matrix/policy/v1/sign?x=%20\"}");
    request.content = NULL;
    buffer_clear(&text);
    cr_assert(matrix_authorization_text(&request, SLICE("them.example"), &text));
    cr_expect_str_eq(buffer_string(&text),
                     "{\"destination\":\"us.example\",\"method\":\"POST\",\"origin\":\"them.example\",\"uri\":"
                     "\"/_matrix/policy/v1/sign?x=%20\"}");
    request.uri = SLICE("/\xff");
    cr_expect_not(matrix_authorization_text(&request, SLICE("them.example"), &text));
    json_decref(content);
    buffer_free(&text);
}
