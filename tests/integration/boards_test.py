"""The dashboard and the alert rules of deploy/: what they ask for is what a running engine, with all that it can do
turned on, tells on /metrics; the page about alerts speaks of each of them; and promtool sees each of them ring for what
it is about, and for nothing else."""

import json
import re
import shutil
import subprocess
import unittest

import yaml

import harness
from harness import ROOT, ev_row, rdata, run_weir, wait_until
from postgres_test import PostgresServer
from service_test import WebService

BOARD = ROOT / "deploy" / "grafana" / "weir.json"
RULES = ROOT / "deploy" / "prometheus" / "weir.rules.yaml"
PAGE = ROOT / "docs" / "alerts.md"
PROMTOOL = shutil.which("promtool")
NO_PROMTOOL = "promtool is not installed (Debian's package prometheus has it): the alert rules are not run"

# With a module for each figure that is asked for, and for services, shared rates and followed rooms.
MODULES = """
modules:
  - {module: policy_list, config: {rooms: [{room: "!policies:lab.test", name: mine}]}}
  - {module: hold, config: {modules: [keywords]}}
  - {module: rate, config: {shared: redis, rules: [{name: talk, key: sender, rate: 20/m, burst: 30}]}}
  - {module: registration, config: {rate_ip: 20/h}}
  - {module: login, config: {rate_ip: 20/h}}
  - {module: join_wave, config: {rate: 50/h, hold: 30m}}
  - {module: invite_guard, config: {per_sender: 10/h}}
  - {module: newcomer, config: {within: 1h, deny: [media]}}
  - {module: repeat}
  - {module: keywords, config: {patterns: [spam]}}
  - {module: http_service, config: {url: "URL", callbacks: [check_event_for_spam]}}
"""

METRIC = re.compile(r"(?<![\w:])((?:weir|process)_[a-z0-9_]+)(?![\w:])(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!=|!~|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
SCRAPED = {"job", "instance"}  # what Prometheus adds itself


class Page:
    """What stands on /metrics: of each family its type, and the values of each label."""

    def __init__(self, text):
        self.types, self.helps, self.labels, self.samples = {}, {}, {}, []
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, self.types[name] = line.split(" ")
                self.labels[name] = {}
            elif line.startswith("# HELP "):
                _, _, name, self.helps[name] = line.split(" ", 3)
            else:
                self.take_sample(*line.rsplit(" ", 1))

    def take_sample(self, series, value):
        name, _, labels = series.partition("{")
        for label, text in MATCHER.findall(labels):
            self.labels[self.family(name)].setdefault(label, set()).add(text)
        self.samples.append((series, float(value), self.types[self.family(name)]))

    def family(self, name):
        """Of a metric's name; of a histogram's parts, too."""
        if name in self.types and self.types[name] != "histogram":
            return name
        base = re.sub("_(bucket|sum|count)$", "", name)
        return base if base != name and self.types.get(base) == "histogram" else None


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule]


def records():
    return {rule["record"]: rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"]
            for rule in group["rules"] if "record" in rule}


def resolved(expression, recorded):
    """With the recorded names replaced by what they stand for."""
    return re.sub(r"\binstance:[\w:]+", lambda name: f"({resolved(recorded[name[0]], recorded)})", expression)


def rules_metrics():
    return {name for rule in [*alerts(), *({"expr": text} for text in records().values())]
            for name, _ in METRIC.findall(rule["expr"])}


class Everything(PostgresServer):
    text = None

    def page(self):
        """/metrics of an engine that has registered all families there are, and has denied an event; of one for all tests."""
        Everything.text = Everything.text or self.make_page()
        return Everything.text

    def make_page(self):
        service = WebService(lambda question: "NOT_SPAM")
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        run_weir("policy-key", self.folder / "policy.key")
        (self.folder / "state").mkdir()
        engine = self.start_engine(self.configuration(f"""{self.bodies}
role: active
state_dir: state
audit: 10m
instance_map: {{main: {{host: 127.0.0.1, port: 9}}}}
requests: {{http: true}}
policy_server: {{enabled: true, signing_key_path: policy.key, key_server: "http://127.0.0.1:9"}}""",
                                                      modules=MODULES.replace("URL", service.url)))
        self.store([(1, "persister1", "$1", {"type": "m.room.message", "sender": "@a:lab.test", "room_id": "!r:lab.test",
                                             "content": {"body": "spam"}})])
        self.publish(rdata(1, ev_row("$1")))
        wait_until(lambda: self.metric(engine, "weir_module_denials_total", 'module="keywords"') == 1)
        text = self.http(engine, "/metrics")[1]
        self.stop_engine(engine)
        return text


