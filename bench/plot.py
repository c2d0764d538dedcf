"""SVG plots out of elements of xml.etree, so that no text can break the page: scales, axes, lines, boxes and markers.

Colours are classes of the page's style sheet (page.py): they follow the reader's light or dark theme. What a colour
says, a dash or a marker's shape says as well. A <title> inside a mark is what a browser shows under the pointer.
"""

import math
import re
import xml.etree.ElementTree as ElementTree

import laws

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 44
MARKERS = ("circle", "square", "triangle", "diamond")


def node(tag, attributes=None, *children):
    """An element; children are elements or texts, None is left out."""
    element = ElementTree.Element(tag, {key: text(value) for key, value in (attributes or {}).items()})
    last = None
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            if last is None:
                element.text = (element.text or "") + child
            else:
                last.tail = (last.tail or "") + child
        else:
            element.append(child)
            last = child
    return element


def text(value):
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


class Linear:
    def __init__(self, low, high):
        self.low, self.high = low, high if high > low else low + 1

    def place(self, value):
        """0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)

    def value(self, place):
        return self.low + place * (self.high - self.low)

    def ticks(self, wanted=5):
        rough = (self.high - self.low) / wanted
        power = 10 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


class Logarithmic:
    def __init__(self, low, high):
        self.low, self.high = low, high if high > low else low * 2

    def place(self, value):
        return math.log(value / self.low) / math.log(self.high / self.low)

    def value(self, place):
        return self.low * (self.high / self.low) ** place

    def ticks(self):
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1,) if len(decades) > 4 else (1, 2, 5)
        every = 1 + len(decades) // 9
        marks = [factor * 10.0 ** decade for decade in decades if decade % every == 0 for factor in factors]
        return [mark for mark in marks if self.low * 0.999 <= mark <= self.high * 1.001]


def around(values, logarithmic, from_zero=False):
    """A scale that shows all values with some air around them."""
    low, high = min(values), max(values)
    if logarithmic and low > 0:
        return Logarithmic(low / 1.25, high * 1.25)
    air = 0.06 * (high - low) or 0.01 * abs(high) or 1
    return Linear(0 if from_zero and low >= 0 else low - air, high + air)


def label(value):
    """Of a tick: 2,000 and 2M rather than 2e+06."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            size = 1e3 if letter == "k" else size
            return f"{laws.number(value / size)}{letter}"
    return laws.number(value, 4)


class Plot:
    """One SVG with a frame, two axes and their names. Points are given in the units of the axes."""

    def __init__(self, name, title, description, x, y, width=WIDTH, height=HEIGHT, left=LEFT, bottom=BOTTOM):
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
        self.x, self.y = x, y
        self.left, self.top = left, TOP
        self.inner_width, self.inner_height = width - left - RIGHT, height - TOP - bottom
        self.svg = node("svg", {"id": name, "viewBox": f"0 0 {width} {height}", "role": "img",
                                "aria-labelledby": f"{name}-title {name}-description",
                                "xmlns": "http://www.w3.org/2000/svg"},
                        node("title", {"id": f"{name}-title"}, title),
                        node("desc", {"id": f"{name}-description"}, description))

    def across(self, x):
        return self.left + self.inner_width * self.x.place(x)

    def down(self, y):
        return self.top + self.inner_height * (1 - self.y.place(y))

    def add(self, tag, attributes, *children):
        self.svg.append(node(tag, attributes, *children))

    def axes(self, x_name, y_name, x_ticks=None):
        """`x_ticks`: pairs of place and label, where the labels of the scale would not do."""
        low, right = self.top + self.inner_height, self.left + self.inner_width
        for tick in self.y.ticks():
            y = self.down(tick)
            self.add("line", {"class": "grid", "x1": self.left, "x2": right, "y1": y, "y2": y})
            self.add("text", {"class": "tick", "x": self.left - 6, "y": y + 4, "text-anchor": "end"}, label(tick))
        for tick, words in x_ticks or [(tick, label(tick)) for tick in self.x.ticks()]:
            x = self.across(tick)
            self.add("line", {"class": "axis", "x1": x, "x2": x, "y1": low, "y2": low + 4})
            self.add("text", {"class": "tick", "x": x, "y": low + 17, "text-anchor": "middle"}, words)
        self.add("line", {"class": "axis", "x1": self.left, "x2": right, "y1": low, "y2": low})
        self.add("text", {"class": "name", "x": (self.left + right) / 2, "y": low + 36, "text-anchor": "middle"},
                 x_name)
        middle = self.top + self.inner_height / 2
        self.add("text", {"class": "name", "x": 14, "y": middle, "text-anchor": "middle",
                          "transform": f"rotate(-90 14 {text(middle)})"}, y_name)

    def line(self, points, kind):
        """Through the points; of a logarithmic axis only those that it can show."""
        shown = [(x, y) for x, y in points if not isinstance(self.y, Logarithmic) or y > 0]
        inside = [(self.across(x), self.down(y)) for x, y in shown if -0.02 <= self.y.place(y) <= 1.02]
        if len(inside) > 1:
            path = " ".join(f"{text(x)},{text(y)}" for x, y in inside)
            self.add("polyline", {"class": f"line {kind}", "points": path})

    def marker(self, x, y, kind, words, shape="circle"):
        across, down = self.across(x), self.down(y)
        title = node("title", None, words)
        if shape == "circle":
            self.add("circle", {"class": f"mark {kind}", "cx": across, "cy": down, "r": 3.5}, title)
            return
        outline = {"square": ((-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)),
                   "triangle": ((0, -4.4), (4.2, 3.2), (-4.2, 3.2)),
                   "diamond": ((0, -4.8), (4.8, 0), (0, 4.8), (-4.8, 0))}[shape]
        points = " ".join(f"{text(across + right)},{text(down + below)}" for right, below in outline)
        self.add("polygon", {"class": f"mark {kind}", "points": points}, title)

    def whisker(self, x, low, high, kind):
        """Upright, from `low` to `high`; what a logarithmic axis cannot show is left out."""
        if isinstance(self.y, Logarithmic) and low <= 0:
            return
        across = self.across(x)
        self.add("line", {"class": f"whisker {kind}", "x1": across, "x2": across, "y1": self.down(low),
                          "y2": self.down(high)})


