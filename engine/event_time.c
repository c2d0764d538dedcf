/* Asked of the body only in a replay without recorded times, and only if some module wants to know: reading it once
 * more costs as much as judging it. */
#include "engine/event_time.h"

#include "base/json_members.h"

#define BELIEVED_AHEAD_MS 3600000
/* What Matrix's canonical JSON can hold. */
#define CLAIM_MAXIMUM ((int64_t)1 << 53)

void event_time_free(struct event_time *time)
{
    buffer_free(&time->scratch);
}

static int64_t now_of(const struct event_time *time)
{
    return time->now_ms > 0 ? time->now_ms : 1;
}

int64_t event_time_recorded(struct event_time *time, int64_t milliseconds)
{
    if (milliseconds > time->now_ms)
        time->now_ms = milliseconds;
    return now_of(time);
}

int64_t event_time_claimed(struct slice body, struct buffer *scratch)
{
    static const char *const names[] = {"origin_server_ts"};
    struct slice text;
    int64_t claimed = 0;
    if (!slice_present(body) || json_members_find(body, names, 1, &text, scratch) != JSON_MEMBERS_FOUND)
        return 0;
    if (!slice_present(text))
        return 0;
    for (size_t index = 0; index < text.length; index++) {
        if (text.data[index] < '0' || text.data[index] > '9')
            return 0;
        claimed = claimed * 10 + (text.data[index] - '0');
        if (claimed > CLAIM_MAXIMUM)
            return 0;
    }
    return claimed;
}

int64_t event_time_of_body(struct event_time *time, struct slice body)
{
    return event_time_of_claim(time, event_time_claimed(body, &time->scratch));
}

int64_t event_time_of_claim(struct event_time *time, int64_t claimed)
{
    if (claimed <= 0)
        return now_of(time);
    bool near = claimed - time->now_ms <= BELIEVED_AHEAD_MS;
    int64_t apart = claimed > time->doubted_ms ? claimed - time->doubted_ms : time->doubted_ms - claimed;
    bool agreed = time->doubted_ms && apart <= BELIEVED_AHEAD_MS;
    if (!near && !agreed && time->now_ms) {
        time->doubted_ms = claimed;
        return now_of(time);
    }
    if (agreed && !near && time->doubted_ms < claimed)
        claimed = time->doubted_ms;
    time->doubted_ms = 0;
    if (claimed > time->now_ms)
        time->now_ms = claimed;
    return now_of(time);
}