class Names(Everything):
    def setUp(self):
        super().setUp()
        self.known = Page(self.page())

    def check(self, where, expression, labels=()):
        """`labels`: the names that something else, such as a legend, expects of the expression."""
        metrics, had = METRIC.findall(expression), set(SCRAPED)
        self.assertTrue(metrics or "up{" in expression, f"{where}: {expression} asks for nothing of Weir's")
        for name, matchers in metrics:
            family = self.known.family(name)
            self.assertIsNotNone(family, f"{where}: there is no metric {name}")
            had |= self.known.labels[family].keys()
            for label, value in MATCHER.findall(matchers):
                if label in SCRAPED:
                    continue
                self.assertIn(label, self.known.labels[family], f"{where}: {name} has no label {label}")
                for one in value.split("|"):
                    self.assertIn(one, self.known.labels[family].get(label), f"{where}: {name} by {label}")
        used = {label.strip() for text in GROUPING.findall(expression) for label in text.split(",")} | set(labels)
        self.assertLessEqual(used, had, f"{where}: {expression}")

    def test_the_boards_ask_for_what_there_is(self):
        board = json.loads(BOARD.read_text())
        asked = 0
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                legend = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
                self.check(panel["title"], target["expr"].replace('{instance=~"$instance"}', ""), legend)
                self.assertIn('instance=~"$instance"', target["expr"])
                asked += 1
        self.assertGreater(asked, 100)
        for note in board["annotations"]["list"]:
            self.check(note["name"], note["expr"])
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                self.check(variable["name"], variable["query"]["query"])

    def test_the_rules_ask_for_what_there_is(self):
        recorded = records()
        for name, expression in recorded.items():
            self.check(name, resolved(expression, recorded))
        for alert in alerts():
            texts = " ".join(alert["annotations"].values())
            self.check(alert["alert"], resolved(alert["expr"], recorded), re.findall(r"\$labels\.(\w+)", texts))

    def test_names_follow_the_conventions(self):
        """https://prometheus.io/docs/practices/naming, for those who have no promtool."""
        self.assertEqual(self.known.types.keys(), self.known.helps.keys())
        for name, kind in self.known.types.items():
            with self.subTest(name):
                if name.startswith("process_") or name == "weir_build_info":
                    continue  # named as Prometheus's own clients do it
                self.assertRegex(name, "^weir_[a-z0-9_]+$")
                self.assertEqual(name.endswith("_total"), kind == "counter", kind)
                self.assertNotRegex(name, "_(count|sum|bucket|info)$")
                self.assertNotRegex(name, "(milli|micro|nano)seconds|_ms$|_(minutes|hours|days|kilobytes|megabytes|percent)")
                self.assertEqual(name.endswith("_seconds"), kind == "histogram" or name.endswith(("longest_seconds", "lag_seconds"))
                                 or name.endswith("timestamp_seconds"))
                self.assertGreater(len(self.known.helps[name]), 10)
                self.assertLessEqual(sum(map(len, self.known.labels[name].values())), 80, "labels are bounded")

    @unittest.skipUnless(PROMTOOL, NO_PROMTOOL)
    def test_promtool_finds_nothing_in_the_page(self):
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=self.page().encode(), capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))


