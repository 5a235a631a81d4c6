"""Judges that hold a profile against its text, by a sentence encoder or by weights of words."""
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable

from lib.core.records import DataError
from lib.core.rows import Profile, Prompt
from lib.core.sections.judging import Encoding, Lexical
from lib.judging.judges import WORST, Scoring
from lib.metrics.competencies import names_in
from lib.metrics.words import stem
from lib.models.encoder import Encoder

NAME_WORDS = 3  # nine of ten terms that indexers gave the training texts have no more
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]?[A-Z0-9])")


def sentences(prompt: Prompt) -> list[str]:
    """The titles and sentences of a prompt's abstracts, in their order; at least an empty one."""
    found = []
    for row in prompt["abstracts"]:
        found += [row["title"], *SENTENCE_END.split(row["text"])]
    return [sentence.strip() for sentence in found if sentence.strip()] or [""]


def text_of(prompt: Prompt) -> str:
    """Titles and texts of a prompt's abstracts, and nothing else."""
    return "\n\n".join(f"{row['title']}\n{row['text']}".strip() for row in prompt["abstracts"])


class Longest(Scoring):
    """Prefers the profile of more words: what a judge has to be better than."""

    name, family = "longest", "none"

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        items = profile["competencies"] if profile else []
        return sum(len(f"{item['name']} {item['description']}".split()) for item in items)


class Brevity(Scoring):
    """Prefers names that are no sentences: score = - words of a name beyond NAME_WORDS, on average.

    Worth nothing alone. As a part of a judge it takes away what others of them have in common, a
    liking for names that quote whole lines of the text.
    """

    family = "rule"

    def __init__(self, name: str):
        self.name = name

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        names = names_in(profile)
        if not names:
            return WORST
        return -sum(max(0, len(name.split()) - NAME_WORDS) for name in names) / len(names)


class EncoderJudge(Scoring):
    """Covers the text's sentences, keeps to its subject, does not say one thing twice.

    score = coverage + rules.relevance * relevance - rules.redundancy * redundancy, see `parts`.
    """

    family = "sentence encoder"

    def __init__(self, name: str, encoder: Encoder, prompts: Iterable[Prompt],
                 rules: Encoding, tie_margin: float = 0.0):
        """encoder: has `encode`, as `Encoder`."""
        self.name, self.encoder, self.rules, self.tie_margin = name, encoder, rules, tie_margin
        self.texts = {prompt["id"]: [text_of(prompt), *sentences(prompt)] for prompt in prompts}

    def prepare(self, items: Iterable[tuple[str, Profile | None]]) -> None:
        """Encode all that will be asked for, in large batches."""
        wanted: dict[str, None] = {}
        for key, profile in items:
            wanted |= dict.fromkeys([*self.texts.get(key, []), *self.read(profile)])
        self.encoder.encode(list(wanted))

    def read(self, profile: Profile | None) -> list[str]:
        """What is encoded of each competency."""
        if profile is None or self.rules.reads == "name":
            return names_in(profile)
        return [f"{item['name']}: {item['description']}" for item in profile["competencies"]]

    def parts(self, prompt_id: str, profile: Profile) -> dict[str, float]:
        """Of a prompt that it knows and a profile with competencies, all from -1 to 1.

        coverage: mean over the text's sentences of the cosine with their nearest competency;
        relevance: mean cosine of the competencies with the whole text; redundancy: mean cosine of
        two competencies, 0 for a single one.
        """
        given, found = self.texts[prompt_id], self.read(profile)
        vectors = self.encoder.encode([*given, *found])
        text, competencies = vectors[:len(given)], vectors[len(given):]
        cosines = text @ competencies.T
        among = competencies @ competencies.T
        count = len(found)
        pairs = count * (count - 1)
        return {"coverage": float(cosines[1:].max(1).mean()),
                "relevance": float(cosines[0].mean()),
                "redundancy": float(among.sum() - among.trace()) / pairs if pairs else 0.0}

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        if prompt_id not in self.texts:
            return None
        if not names_in(profile):
            return WORST
        parts = self.parts(prompt_id, profile)  # type: ignore[arg-type]  # it has names
        added = self.rules.relevance * parts["relevance"]
        return parts["coverage"] + added - self.rules.redundancy * parts["redundancy"]


