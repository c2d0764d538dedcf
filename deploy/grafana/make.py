#!/usr/bin/python3
"""Makes the Grafana dashboard weir.json from the table below: `deploy/grafana/make.py > deploy/grafana/weir.json`.

Whoever wants another panel adds a row here; places and numbers follow from the order. In the queries each metric of Weir
gets its choice of engines, {instance=~"$instance"}, by itself."""

import json
import re
import sys

COLUMNS = 24  # of a dashboard, as Grafana has them
HEIGHTS = {"stat": 4, "lines": 8, "table": 8}
RATE = "$__rate_interval"
DATA = {"type": "prometheus", "uid": "${datasource}"}
METRIC = re.compile(r"(?<![\w:])((?:weir|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")


def rate(metric, by="instance"):
    return f"sum by ({by}) (rate({metric}[{RATE}]))"


def quantile(share, metric):
    return f"histogram_quantile({share}, sum by (instance, le) (rate({metric}_bucket[{RATE}])))"


def quantiles(metric):
    return [(quantile(0.5, metric), "{{instance}} p50"), (quantile(0.99, metric), "{{instance}} p99")]


def each(*metrics):
    """Rates of several counters, each called by what is written behind it."""
    return [(rate(metric), f"{{{{instance}}}} {name}") for metric, name in metrics]


def now(*metrics):
    return [(metric, f"{{{{instance}}}} {name}") for metric, name in metrics]


OK = {"0": ("red", "no"), "1": ("green", "yes")}
BREAKER = {"0": ("green", "closed"), "1": ("red", "open"), "2": ("orange", "half open")}

