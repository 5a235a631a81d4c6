"""Pictures of numbers, each with its description in words.

Numbers come as they are computed, nested as {panel: {series: {row: Rate or number}}}, for curves
as {panel: {series: [(x, Rate or number)]}}. A single panel needs no level of its own, nor does a
single series in it. What is not known (None) is not drawn; where nothing is, the picture is None.
Keys are drawn as `naming` says them.
"""
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lib.core.rows import Rate
from lib.workbook import drawing
from lib.workbook.drawing import ends_of, errorbar, rate_of
from lib.workbook.naming import said
from lib.workbook.palette import COLOURS, INK, MUTED, ON_TINT, colour, mark

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 6       # points of a curve that its description lists one by one; of more it says both ends
CROWDED = 25  # points of a curve that get no marks any more
ON_BLUE = "#FEFEFE"  # no ground, so that it stays in the dark

Point = tuple[float, Rate | float | None]


@dataclass(frozen=True)
class Picture:
    """A drawing, and what it shows in words for those who cannot see it.

    draw: makes it, given whether it is for a phone.
    """

    draw: Callable[[bool], "Figure"]
    alt: str

    @cached_property
    def figure(self) -> "Figure":
        """The drawing for a page."""
        with drawing.style():
            return self.draw(False)

    @cached_property
    def slim(self) -> "Figure":
        """The drawing for a phone."""
        with drawing.style():
            return self.draw(True)


def intervals(rates: Mapping[str, Any], *, xlabel: str, reference: Sequence[float] = (),
              limits: tuple[float, float] | None = (0, 1)) -> Picture | None:
    """Points with their intervals, row under row. reference: values at which a line stands."""
    return _rows("Points with intervals", rates, xlabel, reference, limits)


def bars(rates: Mapping[str, Any], *, xlabel: str, reference: Sequence[float] = (),
         limits: tuple[float, float] | None = None, muted: Iterable[str] = (),
         marked: Iterable[str] = ()) -> Picture | None:
    """Bars with their intervals, row under row. muted, marked: rows in grey, in another colour."""
    special = dict.fromkeys(map(said, muted), MUTED) | dict.fromkeys(map(said, marked), COLOURS[1])
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
    marks = ({said(panel): values for panel, values in reference.items()}
             if isinstance(reference, Mapping) else dict.fromkeys(panels, reference))

    def draw(slim: bool) -> "Figure":
        figure, axes = drawing.canvas(panels, 2.6 if slim else 3.4, slim, share=shared)
        for axis, (panel, series) in zip(axes, panels.items(), strict=True):
            for name, points in series.items():
                _line(axis, points, names.index(name), len(names), 0 if "x" in log else 0.006)
            for value in marks.get(panel, ()):
                axis.axhline(value, color=MUTED, linestyle="--", linewidth=1)
            if limits:  # set_ylim(None) would end the autoscaling of panels that share the axis
                axis.set_ylim(limits)
            axis.set_xlabel(xlabel)
            if axis.get_subplotspec().is_first_col():
                axis.set_ylabel(ylabel)
        for axis in axes:  # when all of what they share is drawn
            for letter in log:
                drawing.logarithmic(axis, letter)
        drawing.legend(figure, names)
        return figure
    told = {panel: [_titled(name, _course(points)) for name, points in series.items()]
            for panel, series in panels.items()}
    kind = f"Curves over {xlabel}" if xlabel else "Curves"
    values = sorted({value for found in marks.values() for value in found})
    return Picture(draw, _description(kind, ylabel, told, values))


def matrix(values: Mapping[str, Mapping[str, float]], *, form: str = ".0%",
           top: float = 1.0) -> Picture | None:
    """{row: {column: value}} as fields, dark where a value is near `top`. form: of the numbers."""
    columns = list(next(iter(values.values()), ()))
    if not columns:
        return None
    rows = [said(name) for name in values]
    numbers = [[row[column] for column in columns] for row in values.values()]

    def draw(slim: bool) -> "Figure":
        figure, (axis,) = drawing.canvas([""], 0.9 + 0.35 * len(values) + 0.6 * slim, slim,
                                         width=min(drawing.WIDE, max(7, 1.2 * len(columns))))
        axis.pcolormesh(numbers, vmin=0, vmax=top, cmap="Blues", edgecolors="white", linewidth=1)
        for y, row in enumerate(numbers):
            for x, value in enumerate(row):
                shade = ON_BLUE if value > 0.6 * top else ON_TINT
                axis.text(x + 0.5, y + 0.5, format(value, form), ha="center", va="center",
                          color=shade, fontsize=7 if slim else 9)
        titles = [textwrap.fill(said(column), 18 if slim else 14) for column in columns]
        axis.set_xticks([x + 0.5 for x in range(len(columns))], titles, rotation=90 * slim)
        axis.set_yticks([y + 0.5 for y in range(len(rows))], drawing.wrapped(rows, slim))
        axis.set_ylim(len(rows), 0)
        return figure
    told = {name: [f"{said(column)} {format(row[column], form)}" for column in columns]
            for name, row in zip(rows, values.values(), strict=True)}
    return Picture(draw, _description("A matrix", "", told))


