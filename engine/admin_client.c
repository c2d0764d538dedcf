/* libcurl tells apart that nobody listens and that nobody answers; why that is so is looked up here, by connecting once
 * more and by looking at the file, so that the sentence can name the user who may ask. */
#include "engine/admin_client.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "replication/curl_loop.h"

struct asking {
    struct asking *next;
    struct admin_client *client;
    CURL *easy;
    struct curl_slist *headers;
    char *body; /* of the question */
    int64_t timeout_ms;
    admin_client_done *done;
    void *context;
    struct buffer answer;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

struct admin_client {
    char *path;
    struct event_base *base;
    struct curl_loop *loop;
    struct event *not_begun; /* tells of questions that libcurl refused */
    struct asking *askings;
};

static void asking_free(struct asking *asking)
{
    if (asking->easy)
        curl.easy_cleanup(asking->easy);
    curl.slist_free_all(asking->headers);
    free(asking->body);
    buffer_free(&asking->answer);
    free(asking);
}

/* errno of an attempt to connect, 0: somebody listens. */
static int knock(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, length + 1);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return errno;
    int problem = connect(probe, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    close(probe);
    return problem;
}

/* Whoever the file belongs to is who runs the engine. */
static void say_who_may(const char *path, struct buffer *sentence)
{
    struct stat status;
    const struct passwd *owner = stat(path, &status) == 0 ? getpwuid(status.st_uid) : NULL;
    if (owner && owner->pw_uid == 0)
        buffer_append_string(sentence, "only root may use it (sudo weir …)");
    else if (owner)
        buffer_append_format(sentence,
                             "only the user %s and root may use it: run this as one of them (sudo -u %s weir …)",
                             owner->pw_name, owner->pw_name);
    else
        buffer_append_string(sentence, "only the user that Weir runs as and root may use it: run this as one of them");
}

static bool is_stranger(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && geteuid() != 0 && geteuid() != status.st_uid;
}

static void say_failure(const struct asking *asking, CURLcode result, struct buffer *sentence)
{
    const char *path = asking->client->path;
    int problem = knock(path);
    if (asking->too_large) {
        buffer_append_format(sentence, "the answer of the engine at %s is larger than %u MiB", path,
                             ADMIN_ANSWER_MAXIMUM >> 20);
    } else if (problem == ENOENT) {
        buffer_append_format(sentence,
                             "there is no socket %s: the engine does not run, or its configuration names "
                             "another `admin_socket` (give that configuration with --config, or the socket "
                             "with --socket)",
                             path);
    } else if (problem == ECONNREFUSED) {
        buffer_append_format(sentence,
                             "nobody listens at %s: the engine does not run any more, or has just begun; its "
                             "log says why",
                             path);
    } else if (problem == EACCES || (!problem && result != CURLE_OPERATION_TIMEDOUT && is_stranger(path))) {
        buffer_append_format(sentence, "permission denied at %s: ", path);
        say_who_may(path, sentence);
    } else if (result == CURLE_OPERATION_TIMEDOUT || problem == EAGAIN) {
        buffer_append_format(sentence,
                             "the engine at %s did not answer within %.0f s: it hangs or is overloaded; look "
                             "at its log and its processor time",
                             path, (double)asking->timeout_ms / 1000);
    } else {
        buffer_append_format(sentence, "the engine at %s gave no answer: %s", path,
                             problem          ? strerror(problem)
                             : *asking->error ? asking->error
                                              : curl.easy_strerror(result));
    }
}

/* Tells the answer, or the failure, once the question is off the list. */
static void end(struct asking *asking, CURLcode result)
{
    struct buffer sentence = {0};
    struct admin_answer answer = {0};
    long status = 0;
    for (struct asking **place = &asking->client->askings; *place; place = &(*place)->next)
        if (*place == asking) {
            *place = asking->next;
            break;
        }
    if (result == CURLE_OK)
        curl.easy_getinfo(asking->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    if (status) {
        answer.body = buffer_slice(&asking->answer);
    } else {
        say_failure(asking, result, &sentence);
        answer.problem = buffer_string(&sentence);
    }
    asking->done(asking->context, &answer);
    buffer_free(&sentence);
    asking_free(asking);
}

static void on_done(void *context, CURL *easy, CURLcode result)
{
    struct asking *asking = NULL;
    (void)context;
    curl.easy_getinfo(easy, CURLINFO_PRIVATE, &asking);
    end(asking, result);
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct asking *asking = context;
    size_t length = size * count;
    if (length > ADMIN_ANSWER_MAXIMUM - asking->answer.length) {
        asking->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buffer_append(&asking->answer, data, length);
    return length;
}

static bool begin(struct asking *asking, const char *target)
{
    struct admin_client *client = asking->client;
    CURL *easy = asking->easy = curl.easy_init();
    struct buffer url = {0};
    if (!easy)
        return false;
    buffer_append_format(&url, "http://weir%s", target);
    curl.easy_setopt(easy, CURLOPT_URL, buffer_string(&url));
    curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->path);
    curl.easy_setopt(easy, CURLOPT_PROXY, "");
    curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl.easy_setopt(easy, CURLOPT_USERAGENT, "weir");
    curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)asking->timeout_ms);
    curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)asking->timeout_ms);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, asking);
    curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, asking->error);
    curl.easy_setopt(easy, CURLOPT_PRIVATE, asking);
    if (asking->body) {
        asking->headers = curl.slist_append(curl.slist_append(NULL, "Content-Type: application/json"), "Expect:");
        curl.easy_setopt(easy, CURLOPT_HTTPHEADER, asking->headers);
        curl.easy_setopt(easy, CURLOPT_POSTFIELDS, asking->body);
    }
    buffer_free(&url);
    return curl_loop_add(client->loop, easy);
}