BOX_HEIGHT = 74
BOX_MIDDLE = 34
# A bound or an even ratio this many times as far away as the runs are apart would press the box to a line.
BOX_REACH = 8


def box_scale(figure, extra):
    low, high = figure["spread"]["least"], figure["spread"]["greatest"]
    apart = max(high - low, 0.02 * abs(figure["ratio"])) or 0.1
    shown = [low, high] + [value for value in extra if low - BOX_REACH * apart <= value <= high + BOX_REACH * apart]
    air = 0.08 * (max(shown) - min(shown)) or apart
    return Linear(min(shown) - air, max(shown) + air)


def box(figure, description):
    """A lying box plot of a figure's ratios: whiskers to the least and the greatest, a dot for each run, the bound."""
    name = f"figure-{figure['name']}"
    direction, limit = next(iter(figure.get("bound", {}).items()), (None, None))
    scale = box_scale(figure, [1] if limit is None else [1, limit])
    plot = Plot(name, f"{figure['name']}: ratios of all runs", description, scale, Linear(0, 1), height=BOX_HEIGHT,
                left=14)
    left, right, low = plot.left, plot.left + plot.inner_width, BOX_MIDDLE + 16
    if limit is not None and 0 <= scale.place(limit) <= 1:
        at = plot.across(limit)
        beyond = (at, right) if direction == "at_most" else (left, at)
        plot.add("rect", {"class": "beyond", "x": beyond[0], "y": 14, "width": beyond[1] - beyond[0],
                          "height": low - 14})
        plot.add("line", {"class": "bound", "x1": at, "x2": at, "y1": 10, "y2": low}, node("title", None, "the bound"))
    if 0 <= scale.place(1) <= 1 and limit != 1:
        plot.add("line", {"class": "even", "x1": plot.across(1), "x2": plot.across(1), "y1": 14, "y2": low})
    plot.add("line", {"class": "axis", "x1": left, "x2": right, "y1": low, "y2": low})
    for tick in scale.ticks():
        plot.add("line", {"class": "axis", "x1": plot.across(tick), "x2": plot.across(tick), "y1": low, "y2": low + 4})
        plot.add("text", {"class": "tick", "x": plot.across(tick), "y": low + 17, "text-anchor": "middle"}, label(tick))
    spread = figure["spread"]
    plot.add("line", {"class": "whisker s0", "x1": plot.across(spread["least"]), "x2": plot.across(spread["greatest"]),
                      "y1": BOX_MIDDLE, "y2": BOX_MIDDLE})
    start, end = plot.across(spread["lower_quartile"]), plot.across(spread["upper_quartile"])
    plot.add("rect", {"class": "box s0", "x": start, "y": BOX_MIDDLE - 9, "width": max(end - start, 1.0), "height": 18})
    for ratio in figure["runs"]:
        plot.add("circle", {"class": "run s0", "cx": plot.across(ratio), "cy": BOX_MIDDLE, "r": 2.5},
                 node("title", None, laws.number(ratio, 4)))
    middle = plot.across(figure["ratio"])
    plot.add("line", {"class": "median s0", "x1": middle, "x2": middle, "y1": BOX_MIDDLE - 11, "y2": BOX_MIDDLE + 11},
             node("title", None, f"median {laws.number(figure['ratio'], 4)}"))
    return plot.svg


