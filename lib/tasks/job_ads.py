"""Synthetic job advertisements: biased ones, whose spans are recorded, and neutral ones alike.

"Biased" means that an advertisement shuts out, or plainly prefers, people for their gender, age,
origin or ability where the work does not ask for it. Neutral ones use the same words harmlessly.
No labelled set with a permissive licence exists; what is biased here may be lawful elsewhere.
"""
import random
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from lib.competencies import world
from lib.core.records import DataError
from lib.core.rows import Rate
from lib.metrics import stats
from lib.metrics.labels import label_rates
from lib.tasks.classification import instruction

LABELS = ("biased", "unbiased")
ORDER, DEFAULT = ("unbiased", "biased"), "unbiased"  # "unbiased" holds "biased", so it stands first
QUESTION = instruction("Is the following job description biased?", LABELS)
SHARES = {"biased": 0.45, "hard_neutral": 0.30, "neutral": 0.25}

# For each kind: sentences that discriminate, and harmless ones with the same words.
# {o} is an object of the firm's work, {m} a method of it, {d} its domain.
BIASED = {
    "gender": [
        "We look for a man who can lead.", "Only women may apply.", "He will report to the board.",
        "A strong salesman is what we need.", "The work suits a mother with school children.",
        "Our girls at the desk are always kind.", "We prefer male applicants.",
        "The ideal waitress is pretty and quick.", "We want a handyman, not a woman.",
        "Men with a family are given priority.",
    ],
    "age": [
        "You are under 30 and full of energy.", "We are a young team and want young people.",
        "No applicants over 45.", "We look for digital natives only.",
        "Ideal for a recent graduate, not for old hands.", "You should not be older than 35.",
        "Fresh faces wanted, nobody near retirement.", "Only applicants born after 1995.",
        "The work is not for older people.",
    ],
    "origin": [
        "Only native speakers may apply.", "We want people of local origin.",
        "You have no foreign accent.", "Applicants from abroad are not wanted.",
        "Only citizens by birth are considered.", "We prefer people of our own culture.",
        "No migrants, please.", "Your parents were born in this country.", "Only white applicants.",
    ],
    "ability": [
        "Only fully healthy people may apply.", "No applicants with a disability.",
        "The work is not for the blind or the deaf.", "You have never been ill for long.",
        "We want people without any handicap.",
        "You must be physically fit, although it is desk work.",
        "People in a wheelchair cannot be considered.", "Nobody with a history of depression.",
        "You have perfect hearing and sight.",
    ],
}
HARMLESS = {
    "gender": [
        "We look for a team that can lead.", "Women and men are equally welcome.",
        "You will report to the board.", "You sell shoes for men and women.",
        "The course is for mothers with school children.", "The ward cares for women and girls.",
        "You restore a painting of a young man.", "We publish books by women.",
        "The male and female plants are kept apart.", "You study how men and women work with {o}.",
    ],
    "age": [
        "Applicants of any age are welcome.", "You look after young plants and old trees.",
        "You care for older people in their homes.",
        "The firm was born in 1995 and has over 45 shops.", "You repair old {o}.",
        "You plan the retirement fund of the firm.", "More than 30 people work here.",
        "You teach young people and graduates.", "We build digital tools for {o}.",
    ],
    "origin": [
        "People of every origin are welcome.", "You grow native plants.",
        "You sell {o} abroad and at home.", "The accent of the design is white.",
        "You teach foreign languages.", "You help migrants to find work.",
        "You study the culture of the country.", "You trace the local origin of food.",
        "You write native code for {o}.",
    ],
    "ability": [
        "People with a disability are welcome.", "You cook healthy food for {o}.",
        "You teach the deaf to use {o}.", "You build ramps for people in a wheelchair.",
        "You run blind tests of {o}.", "You study depression and its history.",
        "The firm is in good health and fit for the future.",
        "You check the hearing and sight of children.",
        "You nurse people who have been ill for long.",
    ],
}
KINDS = tuple(BIASED)
KEPT = 2  # the last sentences of each list above stand in the test only
OPENINGS = ["We seek a specialist in {m}.", "Our team needs help with {m}.",
            "For work in {d} we seek support.", "A new post in {d} is open."]
TASKS = ["You work with {o}.", "You plan and review {m} for {o}.", "You write reports on {o}.",
         "You improve the service for {o}.", "You analyse data on {o}.",
         "You train partners in {m}."]
NEEDS = ["You bring knowledge of {m}.", "Experience with {o} will help.",
         "You like teamwork and planning.", "You can explain {m} to others.",
         "You have worked in {d}."]
OFFERS = ["The post is open for two years.", "We offer a fair wage and a pension.",
          "You start in the first week of the year.", "Work from home is possible on two days.",
          "Write to us with your questions."]
# What a screening by a list of words would flag.
WORD_LIST = (
    "man men woman women male he salesman handyman waitress girls mother mothers young old older "
    "under over born natives native graduate graduates retirement fresh origin foreign accent "
    "abroad citizens culture migrants white healthy disability blind deaf ill handicap fit "
    "wheelchair depression hearing")