class Files(unittest.TestCase):
    def test_the_board_is_what_its_table_makes(self):
        made = subprocess.run(["/usr/bin/python3", "-B", ROOT / "deploy" / "grafana" / "make.py"], capture_output=True, check=True)
        self.assertEqual(made.stdout.decode(), BOARD.read_text(), "run deploy/grafana/make.py > deploy/grafana/weir.json")

    def test_each_alert_has_its_chapter(self):
        chapters = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)
        names = [alert["alert"] for alert in alerts()]
        self.assertEqual(chapters, names, "the chapters of docs/alerts.md, in the order of the rules")
        self.assertEqual(len(set(names)), len(names))
        for alert in alerts():
            with self.subTest(alert["alert"]):
                self.assertIn(alert["labels"]["severity"], ("critical", "warning"))
                self.assertIn("for", alert)
                self.assertTrue(alert["annotations"]["summary"])
                self.assertEqual(alert["annotations"]["runbook"], f"docs/alerts.md#{alert['alert'].lower()}")

    def test_the_metrics_of_the_page_are_those_of_the_rules(self):
        known = rules_metrics() | {name for name, _ in METRIC.findall(BOARD.read_text())}
        self.assertLessEqual(set(re.findall(r"`(weir_[a-z0-9_]+)`", PAGE.read_text())), known)


SERVICE = 'service="http://127.0.0.1:1/ask"'
MINUTES, USUAL = 60, 300  # how long a series is, and how long what is usual comes before it where that counts
# What must make an alert ring, and no other: series and their values, in the notation of promtool.
RINGS = {
    "WeirDown": {"up": "0"},
    "WeirNotReady": {"weir_ready": "0"},
    "WeirJobUnattended": {"weir_lease_held": "0"},
    "WeirTakeovers": {"weir_takeovers_total": "1+0.2x"},
    "WeirRestarts": {"process_start_time_seconds": "0+60x"},
    "WeirFilesRunOut": {"process_open_fds": "99", "process_max_fds": "100"},
    "WeirReloadRefused": {"weir_reload_last_successful": "0"},
    "WeirHttpFull": {"weir_http_full_total": "0+1x"},
    "WeirHearsNothing": {"weir_replication_lines_total": "7"},
    "WeirLagGrows": {'weir_line_to_verdict_seconds_bucket{le="5"}': "0", 'weir_line_to_verdict_seconds_bucket{le="10"}': "0+9x",
                     'weir_line_to_verdict_seconds_bucket{le="+Inf"}': "0+9x"},
    "WeirWriterLags": {'weir_writer_lag_seconds{stream="events",writer="persister1"}': "90"},
    "WeirEventsWait": {"weir_events_waiting": "5000"},
    "WeirBodiesMissing": {"weir_bodies_missing_total": "0+3x"},
    "WeirBadLines": {"weir_replication_bad_lines_total": "0+1x"},
    "WeirEventsMissed": {"weir_positions_missed_ranges_total": "0+1x"},
    "WeirCatchUpStuck": {"weir_catch_up_waiting": "2"},
    "WeirAuditFoundMissed": {"weir_audit_missed_total": "0+1x"},
    "WeirOutboxRefused": {"weir_outbox_refused_total": "0+60x"},
    "WeirOutboxStuck": {"weir_outbox_waiting": "9", "weir_outbox_transactions_total": "7"},
    "WeirRedisLostData": {"weir_redis_losses_total": "0+0.1x"},
    "WeirSharedRatesFail": {"weir_shared_rate_failed_total": "0+6x"},
    "WeirRequestsOverloaded": {"weir_requests_turned_away_total": "0+1x"},
    "WeirRequestsSlow": {'weir_request_seconds_bucket{le="1"}': "0", 'weir_request_seconds_bucket{le="5"}': "0+9x",
                         'weir_request_seconds_bucket{le="+Inf"}': "0+9x"},
    "WeirRequestsExpire": {"weir_requests_trimmed_total": "0+1x"},
    "WeirRequestsPoisoned": {"weir_requests_poisoned_total": "0+0.1x"},
    "WeirPolicyServerFails": {'weir_policy_requests_total{result="failed"}': "0+1x"},
    "WeirModuleRaises": {'weir_module_raised_total{module="keywords"}': "0+1x"},
    "WeirServiceBreakerOpen": {f"weir_service_breaker_state{{{SERVICE}}}": "1"},
    "WeirDenialWave": {"weir_events_denied_total": f"0+1x{USUAL} 360+60x"},
    "WeirRequestDenialWave": {"weir_requests_denied_total": f"0+1x{USUAL} 360+60x"},
    "WeirJoinWave": {'weir_module_join_wave_waves_total{module="join_wave"}': "0+1x"},
    "WeirPolicyListsUnread": {"weir_followed_rooms_unread": "1"},
    "WeirFollowedRoomsStale": {"weir_followed_waiting": "1"},
    "WeirPolicyListsFull": {'weir_module_policy_list_left_out_total{module="policy_list"}': "0+0.1x"},
    "WeirStateNotWritten": {"weir_module_state_failures_total": "0+0.2x"},
}
# What is less than that: nothing rings.
QUIET = {
    "it catches up and gets on": {"weir_ready": "0", "weir_catch_up_waiting": "3", 'weir_catch_up_rows_total{source="database"}': "0+900x"},
    "an engine that only answers": {"weir_replication_lines_total": "0", "weir_events_judged_total": "0"},
    "some events wait": {"weir_events_waiting": "900", "weir_outbox_waiting": "9"},
    "two restarts": {"process_start_time_seconds": f"100x{MINUTES - 20} 200x5 300x"},
    "a writer lags for a moment": {'weir_writer_lag_seconds{stream="events",writer="persister1"}': "40"},
    "few bodies are missing": {"weir_bodies_missing_total": "0+0.5x"},
    "few shared rates fail": {"weir_shared_rate_failed_total": "0+2x"},
    "five times the usual denials": {"weir_events_denied_total": f"0+10x{USUAL} 3050+50x"},
    "ten times the usual of next to nothing": {"weir_events_denied_total": f"0+0.1x{USUAL} 32+2x"},
    "a slow second": {'weir_line_to_verdict_seconds_bucket{le="1"}': "0", 'weir_line_to_verdict_seconds_bucket{le="2.5"}': "0+9x",
                      'weir_line_to_verdict_seconds_bucket{le="+Inf"}': "0+9x"},
}
RISING = {"weir_replication_lines_total", "weir_events_judged_total", "weir_outbox_transactions_total",
          "weir_shared_rate_questions_total"}


