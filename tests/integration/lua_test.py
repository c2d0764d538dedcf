"""Modules in Lua in the whole program: the sample script, failures that name the line, and loading a script again."""

import json
import shutil
import signal
import unittest

import harness
from harness import ROOT, body_line, ev_row, rdata, run_weir, wait_until

SAMPLE = ROOT / "deploy" / "sample" / "spam.lua"


def module(script="t.lua", **config):
    return f"modules: [{{module: lua, config: {json.dumps({'script': script, **config})}}}]"


class Lua(harness.Server):
    def start_with_bodies(self, *bodies, modules):
        self.write("bodies.jsonl", "".join(line + "\n" for line in bodies))
        self.config = self.configuration("bodies: {file: bodies.jsonl}", modules=modules)
        return self.start_engine(self.config)

    def verdicts(self):
        return [json.loads(row) for _, row in self.durable()]

    def judged_ids(self):
        return [row["event_id"] for row in self.verdicts()]

    def test_the_sample_script(self):
        shutil.copy(SAMPLE, self.folder / "spam.lua")
        mentions = {"m.mentions": {"user_ids": [f"@u{number}:lab.test" for number in range(21)]}}
        bodies = [body_line("$word", body="CHEAP Followers here"), body_line("$fine", body="hello"),
                  body_line("$many", body="look", **mentions), body_line("$notext", body=["cheap followers"]),
                  *(body_line(f"$again{number}", body="again and again") for number in range(4))]
        engine = self.start_with_bodies(*bodies, modules=module("spam.lua", settings={"repeats": 3}))
        names = ["$word", "$fine", "$many", "$notext", "$again0", "$again1", "$again2", "$again3"]
        self.publish(*(rdata(token, ev_row(name)) for token, name in enumerate(names, 1)))
        wait_until(lambda: self.judged_ids() == ["$word", "$many", "$again3"], what="the verdicts")
        word, many, again = self.verdicts()
        self.assertEqual(word["module"], "lua")
        self.assertEqual(word["result"]["code"], "M_FORBIDDEN")
        self.assertEqual((word["rule"], word["reason"]), ("cheap followers", "says what is not wanted here"))
        self.assertEqual(many["reason"], "21 users are mentioned")
        self.assertEqual(again["result"]["code"], "M_LIMIT_EXCEEDED")
        self.stop_engine(engine)

    def test_a_failure_names_the_line_and_the_next_event_is_judged(self):
        self.write("t.lua", "function check_event_for_spam(event)\n"
                            "  if event.content.body == 'loop' then while true do end end\n"
                            "  return event.content.body:find('spam') and refuse() or pass\n"
                            "end\n")
        engine = self.start_with_bodies(body_line("$none", body=None), body_line("$loop", body="loop"),
                                        body_line("$spam", body="spam"), modules=module())
        self.publish(rdata(1, ev_row("$none")), rdata(2, ev_row("$loop")), rdata(3, ev_row("$spam")))
        wait_until(lambda: "$spam" in self.judged_ids(), what="the verdict behind the failures")
        texts = [line["text"] for line in wait_until(lambda: self.logged(engine, "a module says"))]
        self.assertTrue(texts[0].startswith("t.lua:3: attempt to index a nil value"), texts)
        self.assertEqual(texts[1], "t.lua:2: stopped after 1000000 instructions")
        self.stop_engine(engine)

    def test_a_script_is_loaded_again_and_the_old_one_kept_if_it_is_broken(self):
        rule = "function check_event_for_spam(event) return event.content.body == '%s' and refuse() or pass end\n"
        script = self.write("t.lua", rule % "one")
        engine = self.start_with_bodies(body_line("$one", body="one"), body_line("$two", body="two"), modules=module())
        self.publish(rdata(1, ev_row("$one")), rdata(2, ev_row("$two")))
        wait_until(lambda: self.judged_ids() == ["$one"])
        script.write_text("function check_event_for_spam(event)\n  return event.content.body = 'two'\nend\n")
        engine.send_signal(signal.SIGHUP)
        lines = wait_until(lambda: self.logged(engine, "the configuration is wrong"))
        self.assertRegex(lines[0]["at"], r"weir\.yaml:\d+:\d+: modules\[0\]\.config\.script: t\.lua:2: ")
        self.publish(rdata(3, ev_row("$one")), rdata(4, ev_row("$two")))
        wait_until(lambda: self.judged_ids() == ["$one", "$one"], what="the verdict of the old script")
        script.write_text(rule % "two")
        engine.send_signal(signal.SIGHUP)
        wait_until(lambda: self.logged(engine, "the configuration was loaded again"))
        self.publish(rdata(5, ev_row("$one")), rdata(6, ev_row("$two")))
        wait_until(lambda: self.judged_ids() == ["$one", "$one", "$two"], what="the verdict of the new script")
        self.stop_engine(engine)

    def test_check_says_what_is_wrong_with_a_script(self):
        self.write("t.lua", "function check_event_for_spam() return pass end\n\nfunction user_may_invit() end\n")
        self.write("bodies.jsonl", "")
        config = self.configuration("bodies: {file: bodies.jsonl}", modules=module(settings={"a": 1}, memory=1))
        done = run_weir("check", "-c", config, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"modules[0].config.memory: must be a whole number from 262144", done.stderr)
        config = self.configuration("bodies: {file: bodies.jsonl}", modules=module())
        done = run_weir("check", "-c", config, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"modules[0].config.script: t.lua:3: `user_may_invit` is no callback; did you mean "
                      b"`user_may_invite`?", done.stderr)


if __name__ == "__main__":
    unittest.main()