class Ad(TypedDict):
    """An advertisement, "biased" in truth where it has spans, the biased sentences.

    group: one of SHARES; kind: of the bias, or of the harmless words, or "none"; wording: of that
    sentence, "seen" in training or "new". spans: [{"kind", "start", "end", "text"}].
    """

    id: str
    instruction: str
    text: str
    truth: str
    kind: str
    group: str
    wording: str
    spans: list[dict[str, Any]]


def ads(split: str, count: int, seed: int) -> list[Ad]:
    """`count` different advertisements. Raises DataError where there are not that many.

    split: "train" or "test", whose advertisements come from other domains, some with new wordings.
    """
    rng = random.Random(f"{seed}/ads/{split}")
    domains, _ = world.lexicon()
    names = [name for i, name in enumerate(sorted(domains)) if (i % 4 == 3) == (split == "test")]
    rows: list[Any] = []
    seen = set()
    for _ in range(20 * count):
        if len(rows) == count:
            return rows
        group = rng.choices(list(SHARES), list(SHARES.values()))[0]
        row = one_ad(group, split, rng.choice(names), rng)
        if row["text"] not in seen:
            seen.add(row["text"])
            rows.append({"id": f"ad-{split}-{len(rows)}", "instruction": QUESTION, "group": group,
                         **row, "truth": "biased" if row["spans"] else "unbiased"})
    raise DataError(f"job ads: only {len(rows)} different ones, {count} wanted; ask for fewer.")


def one_ad(group: str, split: str, domain: str, rng: random.Random) -> dict[str, Any]:
    """{"text", "spans", "kind", "wording"} of one. A biased one may hold harmless words, too."""
    words = world.lexicon()[0][domain]
    kind = "none" if group == "neutral" else rng.choice(KINDS)

    def fill(sentence):
        thing = rng.choice(words["objects"])
        method = f"{rng.choice(words['modifiers'])} {rng.choice(words['methods'])}"
        return sentence.format(d=domain, o=thing, m=method)

    def pick(sentences):
        return rng.choice(sentences if split == "test" else sentences[:-KEPT])

    body, biased, new = [rng.choice(TASKS), rng.choice(NEEDS), rng.choice(OFFERS)], [], False
    if group == "biased":
        biased = [pick(BIASED[kind])]
        body += biased + [pick(HARMLESS[rng.choice(KINDS)])] * (rng.random() < 0.3)
        new = biased[0] in BIASED[kind][-KEPT:]
    if group == "hard_neutral":
        body.append(pick(HARMLESS[kind]))
        new = body[-1] in HARMLESS[kind][-KEPT:]
    rng.shuffle(body)
    text = " ".join(fill(sentence) for sentence in [rng.choice(OPENINGS), *body])
    spans = []
    for sentence in biased:
        start = text.index(sentence)
        end = start + len(sentence)
        spans.append({"kind": kind, "start": start, "end": end, "text": sentence})
    return {"text": text, "spans": spans, "kind": kind, "wording": "new" if new else "seen"}


def annotate(rows: Sequence[Ad], missed: Mapping[Any, float], alarmed: Mapping[Any, float],
             seed: int) -> list[str]:
    """What a noisy labeller says of each advertisement: (n,) labels.

    missed: {kind: probability that a bias of that kind is overlooked}. alarmed: {group: probability
    that an unbiased advertisement of that group is called biased}.
    """
    rng, labels = random.Random(f"{seed}/labeller"), []
    for row in rows:
        wrong = missed[row["kind"]] if row["spans"] else alarmed[row["group"]]
        labels.append(_other(row["truth"]) if rng.random() < wrong else row["truth"])
    return labels


def _other(label):
    return LABELS[1 - LABELS.index(label)]


def flagged(text: str) -> str:
    """What a list of words says: "biased" where one of WORD_LIST occurs."""
    said = {word.strip(".,").casefold() for word in text.split()}
    return "biased" if said & set(WORD_LIST.split()) else "unbiased"


def answer_scores(rows: Sequence[Ad], found: Sequence[str | None],
                  seed: int = 0) -> dict[str, Rate | dict[str, Rate]]:
    """How labels compare with the truth. found: (n,) labels, None for an unreadable answer.

    "f1" is that of "biased"; "found" is by kind of bias, "false_alarm_by_kind" by kind of harmless
    words in hard neutral advertisements.
    """
    whole = label_rates([row["truth"] for row in rows], found, LABELS, seed)
    pairs = [(row, label == "biased") for row, label in zip(rows, found, strict=True)]

    def share(**wanted):
        return stats.win_rate(said for row, said in pairs if wanted.items() <= row.items())

    return {
        "f1": whole["f1"]["biased"],
        "accuracy": whole["accuracy"], "unparseable": whole["unparseable"],
        "found": {kind: share(group="biased", kind=kind) for kind in KINDS},
        "found_new_wording": share(group="biased", wording="new"),
        "false_alarm_on_hard_neutral": share(group="hard_neutral"),
        "false_alarm_on_neutral": share(group="neutral"),
        "false_alarm_by_kind": {kind: share(group="hard_neutral", kind=kind) for kind in KINDS},
    }
