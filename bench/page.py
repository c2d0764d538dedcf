"""build/bench.html out of a bench.json with its fits: one page that needs nothing else, no script and no network."""

import datetime
import xml.etree.ElementTree as ElementTree

import laws
import plot
from plot import node

COLOURS = 4
SHOWN = ((0, "p50"), (4, "p99"), (5, "p99.9"))

STYLE = """
:root { color-scheme: light dark; --surface: #fcfcfa; --text: #1c1c1a; --quiet: #5d5c58; --grid: #e4e3de;
  --axis: #8f8e89; --s0: #1f6fc4; --s1: #b9500a; --s2: #17805a; --s3: #7a4fc0; --bad: #b3261e; --good: #17703f; }
@media (prefers-color-scheme: dark) { :root { --surface: #191918; --text: #ecebe6; --quiet: #a9a8a2; --grid: #343432;
  --axis: #7d7c77; --s0: #6db1ff; --s1: #ff9d5c; --s2: #4fc79a; --s3: #b99bf5; --bad: #ff8a80; --good: #6fd39a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--surface); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { max-width: 60rem; } .quiet, figcaption { color: var(--quiet); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } .wide td:last-child { min-width: 24rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap; }
.met, .missed { white-space: nowrap; } .met { color: var(--good); }
.missed { color: var(--bad); font-weight: 600; } .bad { color: var(--bad); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 1.2rem 2rem; }
figure { margin: 0; min-width: 0; } figcaption { font-size: .9rem; } figcaption strong { color: var(--text); }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; }
svg.key { display: inline-block; width: 34px; height: 12px; vertical-align: middle; }
.key-row { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: .4rem 0; }
.grid { stroke: var(--grid); } .axis { stroke: var(--axis); } .even { stroke: var(--axis); stroke-dasharray: 2 3; }
.line { fill: none; stroke-width: 2; stroke: var(--colour); } .whisker { stroke: var(--colour); stroke-width: 1.5; }
.mark { fill: var(--colour); stroke: var(--surface); stroke-width: 1; }
.box { fill: var(--colour); fill-opacity: .25; stroke: var(--colour); }
.median { stroke: var(--colour); stroke-width: 2.5; } .run { fill: var(--colour); fill-opacity: .55; }
.law { stroke: var(--s1); } .law.bad { stroke: var(--bad); stroke-dasharray: 6 4; }
.bound { stroke: var(--bad); stroke-width: 1.5; } .beyond { fill: var(--bad); fill-opacity: .1; }
.s0 { --colour: var(--s0); } .s1 { --colour: var(--s1); } .s2 { --colour: var(--s2); } .s3 { --colour: var(--s3); }
.plain { --colour: var(--quiet); } .dash1 { stroke-dasharray: 7 4; } .dash2 { stroke-dasharray: 2 3; }
.dash3 { stroke-dasharray: 9 3 2 3; }
"""

SIGNS = {"at_most": "≤", "at_least": "≥"}


def table(heads, body, width="narrow"):
    """`heads`: names, those of numbers with a leading '#'."""
    kinds = [{"class": "number"} if head.startswith("#") else {} for head in heads]
    return node("div", {"class": "table", "tabindex": "0", "role": "region", "aria-label": heads[0].lstrip("#")}, node(
        "table", {"class": width},
        node("thead", None, node("tr", None, *(node("th", {"scope": "col", **kind}, head.lstrip("#"))
                                               for head, kind in zip(heads, kinds)))),
        node("tbody", None, *(node("tr", None, *(node("td", kind, cell) for cell, kind in zip(row, kinds)))
                              for row in body))))


def bound_words(figure):
    return " ".join(f"{SIGNS[direction]} {limit:g}" for direction, limit in figure.get("bound", {}).items())


def met_cell(figure):
    if "met" not in figure:
        return "–"
    met = figure["met"]
    return node("span", {"class": "met" if met else "missed"}, f"{bound_words(figure)} {'met' if met else 'MISSED'}")


def spread_words(figure):
    spread = figure["spread"]
    return f"{laws.number(spread['least'])} – {laws.number(spread['greatest'])}"


def summary(document):
    bounds = [figure for figure in document["figures"] if "met" in figure]
    missed = [figure["name"] for figure in bounds if not figure["met"]]
    bad = [sweep["name"] for sweep in document["sweeps"] if sweep["fit"]["fits"] is False]
    parts = [node("p", None, f"{len(bounds) - len(missed)} of {len(bounds)} bounds met.")]
    if missed:
        parts.append(node("p", {"class": "bad"}, f"Missed: {', '.join(missed)}"))
    if bad:
        parts.append(node("p", {"class": "bad"}, f"The law fits badly: {', '.join(bad)}"))
    return parts