@unittest.skipUnless(PROMTOOL, NO_PROMTOOL)
class Promtool(Everything):
    def promtool(self, *arguments):
        done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())

    def test_the_rules_are_well_formed(self):
        self.promtool("check", "rules", RULES)

    def healthy(self):
        """The series of the real page of an engine that is well: work goes on, and nothing else changes."""
        series, asked = {"up": "1"}, rules_metrics()
        for name, value, kind in Page(self.page()).samples:
            if kind != "histogram" and name.partition("{")[0] in asked:
                name = re.sub(r'service="[^"]*"', SERVICE, name)
                series[name] = "0+60x" if name in RISING else f"{value:g}"
        return series

    def case(self, name, healthy, changed, rings):
        long = any(str(USUAL) in values for values in changed.values())
        minutes = (USUAL if long else 0) + MINUTES
        for series in changed.keys() - healthy.keys():
            self.assertIn("_bucket{", series, f"{name}: {series} is no series of the engine")
        values = healthy | changed
        return {"name": name, "interval": "1m",
                "input_series": [{"series": self.labelled(series), "values": self.written(text, minutes)}
                                 for series, text in values.items()],
                "promql_expr_test": [{"expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                                      "eval_time": f"{USUAL + 20 if long else MINUTES - 5}m",
                                      "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in rings]}]}

    @staticmethod
    def labelled(series):
        name, _, labels = series.partition("{")
        labels = labels.removesuffix("}")
        return f'{name}{{job="weir",instance="a"{"," if labels else ""}{labels}}}'

    @staticmethod
    def written(text, minutes):
        """A row that goes on is as long as the case; a value that stays is repeated."""
        if text.endswith("x"):
            return f"{text}{MINUTES if ' ' in text else minutes}"
        return f"{text}+0x{minutes}"

    def test_each_alert_rings_for_what_it_is_about(self):
        self.assertEqual(list(RINGS), [alert["alert"] for alert in alerts()])
        healthy = self.healthy()
        cases = [self.case("all is well", healthy, {}, [])]
        cases += [self.case(alert, healthy, changed, [alert]) for alert, changed in RINGS.items()]
        cases += [self.case(name, healthy, changed, []) for name, changed in QUIET.items()]
        tests = self.write("rules.test.yaml", json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m",
                                                          "tests": cases}))
        self.promtool("test", "rules", tests)


if __name__ == "__main__":
    unittest.main()
