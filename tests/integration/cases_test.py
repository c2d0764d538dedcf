"""Administrators' own tests: those of our samples and profiles hold, a wrong expectation fails with the right line, and
what is wrong in a file of cases is told with its place."""

import pathlib
import shutil
import tempfile
import unittest

from harness import ROOT, run_weir

PROFILES = ROOT / "deploy" / "profiles"
SAMPLE = ROOT / "deploy" / "sample"


class Cases(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-test."))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def profile(self, name, more=""):
        return self.write("weir.yaml", f"server_name: public.example\nmodules:\n  - include: {name}\n{more}")

    def run_cases(self, configuration, *arguments):
        done = run_weir("test", "-c", configuration, *arguments, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_ours_hold(self):
        tested = 0
        for cases in sorted((PROFILES / "tests").glob("*.yaml")):
            code, output, errors = self.run_cases(self.profile(cases.stem), cases)
            self.assertEqual((code, errors), (0, ""), f"{cases}: {output}")
            self.assertRegex(output, r"^\d+ cases: \d+ as expected, 0 not\n$")
            tested += 1
        self.assertEqual(tested, len(list(PROFILES.glob("*.yaml"))))
        code, output, _ = self.run_cases(SAMPLE / "weir.yaml", SAMPLE / "cases.yaml")
        self.assertEqual((code, output.splitlines()[-1][-5:]), (0, "0 not"), output)

    def test_cases_of_ours_can_fail(self):
        """Each profile's own cases find it out when one of its modules is gone."""
        for cases in sorted((PROFILES / "tests").glob("*.yaml")):
            code, output, _ = self.run_cases(self.profile(cases.stem, "    without: [rates]\n"), cases)
            self.assertEqual(code, 1, cases)
            self.assertIn(" by rates", output, cases)
        code, output, _ = self.run_cases(self.profile("small-community", "    dry_run: true\n"),
                                         PROFILES / "tests" / "small-community.yaml")
        self.assertEqual(code, 1)
        self.assertIn("; got pass, and a denial in dry_run by words", output)

    def test_a_wrong_expectation_is_told(self):
        configuration = self.profile("small-community")
        cases = self.write("cases.yaml", """cases:
  - {name: good, text: hello, expect: pass}
  - {name: too strict, text: hello, expect: deny}
  - name: not in time
    text: "cheap followers {n}"
    repeat: 3
    expect: {first: deny, 2-3: pass}
""")
        code, output, errors = self.run_cases(configuration, cases)
        self.assertEqual((code, errors), (1, ""))
        self.assertEqual(output, f"""{cases}:3:5: too strict: expected deny; got pass
{cases}:4:5: not in time: number 2 of 3: expected pass; got deny by words, rule "cheap followers": body holds a listed word (M_FORBIDDEN) (and 1 more like it)
3 cases: 1 as expected, 2 not
""")

    def test_tap_and_explanations(self):
        cases = self.write("cases.yaml", "cases:\n  - {name: good, text: hello, expect: pass}\n"
                                         "  - {name: bad, text: cheap followers, expect: pass}\n")
        code, output, _ = self.run_cases(self.profile("small-community"), "--tap", "--explain", cases)
        lines = output.splitlines()
        self.assertEqual(code, 1)
        self.assertEqual(lines[:2], ["ok 1 - good", "not ok 2 - bad"])
        self.assertTrue(lines[2].startswith(f"# {cases}:3:5: bad: expected pass; got deny by words"), lines[2])
        self.assertEqual(lines[-1], "1..2")
        self.assertTrue(all(line.startswith("# ") for line in lines[2:-1]), output)
        self.assertIn("#     words: refuses with M_FORBIDDEN", lines)
        self.assertIn("#     patterns: not asked, keywords had ended the walk", lines)

    def test_state_is_fresh_unless_a_case_goes_on(self):
        configuration = self.write("rate.yaml", """server_name: hs
modules:
  - {module: rate, config: {rules: [{name: talk, rate: 2/m}]}}
""")
        cases = self.write("cases.yaml", """cases:
  - {name: two, text: a, repeat: 2, every: 0s, expect: pass}
  - {name: third, continue: true, text: a, expect: deny}
  - {name: rested, continue: true, at: 40s, text: a, expect: pass}
  - {name: not yet, continue: true, at: +1s, text: a, expect: deny}
  - {name: fresh, text: a, repeat: 2, every: 0s, expect: pass}
""")
        code, output, _ = self.run_cases(configuration, cases)
        self.assertEqual((code, output), (0, "5 cases: 5 as expected, 0 not\n"))

    def test_rules_of_a_policy_list_are_cases(self):
        configuration = self.write("list.yaml", """server_name: hs
modules:
  - {module: policy_list, config: {rooms: [{room: "!list:hs", name: ours}]}}
""")
        rule = 'event: {type: m.policy.rule.user, content: {entity: "@spam*:x", recommendation: m.ban, reason: ads}}'
        cases = self.write("cases.yaml", f"""cases:
  - {{name: a rule, room: "!list:hs", state_key: rule1, {rule}, expect: pass}}
  - {{name: whom it bans, continue: true, sender: "@spam1:x", text: hello, expect: {{module: policy_list, reason: ads}}}}
  - {{name: whom not, continue: true, sender: "@friend:x", text: hello, expect: pass}}
  - {{name: without it, sender: "@spam1:x", text: hello, expect: pass}}
""")
        code, output, _ = self.run_cases(configuration, cases)
        self.assertEqual((code, output), (0, "4 cases: 4 as expected, 0 not\n"))

    def test_mistakes_end_it_before_anything_is_asked(self):
        good = self.write("good.yaml", "cases:\n  - {name: a, text: x, expect: deny}\n")
        bad = self.write("bad.yaml", "cases:\n  - {name: a, txt: x, expect: pass}\n")
        code, output, errors = self.run_cases(self.profile("small-community"), good, bad)
        self.assertEqual((code, output), (3, ""))
        self.assertEqual(errors, f"{bad}:2:5: cases[0]: has no event: write `text`, `content`, `membership` or `event`\n"
                                 f"{bad}:2:15: cases[0].txt: unknown key; did you mean `text`?\n"
                                 "weir test: there are mistakes in the cases; nothing was tested\n")
        code, output, errors = self.run_cases(self.folder / "none.yaml", good)
        self.assertEqual((code, output), (3, ""))


if __name__ == "__main__":
    unittest.main()
