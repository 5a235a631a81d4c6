"""Pictures that pages draw from numbers, without a script: intervals on a scale, and how it works.

Both are of the page's own text and colours, so they can be read in the dark, on a phone, and aloud.
"""
import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lib.metrics import stats
from lib.report.words import referee, trusted
from lib.workbook.naming import said

# Of the thesis's 50 pairs: one round of DPO, and its best run, whose share imitation reached, too.
PUBLISHED = (("one round of DPO", stats.rate(37, 50)),
             ("the best of six runs, and imitation", stats.rate(40, 50)))


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
             ("Measured", "by another judge, by the truth, beside controls")]
    high, gap = 46, 18
    total = len(steps) * (high + gap) - gap + 4
    parts = []
    for number, (title, words) in enumerate(steps):
        top = number * (high + gap) + 2
        parts.append(f'<rect x="2" y="{top}" width="336" height="{high}" rx="8"/>'
                     f'<text x="16" y="{top + 19}" class="strong">{html.escape(title)}</text>'
                     f'<text x="16" y="{top + 37}">{html.escape(words)}</text>')
        if number:
            parts.append(f'<path d="M170 {top - gap}v{gap - 5}m-5 -5l5 6l5 -6"/>')
    told = "; ".join(f"{title}: {words}" for title, words in steps)
    return (f'<figure id="figure-steps" class="drawn"><svg viewBox="0 0 340 {total}" role="img" '
            f'aria-label="{html.escape(told, quote=True)}">{"".join(parts)}</svg>'
            "<figcaption>How it works, with what each step handled in this run. Rounds of DPO go "
            "from the tuned model back to the candidates.</figcaption></figure>")