def weigh(texts: list[str]) -> tuple[Callable[[str], list[str]], dict[str, float], float]:
    """(what makes words of a text, {word: inverse document frequency}, that of an unseen word).

    Words are stemmed, words of grammar and single letters left out. DataError without a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # a second, for this alone
    split = TfidfVectorizer(stop_words="english").build_analyzer()

    def analyse(text):
        return [stem(word) for word in split(text)]

    if not any(map(analyse, texts)):
        raise DataError("a lexical judge has no training text to weigh words by; give `assemble` "
                        "the prompts of the training texts.")
    found = TfidfVectorizer(analyzer=analyse).fit(texts)
    idf = dict(zip(found.get_feature_names_out().tolist(), found.idf_.tolist()))
    return analyse, idf, math.log(1 + len(texts)) + 1


class LexicalJudge(Scoring):
    """Names that hold the text's telling words, and few others.

    score = covered - rules.words * words - rules.foreign * foreign - rules.repeated * repeated, see
    `parts`. A word weighs its inverse document frequency in the training texts (Spärck Jones 1972,
    as scikit-learn smooths it), in a text times 1 + log of its count there. No reference is seen.
    """

    family = "lexical"

    def __init__(self, name: str, training: Iterable[Prompt], prompts: Iterable[Prompt],
                 rules: Lexical, tie_margin: float = 0.0):
        """training: prompts whose texts weigh the words; DataError for none."""
        self.name, self.rules, self.tie_margin = name, rules, tie_margin
        self.analyse, self.idf, self.unseen = weigh([text_of(prompt) for prompt in training])
        self.masses = {prompt["id"]: self.mass(text_of(prompt)) for prompt in prompts}
        self.lengths = {prompt["id"]: len(self.analyse(text_of(prompt))) for prompt in prompts}

    def mass(self, text: str) -> dict[str, float]:
        """{word: its share of all that the text's words weigh}."""
        counts = Counter(self.analyse(text))
        weights = {word: self.weight(word) * (1 + math.log(count))
                   for word, count in counts.items()}
        total = sum(weights.values())
        return {word: weight / total for word, weight in weights.items()}

    def weight(self, word: str) -> float:
        return self.idf.get(word, self.unseen)

    def parts(self, prompt_id: str, profile: Profile) -> dict[str, float]:
        """Of a prompt that it knows.

        covered: share of what the text's words weigh that stands in the names; words: words of the
        names per word of the text; foreign: share of what the names' words weigh that the text
        lacks, all where they have no word; repeated: share of the names' words that came before.
        """
        mass = self.masses[prompt_id]
        words = [word for name in names_in(profile) for word in self.analyse(name)]
        if not words:
            return {"covered": 0.0, "words": 0.0, "foreign": 1.0, "repeated": 0.0}
        distinct = dict.fromkeys(words)
        total = sum(map(self.weight, distinct))
        lacking = sum(self.weight(word) for word in distinct if word not in mass)
        return {"covered": sum(mass.get(word, 0.0) for word in distinct),
                "words": len(words) / max(1, self.lengths[prompt_id]),
                "foreign": lacking / total, "repeated": 1 - len(distinct) / len(words)}

    def score(self, prompt_id: str, profile: Profile | None) -> float | None:
        if prompt_id not in self.masses:
            return None
        if not names_in(profile):
            return WORST
        parts = self.parts(prompt_id, profile)  # type: ignore[arg-type]  # it has names
        penalty = sum(weight * parts[name] for name, weight in self.rules.model_dump().items())
        return parts["covered"] - penalty
