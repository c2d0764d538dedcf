/* Interactive registration takes several requests, maybe from several addresses: one that is denied is enough, since
 * whoever registers chose to send it. */
#include "filters/origin_rules.h"

#include "filters/subject.h"

bool origin_rules_open(struct origin_rules *rules, const struct module_host *host,
                       struct origin_configuration *configuration)
{
    bool good = address_list_open(&rules->ips, host, "ips", &configuration->ips);
    good = pattern_access_open(&rules->agents, host, "agents", &configuration->agents, PATTERN_REGEX) && good;
    return pattern_access_open(&rules->providers, host, "providers", &configuration->providers, PATTERN_GLOB) && good;
}

void origin_rules_free(struct origin_rules *rules)
{
    address_list_free(&rules->ips);
    pattern_access_free(&rules->agents);
    pattern_access_free(&rules->providers);
}

bool origin_rules_refuse(const struct origin_rules *rules, const struct callback_arguments *arguments,
                         struct result *result)
{
    struct subject_origin origin;
    for (size_t index = 0; subject_origin(arguments, index, &origin); index++) {
        if (address_list_refuses(&rules->ips, origin.address, arguments->arena, &result->rule)) {
            result->reason = SLICE("the client's address is on the list");
            result->evidence = origin.address;
            return true;
        }
        if (pattern_access_refuses(&rules->agents, origin.agent, SLICE("the client's user agent matches a pattern"),
                                   result))
            return true;
    }
    return pattern_access_refuses(&rules->providers, subject_text(arguments, SUBJECT_PROVIDER),
                                  SLICE("the identity provider is on the list"), result);
}