static void on_not_begun(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct admin_client *client = context;
    for (struct asking *asking = client->askings, *next; asking; asking = next) {
        next = asking->next;
        if (!asking->easy)
            end(asking, CURLE_OUT_OF_MEMORY);
    }
}

void admin_client_ask(struct admin_client *client, const struct admin_question *question, admin_client_done *done,
                      void *context)
{
    struct asking *asking = memory_allocate_zeroed(1, sizeof *asking);
    *asking = (struct asking){.next = client->askings,
                              .client = client,
                              .body = question->body ? memory_copy_text(question->body, strlen(question->body)) : NULL,
                              .timeout_ms = question->timeout_ms,
                              .done = done,
                              .context = context};
    client->askings = asking;
    if (begin(asking, question->target))
        return;
    if (asking->easy)
        curl.easy_cleanup(asking->easy);
    asking->easy = NULL;
    event_active(client->not_begun, EV_TIMEOUT, 0);
}

struct waiting {
    struct admin_answer answer;
    struct buffer *kept;
    bool done;
};

static void on_waited_for(void *context, const struct admin_answer *answer)
{
    struct waiting *waiting = context;
    waiting->answer = *answer;
    buffer_clear(waiting->kept);
    if (answer->problem) {
        buffer_append_string(waiting->kept, answer->problem);
        waiting->answer.problem = buffer_string(waiting->kept);
    } else {
        buffer_append_slice(waiting->kept, answer->body);
        waiting->answer.body = buffer_slice(waiting->kept);
    }
    waiting->done = true;
}

struct admin_answer admin_client_wait(struct admin_client *client, const struct admin_question *question,
                                      struct buffer *kept)
{
    struct waiting waiting = {.kept = kept};
    admin_client_ask(client, question, on_waited_for, &waiting);
    while (!waiting.done && event_base_loop(client->base, EVLOOP_ONCE) == 0)
        continue;
    return waiting.answer;
}

struct admin_client *admin_client_create(struct event_base *base, const char *path, struct buffer *error)
{
    if (!curl_library_load(error))
        return NULL;
    struct admin_client *client = memory_allocate_zeroed(1, sizeof *client);
    client->path = memory_copy_text(path, strlen(path));
    client->base = base;
    client->loop = curl_loop_create(base, 2, on_done, client);
    client->not_begun = event_new(base, -1, 0, on_not_begun, client);
    return client;
}

void admin_client_destroy(struct admin_client *client)
{
    if (!client)
        return;
    while (client->askings) {
        struct asking *asking = client->askings;
        client->askings = asking->next;
        if (asking->easy)
            curl_loop_remove(client->loop, asking->easy);
        asking_free(asking);
    }
    curl_loop_destroy(client->loop);
    event_free(client->not_begun);
    free(client->path);
    free(client);
}
