"""The frame of the benches, on made-up measurements: what becomes of the lines, the fits, the page and the guard."""

import contextlib
import copy
import html.parser
import importlib.machinery
import importlib.util
import io
import json
import math
import pathlib
import sys
import tempfile
import time
import unittest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import laws  # noqa: E402
import page  # noqa: E402
import results  # noqa: E402


def script(name):
    """A program of bench/ that has no suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", str(BENCH / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


run, report, guard = script("run"), script("report"), script("guard")


def figure(name="chain_vs_yyjson", runs=(1.4, 1.5, 1.7), **more):
    return {"kind": "figure", "name": name, "ratio": results.quantile(runs, 0.5), "reference": "yyjson <alone> & hot",
            "value": 500.0, "unit": "ns/event", "runs": list(runs), **more}


def sweep(name, law, cost, sizes, noise=0.0, **more):
    def point(x):
        values = [cost(x) * (1 - noise), cost(x), cost(x) * (1 + noise)]
        return {"x": x, "value": cost(x), "ratio": cost(x) / 300, "values": values,
                "runs": [value / 300 for value in values]}

    return {"kind": "sweep", "name": name, "title": f"Chain, by {name}", "x": name, "unit": "ns/event",
            "reference": "yyjson alone", "law": law, "logarithmic": law == "logarithmic",
            "points": [point(x) for x in sizes], **more}


def latency(side, rate, slow=1.0, name="request"):
    return {"kind": "latency", "name": name, "side": side, "rate": rate, "reached": rate * 0.99 or 7000.0,
            "count": 100000, "percentiles": [slow * value for value in (100, 110, 130, 150, 250, 600, 3000, 120)]}


SWEEPS = (sweep("modules", "linear", lambda x: 163 + 2.1 * x, (1, 2, 5, 10, 50, 100), noise=0.05),
          sweep("ids", "logarithmic", lambda x: 200 + 12 * math.log2(x), (10, 1000, 100000, 10000000)),
          sweep("patterns", "constant", lambda x: 163, (10, 100, 1000)),
          sweep("hits", "linear", lambda x: 100 + abs(50 - x) * 10, (0, 25, 50, 75, 100)))


def document(*entries):
    made = results.assemble(json.dumps(entry) for entry in entries)
    return {"commit": "abc1234", "date": "2026-11-25T08:00:00+00:00", "quick": False, "seconds": {},
            "machine": {"cpu": "A <processor>", "cores": 2, "kernel": "6.1", "memory": 2 ** 34, "flags": ["avx2"]},
            "inputs": {"recording.zst": "00ff"}, "notes": {"chain": ["the chain denies 494"]}, **made}


class Assembling(unittest.TestCase):
    def refused(self, entry):
        with self.assertRaises(results.Malformed) as caught:
            results.assemble([entry if isinstance(entry, str) else json.dumps(entry)])
        return str(caught.exception)

    def test_each_kind_lands_in_its_list(self):
        made = document(figure(), SWEEPS[0], latency("weir", 1000), latency("weir", 2000), latency("ping-pong", 1000))
        self.assertEqual([entry["name"] for entry in made["figures"]], ["chain_vs_yyjson"])
        self.assertEqual([entry["name"] for entry in made["sweeps"]], ["modules"])
        self.assertEqual(len(made["latencies"]), 3)

    def test_a_script_may_leave_the_spread_and_the_verdict_to_us(self):
        made = document(figure(runs=(1, 2, 3, 4, 5), bound={"at_most": 3}),
                        figure("rate", (0.7, 0.7), bound={"at_least": 0.8}))
        self.assertEqual(made["figures"][0]["spread"],
                         {"least": 1, "lower_quartile": 2, "upper_quartile": 4, "greatest": 5})
        self.assertIs(made["figures"][0]["met"], True)
        self.assertIs(made["figures"][1]["met"], False)

    def test_what_figure_h_does_not_promise_is_refused(self):
        self.assertIn("no JSON", self.refused("{half"))
        self.assertIn("no figure", self.refused({"name": "x"}))
        self.assertIn("no figure", self.refused("[1]"))
        self.assertIn("runs is empty", self.refused({**figure(), "ratio": 1, "runs": []}))
        self.assertIn("ratio is no number", self.refused({**figure(), "ratio": math.nan}))
        self.assertIn("runs is no number", self.refused({**figure(), "runs": [1, "2"]}))
        self.assertIn("lacks reference", self.refused({**figure(), "reference": None}))
        self.assertIn("at_most or at_least", self.refused(figure(bound={"about": 1})))
        self.assertIn("no law", self.refused({**SWEEPS[0], "law": "quadratic"}))
        self.assertIn("x is no number", self.refused({**SWEEPS[0], "points": [{**SWEEPS[0]["points"][0], "x": None}]}))
        self.assertIn("8 percentiles", self.refused({**latency("weir", 1), "percentiles": [1, 2]}))

    def test_a_name_that_is_there_twice_is_refused(self):
        for entry in (figure(), SWEEPS[0], latency("weir", 1000)):
            with self.assertRaisesRegex(results.Malformed, "twice"):
                document(entry, entry)

    def test_what_is_saved_is_what_is_loaded(self):
        made = document(figure(), *SWEEPS, latency("weir", 1000))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "bench.json"
            results.save(path, made)
            self.assertEqual(results.load(path), made)
            self.assertEqual([entry.name for entry in path.parent.iterdir()], ["bench.json"])

    def test_the_machine_and_the_inputs(self):
        self.assertTrue(results.machine()["cpu"])
        self.assertGreater(results.machine()["memory"], 2 ** 20)
        hashes = results.inputs(BENCH.parent / "tests" / "data")
        self.assertIn("synapse-1.140-big.jsonl.zst", hashes)
        self.assertEqual({len(value) for value in hashes.values()}, {64})

    def test_every_bench_of_the_folder_is_run(self):
        names = {name for name, _ in run.programs(pathlib.Path("build"), [])}
        sources = {path.name.removesuffix("_bench.c") for path in BENCH.glob("*_bench.c")}
        self.assertTrue(sources and sources <= names)
        with self.assertRaisesRegex(run.Failed, "no such bench: nothing_here"):
            run.programs(pathlib.Path("build"), ["nothing_here"])


def state_of(stat):
    """Of a process, by its stat file: R, S, …; empty if there is none."""
    return results.read_text(stat).rpartition(")")[2].strip()[:1]


class Running(unittest.TestCase):
    """run_bench with a program of ours in place of a bench."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def bench(self, text):
        program = self.folder / "made_up_bench"
        program.write_text("#!/bin/sh\n" + text, encoding="utf-8")
        program.chmod(0o755)
        (self.folder / "lines").touch()
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            lists, seconds, notes = run.run_all(self.folder, [("made_up", program)], self.folder)
        return lists, seconds, notes, shown.getvalue()

    def test_rows_lines_and_notes(self):
        line = json.dumps(figure())
        lists, seconds, notes, shown = self.bench(f"echo a row; echo 'bench: a note' >&2; echo '{line}' >>$1\n")
        self.assertEqual([entry["name"] for entry in lists["figures"]], ["chain_vs_yyjson"])
        self.assertEqual(notes, {"made_up": ["a note"]})
        self.assertEqual(list(seconds), ["made_up"])
        self.assertEqual(shown, "a row\n    a note\n")

    def test_a_bench_that_cannot_run_is_a_failure_and_says_why(self):
        with self.assertRaisesRegex(run.Failed, r"(?s)made_up_bench failed \(1\).*no such recording"):
            self.bench("echo 'bench: no such recording' >&2; exit 1\n")

    def test_what_a_bench_leaves_running_is_ended(self):
        self.bench("sleep 300 & echo $! >$3/left\n")
        left = pathlib.Path("/proc") / (self.folder / "left").read_text().strip() / "stat"
        deadline = time.monotonic() + 10
        while state_of(left) not in ("", "Z"):
            self.assertLess(time.monotonic(), deadline, "what the bench started goes on")
            time.sleep(0.01)

    def test_one_that_hangs_is_ended_and_a_failure(self):
        patience, run.SECONDS_MAXIMUM = run.SECONDS_MAXIMUM, 0.2
        self.addCleanup(setattr, run, "SECONDS_MAXIMUM", patience)
        with self.assertRaisesRegex(run.Failed, "not done after 0.2 s"):
            self.bench("sleep 300\n")

    def test_one_that_is_not_built_is_left_out_with_a_message(self):
        (self.folder / "lines").touch()
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            _, seconds, notes = run.run_all(self.folder, [("rare", self.folder / "rare_bench")], self.folder)
        self.assertEqual(seconds, {})
        self.assertIn("rare_bench is not built, skipped", notes["rare"][0])
        self.assertIn("rare_bench is not built, skipped", shown.getvalue())


