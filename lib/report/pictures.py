"""Pictures that pages draw from numbers, without a script: intervals on a scale, and how it works.

Both are of the page's own text and colours, so they can be read in the dark, on a phone, and aloud.
"""
import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lib.metrics import stats
from lib.report.words import referee, trusted
from lib.workbook.naming import said

# Of the thesis's 50 pairs: one round of DPO, and its best run, whose share imitation reached, too.
PUBLISHED = (("one round of DPO", stats.rate(37, 50)),
             ("the best of six runs, and imitation", stats.rate(40, 50)))

LETTER = 6.6  # width of a letter in the diagram, in its units


class Line(NamedTuple):
    """One interval of a picture. kind: "ours", "control" or "published", which its colour shows."""
    label: str
    value: Mapping[str, Any]
    kind: str = "ours"


def intervals(groups: Sequence[tuple[str, Sequence[Line]]], caption: str, name: str) -> str:
    """Shares from 0 to 1 with their intervals, in groups under a heading each.

    A point, its interval, and a mark at one half; the numbers stand beside them as text.
    """
    parts = []
    for title, lines in groups:  # what could not be measured has no place on a scale
        items = "".join(_line(line) for line in lines if line.value["rate"] is not None)
        parts.append(f'<p class="group">{html.escape(title)}</p><ul class="intervals">{items}</ul>')
    return (f'<figure id="figure-{name}" class="drawn">{"".join(parts)}'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>")


def _line(line):
    rate, low, high = (100 * line.value[part] for part in ("rate", "low", "high"))
    words = f"{rate:.0f} % [{low:.0f}, {high:.0f}]"
    return (f'<li class="{line.kind}"><span class="label">{html.escape(line.label)}</span>'
            f'<span class="track" aria-hidden="true">'
            f'<i class="span" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
            f'<i class="point" style="left:{rate:.1f}%"></i></span>'
            f'<span class="number">{words}</span></li>')


def effect(own: Mapping[str, Any], real: Mapping[str, Any]) -> str:
    """What is preferred to the base, in both worlds, controls included, beside the thesis's 80 %.

    own, real: {notebook: its numbers} of each world.
    """
    found = own["04_evaluation"]
    controls = (own.get("10_comparison") or {}).get("controls") or {}
    names = ("shuffled", "sft", "best_of_label", "best_of_blacklist")
    by = referee(found)
    who = "a judge that labelled nothing" if by == "judge" else "the truth"
    ours = [Line(f"tuned, by {who}", trusted(found))]
    ours += [Line(f"tuned, by {half} alone", found[half]["preference_over_base"])
             for half in ("names", "descriptions") if half in found]
    beside = [Line(said(key), controls[key][by]["over_base"], "control")
              for key in names if controls.get(key)]
    groups = [("Synthetic world, unseen authors", [*ours, *beside])]
    if study := real.get("04_evaluation"):
        lines = [Line("tuned, by indexers' terms", study["human_preference_over_base"]),
                 Line("tuned, by a judge of another family", study["judge_preference_over_base"])]
        lines += [Line(f"{said(name)}, by indexers' terms", one["people"], "control")
                  for name, one in study["controls"].items() if name != "tuned"]
        groups.append(("Real abstracts, a pretrained model", lines))
    groups.append(("The thesis: Mixtral-8x7B, by the judge of its labels",
                   [Line(label, value, "published") for label, value in PUBLISHED]))
    return intervals(groups, "Preferred to the untuned model, with 95 % intervals; the line in the "
                             "middle is even. Hollow: controls. The thesis counted 50 pairs.",
                     "effect")


def diagram(metrics: Mapping[str, Any]) -> str:
    """How it works, step by step, with what each step handled in this run."""
    made, judged, tuned = (metrics[name] for name in ("01_data_synthesis", "02_judging", "03_dpo"))
    votes = f"{judged['votes']:,} votes" if judged.get("votes") else "votes"
    steps = [("Abstracts", f"{made['prompts']:,} authors, in splits that share none"),
             ("Candidate profiles", f"{made['candidates']:,} by the base model"),
             ("Judges compare", f"{votes}, both orders where it counts"),
             ("Preferences", f"{judged['preferences']:,} pairs, better and worse"),
             ("DPO", f"a tree per prompt, {tuned['steps']} steps"),
             ("Tuned model", f"an adapter of {tuned['parameters']['trained']:,} weights"),
             ("Measured", "by another judge, the truth, and controls")]
    told = "; ".join(f"{title}: {words}" for title, words in steps)
    return (f'<figure id="figure-steps" class="drawn">{_row(steps, told)}{_column(steps, told)}'
            "<figcaption>How it works, with what each step handled in this run. Dashed: a further "
            "round of DPO begins with candidates of the tuned model.</figcaption></figure>")


def _row(steps, told):
    """For wide pages: four steps from left to right, and the other three back."""
    wide, gap, high = 232, 24, 70
    lefts = [2 + column * (wide + gap) for column in range(4)]
    middles = [left + wide / 2 for left in lefts]
    below = high + 2 * gap
    places = [*((left, 2, wide) for left in lefts),
              (lefts[2], below, 2 * wide + gap), (lefts[1], below, wide), (lefts[0], below, wide)]
    parts = [_box(*place, high, *step) for place, step in zip(places, steps, strict=True)]
    parts += [_arrow(left + wide, 2 + high / 2, gap, 0) for left in lefts[:3]]
    parts.append(_arrow(middles[3], 2 + high, 0, below - high - 2))
    parts += [_arrow(left, below + high / 2, -gap, 0) for left in (lefts[2], lefts[1])]
    parts.append(_arrow(middles[1], below, 0, high + 2 - below, "again"))
    return _drawing("wide", 4 * wide + 3 * gap + 4, below + high + 2, parts, told)


def _column(steps, told):
    """For phones: one step below the other."""
    wide, gap, high, side = 306, 18, 50, 30
    tops = [2 + number * (high + gap) for number in range(len(steps))]
    parts = [_box(2, top, wide, high, *step)
             for top, step in zip(tops, steps, strict=True)]
    parts += [_arrow(wide / 2, top + high, 0, gap) for top in tops[:-1]]
    tuned, candidates = (tops[number] + high / 2 for number in (5, 1))
    parts.append(f'<path class="again" d="M{wide + 2} {tuned}h{side - 8}V{candidates}h{8 - side}'
                 'm6 -5l-6 5l6 5"/>')
    return _drawing("narrow", wide + side + 4, tops[-1] + high + 2, parts, told)


def _box(left, top, wide, high, title, words):
    """A step: its title, and what it handled, in as many lines as its width asks for."""
    lines = textwrap.wrap(words, int((wide - 28) / LETTER))
    words = "".join(f'<text x="{left + 14}" y="{top + 38 + 18 * number}">{html.escape(line)}</text>'
                    for number, line in enumerate(lines))
    return (f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" rx="8"/>'
            f'<text x="{left + 14}" y="{top + 20}" class="strong">{html.escape(title)}</text>'
            f"{words}")


def _arrow(x, y, right, down, kind="on"):
    """An arrow along one axis, with its head within the last six units."""
    along = f"h{right}" if right else f"v{down}"
    turn = (right > 0) - (right < 0), (down > 0) - (down < 0)
    back, aside = (-6 * turn[0], -6 * turn[1]), (5 * turn[1], 5 * turn[0])
    head = (f"m{back[0] + aside[0]} {back[1] + aside[1]}l{-back[0] - aside[0]} "
            f"{-back[1] - aside[1]}l{back[0] - aside[0]} {back[1] - aside[1]}")
    return f'<path class="{kind}" d="M{x} {y}{along}{head}"/>'


def _drawing(kind, wide, high, parts, told):
    return (f'<svg class="{kind}" viewBox="0 0 {wide} {high}" role="img" '
            f'aria-label="{html.escape(told, quote=True)}">{"".join(parts)}</svg>')
