"""BUILD/bench.json: how the lines that the bench programs append become one document, and how it is read and written.

A document is {"commit", "date", "quick", "seconds", "machine", "inputs", "notes", "figures", "sweeps", "latencies"};
see README.md beside this. Whatever does not have the shape that figure.h promises raises Malformed: a wrong figure is
worse than none.
"""

import datetime
import hashlib
import json
import math
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]

# What a line of each kind must have: its list in the document, its keys, and what makes it one of its kind.
KINDS = {
    "figure": ("figures", {"name": str, "ratio": float, "reference": str, "value": float, "unit": str, "runs": list},
               ("name",)),
    "sweep": ("sweeps", {"name": str, "title": str, "x": str, "unit": str, "reference": str, "law": str,
                         "logarithmic": bool, "points": list}, ("name",)),
    "latency": ("latencies", {"name": str, "side": str, "rate": float, "reached": float, "count": float,
                              "percentiles": list}, ("name", "side", "rate")),
}
POINT = {"x": float, "value": float, "ratio": float, "values": list, "runs": list}
LAWS = ("constant", "linear", "logarithmic")
PERCENTILES = ("p50", "p75", "p90", "p95", "p99", "p99.9", "greatest", "mean")

# The abilities of a processor that the scanners of texts choose their code by.
FLAGS = ("sse4_2", "popcnt", "avx", "avx2", "bmi2", "avx512f", "avx512bw", "avx512vbmi", "neon", "asimd", "sve")


class Malformed(Exception):
    """A line of a bench program, or a bench.json, that is not what it should be."""


def quantile(numbers, place):
    ordered = sorted(numbers)
    position = place * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def spread(numbers):
    return {"least": min(numbers), "lower_quartile": quantile(numbers, 0.25),
            "upper_quartile": quantile(numbers, 0.75), "greatest": max(numbers)}


def check_number(where, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Malformed(f"{where} is no number: {value!r}")


def check_keys(where, entry, keys):
    for key, kind in keys.items():
        value = entry.get(key)
        if kind is float:
            check_number(f"{where}: {key}", value)
        elif not isinstance(value, kind):
            raise Malformed(f"{where} lacks {key}")
        if kind is list and not value:
            raise Malformed(f"{where}: {key} is empty")
        if kind is list and key != "points":
            for number in value:
                check_number(f"{where}: {key}", number)


def check_figure(where, figure):
    """Adds what a script may leave to us: the spread of its runs, and whether the bound is met."""
    figure.setdefault("spread", spread(figure["runs"]))
    bound = figure.get("bound")
    if bound is None:
        return
    if not isinstance(bound, dict) or len(bound) != 1 or not set(bound) <= {"at_most", "at_least"}:
        raise Malformed(f"{where}: a bound is at_most or at_least, not {bound!r}")
    for direction, limit in bound.items():
        check_number(f"{where}: bound", limit)
        figure["met"] = figure["ratio"] <= limit if direction == "at_most" else figure["ratio"] >= limit


def check_sweep(where, sweep):
    if sweep["law"] not in LAWS:
        raise Malformed(f"{where}: no law is called {sweep['law']!r}")
    for point in sweep["points"]:
        check_keys(f"{where}, a point", point, POINT)


def check_latency(where, curve):
    if len(curve["percentiles"]) != len(PERCENTILES):
        raise Malformed(f"{where} must have {len(PERCENTILES)} percentiles")


CHECKS = {"figure": check_figure, "sweep": check_sweep, "latency": check_latency}


def assemble(lines):
    """The lists of the document out of the lines of the bench programs."""
    document = {name: [] for name, _, _ in KINDS.values()}
    seen = set()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise Malformed(f"no JSON: {line.strip()[:100]!r}: {error}") from error
        kind = entry.pop("kind", None) if isinstance(entry, dict) else None
        if kind not in KINDS:
            raise Malformed(f"no figure, sweep or latency: {line.strip()[:100]!r}")
        target, keys, identity = KINDS[kind]
        where = f"{kind} {entry.get('name')}"
        check_keys(where, entry, keys)
        CHECKS[kind](where, entry)
        key = (kind, *(entry[part] for part in identity))
        if key in seen:
            raise Malformed(f"{where} is there twice")
        seen.add(key)
        document[target].append(entry)
    return document


def field(text, name):
    """The first `name : value` of a file such as /proc/cpuinfo."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def read_text(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def caches():
    sizes = {}
    for folder in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(read_text(folder / "type").strip(), "")
        sizes[f"L{read_text(folder / 'level').strip()}{kind}"] = read_text(folder / "size").strip()
    return sizes


def machine():
    processor = read_text("/proc/cpuinfo")
    flags = set((field(processor, "flags") or field(processor, "Features")).split())
    memory = field(read_text("/proc/meminfo"), "MemTotal").split()
    return {
        "cpu": field(processor, "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "memory": int(memory[0]) * 1024 if memory else 0,
        "caches": caches(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "virtual": "hypervisor" in flags,
    }


def inputs(folder):
    """The hash of each recording that a bench may read."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(pathlib.Path(folder).iterdir()) if path.is_file()}


def commit():
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def load(path):
    try:
        document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Malformed(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or not all(isinstance(document.get(name), list) for name, _, _ in KINDS.values()):
        raise Malformed(f"{path} is no bench.json: it must have figures, sweeps and latencies")
    return document


def rows(value):
    """JSON with a line for each figure, sweep and curve: small enough to read, and to compare by diff."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in value) + "\n ]"
    return json.dumps(value, ensure_ascii=False)


def write_whole(path, text):
    """Either the old file or the new one, never a half."""
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def save(path, document):
    write_whole(path, "{" + ",\n ".join(f"{json.dumps(key)}: {rows(value)}" for key, value in document.items()) + "}\n")
