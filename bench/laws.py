"""How a cost grows: least squares of a sweep's law through the medians of its points, as a formula for people.

A law is a + b f(x), with f(x) = x or log2 x, or a alone. How well it holds is R² (how much of what the points differ
by the law explains), or, of a constant, how far apart the least and the greatest point are.
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


def least_squares(xs, ys):
    """(a, b) of a + b x."""
    middle_x = math.fsum(xs) / len(xs)
    middle_y = math.fsum(ys) / len(ys)
    square = math.fsum((x - middle_x) ** 2 for x in xs)
    slope = math.fsum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys)) / square
    return middle_y - slope * middle_x, slope


def explained(ys, fitted):
    """R². Where all points are alike there is nothing to explain, and a law that goes through them does."""
    middle = math.fsum(ys) / len(ys)
    total = math.fsum((y - middle) ** 2 for y in ys)
    missed = math.fsum((y - guess) ** 2 for y, guess in zip(ys, fitted))
    if total <= (1e-9 * middle) ** 2 * len(ys):
        return 1.0 if missed <= (1e-9 * middle) ** 2 * len(ys) else 0.0
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
    a, b = least_squares(shaped, ys)
    r2 = explained(ys, [a + b * x for x in shaped])
    return {"law": law, "a": a, "b": b, "r2": r2, "fits": r2 >= R2_LEAST}


def better_law(law, xs, ys):
    """Another law that does hold, to say beside one that does not."""
    for other in ("constant", "linear", "logarithmic"):
        fit = coefficients(other, xs, ys) if other != law else None
        if fit and fit["fits"]:
            return fit
    return None


def fit_sweep(sweep):
    """The fit of one sweep: {"law", "a", "b", "r2" or "spread", "fits", "formula", "worst", …}."""
    xs = [point["x"] for point in sweep["points"]]
    ys = [point["value"] for point in sweep["points"]]
    fit = coefficients(sweep["law"], xs, ys)
    if fit is None:
        why = "x must be above 0" if sweep["law"] == "logarithmic" and min(xs) <= 0 else "fewer than three sizes"
        return {"law": sweep["law"], "fits": False, "why": why, "formula": f"no formula: {why}"}
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
    line = f"{sweep['name']:<28} {fit['formula']} ({quality(fit)})"
    if fit["fits"]:
        return line
    line += f" FITS BADLY: not {fit['law']}"
    better = fit.get("better")
    return line + (f"; rather {better['formula']} ({quality(better)})" if better else "")
