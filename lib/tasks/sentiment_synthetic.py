"""Synthetic financial news whose sentiment is known: our own sentences, so that the study runs where no real set may be shipped.

Three sets differ in style, as the real ones do: `news` (sentences), `tweets` and `headlines`. What makes them hard is recorded
with each row as its kind: numbers that have to be compared, negations, a clause that outweighs another, and neutral sentences made
of the same words. Companies of the test are never those of the training, and some labels are wrong on purpose, at a known rate.
"""
import random

from lib.competencies import world
from lib.core.records import DataError

LABELS = ("negative", "neutral", "positive")
SHARES = {  # of the labels, lopsided as in Financial PhraseBank, TFNS and FiQA
    "news": {"negative": 0.22, "neutral": 0.45, "positive": 0.33},
    "tweets": {"negative": 0.20, "neutral": 0.50, "positive": 0.30},
    "headlines": {"negative": 0.35, "neutral": 0.15, "positive": 0.50},
}
SETS = tuple(SHARES)
SOURCES = {"news": "news", "tweets": "tweet", "headlines": "news"}  # what the question calls such a text
OPINIONATED = {"plain": 0.30, "numbers": 0.15, "negation": 0.15, "contrast": 0.15, "event": 0.25}
NEUTRAL = {"fact": 0.5, "look-alike": 0.5}

GOOD = ["sales", "profit", "orders", "margins", "demand", "output"]  # more is better
BAD = ["costs", "debt", "losses", "delays", "claims", "waste"]       # less is better
MEASURES = 3 * GOOD + BAD  # companies mostly report the former
UP = {"rose": "rise", "grew": "grow", "climbed": "climb", "increased": "increase"}
DOWN = {"fell": "fall", "dropped": "drop", "declined": "decline", "shrank": "shrink"}
PERIODS = ["in the first half", "in the second half", "in the winter", "over two years", "last month"]
DAYS = ["Monday", "Tuesday", "Thursday", "Friday"]
EVENTS = {
    "news": {
        "positive": ["won a large order", "raised its forecast", "opened a second plant", "found new partners", "paid back its loan early",
                     "was named supplier of the year"],
        "negative": ["lost its main customer", "lowered its forecast", "closed a plant", "recalled faulty parts", "missed a payment",
                     "was fined by the authorities"],
    },
    "tweets": {
        "positive": ["breaking out, to the moon", "loading up on more", "strong buy here", "bulls in charge", "long and happy",
                     "upgraded to buy"],
        "negative": ["breaking down, get out", "dumping all of it", "strong sell here", "bears in charge", "bag holders cry",
                     "cut to sell"],
    },
    "headlines": {
        "positive": ["record order", "upgrade", "takeover bid lifts shares", "best year yet", "dividend is back", "dispute settled"],
        "negative": ["profit warning", "downgrade", "strike hits plants", "worst year yet", "dividend is cut", "recall of parts"],
    },
}


def rows(name, split, count, seed, noise=0.0):
    """`count` labelled sentences of one set, none twice.

    name: one of SETS. split: "train" or "test"; their companies differ. noise: share of labels that are wrong.
    Returns [{"id", "set", "source", "text", "label", "truth", "kind"}]: `label` is what an annotator wrote, `truth` what is so.
    Raises DataError where the set has not that many sentences.
    """
    rng = random.Random(f"{seed}/{name}/{split}")
    names, shares = companies(split), SHARES[name]
    found, seen = [], set()
    for _ in range(50 * count):
        if len(found) == count:
            return found
        truth = rng.choices(list(shares), list(shares.values()))[0]
        kinds = NEUTRAL if truth == "neutral" else OPINIONATED
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        text = WRITERS[name](kind, truth == "positive", rng.choice(names), rng)
        if text not in seen:
            seen.add(text)
            label = rng.choice([other for other in LABELS if other != truth]) if rng.random() < noise else truth
            found.append({"id": f"{name}-{split}-{len(found)}", "set": name, "source": SOURCES[name], "text": text, "label": label,
                          "truth": truth, "kind": kind})
    raise DataError(f"{name}: only {len(found)} different sentences, {count} wanted; ask for fewer.")


def companies(split):
    """What the companies of a split deal in: every fourth kind of object of the synthetic world is kept for the test."""
    domains, _ = world.lexicon()
    objects = sorted({item for words in domains.values() for item in words["objects"] if not {*GOOD, *BAD} & set(item.split())})
    return [item for i, item in enumerate(objects) if (i % 4 == 3) == (split == "test")]