def scatter(points: Mapping[str, Point], *, xlabel: str, ylabel: str,
            marked: str = "") -> Picture | None:
    """Points {label: (x, y)} with labels and intervals. marked: a label in another colour."""
    known = {said(label): point for label, point in points.items() if rate_of(point[1]) is not None}
    if not known:
        return None

    def draw(slim: bool) -> "Figure":
        figure, (axis,) = drawing.canvas([""], 3.4, slim)
        for label, (x, y) in known.items():
            errorbar(axis, [x], [y], "y", fmt="o", color=COLOURS[label == said(marked)])
        right = max(x for x, _ in known.values())  # room for the last label
        axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, right * (1.35 if slim else 1.18)))
        drawing.beside(axis, {label: (x, rate_of(y)) for label, (x, y) in known.items()})
        return figure
    told = [f"{label}: {_number(x)} and {_number(rate_of(y))}" for label, (x, y) in known.items()]
    return Picture(draw, _description("Points", f"{xlabel} and {ylabel}", {"": told}))


def histogram(values: Sequence[float], *, xlabel: str, ylabel: str) -> Picture | None:
    """How many values lie where between 0 and 1."""
    if not len(values):
        return None
    import numpy as np  # for this alone

    def draw(slim: bool) -> "Figure":
        figure, (axis,) = drawing.canvas([""], 3, slim)
        axis.hist(values, bins=25, range=(0, 1), color=COLOURS[0])
        axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1))
        return figure
    low, middle, high = (_number(value) for value in np.quantile(values, [0.1, 0.5, 0.9]))
    return Picture(draw, f"A histogram of {len(values)} {ylabel}. Their {xlabel} has a median of "
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

    def draw(slim: bool) -> "Figure":
        labels = drawing.wrapped(rows, slim)
        lines = max(label.count("\n") + 1 for label in labels)
        high = max(0.32, 0.12 * len(names), 0.05 + drawing.LINE * lines)
        figure, axes = drawing.canvas(panels, 1.1 + len(rows) * high, slim, share=True)
        for axis, series in zip(axes, panels.values(), strict=True):
            for name, items in series.items():
                number = names.index(name)
                shift = (number - (len(names) - 1) / 2) * 0.8 / len(names)
                for row, rate in items.items():
                    place, style = rows.index(row) + shift, {"fmt": mark(number), "elinewidth": 2}
                    shade = colour(number)
                    if colours is not None:
                        axis.barh(place, rate_of(rate), 0.72 / len(names),
                                  color=colours.get(row, shade))
                        style, shade = {"fmt": "none"}, INK
                    errorbar(axis, [place], [rate], "x", color=shade, clipped=not limits, **style)
            for value in reference:
                axis.axvline(value, color=MUTED, linestyle="--", linewidth=1)
            axis.set(xlabel=xlabel, xlim=limits, ylim=(len(rows) - 0.5, -0.5))
            axis.set_yticks(range(len(rows)), labels)
        drawing.legend(figure, names, lines=False)
        return figure
    told = {panel: [_titled(name, _list(items)) for name, items in series.items()]
            for panel, series in panels.items()}
    return Picture(draw, _description(kind, xlabel, told, reference))


def _line(axis, points, number, count, apart):
    """One series of a panel. apart: how far intervals of series stand apart, in widths."""
    places, values = zip(*points, strict=True)
    shift = 0.0
    if any(ends_of(value) for value in values):
        shift = apart * (max(places) - min(places)) * (number - (count - 1) / 2)
    fmt = "-" if len(points) > CROWDED else f"{mark(number)}-"
    errorbar(axis, [x + shift for x in places], values, "y", fmt=fmt, color=colour(number), ms=4)


def _known(data):
    """The data with all its levels, named as a person would, without what is not known."""
    while _levels(data) < 2:
        data = {"": data}
    found = {}
    for panel, series in data.items():
        shown = found.setdefault(said(panel), {})
        for name, items in series.items():
            if isinstance(items, Mapping):
                kept = {said(row): rate for row, rate in items.items() if rate_of(rate) is not None}
            else:
                kept = [(x, y) for x, y in items if rate_of(y) is not None]
            if kept:
                shown[said(name)] = kept
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


def _number(value):
    """A number as one would say it, with three digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _list(items):
    return ", ".join(f"{row} {_number(rate_of(rate))}" for row, rate in items.items())


def _course(points):
    """A curve in words: each point of a few, both ends of many."""
    said = [f"{_number(rate_of(y))} at {_number(x)}" for x, y in points]
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
