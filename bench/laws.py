"""How a cost grows: least squares of a sweep's law through the medians of its points, as a formula for people.

A law is a + b f(x), with f(x) = x or log2 x, or a alone. What is least is the sum of the squares of the relative
deviations: timings err by a share of themselves, and a law of sizes from 200 bytes to 64 KiB must hold for the small
ones as well. How well it holds is R² (how much of what the points differ by the law explains, weighted alike), or, of
a constant, how far apart the least and the greatest point are.
"""

import math

# Below, or above, these the law is said to fit badly.
R2_LEAST = 0.9
SPREAD_GREATEST = 0.25

SHAPES = {"linear": lambda x: x, "logarithmic": math.log2}


def number(value, digits=3):
    """As people write it: three digits that count, no exponent where it can be helped, thousands apart."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if places > 9:
        return f"{value:.{digits}g}"
    rounded = round(value, places)
    text = f"{rounded:,.{max(places, 0)}f}".replace("-", "−")
    return text.rstrip("0").rstrip(".") if "." in text else text


def mean(numbers, weights):
    return math.fsum(number * weight for number, weight in zip(numbers, weights)) / math.fsum(weights)


def least_squares(xs, ys, weights):
    """(a, b) of a + b x."""
    middle_x, middle_y = mean(xs, weights), mean(ys, weights)
    square = math.fsum(weight * (x - middle_x) ** 2 for x, weight in zip(xs, weights))
    slope = math.fsum(weight * (x - middle_x) * (y - middle_y) for x, y, weight in zip(xs, ys, weights)) / square
    return middle_y - slope * middle_x, slope


def explained(ys, fitted, weights):
    """R². Where all points are alike there is nothing to explain, and a law that goes through them does."""
    middle = mean(ys, weights)
    total = math.fsum(weight * (y - middle) ** 2 for y, weight in zip(ys, weights))
    missed = math.fsum(weight * (y - guess) ** 2 for y, guess, weight in zip(ys, fitted, weights))
    nothing = (1e-9 * middle) ** 2 * math.fsum(weights)
    if total <= nothing:
        return 1.0 if missed <= nothing else 0.0
    return 1 - missed / total


def value_at(fit, x):
    """The law's cost at x."""
    if fit["law"] == "constant":
        return fit["a"]
    return fit["a"] + fit["b"] * SHAPES[fit["law"]](x)


def formula(fit, unit, x_name):
    if fit["law"] == "constant":
        return f"{unit} = {number(fit['a'])}, whatever the {x_name}"
    sign = "−" if fit["b"] < 0 else "+"
    variable = x_name if fit["law"] == "linear" else f"log2({x_name})"
    return f"{unit} = {number(fit['a'])} {sign} {number(abs(fit['b']))} × {variable}"


def quality(fit):
    if "why" in fit:
        return fit["why"]
    if fit["law"] == "constant":
        return f"spread {100 * fit['spread']:.0f} %"
    return f"R² {fit['r2']:.3f}"


def furthest(fit):
    """The size at which the law errs most, where it does."""
    worst = fit.get("worst", {"relative": 0})
    return f", off by {100 * worst['relative']:.0f} % at {number(worst['x'], 7)}" if worst["relative"] >= 0.005 else ""


def coefficients(law, xs, ys):
    """The fit without its words, or None if the law has no meaning for these points."""
    if law == "constant":
        middle = math.fsum(ys) / len(ys)
        apart = max(ys) - min(ys)
        width = apart / (abs(middle) or apart) if apart else 0.0
        return {"law": law, "a": middle, "spread": width, "fits": width <= SPREAD_GREATEST}
    if law == "logarithmic" and min(xs) <= 0:
        return None
    shaped = [SHAPES[law](x) for x in xs]
    if len(set(shaped)) < 3:
        return None
    weights = [1 / (y * y) for y in ys] if all(ys) else [1.0] * len(ys)
    a, b = least_squares(shaped, ys, weights)
    r2 = explained(ys, [a + b * x for x in shaped], weights)
    return {"law": law, "a": a, "b": b, "r2": r2, "fits": r2 >= R2_LEAST}


def better_law(law, xs, ys):
    """Another law that does hold, to say beside one that does not."""
    for other in ("constant", "linear", "logarithmic"):
        fit = coefficients(other, xs, ys) if other != law else None
        if fit and fit["fits"]:
            return fit
    return None


def fit_sweep(sweep):
    """The fit of one sweep: {"law", "a", "b", "r2" or "spread", "fits", "formula", "worst", …}. "fits" is None, and
    "why" says it, where there are too few points to tell, as in a quick run."""
    xs = [point["x"] for point in sweep["points"]]
    ys = [point["value"] for point in sweep["points"]]
    fit = coefficients(sweep["law"], xs, ys)
    if fit is None:
        impossible = sweep["law"] == "logarithmic" and min(xs) <= 0
        return {"law": sweep["law"], "fits": False if impossible else None, "formula": "no formula",
                "why": "no logarithm of sizes that are not above 0" if impossible else "too few sizes to tell"}
    fit["formula"] = formula(fit, sweep["unit"], sweep["x"])
    deviations = [(abs(value_at(fit, x) / y - 1) if y else 0.0, x) for x, y in zip(xs, ys)]
    worst, at = max(deviations)
    fit["worst"] = {"x": at, "relative": worst}
    if not fit["fits"]:
        other = better_law(sweep["law"], xs, ys)
        if other:
            fit["better"] = {**other, "formula": formula(other, sweep["unit"], sweep["x"])}
    return fit


def describe(sweep):
    """A line for the terminal."""
    fit = sweep["fit"]
    line = f"{sweep['name']:<28} {fit['formula']} ({quality(fit)}{furthest(fit)})"
    if fit["fits"] is not False:
        return line
    line += f" FITS BADLY: not {fit['law']}"
    better = fit.get("better")
    return line + (f"; rather {better['formula']} ({quality(better)})" if better else "")
