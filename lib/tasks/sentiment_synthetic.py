"""Synthetic financial news whose sentiment is known, for where no real set may be shipped.

Three sets differ in style, as the real ones do: `news` (sentences), `tweets` and `headlines`. What
makes them hard is recorded with each row as its kind: numbers that have to be compared, negations,
a clause that outweighs another, and neutral sentences made of the same words. Companies of the test
are never those of the training, and some labels are wrong on purpose, at a known rate.
"""
import random
from typing import Any

from lib.competencies import world
from lib.core.records import DataError

Words = dict[str, str | int]  # what fills the gaps of a frame

LABELS = ("negative", "neutral", "positive")
SHARES = {  # of the labels, lopsided as in Financial PhraseBank, TFNS and FiQA
    "news": {"negative": 0.22, "neutral": 0.45, "positive": 0.33},
    "tweets": {"negative": 0.20, "neutral": 0.50, "positive": 0.30},
    "headlines": {"negative": 0.35, "neutral": 0.15, "positive": 0.50},
}
SETS = tuple(SHARES)
SOURCES = {"news": "news", "tweets": "tweet", "headlines": "news"}  # as the question calls a text
OPINIONATED = {"plain": 0.30, "numbers": 0.15, "negation": 0.15, "contrast": 0.15, "event": 0.25}
NEUTRAL = {"fact": 0.5, "look-alike": 0.5}

GOOD = ["sales", "profit", "orders", "margins", "demand", "output"]  # more is better
BAD = ["costs", "debt", "losses", "delays", "claims", "waste"]       # less is better
MEASURES = 3 * GOOD + BAD  # companies mostly report the former
UP = {"rose": "rise", "grew": "grow", "climbed": "climb", "increased": "increase"}
DOWN = {"fell": "fall", "dropped": "drop", "declined": "decline", "shrank": "shrink"}
PERIODS = ["in the first half", "in the second half", "in the winter", "over two years",
           "last month"]
DAYS = ["Monday", "Tuesday", "Thursday", "Friday"]
EVENTS = {
    "news": {
        "positive": ["won a large order", "raised its forecast", "opened a second plant",
                     "found new partners", "paid back its loan early",
                     "was named supplier of the year"],
        "negative": ["lost its main customer", "lowered its forecast", "closed a plant",
                     "recalled faulty parts", "missed a payment", "was fined by the authorities"],
    },
    "tweets": {
        "positive": ["breaking out, to the moon", "loading up on more", "strong buy here",
                     "bulls in charge", "long and happy", "upgraded to buy"],
        "negative": ["breaking down, get out", "dumping all of it", "strong sell here",
                     "bears in charge", "bag holders cry", "cut to sell"],
    },
    "headlines": {
        "positive": ["record order", "upgrade", "takeover bid lifts shares", "best year yet",
                     "dividend is back", "dispute settled"],
        "negative": ["profit warning", "downgrade", "strike hits plants", "worst year yet",
                     "dividend is cut", "recall of parts"],
    },
}
# {c}, {f}, {t}: the company; {m}, {o}: measures, {v}, {a}: what they do; {s}, {o}: events.
FRAMES = {
    "news": {
        "negation": ["{m} of {f} did not {v} {p}.", "{m} of {f} did not {v} after all."],
        "contrast": ["Although {o} {a}, {m} of {f} {v} {p}.",
                     "{m} of {f} {v} {p}, although {o} {a}.", "{o} {a}, but {m} of {f} {v}."],
        "fact": ["{f} has {n} sites in {k} towns.", "{f} sells its services in {n} regions.",
                 "{f} employs {n} teachers.", "{f} will hold its meeting on {d}."],
        "look-alike": ["{f} will report on {d} whether {m} {v}.",
                       "{m} of {f} came to {n} mn, as a year earlier.",
                       "{n} % of the {m} of {f} come from abroad.",
                       "It is open whether {m} of {f} {v} {p}."],
    },
    "tweets": {
        "plain": ["{t} {s}", "{c} stocks {s} {t}"],
        "event": ["{t} {s}", "{c} stocks {s} {t}"],
        "negation": ["{t} is not {held} for me", "would not {sold} {t} now",
                     "nobody should {dumped} {t}", "{t} no {o}"],
        "contrast": ["they say {o} but {t} {s}", "{t} {s} even if they say {o}"],
        "fact": ["{t} meeting on {d}", "watching {c} stocks today {t}", "{t} report out on {d}",
                 "who else follows {t}"],
        "look-alike": ["is {t} a buy or a sell", "{t} price target stays at {n}",
                       "{t} is {n} % of my stocks", "bulls or bears on {t}"],
    },
    "headlines": {
        "contrast": ["{c}: {m} {v} despite {a} {o}", "despite {a} {o}, {m} {v} at {c}"],
        "fact": ["{c}: report out on {d}", "{c}: meeting on {d}", "{c}: {n} sites in {k} towns"],
        "look-alike": ["{c}: {m} unchanged at {n} mn", "{c}: will {m} {v}?",
                       "{c}: what to know about {m}"],
    },
}