class Laws(unittest.TestCase):
    def test_exact_points_give_the_exact_law(self):
        linear, logarithmic, constant = (laws.fit_sweep(entry) for entry in SWEEPS[:3])
        self.assertAlmostEqual(linear["a"], 163)
        self.assertAlmostEqual(linear["b"], 2.1)
        self.assertAlmostEqual(linear["r2"], 1)
        self.assertEqual(linear["formula"], "ns/event = 163 + 2.1 × modules")
        self.assertAlmostEqual(logarithmic["a"], 200)
        self.assertAlmostEqual(logarithmic["b"], 12)
        self.assertEqual(logarithmic["formula"], "ns/event = 200 + 12 × log2(ids)")
        self.assertEqual((constant["a"], constant["spread"]), (163, 0))
        self.assertEqual(constant["formula"], "ns/event = 163, whatever the patterns")
        for fit in (linear, logarithmic, constant):
            self.assertTrue(fit["fits"])
            self.assertAlmostEqual(fit["worst"]["relative"], 0)

    def test_least_squares_of_points_off_the_line(self):
        # By hand: means 2.5 and 5; slope (1.5·2 + 0.5·1 + 0.5·1 + 1.5·2) / 5 = 1.4; squares 0.2 missed of 10.
        a, b = laws.least_squares([1, 2, 3, 4], [3, 4, 6, 7], [1] * 4)
        self.assertAlmostEqual(b, 1.4)
        self.assertAlmostEqual(a, 1.5)
        self.assertAlmostEqual(laws.explained([3, 4, 6, 7], [a + b * x for x in (1, 2, 3, 4)], [1] * 4), 1 - 0.2 / 10)

    def test_small_sizes_count_as_much_as_great_ones(self):
        entry = sweep("bytes", "linear", lambda x: 200 + x * (1.1 if x == 64000 else 1), (200, 800, 6400, 64000))
        fit = laws.fit_sweep(entry)
        self.assertLess(fit["worst"]["relative"], 0.1)
        self.assertIn(f"off by {100 * fit['worst']['relative']:.0f} % at", laws.describe({**entry, "fit": fit}))

    def test_a_law_that_does_not_hold_is_said(self):
        fitted = {**SWEEPS[3], "fit": laws.fit_sweep(SWEEPS[3])}
        self.assertFalse(fitted["fit"]["fits"])
        self.assertIn("FITS BADLY: not linear", laws.describe(fitted))

    def test_another_law_that_holds_is_named(self):
        grows = sweep("ids", "constant", lambda x: 100 + 30 * x, (1, 2, 3, 4))
        fit = laws.fit_sweep(grows)
        self.assertGreater(fit["spread"], laws.SPREAD_GREATEST)
        self.assertEqual(fit["better"]["formula"], "ns/event = 100 + 30 × ids")
        flat = laws.fit_sweep(sweep("ids", "linear", lambda x: 100 + x % 2, (1, 2, 3, 4)))
        self.assertFalse(flat["fits"])
        self.assertEqual(flat["better"]["law"], "constant")

    def test_the_edges_of_a_constant(self):
        at = laws.fit_sweep(sweep("x", "constant", lambda x: x, (87.5, 100, 112.5)))
        past = laws.fit_sweep(sweep("x", "constant", lambda x: x, (87, 100, 113)))
        self.assertEqual((at["fits"], past["fits"]), (True, False))
        nothing = laws.fit_sweep(sweep("x", "constant", lambda x: 0, (1, 2, 3)))
        self.assertTrue(nothing["fits"])

    def test_points_that_no_law_can_be_fitted_to(self):
        few = laws.fit_sweep(sweep("x", "linear", lambda x: x, (1, 2)))
        self.assertEqual((few["fits"], few["why"]), (None, "too few sizes to tell"))
        self.assertIn("(too few sizes to tell)", laws.describe({**SWEEPS[0], "fit": few}))
        zero = laws.fit_sweep(sweep("x", "logarithmic", lambda x: x, (0, 1, 2)))
        self.assertFalse(zero["fits"])
        self.assertIn("FITS BADLY", laws.describe({**SWEEPS[0], "fit": zero}))

    def test_numbers_as_people_write_them(self):
        self.assertEqual([laws.number(value) for value in (0, 163.04, 2.1, 0.00172, 1234567, -22.14, 0.9999, 5e-12)],
                         ["0", "163", "2.1", "0.00172", "1,230,000", "−22.1", "1", "5e-12"])