def memory_words(size):
    return f"{laws.number(size / 2 ** 30)} GiB"


def machine(document):
    """What was measured on and with; parts that a bench.json lacks are left out."""
    of = document.get("machine", {})
    caches = ", ".join(f"{name} {size}" for name, size in of.get("caches", {}).items())
    virtual = ", virtual" if of.get("virtual") else ""
    facts = [("Processor", f"{of.get('cpu', '?')}, {of.get('cores', '?')} cores{virtual}"),
             ("It can", ", ".join(of.get("flags", []))), ("Caches", caches),
             ("Memory", memory_words(of["memory"]) if of.get("memory") else ""), ("Kernel", of.get("kernel", "")),
             ("Commit", document.get("commit", "")), ("Date", document.get("date", "")),
             ("Run", "quick: few runs, wide spreads" if document.get("quick") else "whole")]
    hashes = document.get("inputs", {})
    return [node("dl", None, *(part for name, value in facts if value
                               for part in (node("dt", None, name), node("dd", None, value)))),
            node("details", None, node("summary", None, "Inputs and their SHA-256"),
                 table(["File", "SHA-256"], [(name, node("code", None, value)) for name, value in hashes.items()]))
            if hashes else None]


def figures(document):
    rows = [(figure["name"], laws.number(figure["ratio"]), spread_words(figure), met_cell(figure),
             laws.number(figure["value"]), figure["unit"], figure["reference"]) for figure in document["figures"]]
    return [node("h2", None, "Figures"),
            node("p", None, "Each is a ratio to a reference that ran interleaved with it, pair by pair: the median of "
                            "all runs, and the least and the greatest. The value is what our side took."),
            table(["Figure", "#ratio", "#least – greatest", "bound", "#value", "unit", "the ratio is to"], rows, "wide")]


def boxes(document):
    def described(figure):
        spread = figure["spread"]
        return (f"median {laws.number(figure['ratio'])}, half of the runs between "
                f"{laws.number(spread['lower_quartile'])} and {laws.number(spread['upper_quartile'])}, "
                f"all between {spread_words(figure)}")

    return [node("h2", None, "Spread of the ratios"),
            node("p", None, "The box holds half of the runs, the thick line is the median, the whiskers reach the "
                            "least and the greatest; each dot is a run. Beyond the red line the bound is missed; the "
                            "dotted line is 1, as fast as the reference."),
            node("div", {"class": "plots"}, *(node(
                "figure", None,
                node("figcaption", None, node("strong", None, figure["name"]), f": {laws.number(figure['ratio'])} ",
                     met_cell(figure) if "met" in figure else None),
                plot.box(figure, described(figure))) for figure in document["figures"]))]


def key(kind, shape, words):
    """A line of a legend."""
    sample = plot.Plot.__new__(plot.Plot)
    sample.x = sample.y = plot.Linear(0, 1)
    sample.left, sample.top, sample.inner_width, sample.inner_height = 0, 0, 34, 12
    sample.svg = node("svg", {"class": "key", "viewBox": "0 0 34 12", "aria-hidden": "true"})
    sample.line([(0, 0.5), (1, 0.5)], kind)
    if shape:
        sample.marker(0.5, 0.5, kind, words, shape)
    return node("span", None, sample.svg, f" {words}")


def sides_of(curves):
    """Each side's colour: ours first, the others in the order of the file."""
    names = list(dict.fromkeys(curve["side"] for curve in curves))
    names.sort(key=lambda name: not name.startswith("weir"))
    return {name: f"s{index % COLOURS}" for index, name in enumerate(names)}


def rate_words(rate):
    return f"at {plot.label(rate)} a second" if rate else "one at a time"


def latency_rows(curves):
    return [(curve["side"], rate_words(curve["rate"]), laws.number(curve["reached"]),
             *(laws.number(value) for value in curve["percentiles"]), f"{curve['count']:,}") for curve in curves]


