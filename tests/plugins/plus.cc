// A plug-in in C++, built as C++11 without a warning: the header is for both languages.
#include <weir/plugin.h>

namespace
{
struct Counter {
    const weir_host *host;
    int64_t asked;
};

void *create(const weir_host *host, weir_instance *)
{
    return new Counter{host, 0};
}

void destroy(void *state)
{
    delete static_cast<Counter *>(state);
}

// The answer is how many times it was asked.
void is_user_expired(void *state, weir_question *, weir_answer *answer)
{
    Counter *counter = static_cast<Counter *>(state);
    counter->host->integer(answer, ++counter->asked);
}

const weir_callback callbacks[] = {{"is_user_expired", is_user_expired, nullptr, nullptr}};
} // namespace

WEIR_PLUGIN = {
    WEIR_PLUGIN_ABI_VERSION, sizeof(struct weir_plugin), sizeof(weir_callback), 1, callbacks, "plus", "Counts, in C++.",
    create, destroy,
};
