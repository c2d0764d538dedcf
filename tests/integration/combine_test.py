"""What several modules say together, on recorded traffic: the verdicts of an expression are those of its modules, put
together as sets; the examples of the page work; and faults are told where they stand."""

import json
import re
import unittest

import harness
from harness import run_weir

SAMPLE = harness.ROOT / "deploy/sample"
PAGE = harness.ROOT / "docs/combine.md"
RULES = {
    "caps": {"module": "shape", "config": {"max_caps": 0.7}},
    "mass": {"module": "mentions", "config": {"max": 2, "count": ["at_signs"]}},
    "any_link": {"module": "links", "config": {"mode": "allow_only"}},
    "casino": {"module": "links", "config": {"deny": ["evil-casino.example"]}},
    "half": {"module": "user_list", "config": {"deny": [f"@u0[02468]?:lab.test", "@u01?:lab.test", "@u03?:lab.test"]}},
    "repeated": {"module": "repeat", "config": {"min_bytes": 12}},
}


def listed(*names):
    return [{"name": name, **RULES[name]} for name in names]


class Combine(harness.Server):
    def rows(self, modules, *arguments):
        text = modules if isinstance(modules, str) else "modules: " + json.dumps(modules) + "\n"
        output = run_weir("replay", "-c", self.configuration(modules=text), SAMPLE / "recording.jsonl.zst", "--events",
                          SAMPLE / "recording.events.jsonl.zst", *arguments).stdout
        return [json.loads(line) for line in output.splitlines()]

    def hits(self, module, *arguments):
        return {row["event_id"] for row in self.rows([module], *arguments)}

    def combined(self, names, *arguments, **config):
        return self.rows([{"module": "combine", "config": {"rules": listed(*names), **config}}], *arguments)

    def test_an_expression_is_the_sets_of_its_modules(self):
        alone = {name: self.hits(rule) for name, rule in RULES.items()}
        for name, events in alone.items():
            self.assertGreater(len(events), 5, name)
        caps, any_link, casino, half, repeated = (alone[name] for name in
                                                  ("caps", "any_link", "casino", "half", "repeated"))
        for expression, wanted in {
                "any_link & half": any_link & half,
                "any_link & !casino": any_link - casino,
                "caps | casino & half": caps | (casino & half),
                "(caps | casino) & !half": (caps | casino) - half,
                "half & repeated": half & repeated,
                "any_link & !(casino | repeated)": any_link - (casino | repeated),
        }.items():
            names = re.findall(r"\w+", expression)
            rows = self.combined(names, expression=expression)
            self.assertEqual({row["event_id"] for row in rows}, wanted, expression)
            self.assertTrue(wanted, expression)
            for row in rows:
                self.assertEqual((row["module"], row["rule"]), ("combine", expression))
                told = set(re.findall(r"(\w+) \(", row["reason"]))
                self.assertEqual(told, {name for name in names if row["event_id"] in alone[name]}, row)

    def test_a_score_is_the_sum_of_its_modules(self):
        names = ["caps", "mass", "any_link", "casino", "half"]
        weights = dict(zip(names, (2, 1.5, 1, 2.25, -1)))
        alone = {name: self.hits(RULES[name]) for name in names}
        score = {}
        for name, events in alone.items():
            for event in events:
                score[event] = score.get(event, 0) + weights[name]
        for threshold in (1, 1.5, 2, 2.25, 3.25):
            rows = self.combined(names, score=weights, threshold=threshold)
            wanted = {event: value for event, value in score.items() if value >= threshold}
            self.assertEqual({row["event_id"] for row in rows}, set(wanted), threshold)
            for row in rows:
                self.assertTrue(row["reason"].endswith(f": {wanted[row['event_id']]:g} of {threshold:g}"), row)
        self.assertTrue(wanted)

    def test_several_threads_find_the_same(self):
        for names, expression in ((["any_link", "half"], "any_link & !half"), (["half", "repeated"], "half & repeated")):
            rows = self.combined(names, "--jobs", "1", expression=expression)
            self.assertEqual(rows, self.combined(names, "--jobs", "3", expression=expression), expression)

    def test_the_examples_of_the_page_work(self):
        examples = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
        self.assertEqual(len(examples), 3)
        for example in examples:
            rows = self.rows(example)
            self.assertTrue(rows, example)
            self.assertEqual({row["module"] for row in rows}, {"combine"})
        trusted = re.sub(r"module: server_list, config: \{.*?\}", 'module: user_list, config: {deny: ["@*:lab.test"]}',
                         examples[2])
        self.assertEqual(self.rows(trusted), [])
        rows = self.rows(examples[0])
        self.assertTrue(rows)
        for row in rows:
            self.assertRegex(row["reason"], r"^any_link \(.*\), newcomer \(any\)$")
            self.assertTrue(row["dry_run"])

    def test_faults_are_told_where_they_stand(self):
        configuration = self.configuration(modules="""modules:
  - module: combine
    config:
      rules:
        - {module: links, config: {deny: [a.example]}}
        - module: keywords
          config:
            words: [free coins]
            match: wrods
      expression: links & keyword
""")
        result = run_weir("check", "-c", configuration, check=False)
        text = (result.stdout + result.stderr).decode()
        self.assertRegex(text, r"weir\.yaml:\d+:20: modules\[0\]\.config\.rules\[1\]\.config\.match: must be one of")
        self.assertRegex(text, r"modules\[0\]\.config\.expression: at 9: there is no `keyword`; did you mean `keywords`\?")


if __name__ == "__main__":
    unittest.main()