def latency(name, curves):
    sides = sides_of(curves)
    markers = plot.MARKERS
    # One at a time has no rate of its own: it is in the curves below and in the table.
    offered = [curve for curve in curves if curve["rate"]]
    rates = list(dict.fromkeys(curve["rate"] for curve in curves))
    parts = [node("h3", None, name)]
    described = f"{', '.join(sides)}: microseconds at p50, p99 and p99.9 against the rate; the numbers are in the table"
    if offered:
        parts.append(node("div", {"class": "key-row"},
                          *(key(colour, None, side) for side, colour in sides.items()),
                          *(key(f"plain dash{order}", markers[order], words)
                            for order, (_, words) in enumerate(SHOWN))))
        parts.append(node("div", {"class": "plots"}, node(
            "figure", None, node("figcaption", None, "Waiting against throughput"),
            plot.throughput(name, offered, sides, SHOWN, described))))
    parts.append(node("div", {"class": "key-row"}, *(key(f"{colour} dash{order}", markers[order % len(markers)], side)
                                                     for order, (side, colour) in enumerate(sides.items()))))
    curves_at = [(rate, [curve for curve in curves if curve["rate"] == rate]) for rate in rates]
    parts.append(node("div", {"class": "plots"}, *(node(
        "figure", None, node("figcaption", None, f"{name}, {rate_words(rate)}"),
        plot.percentiles(f"percentiles-{name}-{index}", f"{name}: percentiles, {rate_words(rate)}", group, sides,
                         plot.waiting_scale(curves),
                         f"waiting of {', '.join(curve['side'] for curve in group)}, from the median to the greatest"))
        for index, (rate, group) in enumerate(curves_at))))
    parts.append(node("details", None, node("summary", None, "Numbers, in µs"), table(
        ["Side", "rate", "#reached", "#p50", "#p75", "#p90", "#p95", "#p99", "#p99.9", "#greatest", "#mean", "#count"],
        latency_rows(curves))))
    return parts


def latencies(document):
    if not document["latencies"]:
        return []
    names = list(dict.fromkeys(curve["name"] for curve in document["latencies"]))
    parts = [node("h2", None, "Waiting"),
             node("p", None, "At a rate, each is due at its own time, and its waiting counts from then, whether or not "
                             "those before it were answered.")]
    for name in names:
        parts.extend(latency(name, [curve for curve in document["latencies"] if curve["name"] == name]))
    return parts


def sweep(entry):
    fit = entry["fit"]
    points = [(plot.label(point["x"]), laws.number(point["value"]), laws.number(point["ratio"]))
              for point in entry["points"]]
    words = [node("strong", None, entry["title"]), node("br"),
             f"{fit['formula']} ({laws.quality(fit)}{laws.furthest(fit)})"]
    if fit["fits"] is False:
        better = fit.get("better")
        words.append(node("span", {"class": "bad"}, f" fits badly: not {fit['law']}"
                          + (f"; rather {better['formula']} ({laws.quality(better)})" if better else "")))
    elif fit["law"] == "logarithmic" and "b" in fit:
        words.append(f": each doubling adds {laws.number(fit['b'])} {entry['unit']}")
    return node("figure", None, node("figcaption", None, *words),
                plot.sweep(entry, f"{fit['formula']}, {laws.quality(fit)}"),
                node("details", None, node("summary", None, f"Numbers; the ratio is to {entry['reference']}"),
                     table([f"#{entry['x']}", f"#{entry['unit']}", "#ratio"], points)))


def sweeps(document):
    if not document["sweeps"]:
        return []
    return [node("h2", None, "How cost grows"),
            node("p", None, "Medians, with the least and the greatest run of each size; the line is the law, fitted by "
                            "least squares of the relative deviations of the medians."),
            node("div", {"class": "plots"}, *(sweep(entry) for entry in document["sweeps"]))]


def notes(document):
    said = document.get("notes", {})
    if not said:
        return []
    return [node("h2", None, "Notes of the benches"),
            node("dl", None, *(part for name, lines in said.items()
                               for part in (node("dt", None, name), node("dd", None, "; ".join(lines)))))]


def when(document):
    try:
        return datetime.datetime.fromisoformat(document["date"]).strftime("%-d %B %Y")
    except (KeyError, ValueError):
        return "some day"


def render(document):
    body = node("body", None, node("header", None, node("h1", None, f"Weir: benches of {when(document)}"),
                                   *summary(document), *machine(document)),
                node("main", None, *figures(document), *boxes(document), *latencies(document), *sweeps(document),
                     *notes(document)))
    html = node("html", {"lang": "en"},
                node("head", None, node("meta", {"charset": "utf-8"}),
                     node("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
                     node("title", None, "Weir: benches"), node("style", None, STYLE)), body)
    return "<!DOCTYPE html>\n" + ElementTree.tostring(html, encoding="unicode", method="html") + "\n"
