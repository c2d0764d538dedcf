"""`make soak` in short: 64 clients, both ways in, and every fault once."""

import pathlib
import sys
import unittest

import harness

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "soak"))

import soak  # noqa: E402


class Soak(unittest.TestCase):
    def test_short_form(self):
        said = []
        status = soak.run(soak.parse(["--weir", harness.WEIR, "--seconds", "20"]), said.append)
        self.assertEqual(status, 0, "\n".join(said))


if __name__ == "__main__":
    unittest.main()
