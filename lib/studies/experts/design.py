"""The design of the review: which pairs of profiles are shown, to whom, and on which side.

A balanced incomplete block design: each reviewer is a block that holds few pairs of models, all
pairs of models are seen equally often, as near as the numbers allow, and everything follows from a
seed.
"""
import random
from collections import Counter, defaultdict
from itertools import combinations
from typing import Any

from lib.competencies.profiles import canonical
from lib.core.rows import Profile, Prompt
from lib.core.sections.studies import Experts

Item = dict[str, Any]  # of `draw_items`
Question = dict[str, str]  # {"item", "left", "right"}: an item, and the profile on each side
Kind = tuple[str, tuple[str, ...]]  # of a showing: a reviewer, and the two models


def draw_items(prompts: list[Prompt], written: dict[str, dict[str, Profile | None]], count: int,
               seed: int) -> tuple[list[Item], dict[str, int]]:
    """Pairs of profiles to review: of each two models equally many, few authors twice.

    written: {model: {prompt id: profile or None}} for two models or more. Returns (items,
    left_out). An item is {"item", "prompt", "pair", "abstracts", "profiles"}; its profiles are
    keyed by an opaque id, in an order that tells nothing, and hold {"model", "profile"}. left_out
    counts the pairs that cannot be compared: {"unreadable", "identical"}. There are fewer items
    than `count` where the data have no more, and fewer of two models where those have no more.
    """
    rng = random.Random(f"items/{seed}")
    left_out = {"unreadable": 0, "identical": 0}
    pools: dict[tuple[str, str], list[Prompt]] = {}
    for pair in combinations(written, 2):
        usable = []
        for prompt in prompts:
            one, other = (written[model].get(prompt["id"]) for model in pair)
            if not one or not other:
                left_out["unreadable"] += 1
            elif canonical(one) == canonical(other):
                left_out["identical"] += 1
            else:
                usable.append(prompt)
        pools[pair] = rng.sample(usable, len(usable))
    drawn: list[tuple[Prompt, tuple[str, str]]] = []
    used: Counter[str] = Counter()
    while len(drawn) < count and any(pools.values()):
        for pair in [pair for pair in pools if pools[pair]][:count - len(drawn)]:
            prompt = min(pools[pair], key=lambda row: used[row["id"]])
            pools[pair].remove(prompt)
            used[prompt["id"]] += 1
            drawn.append((prompt, pair))
    rng.shuffle(drawn)  # so that an item's number does not tell its pair of models
    items = []
    for number, (prompt, pair) in enumerate(drawn, 1):
        profiles = {}
        for model in rng.sample(pair, 2):
            name = f"{rng.getrandbits(40):010x}"
            profiles[name] = {"model": model, "profile": written[model][prompt["id"]]}
        items.append({"item": f"item-{number:03d}", "prompt": prompt["id"], "pair": list(pair),
                      "abstracts": prompt["abstracts"], "profiles": profiles})
    return items, left_out


def assign(items: list[Item], experts: Experts) -> dict[str, list[Question]]:
    """Who sees what, in which order and on which side: questions of each reviewer.

    Each item goes to `ratings_per_item` reviewers, see `deal` and `spread`, with sides by `sides`.
    The order is random for each reviewer. `repeated` items of a reviewer's first half come again
    in the second, with sides swapped.
    """
    rng = random.Random(f"reviewers/{experts.seed}")
    reviewers = [f"R{number}" for number in range(1, experts.reviewers + 1)]
    dealt = spread(items, deal(items, reviewers, experts.ratings_per_item, rng))
    showings = [(name, item) for item in items for name in dealt[item["item"]]]
    first_left = sides([(name, tuple(item["pair"])) for name, item in showings], rng)
    questions: dict[str, list[Question]] = {reviewer: [] for reviewer in reviewers}
    for (reviewer, item), straight in zip(showings, first_left, strict=True):
        key = {shown["model"]: name for name, shown in item["profiles"].items()}
        left, right = item["pair"] if straight else reversed(item["pair"])
        questions[reviewer].append({"item": item["item"], "left": key[left], "right": key[right]})
    for reviewer, asked in questions.items():
        rng.shuffle(asked)
        half = (len(asked) + 1) // 2
        late = asked[half:]
        for row in rng.sample(asked[:half], min(experts.repeated, half)):
            late.append({"item": row["item"], "left": row["right"], "right": row["left"]})
        rng.shuffle(late)
        questions[reviewer] = asked[:half] + late
    return {reviewer: asked for reviewer, asked in questions.items() if asked}


