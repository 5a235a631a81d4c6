"""The supervised start: from terms that people gave a text to the profile that a model learns from.

A small pretrained model rarely keeps the format. What it learns first is made of the text itself:
names are the indexers' terms that stand in it, descriptions are the words around them.
"""
import re
from collections.abc import Iterable, Sequence

from lib.competencies import prompts
from lib.competencies.profiles import MAXIMUM, MINIMUM, render
from lib.core.rows import Competency, Group, Profile, Prompt
from lib.core.sections.tuning import WarmStart

CARD = """# The supervised start of the real study: an adapter

Base: `{start.model}`. Trained on {examples} abstracts of Inspec and terms that its indexers gave
them (Hulth 2003; data from the Inspec Database kindly supplied by The IET), by supervised tuning:
LoRA r {lora.r}, alpha {lora.alpha}, learning rate {tuning.learning_rate}, {tuning.epochs} epochs of
batches of {tuning.batch_size}, seed {tuning.seed}. Its texts are not part of it. What it achieves
stands in the report. No profile should decide about a person.
"""
WORDS, FEWEST, BEFORE = 16, 8, 2  # of a description: at most; if it can be; before its term
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")


def examples(groups: Iterable[Group]) -> tuple[list[tuple[Group, str]], list[str]]:
    """(group, answer in the grammar) for each group of one text whose terms make a profile.

    Returns also the ids of those whose terms stand in the text too rarely: fewer than three.
    """
    found = [(group, profile_of(group)) for group in groups]
    made = [(group, render(profile)) for group, profile in found if profile]
    return made, [group["id"] for group, profile in found if profile is None]


def profile_of(group: Group) -> Profile | None:
    """The profile that a text's own words and its indexers' terms make; None where too few do.

    The first terms in the order of the text, at most eight; the domain is the subject of the
    thesaurus that shares most words with the text, or where there is none the first name.
    """
    row = group["abstracts"][0]
    sentences = [row["title"], *SENTENCE.split(row["text"])]
    competencies = [found for term in row.get("references", [])
                    if (found := competency(term, sentences))]
    competencies.sort(key=lambda one: one[0])
    listed = [one for _, one in competencies][:MAXIMUM]
    if len(listed) < MINIMUM:
        return None
    domain = nearest(row.get("subjects", []), f"{row['title']} {row['text']}")
    return Profile(domain=domain or listed[0]["name"], competencies=listed)


def competency(term: str, sentences: list[str]) -> tuple[tuple[int, int], Competency] | None:
    """A term as the text writes it, with the words around it, and where it stands; None if nowhere.

    A place in the abstract goes before one in the title, which has nothing around it.
    """
    words = r"[\s-]+".join(re.escape(word) for word in re.split(r"[\s-]+", term))
    pattern = re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
    places = [(number, match) for number, sentence in enumerate(sentences)
              if (match := pattern.search(sentence))]
    if not places:
        return None
    number, match = next((place for place in places if place[0] > 0), places[0])
    described = around(sentences[number], match.start(), match.end())
    first = places[0]
    return (first[0], first[1].start()), Competency(name=match.group(), description=described)


def around(sentence: str, start: int, end: int) -> str:
    """What a sentence says of the term from `start` to `end`: at most WORDS words or the term.

    They begin close before the term, so that terms of one sentence differ in what is said of them.
    """
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", sentence)]
    first = next(i for i, (_, stop) in enumerate(words) if stop > start)
    last = next(i for i, (_, stop) in enumerate(words) if stop >= end)
    begin = max(0, min(first - BEFORE, len(words) - FEWEST))
    stop = min(len(words), max(begin + WORDS, last + 1))
    return sentence[words[begin][0]:words[stop - 1][1]].strip(" ,;:")


def nearest(subjects: list[str], text: str) -> str:
    """The subject most of whose words stand in a text; the first of equals, "" of none."""
    known = set(re.findall(r"\w+", text.casefold()))

    def shared(subject):
        words = re.findall(r"\w+", subject.casefold())
        return sum(word in known for word in words) / max(1, len(words))
    return max(subjects, key=shared, default="")


def with_examples(asked: Iterable[Prompt], examples: Sequence[tuple[prompts.Texts, str]],
                  style: str) -> list[Prompt]:
    """Prompts that show (abstracts, answer) of other texts before they ask."""
    return [{**prompt, "messages": prompts.messages(prompt["abstracts"], style, examples)}
            for prompt in asked]


def card(start: WarmStart, examples: int) -> str:
    """The README that goes with the adapter. examples: how many it was trained on."""
    return CARD.format(start=start, examples=examples, tuning=start.tuning, lora=start.tuning.lora)
