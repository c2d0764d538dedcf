"""Keeps what one version of Weir leaves behind, for the tests of those that come after it: what it stores on Redis, its
state_dir, and a recording that it made. To be run once for each release, with the program of that release:

    /usr/bin/python3 -B tests/releases/keep.py --weir build/weir tests/data/releases/0.1.0.tar.zst

`upgrade_test.py` reads every file in that folder."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
RECORDING = "synapse-1.140-small"

# Modules that remember, with bounds that nothing reaches: what they know depends on the clock, what is judged does not.
MODULES = """modules:
  - {module: rate, config: {rules: [{key: sender, rate: 100000/s, burst: 100000}]}}
  - {module: repeat, config: {same: 1000}}
  - {module: join_wave, config: {rate: 60000/h}}
  - {module: invite_guard, config: {per_sender: 60000/h}}
  - {module: newcomer, config: {within: 0, first: 1, deny: [media]}}
  - {module: registration, config: {rate_ip: 60000/h}}
  - {module: state_guard, config: {rules: [{types: [m.room.none], action: deny}]}}
  - {module: keywords, config: {syntax: regex, patterns: ['\\$\\d{3,}', '^(.)\\1{20,}', 'cheap +followers']}}
  - {module: keywords, config: {syntax: regex, patterns_file: patterns.txt}}
  - {module: sender_list, config: {users: ["@u003:lab.test", "@u01*:lab.test"]}}
"""


def configuration(folder, redis_socket):
    """Compiling these takes long enough that the set is kept on the disk."""
    (folder / "patterns.txt").write_text("".join(f"no(body|one) +says{number}.*this{number}\n" for number in range(400)))
    return (f"server_name: lab.test\nredis: {{path: {redis_socket}}}\nhttp: {{listen: '127.0.0.1:0'}}\n"
            f"bodies: {{file: {folder}/bodies.jsonl}}\nstate_dir: {folder}/state\n{MODULES}")


def split_recording(data, folder):
    """Three fifths for the version that is kept, the rest for its successor."""
    text = subprocess.run(["zstdcat", data / f"{RECORDING}.jsonl.zst"], check=True, capture_output=True).stdout
    lines = text.splitlines(keepends=True)
    half = len(lines) * 3 // 5
    (folder / "first.jsonl").write_bytes(b"".join(lines[:half]))
    (folder / "second.jsonl").write_bytes(b"".join(lines[half:]))
    bodies = subprocess.run(["zstdcat", data / f"{RECORDING}.events.jsonl.zst"], check=True, capture_output=True).stdout
    (folder / "bodies.jsonl").write_bytes(bodies)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", required=True, help="the program of the release")
    parser.add_argument("archive", type=pathlib.Path)
    options = parser.parse_args()
    os.environ["WEIR"] = str(pathlib.Path(options.weir).resolve())
    import harness

    class Keeping(harness.Server):
        def runTest(self):
            kept = self.folder / "kept"
            (kept / "state").mkdir(parents=True, mode=0o700)
            split_recording(harness.DATA, self.folder)
            path = self.write("weir.yaml", configuration(self.folder, self.socket))
            (self.folder / "state").symlink_to(kept / "state")
            engine = self.start_engine(path)
            recorder = self.start([harness.WEIR, "record", "-c", path, kept / "recorded.jsonl.zst", "--events",
                                   kept / "recorded.events.jsonl.zst"],
                                  stderr=subprocess.DEVNULL)
            harness.wait_until(lambda: dict(self.redis.pubsub_numsub(harness.SERVER_NAME))[b"lab.test"] == 2)
            self.play(self.folder / "first.jsonl")
            self.settle(engine)
            time.sleep(1)
            recorder.terminate()
            recorder.wait(timeout=20)
            self.stop_engine(engine)
            rows = [[identifier.decode(), {name.decode(): value.decode() for name, value in fields.items()}]
                    for identifier, fields in self.redis.xrange(f"{harness.SERVER_NAME}/weir/verdicts")]
            positions = {name.decode(): value.decode()
                         for name, value in self.redis.hgetall(f"{harness.SERVER_NAME}/weir/positions").items()}
            version = subprocess.run([harness.WEIR, "version"], check=True, capture_output=True).stdout.decode()
            judged = self.replay(path, kept / "recorded.jsonl.zst", kept / "recorded.events.jsonl.zst")
            (kept / "redis.json").write_text(json.dumps({"positions": positions, "verdicts": rows}, indent=1))
            (kept / "about.json").write_text(json.dumps({"version": version.split()[1], "judged": judged}, indent=1))
            options.archive.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-I",
                            "zstd -19", "-cf", options.archive.resolve(), "-C", kept, "."], check=True)

    import unittest
    outcome = unittest.TextTestRunner().run(Keeping())
    return 0 if outcome.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