def rows(name: str, split: str, count: int, seed: int, noise: float = 0.0) -> list[dict[str, Any]]:
    """`count` labelled sentences of one set, none twice.

    name: one of SETS. split: "train" or "test"; their companies differ. noise: share of labels that
    are wrong. Returns [{"id", "set", "source", "text", "label", "truth", "kind"}]: `label` is what
    an annotator wrote, `truth` what is so. Raises DataError for more sentences than there are.
    """
    rng = random.Random(f"{seed}/{name}/{split}")
    names, shares = companies(split), SHARES[name]
    found: list[dict[str, Any]] = []
    seen = set()
    for _ in range(50 * count):
        if len(found) == count:
            return found
        truth = rng.choices(list(shares), list(shares.values()))[0]
        kinds = NEUTRAL if truth == "neutral" else OPINIONATED
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        text = WRITERS[name](kind, truth == "positive", rng.choice(names), rng)
        if text in seen:
            continue
        seen.add(text)
        wrong = rng.random() < noise
        label = rng.choice([other for other in LABELS if other != truth]) if wrong else truth
        found.append({"id": f"{name}-{split}-{len(found)}", "set": name, "source": SOURCES[name],
                      "text": text, "label": label, "truth": truth, "kind": kind})
    raise DataError(f"{name}: only {len(found)} different sentences, {count} wanted; "
                    "ask for fewer.")


def companies(split: str) -> list[str]:
    """What the companies of a split deal in: every fourth object of the world is for the test."""
    domains, _ = world.lexicon()
    objects = {item for words in domains.values() for item in words["objects"]}
    clear = sorted(item for item in objects if not {*GOOD, *BAD} & set(item.split()))
    return [item for i, item in enumerate(clear) if (i % 4 == 3) == (split == "test")]


def news(kind: str, positive: bool, company: str, rng: random.Random) -> str:
    """A sentence of one kind about a company."""
    firm = f"the {company} {rng.choice(['group', 'company', 'firm'])}"
    measure, period = rng.choice(MEASURES), rng.choice(PERIODS)
    rises = (measure in GOOD) == positive
    words: Words = {"m": measure, "f": firm, "p": period,
                    "v": rng.choice(list(UP if rises else DOWN))}
    if kind == "plain":
        by = rng.randint(2, 60)
        return f"{measure} of {firm} {words['v']} by {by} % {period}.".capitalize()
    if kind == "numbers":
        now, before = pair(rng, rises)
        text = f"{measure} of {firm} came to {now} mn, against {before} mn a year earlier."
        return text.capitalize()
    if kind == "event":
        return f"{firm} {rng.choice(EVENTS['news'][_side(positive)])} {period}.".capitalize()
    if kind == "negation":
        words["v"] = rng.choice(list((DOWN if rises else UP).values()))
    elif kind == "contrast":
        words["o"] = rng.choice([item for item in MEASURES if item != measure])
        words["a"] = rng.choice(list(UP if (words["o"] in GOOD) != positive else DOWN))
    else:
        words["n"] = rng.randint(2, 60)
    frame = rng.choice(FRAMES["news"][kind])
    if kind == "fact":
        words |= {"f": firm.capitalize(), "k": rng.randint(2, 9), "d": rng.choice(DAYS)}
        return frame.format(**words)
    if kind == "look-alike":
        words |= {"v": rng.choice([*UP, *DOWN]), "d": rng.choice(DAYS)}
    return frame.format(**words).capitalize()


def tweets(kind: str, positive: bool, company: str, rng: random.Random) -> str:
    """A message of one kind about a company and its stocks."""
    events = EVENTS["tweets"]
    words: Words = {"t": "$" + "".join(word[:2] for word in company.split()).upper(), "c": company}
    words["s"] = rng.choice(events[_side(positive)])
    words["o"] = rng.choice(events[_side(not positive)])
    link = " https://t.co/" + "".join(rng.choices("abcdefghik", k=3))
    tail = rng.choice(["", "", " #stocks", f" #{company.split()[-1]}", link])
    if kind == "numbers":
        now, before = pair(rng, positive)
        return f"{words['t']} price target {now} from {before}{tail}"
    frame = rng.choice(FRAMES["tweets"][kind])
    if kind == "negation":
        verbs = ("short", "sell", "dump") if positive else ("long", "buy", "load up on")
        words |= zip(("held", "sold", "dumped"), verbs)
    elif kind == "fact":
        words["d"] = rng.choice(DAYS)
    elif kind == "look-alike":
        words["n"] = rng.randint(2, 60)
    return frame.format(**words) + tail


def headlines(kind: str, positive: bool, company: str, rng: random.Random) -> str:
    """A headline of one kind about a company."""
    measure = rng.choice(MEASURES)
    rises = (measure in GOOD) == positive
    words: Words = {"c": company, "m": measure, "v": "up" if rises else "down"}
    if kind == "plain":
        return f"{company}: {measure} {words['v']} {rng.randint(2, 60)} %"
    if kind == "numbers":
        now, before = pair(rng, rises)
        return f"{company}: {measure} {now} mn after {before} mn"
    if kind == "negation":
        return f"{company}: no {rng.choice(list((DOWN if rises else UP).values()))} in {measure}"
    if kind == "event":
        return f"{company}: {rng.choice(EVENTS['headlines'][_side(positive)])}"
    if kind == "contrast":
        words["o"] = rng.choice([item for item in MEASURES if item != measure])
        words["a"] = "higher" if (words["o"] in GOOD) != positive else "lower"
    frame = rng.choice(FRAMES["headlines"][kind])
    if kind == "fact":
        words |= {"d": rng.choice(DAYS), "n": rng.randint(2, 60), "k": rng.randint(2, 9)}
    elif kind == "look-alike":
        words |= {"n": rng.randint(2, 60), "v": rng.choice([*UP.values(), *DOWN.values()])}
    return frame.format(**words)


WRITERS = {"news": news, "tweets": tweets, "headlines": headlines}


def pair(rng: random.Random, more: bool) -> tuple[int, int]:
    """Two numbers up to 60, this year's and last year's; `more`: this year's is the larger."""
    low, high = sorted(rng.sample(range(2, 61), 2))
    return (high, low) if more else (low, high)


def _side(positive):
    return "positive" if positive else "negative"