def sweep(entry, description):
    """Cost against size: medians with whiskers from the least to the greatest run, and the fitted law."""
    fit = entry["fit"]
    points = entry["points"]
    xs = [point["x"] for point in points]
    every = [value for point in points for value in point["values"]]
    wide = min(every) > 0 and max(every) > 30 * min(every)
    x = around(xs, entry["logarithmic"])
    plot = Plot(f"sweep-{entry['name']}", entry["title"], description, x, around(every, wide, from_zero=True))
    plot.axes(entry["x"], entry["unit"])
    if "a" in fit:
        places = [min(xs) + (max(xs) - min(xs)) * step / 80 for step in range(81)]
        if isinstance(x, Logarithmic):
            places = [min(xs) * (max(xs) / min(xs)) ** (step / 80) for step in range(81)]
        plot.line([(place, laws.value_at(fit, place)) for place in places], "law" if fit["fits"] else "law bad")
    for point in points:
        words = f"{label(point['x'])} {entry['x']}: {laws.number(point['value'])} {entry['unit']}"
        plot.whisker(point["x"], min(point["values"]), max(point["values"]), "s0")
        plot.marker(point["x"], point["value"], "s0", words)
    return plot.svg


def throughput(name, curves, sides, shown, description):
    """Waiting against the rate reached: a colour for each side, a dash and a marker for each percentile of `shown`."""
    x = around([curve["reached"] for curve in curves], False, from_zero=True)
    y = around([curve["percentiles"][index] for curve in curves for index, _ in shown], True)
    plot = Plot(f"throughput-{name}", f"{name}: waiting against throughput", description, x, y)
    plot.axes("reached, per second", "µs")
    for side, colour in sides.items():
        own = sorted((curve for curve in curves if curve["side"] == side), key=lambda curve: curve["reached"])
        for order, (index, words) in enumerate(shown):
            plot.line([(curve["reached"], curve["percentiles"][index]) for curve in own], f"{colour} dash{order}")
            for curve in own:
                told = f"{side}, {words} at {label(curve['reached'])}/s: {laws.number(curve['percentiles'][index])} µs"
                plot.marker(curve["reached"], curve["percentiles"][index], colour, told, MARKERS[order % len(MARKERS)])
    return plot.svg


# Where the percentiles stand: a step of one is a nine more. The greatest has no place of its own, it stands at the end.
NINES = ((0, "50"), (1, "75"), (2, "90"), (3, "95"), (4, "99"), (5, "99.9"), (6, "greatest"))
NINES_PLACES = (0.3, 0.6, 1.0, 1.3, 2.0, 3.0, 3.7)


def waiting_scale(curves):
    """One scale for all rates of a name, so that their plots can be compared."""
    return around([value for curve in curves for value in curve["percentiles"][:len(NINES)]], True)


def percentiles(name, title, curves, sides, scale, description):
    """How long the slowest waited: a line for each side at one rate."""
    plot = Plot(name, title, description, Linear(0.2, 3.9), scale)
    plot.axes("percentile", "µs", [(NINES_PLACES[index], words) for index, words in NINES])
    for curve in curves:
        colour = sides[curve["side"]]
        order = list(sides).index(curve["side"])
        plot.line([(NINES_PLACES[index], curve["percentiles"][index]) for index, _ in NINES], f"{colour} dash{order}")
        for index, words in NINES:
            told = f"{curve['side']}, {words}: {laws.number(curve['percentiles'][index])} µs"
            plot.marker(NINES_PLACES[index], curve["percentiles"][index], colour, told, MARKERS[order % len(MARKERS)])
    return plot.svg
