/* Four questions at a terminal. An answer that does not do is told why, and asked for again; one that cannot be tested
 * from here can be kept all the same. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/init.h"

#define KEEP "keep"
#define LINE_MAXIMUM 65536u

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* Waits until something was typed; false after Ctrl-C, which is let in here alone, so that none comes unseen just
 * before the waiting. */
static bool wait_for_typing(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigdelset(&mask, SIGINT);
    while (!interrupted && ppoll(&input, 1, NULL, &mask) < 0 && errno == EINTR)
        ;
    return !interrupted;
}

/* One line without its end; NULL at the end of the input or after Ctrl-C. The caller frees it. */
static char *read_line(void)
{
    struct buffer line = {0};
    char byte = '\0';
    while (line.length < LINE_MAXIMUM && wait_for_typing() && read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        buffer_append_char(&line, byte);
    bool whole = byte == '\n' && !interrupted;
    if (whole && line.length && line.data[line.length - 1] == '\r')
        line.length--;
    char *text = whole ? memory_copy_text(buffer_slice(&line).data, line.length) : NULL;
    if (line.data)
        explicit_bzero(line.data, line.capacity);
    buffer_free(&line);
    if (!whole)
        printf("\n");
    return text;
}

static char *trimmed(char *line)
{
    size_t start = strspn(line, " \t"), length = strlen(line);
    while (length > start && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    char *text = memory_copy_text(line + start, length - start);
    free(line);
    return text;
}

/* The answer, or `fallback` for an empty one; NULL if the person gave up. The caller frees it. */
static char *ask(const char *question, const char *fallback)
{
    printf("%s%s%s%s ", question, fallback ? " [" : "", fallback ? fallback : "", fallback ? "]" : "");
    fflush(stdout);
    char *line = read_line();
    char *text = line ? trimmed(line) : NULL;
    if (!text || *text || !fallback)
        return text;
    free(text);
    return memory_copy_text(fallback, strlen(fallback));
}

/* Without an echo, which is off before the question is seen; the terminal is as before afterwards, whatever happens. */
static char *ask_secretly(const char *question)
{
    struct termios before, silent;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    printf("%s ", question);
    fflush(stdout);
    char *line = read_line();
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
        printf("\n");
    }
    return line;
}

static void tell(struct buffer *problem)
{
    printf("  ! %s\n", buffer_string(problem));
    buffer_clear(problem);
}

static bool ask_server_name(struct init_answers *answers)
{
    struct buffer problem = {0};
    printf("\nThe name of your homeserver, as in its user ids (@user:NAME).\n");
    while (!answers->server_name) {
        char *text = ask("1. Server name:", NULL);
        if (!text)
            break;
        if (!init_take_server_name(answers, text, &problem))
            tell(&problem);
        free(text);
    }
    buffer_free(&problem);
    return answers->server_name != NULL;
}

/* Takes the password, an empty one as none. False if the person gave up. */
static bool ask_password(const char *question, char **password)
{
    char *text = ask_secretly(question);
    if (!text)
        return false;
    if (*password)
        explicit_bzero(*password, strlen(*password));
    free(*password);
    *password = *text ? text : NULL;
    if (!*text)
        free(text);
    return true;
}

/* One of the questions about a server. */
struct server_question {
    const char *question;
    const char *user_question; /* asked for with the password, if nobody said one; NULL: it is part of the answer */
    const char *password_question;
    bool (*take)(struct init_answers *answers, const char *text, struct buffer *problem);
    enum init_result (*test)(const struct init_answers *answers);
    bool (*needed)(const struct init_answers *answers); /* whether there is anything to test */
};

/* The user of Redis, to whom the password belongs. False if the person gave up. */
static bool ask_user(struct init_answers *answers, const struct server_question *question)
{
    if (!question->user_question || answers->redis.username)
        return true;
    char *text = ask(question->user_question, NULL);
    if (text && *text)
        answers->redis.username = text;
    else
        free(text);
    return text != NULL;
}

/* Tests what was taken, and asks for a password as long as that is what is missing. */
static enum init_result try_server(struct init_answers *answers, const struct server_question *question,
                                   char **password, bool *given_up)
{
    if (!question->needed(answers))
        return INIT_GOOD;
    enum init_result result = question->test(answers);
    while (result == INIT_NEEDS_PASSWORD) {
        bool had_none = *password == NULL;
        *given_up = !ask_user(answers, question) || !ask_password(question->password_question, password);
        if (*given_up || (had_none && !*password))
            return INIT_FAILED;
        result = question->test(answers);
    }
    return result;
}

/* False if the person gave up. */
static bool ask_server(struct init_answers *answers, const struct server_question *question, char **password,
                       const char *fallback, bool test)
{
    struct buffer problem = {0};
    bool done = false, given_up = false, taken = false;
    while (!done && !given_up) {
        char *text = ask(question->question, fallback);
        given_up = text == NULL;
        if (given_up)
            break;
        if (taken && strcmp(text, KEEP) == 0) {
            done = true;
        } else if (!question->take(answers, text, &problem)) {
            tell(&problem);
        } else {
            taken = true;
            done = !test || try_server(answers, question, password, &given_up) < INIT_NEEDS_PASSWORD;
            if (!done && !given_up)
                printf("    Another answer, or `" KEEP "` to keep this one.\n");
        }
        free(text);
    }
    buffer_free(&problem);
    return done;
}

static bool always(const struct init_answers *answers)
{
    (void)answers;
    return true;
}

static bool has_bodies(const struct init_answers *answers)
{
    return answers->bodies;
}

static bool take_postgres(struct init_answers *answers, const char *text, struct buffer *problem)
{
    struct buffer note = {0};
    bool taken = init_take_postgres(answers, text, &note, problem);
    if (note.length)
        printf("  %s", buffer_string(&note));
    buffer_free(&note);
    return taken;
}

static const struct server_question redis_question = {
    .question = "2. Redis:",
    .user_question = "   The ACL user (nothing: the default user):",
    .password_question = "   The password (it is not shown):",
    .take = init_take_redis,
    .test = init_test_redis,
    .needed = always,
};
static const struct server_question postgres_question = {
    .question = "3. PostgreSQL:",
    .password_question = "   The role's password (it is not shown):",
    .take = take_postgres,
    .test = init_test_postgres,
    .needed = has_bodies,
};

static bool ask_redis(struct init_answers *answers, bool test)
{
    printf(
        "\nThe Redis of Synapse's workers: host:port, the path of a socket, or a URL (rediss:// with TLS). A password\n"
        "is asked for if Redis wants one.\n");
    return ask_server(answers, &redis_question, &answers->redis.password, "127.0.0.1:6379", test);
}

static bool ask_postgres(struct init_answers *answers, bool test)
{
    struct stat status;
    bool local = stat("/run/postgresql", &status) == 0;
    printf("\nSynapse's database, where the bodies of events are read from: \"host=... dbname=... user=...\" or a URL; "
           "or\n"
           "`none`: Weir then only answers what Synapse's module asks.\n");
    return ask_server(answers, &postgres_question, &answers->postgres.password,
                      local ? "host=/run/postgresql dbname=synapse user=weir" : "none", test);
}

static bool ask_profile(struct init_answers *answers)
{
    struct buffer problem = {0}, names = {0};
    init_append_profiles(&names);
    printf("\nThe rules to begin with, in dry run: %s, or none.\n", buffer_string(&names));
    while (!answers->profile) {
        char *text = ask("4. Profile:", "small-community");
        if (!text)
            break;
        if (!init_take_profile(answers, text, &problem))
            tell(&problem);
        free(text);
    }
    buffer_free(&problem);
    buffer_free(&names);
    return answers->profile != NULL;
}

/* SIGINT is a way to give up while somebody is asked, and what it was before afterwards. */
struct interruptible {
    struct sigaction action;
    sigset_t mask;
};

static void begin_asking(struct interruptible *before)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    sigset_t of_interrupt;
    sigemptyset(&of_interrupt);
    sigaddset(&of_interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &of_interrupt, &before->mask);
    sigaction(SIGINT, &interrupt, &before->action);
}

static void end_asking(const struct interruptible *before)
{
    sigaction(SIGINT, &before->action, NULL);
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

bool init_ask(struct init_answers *answers, bool test)
{
    struct interruptible before;
    begin_asking(&before);
    bool done = (answers->server_name || ask_server_name(answers)) &&
                (answers->redis_given || ask_redis(answers, test)) &&
                (answers->bodies_given || ask_postgres(answers, test)) && (answers->profile || ask_profile(answers));
    end_asking(&before);
    return done;
}

static enum init_result try_given(struct init_answers *answers, const struct server_question *question, char **password)
{
    struct interruptible before;
    bool given_up = false;
    begin_asking(&before);
    enum init_result result = try_server(answers, question, password, &given_up);
    end_asking(&before);
    return result;
}

enum init_result init_try_redis(struct init_answers *answers)
{
    return try_given(answers, &redis_question, &answers->redis.password);
}

enum init_result init_try_postgres(struct init_answers *answers)
{
    return try_given(answers, &postgres_question, &answers->postgres.password);
}