# (row, [(kind, width, title, unit, [(query, legend)], description, words for values or None)])
ROWS = [
    ("At a glance", [
        ("stat", 4, "Ready", "short", [("weir_ready", "{{instance}}")],
         "What /readyz says: connected to Redis and to the database, subscribed, caught up; or waiting as a standby.", OK),
        ("stat", 4, "Does the job", "short", [("weir_lease_held", "{{instance}}")],
         "Of a pair with `role`, which one works (docs/standby.md). Engines without a role have none.",
         {"0": ("blue", "waits"), "1": ("green", "works")}),
        ("stat", 4, "Events judged", "eps", [(rate("weir_events_judged_total"), "{{instance}}")],
         "Events of the replication stream that the chain was asked about.", None),
        ("stat", 4, "Events denied", "eps", [(rate("weir_events_denied_total"), "{{instance}}")],
         "Of these, the ones that the chain refused.", None),
        ("stat", 4, "Events that wait", "short", [("weir_events_waiting", "{{instance}}")],
         "For their body, for a service, or for an earlier event of their room.", None),
        ("stat", 4, "Configuration taken over", "short", [("weir_reload_last_successful", "{{instance}}")],
         "No: the file was refused when it was last read, and what runs is an older one (docs/reload.md).", OK),
    ]),
    ("Verdicts", [
        ("lines", 12, "Verdicts", "eps",
         each(("weir_events_judged_total", "judged"), ("weir_events_denied_total", "denied"),
              ("weir_events_changed_total", "changed"), ("weir_events_failed_total", "failed")),
         "Events by what became of them.", None),
        ("lines", 12, "Denied, of what was judged", "percentunit",
         [(f"{rate('weir_events_denied_total')} / {rate('weir_events_judged_total')}", "{{instance}}")],
         "A wave of spam is a step here.", None),
        ("lines", 12, "Denials by module", "eps",
         [(rate("weir_module_denials_total", "module"), "{{module}}")],
         "keywords.2 is the second `keywords` of the chain. Which rule of it: `weir tail`, or the row's `rule`.", None),
        ("lines", 12, "Would be denied (dry_run)", "eps",
         [(rate("weir_module_dry_run_total", "module"), "{{module}}")],
         "What modules on trial would have done.", None),
        ("table", 12, "Denials in the chosen time", "short",
         [("sort_desc(sum by (module) (increase(weir_module_denials_total[$__range])))", "{{module}}")],
         "Who denies most, of events.", None),
        ("table", 12, "Refused requests in the chosen time", "short",
         [("sort_desc(sum by (module) (increase(weir_module_requests_denied_total[$__range])))", "{{module}}")],
         "Who refuses most of what workers ask. Such events are never stored.", None),
        ("lines", 12, "Failures of modules", "eps",
         [(rate("weir_module_raised_total", "module"), "{{module}} failed"),
          (rate("weir_module_illegal_total", "module"), "{{module}} illegal answer")],
         "Should be none: the log names the module and the reason.", None),
    ]),
    ("What modules do", [
        ("lines", 12, "Time for an answer", "s",
         [("sum by (module) (rate(weir_module_seconds_total[$__rate_interval])) / "
           "sum by (module) (rate(weir_module_asked_total[$__rate_interval]))", "{{module}}")],
         "Worked out from every 256th event and request. A module that waits for a service is told of without the waiting.",
         None),
        ("lines", 12, "Share of a processor", "percentunit", [(rate("weir_module_seconds_total", "module"), "{{module}}")],
         "How much of one core each module takes.", None),
        ("lines", 12, "Refused, of what it was asked", "percentunit",
         [("(sum by (module) (rate(weir_module_denials_total[$__rate_interval])) + "
           "sum by (module) (rate(weir_module_requests_denied_total[$__rate_interval]))) / "
           "sum by (module) (rate(weir_module_asked_total[$__rate_interval]))", "{{module}}")],
         "Events and requests together.", None),
        ("lines", 12, "Asked", "ops", [(rate("weir_module_asked_total", "module"), "{{module}}")],
         "A module behind one that denies much is asked less.", None),
    ]),
    ("Lag and queues", [
        ("lines", 12, "Lag of writers", "s", [("weir_writer_lag_seconds", "{{stream}} {{writer}}")],
         "How long the oldest event that is known and not judged has been waiting. A gap: the writer is not heard.", None),
        ("lines", 12, "Behind", "short",
         [("weir_writer_newest_token - weir_writer_position", "{{stream}} {{writer}} tokens"),
          ("weir_writer_held_events", "{{stream}} {{writer}} events that wait")],
         "Between what is known of a writer and what of it was judged.", None),
        ("lines", 12, "From a line to its verdict", "s", quantiles("weir_line_to_verdict_seconds"),
         "From a line of the replication channel to Redis's answer. Grows when the database, a service or Redis is slow.", None),
        ("lines", 12, "What waits", "short",
         now(("weir_events_waiting", "events"), ("weir_events_parked", "events, for services"),
             ("weir_outbox_waiting", "transactions, for Redis"), ("weir_requests_queued", "requests, to be asked"),
             ("weir_requests_waiting", "requests, for services"), ("weir_policy_waiting", "requests to sign"),
             ("weir_followed_waiting", "followed rooms, for the database"),
             ("weir_catch_up_waiting", "ranges to catch up with")),
         "All of these are bounded; a line that stays high says who is slow.", None),
        ("lines", 12, "Rows by stream", "eps", [(rate("weir_replication_rows_total", "stream"), "{{stream}}")],
         "Rows of Synapse's replication.", None),
        ("lines", 12, "Lines", "eps",
         each(("weir_replication_lines_total", "read"), ("weir_replication_bad_lines_total", "unreadable"),
              ("weir_event_rows_duplicate_total", "seen before")),
         "Silence: Synapse does not publish, or the server name is not Synapse's.", None),
    ]),
    ("Catch-up and audit", [
        ("lines", 12, "Rows fetched", "eps",
         [(rate("weir_catch_up_rows_total", "source"), "{{source}}"),
          (rate("weir_catch_up_failures_total", "source"), "{{source}} failed")],
         "What was published while nobody listened (docs/restarts.md).", None),
        ("lines", 12, "Ranges", "short",
         now(("weir_catch_up_waiting", "being fetched"), ("weir_positions_missed_ranges_total", "lost"),
             ("weir_catch_up_unconfirmed_total", "from a replica that was behind")),
         "Lost: nobody could be asked for them. Sums since the start.", None),
        ("lines", 12, "Audits", "short",
         now(("weir_audit_missed_total", "events that were never published"),
             ("weir_audit_judged_again_total", "judged again"), ("weir_audit_given_up_total", "given up")),
         "With `audit`. Sums since the start.", None),
        ("lines", 12, "Takeovers", "short", now(("weir_takeovers_total", "")),
         "How often each engine of a pair took the job.", None),
    ]),
    ("Requests", [
        ("lines", 12, "Requests by callback", "reqps", [(rate("weir_requests_total", "callback"), "{{callback}}")],
         "Over Redis and HTTP.", None),
        ("lines", 12, "How requests end", "reqps",
         each(("weir_requests_answered_total", "answered"), ("weir_requests_raised_total", "a module failed"),
              ("weir_requests_overloaded_total", "overloaded"), ("weir_requests_turned_away_total", "turned away"),
              ("weir_requests_expired_total", "too late"), ("weir_requests_malformed_total", "malformed"),
              ("weir_requests_poisoned_total", "poisoned")),
         "docs/requests.md says what each means.", None),
        ("lines", 12, "Refused requests", "reqps",
         [(rate("weir_requests_denied_total"), "{{instance}}"),
          (rate("weir_module_requests_denied_total", "module"), "{{module}}")],
         "Of spam checkers and third-party rules: what Synapse was told not to let in.", None),
        ("lines", 12, "Time to answer", "s", quantiles("weir_request_seconds"),
         "Without the way over the net.", None),
        ("lines", 12, "Time in the queue", "s", quantiles("weir_request_queue_seconds"),
         "From when a request was read until it was asked.", None),
        ("lines", 8, "Answers to synapse-http-antispam", "reqps",
         [(rate("weir_antispam_answers_total", "answer"), "{{answer}}")],
         "failed, overloaded and expired leave it to its fail_open.", None),
        ("lines", 8, "Policy server", "reqps",
         [(rate("weir_policy_requests_total", "result"), "{{result}}")], "What became of requests to sign.", None),
        ("lines", 8, "HTTP listener", "short",
         [("weir_http_connections", "{{instance}} connections"),
          (rate("weir_http_requests_total"), "{{instance}} requests a second"),
          (rate("weir_http_unauthorized_total"), "{{instance}} without the secret, a second")],
         "Who asks, and who may not.", None),
    ]),
    ("Redis and PostgreSQL", [
        ("lines", 12, "Transactions", "ops",
         each(("weir_outbox_transactions_total", "answered"), ("weir_outbox_resent_total", "sent again"),
              ("weir_outbox_refused_total", "refused")),
         "Refused: the log has Redis's words and what to do.", None),
        ("lines", 12, "Rows of verdicts", "eps", [(rate("weir_verdict_rows_total"), "{{instance}}")],
         "Published and stored, of events and of refused requests.", None),
        ("lines", 12, "Bodies", "eps",
         each(("weir_bodies_found_total", "found"), ("weir_bodies_retried_total", "asked again"),
              ("weir_bodies_missing_total", "missing"), ("weir_bodies_unreadable_total", "unreadable"),
              ("weir_bodies_queries_total", "queries")),
         "A missing body means an event that was judged by its row alone.", None),
        ("lines", 12, "Losses and connections", "short",
         now(("weir_redis_losses_total", "Redis lost data"), ("weir_bodies_reconnects_total", "connections for bodies"),
             ("weir_followed_connects_total", "connections for followed rooms")),
         "Sums since the start: a staircase is a connection that breaks time and again.", None),
    ]),
    ("Services and shared rates", [
        ("stat", 12, "Breakers", "short", [("weir_service_breaker_state", "{{service}}")],
         "Open: the service failed time and again and is left alone for a while; the module's `on_error` decides.", BREAKER),
        ("stat", 12, "Questions in flight", "short",
         [("weir_service_in_flight", "{{service}}"), ("weir_shared_rate_in_flight", "{{instance}} shared rates")],
         "What is being waited for now.", None),
        ("lines", 8, "Questions to services", "reqps",
         [(rate("weir_service_questions_total", "service"), "{{service}}"),
          (rate("weir_service_failed_total", "service"), "{{service}} failed")], "By address.", None),
        ("lines", 8, "Why they fail", "reqps", [(rate("weir_service_failures_total", "reason"), "{{reason}}")],
         "Over all services.", None),
        ("lines", 8, "Services' answers", "s", quantiles("weir_service_answer_seconds"), "Over all services.", None),
        ("lines", 12, "Shared rates", "reqps",
         each(("weir_shared_rate_questions_total", "asked"), ("weir_shared_rate_failed_total", "failed")),
         "Failed: the rate module's `on_error` decides (docs/rates.md).", None),
        ("lines", 12, "Redis's answers about shared rates", "s", quantiles("weir_shared_rate_answer_seconds"),
         "More than 250 ms counts as none.", None),
    ]),
    ("Modules", [
        ("lines", 12, "Held and closed", "short",
         [("weir_module_hold_held", "{{instance}} users held"),
          ("weir_module_join_wave_held", "{{instance}} rooms closed to joins")],
         "The module hold's page shows who it is.", None),
        ("lines", 12, "Refused by rates and counts", "eps",
         each(("weir_module_rate_refused_total", "rate"), ("weir_module_registration_refused_total", "registration"),
              ("weir_module_login_refused_total", "login"), ("weir_module_repeat_refused_total", "repeat"),
              ("weir_module_hold_refusals_total", "hold"), ("weir_module_join_wave_waves_total", "waves of joins")),
         "", None),
        ("lines", 12, "Forgotten before their time", "eps",
         each(("weir_module_rate_forgotten_total", "rate"), ("weir_module_repeat_texts_forgotten_total", "repeat"),
              ("weir_module_hold_forgotten_total", "hold"),
              ("weir_module_join_wave_members_forgotten_total", "join_wave members"),
              ("weir_module_join_wave_rooms_forgotten_total", "join_wave rooms"),
              ("weir_module_newcomer_members_forgotten_total", "newcomer"),
              ("weir_module_invite_guard_per_sender_forgotten_total", "invite_guard senders")),
         "Above 0: the table is too small (`capacity`), or somebody floods it with names.", None),
        ("lines", 12, "Policy lists", "short",
         [("weir_module_policy_list_rules", "{{instance}} rules"), ("weir_followed_rooms", "{{instance}} rooms"),
          ("weir_followed_rooms_unread", "{{instance}} rooms not read"),
          ("weir_module_policy_list_malformed", "{{instance}} malformed rules"),
          ("weir_module_policy_list_left_out_total", "{{instance}} left out")],
         "A list that suddenly shrinks or grows is worth a look.", None),
    ]),
    ("Reloads and state", [
        ("lines", 8, "Reloads", "short",
         now(("weir_reloads_total", "taken over"), ("weir_reloads_refused_total", "refused")),
         "Sums since the start.", None),
        ("lines", 8, "How long reloads take", "s",
         [(quantile(0.99, "weir_reload_seconds"), "{{instance}} in the thread"),
          (quantile(0.99, "weir_reload_stall_seconds"), "{{instance}} events waited"),
          ("weir_module_state_copy_longest_seconds", "{{instance}} longest copy of state")], "", None),
        ("stat", 8, "Configuration in use since", "dateTimeFromNow",
         [("weir_reload_last_success_timestamp_seconds * 1000", "{{instance}}")], "", None),
        ("lines", 12, "State written", "short",
         now(("weir_module_state_writes_total", "modules"), ("weir_module_state_failures_total", "modules failed"),
             ("weir_state_file_writes_total", "positions"), ("weir_state_file_failures_total", "positions failed")),
         "Files in state_dir. Sums since the start.", None),
        ("lines", 12, "Size of modules' state", "bytes", [("weir_module_state_bytes", "{{instance}}")], "", None),
    ]),
    ("The process", [
        ("stat", 12, "Version", "short", [("weir_build_info", "{{instance}} {{version}}")], "What runs where.",
         {"1": ("blue", "runs")}),
        ("stat", 12, "Runs since", "dateTimeFromNow", [("process_start_time_seconds * 1000", "{{instance}}")],
         "Taking over and reloading are no new starts.", None),
        ("lines", 8, "Memory", "bytes", [("process_resident_memory_bytes", "{{instance}}")],
         "Resident. It grows with `capacity` of modules and with what waits, and both are bounded.", None),
        ("lines", 8, "Processor", "percentunit", [(rate("process_cpu_seconds_total"), "{{instance}}")],
         "1 is a core. Events are judged on one of them.", None),
        ("lines", 8, "Open files", "short",
         now(("process_open_fds", "open"), ("process_max_fds", "at most")),
         "Connections are files, too: `LimitNOFILE=` of the unit.", None),
    ]),
]


