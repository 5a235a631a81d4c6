"""Pictures of numbers, each with its description in words.

Numbers come as they are computed, nested as {panel: {series: {row: Rate or number}}}, for curves
as {panel: {series: [(x, Rate or number)]}}. A single panel needs no level of its own, nor does a
single series in it. What is not known (None) is not drawn; where nothing is, the picture is None.
"""
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.core.rows import Rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The colours of Okabe and Ito (2008), which the colour-blind tell apart; marks differ, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7")
MUTED = "#999999"
MARKS = "osD^vP"
FEW = 6       # points of a curve that its description lists one by one; of more it says both ends
CROWDED = 25  # points of a curve that get no marks any more

Point = tuple[float, Rate | float | None]


@dataclass(frozen=True)
class Picture:
    """A drawing, and what it shows in words for those who cannot see it."""

    figure: "Figure"
    alt: str


def intervals(rates: Mapping[str, Any], *, xlabel: str, reference: Sequence[float] = (),
              limits: tuple[float, float] | None = (0, 1)) -> Picture | None:
    """Points with their intervals, row under row. reference: values at which a line stands."""
    return _rows("Points with intervals", rates, xlabel, reference, limits)


def bars(rates: Mapping[str, Any], *, xlabel: str, reference: Sequence[float] = (),
         limits: tuple[float, float] | None = None, muted: Iterable[str] = (),
         marked: Iterable[str] = ()) -> Picture | None:
    """Bars with their intervals, row under row. muted, marked: rows in grey, in another colour."""
    special = dict.fromkeys(muted, MUTED) | dict.fromkeys(marked, COLOURS[1])
    return _rows("Bars", rates, xlabel, reference, limits, special)


def curves(lines: Mapping[str, Any], *, xlabel: str, ylabel: str = "",
           reference: Sequence[float] | Mapping[str, Sequence[float]] = (),
           limits: tuple[float, float] | None = None, log: str = "",
           shared: bool = False) -> Picture | None:
    """Lines over steps and the like.

    reference: values at which a line stands, in all panels or by panel. log: the axes in
    logarithms, such as "y". shared: whether panels have one y axis.
    """
    panels = _known(lines)
    names = _names(panels)
    if not names:
        return None
    if not isinstance(reference, Mapping):
        reference = dict.fromkeys(panels, reference)
    figure, axes = _canvas(panels, 3.4, share=shared)
    for axis, (panel, series) in zip(axes, panels.items(), strict=True):
        for name, points in series.items():
            _line(axis, points, names.index(name), len(names), 0 if "x" in log else 0.006)
        for value in reference.get(panel, ()):
            axis.axhline(value, color=MUTED, linestyle="--", linewidth=1)
        axis.set(xlabel=xlabel, **{f"{letter}scale": "log" for letter in log})
        if limits:  # set_ylim(None) would end the autoscaling of panels that share the axis
            axis.set_ylim(limits)
    axes[0].set_ylabel(ylabel)
    _legend(figure, names)
    said = {panel: [_titled(name, _course(points)) for name, points in series.items()]
            for panel, series in panels.items()}
    kind = f"Curves over {xlabel}" if xlabel else "Curves"
    marks = sorted({value for values in reference.values() for value in values})
    return Picture(figure, _description(kind, ylabel, said, marks))


def matrix(values: Mapping[str, Mapping[str, float]], *, form: str = ".0%",
           top: float = 1.0) -> Picture | None:
    """{row: {column: value}} as fields, dark where a value is near `top`. form: of the numbers."""
    columns = list(next(iter(values.values()), ()))
    if not columns:
        return None
    figure, (axis,) = _canvas([""], 0.8 + 0.35 * len(values), width=max(7, 1.2 * len(columns)))
    numbers = [[row[column] for column in columns] for row in values.values()]
    axis.imshow(numbers, vmin=0, vmax=top, cmap="Blues", aspect="auto")
    for y, row in enumerate(numbers):
        for x, value in enumerate(row):
            colour = "white" if value > 0.6 * top else "black"
            axis.text(x, y, format(value, form), ha="center", va="center", color=colour, fontsize=9)
    axis.set_xticks(range(len(columns)), columns, fontsize=8)
    axis.set_yticks(range(len(values)), list(values), fontsize=8)
    said = {name: [f"{column} {format(row[column], form)}" for column in columns]
            for name, row in values.items()}
    return Picture(figure, _description("A matrix", "", said))


