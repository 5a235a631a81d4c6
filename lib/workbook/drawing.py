"""How pictures are drawn: panels that fit a page or a phone, labels that collide with nothing, SVG.
"""
import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.workbook.palette import DARK, GROUND, colour, mark

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# matplotlib is imported where something is drawn: it takes a second.

# In inches. At 96 pixels to the inch, text keeps its size on a page, and most of it on a phone.
SINGLE, WIDE, SLIM = 7.5, 9.4, 3.9
LETTER = 0.075  # the width of a small letter, in inches
LINE = 0.17     # the height of a line of text, in inches
LONG = re.compile(r"(?<=\.\d\d)\d+")  # digits after the second
FONTS = "'DejaVu Sans', Verdana, sans-serif"  # the first two are equally wide


def style() -> Any:
    """A context in which to draw and to write: no text is a formula, no run differs from another.
    """
    import matplotlib
    fixed: Any = {"svg.hashsalt": "workbook", "svg.fonttype": "none", "text.parse_math": False,
                  "font.family": ["DejaVu Sans"]}
    return matplotlib.rc_context(fixed)


def canvas(panels: Sequence[str] | Mapping[str, Any], height: float, slim: bool,
           share: bool = False, width: float = SINGLE) -> tuple["Figure", Any]:
    """A figure and its axes, one per panel, which has its name for a title.

    height: of a panel, in inches. slim: for a phone, panels below each other; else up to three
    stand side by side. share: whether they have one y axis. width: of a single panel.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # without pyplot, no state is shared
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    names = list(panels)
    columns = 1 if slim else {4: 2}.get(len(names), min(len(names), 3))
    lines = -(-len(names) // columns)
    width = SLIM if slim else width if len(names) == 1 else WIDE
    room = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, wspace=0.05, hspace=0.05)
    figure = Figure(figsize=(width, height * lines), layout=room)
    FigureCanvasAgg(figure)  # which knows how large a text is
    grid = figure.subplots(lines, columns, sharey=share, squeeze=False).flatten()
    for axis, name in zip(grid, names, strict=False):
        axis.set_title(textwrap.fill(name, 48), fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=9)
    for axis in grid[len(names):]:
        axis.set_visible(False)
    return figure, grid[:len(names)]


def wrapped(labels: Sequence[str], slim: bool) -> list[str]:
    """Labels of rows, in lines where they are long."""
    return [textwrap.fill(label, 18 if slim else 40) for label in labels]


def legend(figure: "Figure", names: Sequence[str], lines: bool = True) -> None:
    """The series' colours and marks, below all panels, where there are several series."""
    from matplotlib.lines import Line2D
    if len(names) < 2:
        return
    style = "-" if lines else ""
    handles = [Line2D([], [], color=colour(number), marker=mark(number), label=name, ls=style)
               for number, name in enumerate(names)]
    room = figure.get_size_inches()[0] / ((max(map(len, names)) + 7) * LETTER)
    figure.legend(handles=handles, loc="outside lower center", fontsize=9, frameon=False,
                  ncols=max(1, min(len(names), int(room))))


def errorbar(axis: Any, places: Sequence[float], values: Sequence[Any], direction: str,
             clipped: bool = True, **style: Any) -> None:
    """Values, and those intervals that are known, which lie along the direction "x" or "y".

    clipped: whether a mark on the edge of the panel is cut by it.
    """
    middle = [rate_of(value) for value in values]
    ends = [ends_of(value) or (rate_of(value),) * 2 for value in values]
    # A value may lie outside its own interval, a bootstrap's for one: that side has no length then.
    below = [max(0, value - low) for value, (low, _) in zip(middle, ends, strict=True)]
    above = [max(0, high - value) for value, (_, high) in zip(middle, ends, strict=True)]
    if any(ends_of(value) for value in values):
        style |= {f"{direction}err": [below, above], "capsize": 2}
    x, y = (middle, places) if direction == "x" else (places, middle)
    for part in axis.errorbar(x, y, **style).get_children():
        part.set_clip_on(clipped)


def rate_of(value: Any) -> Any:
    """A number, or the one that a rate holds."""
    return value["rate"] if isinstance(value, Mapping) else value


def ends_of(value: Any) -> tuple[float, float] | None:
    """The ends of an interval; None where there is none."""
    known = isinstance(value, Mapping) and value["low"] is not None
    return (value["low"], value["high"]) if known else None


def logarithmic(axis: Any, letter: str) -> None:
    """One axis in logarithms, its ticks numbers as one writes them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
    axis.set(**{f"{letter}scale": "log"})
    scale, (low, high) = getattr(axis, f"{letter}axis"), getattr(axis, f"get_{letter}lim")()
    scale.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 60 * low else (1,)))
    scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    scale.set_minor_formatter(NullFormatter())


def beside(axis: Any, labels: Mapping[str, tuple[float, float]]) -> None:
    """A label to the right of each point {label: (x, y)}, moved down where something else stands.
    """
    from matplotlib.transforms import Bbox
    axis.figure.canvas.draw()  # only then it is known where things are
    taken = [Bbox([place - 5, place + 5])
             for place in map(axis.transData.transform, labels.values())]
    for label, point in sorted(labels.items(), key=lambda item: (-item[1][1], item[1][0])):
        for down in range(0, 120, 3):
            text = axis.annotate(label, point, xytext=(7, -3 - down), textcoords="offset points",
                                 fontsize=9, bbox={"fc": GROUND, "ec": "none", "pad": 0.5})
            place = text.get_window_extent().padded(1)
            if not any(place.overlaps(other) for other in taken):
                break
            text.remove()
        taken.append(place)


def svg(figure: "Figure") -> str:
    """A figure as SVG of its own: the same bytes each time, text as text, dark in the dark."""
    out = io.StringIO()
    with style():
        figure.savefig(out, format="svg", bbox_inches="tight", facecolor=GROUND.lower(),
                       metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = re.sub(r"<\?xml.*?(?=<svg )", "", out.getvalue(), flags=re.DOTALL)
    text = text.replace("font-family: 'DejaVu Sans'", f"font-family: {FONTS}")
    # A hundredth of a point is more than a screen shows.
    text = re.sub(r' (d|x|y|transform|points)="[^"]*"', lambda found: LONG.sub("", found[0]), text)
    return text.replace("</style>", _in_the_dark() + "</style>", 1)


def _in_the_dark():
    """Rules that put each colour's counterpart in its place, where the reader prefers the dark."""
    rules = [f'[style*="{part}: {light.lower()}"]{{{part}:{dark}!important}}'
             for light, dark in DARK.items() for part in ("fill", "stroke")]
    ink = DARK["#000000"]
    return (f"@media screen and (prefers-color-scheme: dark){{text{{fill:{ink}}}"
            f'{"".join(rules)}}}')