def news(kind, positive, company, rng):
    firm = f"the {company} {rng.choice(['group', 'company', 'firm'])}"
    measure, period = rng.choice(MEASURES), rng.choice(PERIODS)
    verb = rng.choice(list(UP if (measure in GOOD) == positive else DOWN))
    if kind == "plain":
        return f"{measure.capitalize()} of {firm} {verb} by {rng.randint(2, 60)} % {period}."
    if kind == "numbers":
        now, before = pair(rng, (measure in GOOD) == positive)
        return f"{measure.capitalize()} of {firm} came to {now} mn, against {before} mn a year earlier."
    if kind == "negation":
        stem = rng.choice(list((DOWN if verb in UP else UP).values()))
        return rng.choice(["{m} of {f} did not {v} {p}.", "{m} of {f} did not {v} after all."]).format(
            m=measure.capitalize(), f=firm, v=stem, p=period)
    if kind == "contrast":
        other = rng.choice([item for item in MEASURES if item != measure])
        against = rng.choice(list(UP if (other in GOOD) != positive else DOWN))
        return rng.choice(["Although {o} {a}, {m} of {f} {v} {p}.", "{m} of {f} {v} {p}, although {o} {a}.", "{o} {a}, but {m} of {f} {v}."]
                          ).format(o=other, a=against, m=measure, f=firm, v=verb, p=period).capitalize()
    if kind == "event":
        return f"{firm.capitalize()} {rng.choice(EVENTS['news']['positive' if positive else 'negative'])} {period}."
    number = rng.randint(2, 60)
    if kind == "fact":
        return rng.choice(["{f} has {n} sites in {k} towns.", "{f} sells its services in {n} regions.", "{f} employs {n} teachers.",
                           "{f} will hold its meeting on {d}."]).format(
            f=firm.capitalize(), n=number, k=rng.randint(2, 9), d=rng.choice(DAYS))
    return rng.choice(["{f} will report on {d} whether {m} {v}.", "{m} of {f} came to {n} mn, as a year earlier.",
                       "{n} % of the {m} of {f} come from abroad.", "It is open whether {m} of {f} {v} {p}."]).format(
        f=firm, m=measure, v=rng.choice([*UP, *DOWN]), n=number, p=period, d=rng.choice(DAYS)).capitalize()


def tweets(kind, positive, company, rng):
    tag = "$" + "".join(word[:2] for word in company.split()).upper()
    good, bad = ("positive", "negative") if positive else ("negative", "positive")
    said, other = rng.choice(EVENTS["tweets"][good]), rng.choice(EVENTS["tweets"][bad])
    tail = rng.choice(["", "", " #stocks", f" #{company.split()[-1]}", " https://t.co/" + "".join(rng.choices("abcdefghik", k=3))])
    if kind in ("plain", "event"):
        return rng.choice([f"{tag} {said}", f"{company} stocks {said} {tag}"]) + tail
    if kind == "numbers":
        now, before = pair(rng, positive)
        return f"{tag} price target {now} from {before}{tail}"
    if kind == "negation":
        return rng.choice([f"{tag} is not {'short' if positive else 'long'} for me", f"would not {'sell' if positive else 'buy'} {tag} now",
                           f"nobody should {'dump' if positive else 'load up on'} {tag}", f"{tag} no {other}"]) + tail
    if kind == "contrast":
        return rng.choice([f"they say {other} but {tag} {said}", f"{tag} {said} even if they say {other}"]) + tail
    if kind == "fact":
        return rng.choice(["{t} meeting on {d}", "watching {c} stocks today {t}", "{t} report out on {d}", "who else follows {t}"]).format(
            t=tag, c=company, d=rng.choice(DAYS)) + tail
    return rng.choice(["is {t} a buy or a sell", "{t} price target stays at {n}", "{t} is {n} % of my stocks", "bulls or bears on {t}"]).format(
        t=tag, n=rng.randint(2, 60)) + tail


def headlines(kind, positive, company, rng):
    measure = rng.choice(MEASURES)
    up = (measure in GOOD) == positive
    if kind == "plain":
        return f"{company}: {measure} {'up' if up else 'down'} {rng.randint(2, 60)} %"
    if kind == "numbers":
        now, before = pair(rng, up)
        return f"{company}: {measure} {now} mn after {before} mn"
    if kind == "negation":
        return f"{company}: no {rng.choice(list((DOWN if up else UP).values()))} in {measure}"
    if kind == "contrast":
        other = rng.choice([item for item in MEASURES if item != measure])
        against = "higher" if (other in GOOD) != positive else "lower"
        return rng.choice(["{c}: {m} {v} despite {a} {o}", "despite {a} {o}, {m} {v} at {c}"]).format(
            c=company, m=measure, v="up" if up else "down", a=against, o=other)
    if kind == "event":
        return f"{company}: {rng.choice(EVENTS['headlines']['positive' if positive else 'negative'])}"
    if kind == "fact":
        return rng.choice(["{c}: report out on {d}", "{c}: meeting on {d}", "{c}: {n} sites in {k} towns"]).format(
            c=company, d=rng.choice(DAYS), n=rng.randint(2, 60), k=rng.randint(2, 9))
    return rng.choice(["{c}: {m} unchanged at {n} mn", "{c}: will {m} {v}?", "{c}: what to know about {m}"]).format(
        c=company, m=measure, n=rng.randint(2, 60), v=rng.choice([*UP.values(), *DOWN.values()]))


WRITERS = {"news": news, "tweets": tweets, "headlines": headlines}


def pair(rng, more):
    """Two whole numbers of at most two digits, this year's and last year's; `more` says whether this year's is the larger."""
    low, high = sorted(rng.sample(range(2, 61), 2))
    return (high, low) if more else (low, high)