def scatter(points: Mapping[str, Point], *, xlabel: str, ylabel: str,
            marked: str = "") -> Picture | None:
    """Points {label: (x, y)} with labels and intervals. marked: a label in another colour."""
    known = {label: point for label, point in points.items() if _value(point[1]) is not None}
    if not known:
        return None
    figure, (axis,) = _canvas([""], 3.4)
    for label, (x, y) in known.items():
        _errorbar(axis, [x], [y], "y", fmt="o", color=COLOURS[label == marked])
        axis.annotate(label, (x, _value(y)), xytext=(7, -3), textcoords="offset points", fontsize=9)
    right = max(x for x, _ in known.values())
    axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1.18 * right))  # room for the last label
    said = [f"{label}: {_number(x)} and {_number(_value(y))}" for label, (x, y) in known.items()]
    return Picture(figure, _description("Points", f"{xlabel} and {ylabel}", {"": said}))


def histogram(values: Sequence[float], *, xlabel: str, ylabel: str) -> Picture | None:
    """How many values lie where between 0 and 1."""
    if not len(values):
        return None
    import numpy as np  # for this alone
    figure, (axis,) = _canvas([""], 3)
    axis.hist(values, bins=25, range=(0, 1), color=COLOURS[0])
    axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1))
    low, middle, high = (_number(value) for value in np.quantile(values, [0.1, 0.5, 0.9]))
    return Picture(figure, f"A histogram of {len(values)} {ylabel}. Their {xlabel} has a median of "
                           f"{middle}; one in ten lies below {low} and one in ten above {high}.")


def along(rows: Iterable[Mapping[str, Any]], x: str, y: str) -> list[Point]:
    """Two columns of some rows, as the points of a curve."""
    return [(row[x], row[y]) for row in rows]


def by_series(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """{series: {row: Rate}} from {row: {series: Rate}}."""
    names = list(dict.fromkeys(name for values in rows.values() for name in values))
    return {name: {row: values.get(name) for row, values in rows.items()} for name in names}


def over_steps(parts: Mapping[str, Sequence[Mapping[str, Any]]],
               measures: Mapping[str, str]) -> dict[str, dict[str, list[Point]]]:
    """Curves of training: a panel per measure {measure: title}, a series per part {part: rows}."""
    return {title: {part: along(rows, "step", measure) for part, rows in parts.items()}
            for measure, title in measures.items()}


def _rows(kind, rates, xlabel, reference, limits, colours=None):
    """Rows with a mark of each series: points, or bars where rows may have colours of their own."""
    panels = _known(rates)
    names = _names(panels)
    if not names:
        return None
    rows = list(dict.fromkeys(row for series in panels.values() for items in series.values()
                              for row in items))
    height = 1.1 + len(rows) * max(0.32, 0.12 * len(names))
    figure, axes = _canvas(panels, height, share=True)
    for axis, series in zip(axes, panels.values(), strict=True):
        for name, items in series.items():
            number = names.index(name)
            shift = (number - (len(names) - 1) / 2) * 0.8 / len(names)
            for row, rate in items.items():
                place, style = rows.index(row) + shift, {"fmt": _mark(number), "elinewidth": 2}
                colour = _colour(number)
                if colours is not None:
                    own = colours.get(row, colour)
                    axis.barh(place, _value(rate), 0.72 / len(names), color=own)
                    style, colour = {"fmt": "none"}, "black"
                _errorbar(axis, [place], [rate], "x", color=colour, **style)
        for value in reference:
            axis.axvline(value, color=MUTED, linestyle="--", linewidth=1)
        axis.set(xlabel=xlabel, xlim=limits, ylim=(len(rows) - 0.5, -0.5))
        axis.set_yticks(range(len(rows)), rows, fontsize=9)
    _legend(figure, names)
    said = {panel: [_titled(name, _list(items)) for name, items in series.items()]
            for panel, series in panels.items()}
    return Picture(figure, _description(kind, xlabel, said, reference))


def _line(axis, points, number, count, apart):
    """One series of a panel. apart: how far intervals of series stand apart, in widths."""
    places, values = zip(*points, strict=True)
    shift = 0.0
    if any(_edges(value) for value in values):
        shift = apart * (max(places) - min(places)) * (number - (count - 1) / 2)
    fmt = "-" if len(points) > CROWDED else f"{_mark(number)}-"
    _errorbar(axis, [x + shift for x in places], values, "y", fmt=fmt, color=_colour(number), ms=4)


def _errorbar(axis, places, values, direction, **style):
    """Values, and those intervals that are known, which lie along the direction "x" or "y"."""
    middle = [_value(value) for value in values]
    ends = [_edges(value) or (_value(value),) * 2 for value in values]
    # A value may lie outside its own interval, a bootstrap's for one: that side has no length then.
    below = [max(0, value - low) for value, (low, _) in zip(middle, ends, strict=True)]
    above = [max(0, high - value) for value, (_, high) in zip(middle, ends, strict=True)]
    if any(_edges(value) for value in values):
        style |= {f"{direction}err": [below, above], "capsize": 2}
    x, y = (middle, places) if direction == "x" else (places, middle)
    axis.errorbar(x, y, **style)


def _canvas(panels, height, share=False, width=None):
    """A figure with an axis per panel, which has its name for a title."""
    from matplotlib.figure import Figure  # a second; without pyplot, no state is shared
    width = width or {1: 7.5, 2: 9.5}.get(len(panels), 3.9 * len(panels))
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=share, squeeze=False)[0]
    for axis, name in zip(axes, panels, strict=True):
        axis.set_title(name, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(figure, names):
    """The series' colours and marks, below all panels, where there are several series."""
    from matplotlib.lines import Line2D  # as `_canvas`
    if len(names) > 1:
        handles = [Line2D([], [], color=_colour(number), marker=_mark(number), label=name)
                   for number, name in enumerate(names)]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(names), fontsize=8,
                      frameon=False)