def deal(items: list[Item], reviewers: list[str], ratings: int, rng: random.Random,
         ) -> dict[str, list[str]]:
    """{item: its reviewers}, `ratings` different ones each; equal loads, in all and by models.

    Items are dealt two models after two models, each to those with the fewest items so far and,
    among them, the fewest of these two models. A reviewer's items, and those of any two models
    among them, then differ by at most one from another reviewer's.
    """
    load: Counter[Any] = Counter()
    dealt = {}
    for item in sorted(items, key=lambda row: row["pair"]):
        pair, text = ("pair", *item["pair"]), ("text", item["prompt"])
        ranked = rng.sample(reviewers, len(reviewers))
        ranked.sort(key=lambda name: (load[name], load[name, pair], load[name, text]))
        dealt[item["item"]] = ranked[:ratings]
        for name in ranked[:ratings]:
            load.update([name, (name, pair), (name, text)])
    return dealt


def spread(items: list[Item], dealt: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same with fewer reviewers who see one text in two items.

    Two items of the same models exchange a reviewer where that helps: no load changes by it.
    """
    alike, dealt = defaultdict(list), {name: list(own) for name, own in dealt.items()}
    for item in items:
        alike[tuple(item["pair"])].append(item)
    seen = Counter((name, item["prompt"]) for item in items for name in dealt[item["item"]])
    for item in items:
        for reviewer in list(dealt[item["item"]]):
            if seen[reviewer, item["prompt"]] > 1:
                _exchange(item, reviewer, alike[tuple(item["pair"])], dealt, seen)
    return dealt


def _exchange(item, reviewer, others, dealt, seen):
    """Give the item to somebody who has not seen its text, for an item whose text is new here."""
    here, text = dealt[item["item"]], item["prompt"]
    for other in others:
        there, its = dealt[other["item"]], other["prompt"]
        for rival in there:
            if not (seen[reviewer, its] or seen[rival, text]):
                here[here.index(reviewer)], there[there.index(rival)] = rival, reviewer
                seen.update([(reviewer, its), (rival, text)])
                seen.subtract([(reviewer, text), (rival, its)])
                return


def sides(showings: list[Kind], rng: random.Random) -> list[bool]:
    """Whether the first of two models stands left in each showing: in half of them, within one.

    That holds for each reviewer, for each two models, and for these two at this reviewer. Of two
    showings of a kind each gets a side. The rest are edges between reviewers and pairs of models,
    walked along trails, left and right in turn: a closed trail of such a graph has as many of
    each, and only where an odd number of edges meets does a trail begin or end with one too many.
    """
    left = [False] * len(showings)
    waiting: dict[Kind, int] = {}
    for number, kind in enumerate(showings):
        if kind in waiting:
            left[waiting[kind]] = rng.random() < 0.5
            left[number] = not left[waiting.pop(kind)]
        else:
            waiting[kind] = number
    edges: dict[Any, dict[Any, int]] = defaultdict(dict)
    for (reviewer, pair), number in waiting.items():
        edges[reviewer][pair] = edges[pair][reviewer] = number
    while edges:
        odd = [place for place, ways in edges.items() if len(ways) % 2]
        place, side = rng.choice(odd or list(edges)), rng.random() < 0.5
        while edges[place]:
            other, number = edges[place].popitem()
            del edges[other][place]
            left[number], side, place = side, not side, other
        edges = defaultdict(dict, {key: ways for key, ways in edges.items() if ways})
    return left


def balance(items: list[Item], questions: dict[str, list[Question]]) -> dict[str, Any]:
    """How even a design is, repeated questions aside.

    Returns {"pairs": {"one and other": {"items", "judgments", "fewest", "most", "first_left"}},
    "load": {"fewest", "most"}, "texts_again"}. fewest, most: of one reviewer. first_left: how often
    the first of the two models stands left. texts_again: how often a reviewer meets a text again
    with other models.
    """
    known = {item["item"]: item for item in items}
    once = {name: list({row["item"]: row for row in reversed(asked)}.values())
            for name, asked in questions.items()}
    pairs = {}
    for pair in sorted({tuple(item["pair"]) for item in items}):
        shown = {name: [row for row in rows if tuple(known[row["item"]]["pair"]) == pair]
                 for name, rows in once.items()}
        counts = [len(rows) for rows in shown.values()]
        first = [known[row["item"]]["profiles"][row["left"]]["model"] == pair[0]
                 for rows in shown.values() for row in rows]
        pairs[" and ".join(pair)] = {
            "items": sum(tuple(item["pair"]) == pair for item in items), "judgments": sum(counts),
            "fewest": min(counts), "most": max(counts), "first_left": sum(first)}
    loads = [len(rows) for rows in once.values()] or [0]
    again = [len(rows) - len({known[row["item"]]["prompt"] for row in rows})
             for rows in once.values()]
    return {"pairs": pairs, "load": {"fewest": min(loads), "most": max(loads)},
            "texts_again": sum(again)}