class Balance(html.parser.HTMLParser):
    """Whether every element is closed, in order; what elements and ids there are; what the page would load."""

    VOID = {"meta", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.loads, self.text = [], [], [], ""

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.loads += [(tag, name) for name in attributes if name in ("src", "href", "xlink:href")]
        if tag in ("script", "link", "img", "iframe"):
            self.loads.append((tag, ""))
        if tag == "svg" and attributes.get("role") == "img":
            self.labels = getattr(self, "labels", []) + attributes["aria-labelledby"].split()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.text += data


class Page(unittest.TestCase):
    def page(self, made):
        for entry in made["sweeps"]:
            entry["fit"] = laws.fit_sweep(entry)
        parser = Balance()
        parser.feed(page.render(made))
        parser.close()
        self.assertEqual(parser.open, [])
        self.assertEqual(parser.loads, [])
        self.assertEqual(len(parser.ids), len(set(parser.ids)))
        self.assertLessEqual(set(getattr(parser, "labels", [])), set(parser.ids))
        return parser

    def test_a_plot_for_everything(self):
        curves = [latency(side, rate, slow)
                  for side, slow in (("ping-pong", 1), ("weir", 1.2)) for rate in (0, 1000, 5000)]
        shown = self.page(document(figure(bound={"at_most": 1.6}), figure("rate", (0.7, 0.75), bound={"at_least": 0.8}),
                                   *SWEEPS, *curves))
        for name in ("chain_vs_yyjson", "rate"):
            self.assertIn(f"figure-{name}", shown.ids)
        for entry in SWEEPS:
            self.assertIn(f"sweep-{entry['name']}", shown.ids)
        self.assertIn("throughput-request", shown.ids)
        plots = ["percentiles-request-0", "percentiles-request-1", "percentiles-request-2"]
        self.assertEqual([name for name in shown.ids if name.startswith("percentiles") and name[-1].isdigit()], plots)
        for words in ("Missed: rate", "≤ 1.6 met", "≥ 0.8 MISSED", "The law fits badly: hits", "A <processor>",
                      "abc1234", "00ff", "yyjson <alone> & hot", "ns/event = 163 + 2.1 × modules",
                      "the chain denies 494"):
            self.assertIn(words, shown.text)

    def test_odd_measurements_are_drawn_as_well(self):
        odd = [figure("nothing", (0, 0, 0), bound={"at_most": 0}), figure("same", (1, 1)), figure("one", (520.0,)),
               figure("below", (-0.1, 0.2)), sweep("single", "linear", lambda x: 5, (1,)),
               sweep("zero", "constant", lambda x: 0, (1, 2, 3)),
               sweep("from_zero", "linear", lambda x: 3 * x, (0, 1, 1000), logarithmic=True),
               sweep("steep", "linear", lambda x: x ** 2 + 0.001, (1, 10, 100, 1000), logarithmic=True),
               latency("weir", 0, name="live path"), latency("weir", 100, 0, name="idle")]
        shown = self.page(document(*odd))
        self.assertIn("sweep-from_zero", shown.ids)
        self.assertIn("percentiles-live-path-0", shown.ids)

    def test_a_run_of_figures_alone(self):
        shown = self.page(document(figure()))
        self.assertNotIn("How cost grows", shown.text)

    def test_report_writes_the_page_and_the_fits(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
            build = pathlib.Path(folder)
            results.save(build / "bench.json", document(figure(), *SWEEPS))
            self.assertEqual(report.main([folder]), 0)
            self.assertEqual(report.main([folder]), 0)
            fits = {entry["name"]: entry["fit"] for entry in results.load(build / "bench.json")["sweeps"]}
            self.assertIn("<!DOCTYPE html>", (build / "bench.html").read_text(encoding="utf-8"))
        self.assertAlmostEqual(fits["modules"]["b"], 2.1)
        self.assertFalse(fits["hits"]["fits"])
        self.assertIn("ns/event = 163 + 2.1 × modules (R² 1.000)", said.getvalue())
        self.assertRegex(said.getvalue(), r"hits .*FITS BADLY")

    def test_no_bench_json_is_said(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(report.main([folder]), 1)
        self.assertIn("bench.json cannot be read", said.getvalue())


BASELINE = {"margin": 1.6, "figures": {
    "time": {"ratio": 1.0}, "rate": {"ratio": 0.8}, "free": {"ratio": 2.0, "worse": "higher", "margin": 1.1},
    "count": {"ratio": 0}, "rare": {"ratio": 3.0, "worse": "lower", "optional": True}}}


def measured(time=1.0, rate=0.8, free=2.0, count=0.0, **more):
    return [figure("time", (time,), bound={"at_most": 9}), figure("rate", (rate,), bound={"at_least": 0.1}),
            figure("free", (free,)), figure("count", (count,), bound={"at_most": 0}),
            *(figure(name, (ratio,)) for name, ratio in more.items())]


class Guard(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.baseline = self.folder / "baseline.json"
        self.write(BASELINE)

    def write(self, baseline):
        self.baseline.write_text(json.dumps(baseline), encoding="utf-8")

    def guard(self, entries, *options):
        results.save(self.folder / "bench.json", document(*entries))
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
            code = guard.main([*options, "--baseline", str(self.baseline), str(self.folder)])
        return code, said.getvalue()

    def assert_fails(self, entries, name, *words):
        code, said = self.guard(entries)
        self.assertEqual(code, 1)
        self.assertIn(f"past its margin or missing: {name}\n", said)
        for word in words:
            self.assertIn(word, said)

    def test_within_the_margins(self):
        for entries in (measured(), measured(time=1.59), measured(rate=0.51), measured(free=2.19), measured(rare=1.9)):
            code, said = self.guard(entries)
            self.assertEqual(code, 0, said)
            self.assertNotIn("FAILED", said)

    def test_past_the_margin_where_more_is_worse(self):
        self.assert_fails(measured(time=2.0), "time", "time is 2", "1.6 is the limit", "25 % past")
        self.assert_fails(measured(free=2.3), "free", "margin 1.1")
        self.assert_fails(measured(count=0.001), "count")

    def test_past_the_margin_where_less_is_worse(self):
        self.assert_fails(measured(rate=0.4), "rate", "rate is 0.4", "0.5 is the limit", "20 % past")
        self.assert_fails(measured(rare=1.8), "rare")

    def test_better_is_no_failure_and_is_said(self):
        code, said = self.guard(measured(time=0.5, rate=1.4))
        self.assertEqual(code, 0)
        self.assertIn("note: time is 0.5", said)
        self.assertIn("note: rate is 1.4", said)

    def test_a_figure_that_is_missing(self):
        self.assert_fails(measured()[1:], "time", "time was not measured")
        code, said = self.guard(measured())
        self.assertEqual(code, 0)
        self.assertIn("rare was not measured, it is optional", said)

    def test_several_are_all_named(self):
        self.assert_fails(measured(time=3, rate=0.1, free=9), "time rate free")

    def test_no_direction_is_a_failure(self):
        self.write({"figures": {"free": {"ratio": 2.0}}})
        self.assert_fails(measured(), "free", 'must say which is "worse"')

    def test_a_baseline_that_is_wrong_is_said(self):
        for wrong in ({}, {"figures": {"time": {}}}, {"figures": {"time": {"ratio": 1, "worse": "up"}}},
                      {"figures": {"time": {"ratio": 1, "margin": 0.5}}}, {"figures": {"time": {"ratio": "1"}}}):
            self.write(wrong)
            code, said = self.guard(measured())
            self.assertEqual(code, 1)
            self.assertIn("baseline.json", said)

    def test_update_takes_the_ratios_and_keeps_what_is_declared(self):
        expected = copy.deepcopy(BASELINE)
        expected["figures"]["time"]["ratio"] = 1.234
        expected["figures"]["free"]["ratio"] = 4.0
        entries = [*measured(time=1.23432, free=4.0), figure("fresh", (3.0,), bound={"at_least": 2}),
                   figure("loose", (1.0,))]
        code, said = self.guard(entries, "--update")
        self.assertEqual(code, 0)
        self.assertIn("not guarded: loose", said)
        self.assertIn("kept as it was: rare", said)
        expected["figures"]["fresh"] = {"ratio": 3.0}
        self.assertEqual(json.loads(self.baseline.read_text(encoding="utf-8")), expected)
        self.assertEqual(self.guard(entries)[0], 0)

    def test_the_baseline_of_the_repository_can_be_read(self):
        baseline = guard.read_baseline(BENCH / "baseline.json")
        self.assertIn("chain_vs_yyjson", baseline["figures"])


if __name__ == "__main__":
    unittest.main()