def choose(expression):
    """The query, for the chosen engines."""
    def chosen(match):
        more = f", {match[2]}" if match[2] else ""
        return f'{match[1]}{{instance=~"$instance"{more}}}'
    return METRIC.sub(chosen, expression)


def panel(row, number, place):
    kind, width, title, unit, queries, description, words = row
    defaults = {"unit": unit, "min": 0}
    if words:
        defaults["mappings"] = [{"type": "value", "options": {
            value: {"color": color, "text": text, "index": index}
            for index, (value, (color, text)) in enumerate(words.items())}}]
    targets = [{"datasource": DATA, "expr": choose(query), "legendFormat": legend.strip(), "refId": chr(ord("A") + index),
                **({"instant": True, "format": "table"} if kind == "table" else {})}
               for index, (query, legend) in enumerate(queries)]
    made = {"id": number, "title": title, "description": description, "datasource": DATA, "gridPos": place,
            "targets": targets, "fieldConfig": {"defaults": defaults, "overrides": []}}
    if kind == "stat":
        made |= {"type": "stat", "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "auto",
                                             "colorMode": "background" if words else "value"}}
    elif kind == "table":
        made |= {"type": "table", "transformations": [{"id": "organize", "options": {"excludeByName": {"Time": True}}}]}
    else:
        defaults["custom"] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
        made |= {"type": "timeseries", "options": {"tooltip": {"mode": "multi", "sort": "desc"},
                                                   "legend": {"displayMode": "list", "placement": "bottom"}}}
    return made


def panels():
    number = top = 0
    for title, row in ROWS:
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
               "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}}
        top += 1
        left = height = 0
        for entry in row:
            if left + entry[1] > COLUMNS:
                top, left, height = top + height, 0, 0
            number += 1
            place = {"x": left, "y": top, "w": entry[1], "h": HEIGHTS[entry[0]]}
            yield panel(entry, number, place)
            left, height = left + entry[1], max(height, place["h"])
        top += height


def dashboard():
    reloads = {"name": "Reloads", "datasource": DATA, "enable": True, "iconColor": "blue", "titleFormat": "reload",
               "expr": choose("changes(weir_reload_last_success_timestamp_seconds[2m]) > 0")}
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    instance = {"name": "instance", "label": "Engine", "type": "query", "datasource": DATA, "refresh": 2, "sort": 1,
                "query": {"query": "label_values(weir_ready, instance)", "refId": "instance"}, "multi": True,
                "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return {"uid": "weir", "title": "Weir", "tags": ["weir", "matrix"], "editable": True, "schemaVersion": 38,
            "version": 1, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "", "graphTooltip": 1,
            "annotations": {"list": [reloads]}, "templating": {"list": [source, instance]}, "panels": list(panels())}


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1, ensure_ascii=False)
    print()
