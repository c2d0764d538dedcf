/* The whole snapshot is held in memory while it is read or written: 16 bytes for each key that is tracked. */
#include "engine/module_state.h"

#include "engine/log.h"
#include "engine/state_file.h"
#include "filters/chain_state.h"

#define FILE_MAXIMUM ((size_t)4 << 30)

void module_state_append_path(const struct configuration *configuration, struct buffer *path)
{
    const struct state_owner owner = {configuration->server_name, configuration->instance_name};
    state_file_append_path_of(path, configuration->state_dir, &owner, "modules");
}

static void tell(const struct chain_state_counts *counts, const char *message)
{
    log_info(message, LOG_INTEGER("go_on", counts->restored), LOG_INTEGER("begin_anew", counts->anew),
             LOG_INTEGER("of_modules_that_are_gone", counts->unknown), LOG_INTEGER("unreadable", counts->damaged));
}

void module_state_read(const struct configuration *configuration)
{
    struct buffer path = {0}, snapshot = {0};
    struct chain_state_counts counts;
    const char *problem;
    if (!configuration->state_dir || !chain_state_any(configuration->chain))
        return;
    module_state_append_path(configuration, &path);
    enum state_file_status status = state_file_load(buffer_string(&path), FILE_MAXIMUM, &snapshot, &problem);
    if (status == STATE_FILE_READ) {
        if (!chain_state_restore(configuration->chain, buffer_slice(&snapshot), &counts, &problem))
            status = STATE_FILE_UNUSABLE;
        tell(&counts, "modules remember what they knew");
    }
    if (status == STATE_FILE_UNUSABLE)
        log_warning("what modules knew cannot be read, or not all of it; they begin anew",
                    LOG_STRING("path", buffer_string(&path)), LOG_STRING("reason", problem));
    buffer_free(&snapshot);
    buffer_free(&path);
}

void module_state_write(const struct configuration *configuration)
{
    struct buffer path = {0}, snapshot = {0};
    const char *step = NULL;
    if (!configuration->state_dir || !chain_state_any(configuration->chain))
        return;
    module_state_append_path(configuration, &path);
    chain_state_save(configuration->chain, &snapshot);
    int error = state_file_replace(buffer_string(&path), buffer_slice(&snapshot), &step);
    if (error)
        log_warning("what modules remember could not be kept; at the next start they begin anew",
                    LOG_STRING("path", buffer_string(&path)), LOG_STRING("failed_to", step),
                    LOG_STRING("reason", strerror(error)));
    buffer_free(&snapshot);
    buffer_free(&path);
}

void module_state_hand_over(struct chain *from, struct chain *to)
{
    struct chain_state_counts counts;
    chain_state_hand_over(from, to, &counts);
    if (counts.restored || counts.unknown || counts.damaged || counts.anew)
        tell(&counts, "modules whose configuration has not changed remember what they knew");
}