def _known(data):
    """The data with all its levels, without what is not known and without empty series."""
    while _levels(data) < 2:
        data = {"": data}
    found = {}
    for panel, series in data.items():
        found[panel] = {}
        for name, items in series.items():
            if isinstance(items, Mapping):
                kept = {row: rate for row, rate in items.items() if _value(rate) is not None}
            else:
                kept = [(x, y) for x, y in items if _value(y) is not None]
            if kept:
                found[panel][name] = kept
    return found


def _levels(data):
    """How many levels stand above rows {row: Rate or number} or points [(x, y)]."""
    if not isinstance(data, Mapping) or "rate" in data:
        return -1
    return max((1 + _levels(item) if isinstance(item, Mapping) else int(isinstance(item, list))
                for item in data.values()), default=0)


def _names(panels):
    """The series of all panels, in the order in which they come, each once."""
    return list(dict.fromkeys(name for series in panels.values() for name in series))


def _value(value):
    return value["rate"] if isinstance(value, Mapping) else value


def _edges(value):
    """The ends of an interval; None where there is none."""
    known = isinstance(value, Mapping) and value["low"] is not None
    return (value["low"], value["high"]) if known else None


def _colour(number):
    return COLOURS[number % len(COLOURS)]


def _mark(number):
    return MARKS[number % len(MARKS)]


def _number(value):
    """A number as one would say it, with three digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _list(items):
    return ", ".join(f"{row} {_number(_value(rate))}" for row, rate in items.items())


def _course(points):
    """A curve in words: each point of a few, both ends of many."""
    said = [f"{_number(_value(y))} at {_number(x)}" for x, y in points]
    return ", ".join(said) if len(said) <= FEW else f"from {said[0]} to {said[-1]}"


def _titled(name, text):
    return f"{name}: {text}" if name else text


def _description(kind, what, said, reference=()):
    """What a picture shows: its kind, what its numbers are, a sentence per panel, its lines."""
    sentences = [f"{kind}: {what}" if what else kind]
    sentences += [_titled(panel, "; ".join(items)) for panel, items in said.items() if items]
    if reference:
        sentences.append(f"Dashed: {' and '.join(map(_number, reference))}")
    return ". ".join(sentences) + "."
