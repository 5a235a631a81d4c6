"""ROUGE-N, L, Lsum, W, S and SU, as Lin (2004) defines them and as his program ROUGE-1.5.5 counts.

Lin, C.-Y. (2004). "ROUGE: A Package for Automatic Evaluation of Summaries". N, L and Lsum come from
rouge-score, W, S and SU from here, and so do the counts of L and Lsum for texts whose tables
rouge-score could not fill in sensible time. A text is a list of sentences, a sentence a list of
tokens; each measure counts hits, what the reference has, and what the prediction has.
"""
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from types import SimpleNamespace

import regex

from lib.core.records import DataError
from lib.metrics.skip_bigrams import skip_hits, skip_total
from lib.metrics.subsequences import lcs_length, union_hits, weighted_lcs

Text = list[list[str]]
Counts = tuple[float, float, float]  # hits, what the reference has, what the prediction has

KIND = re.compile(r"([1-9])|(L|Lsum)|W-(\d+(?:\.\d+)?)|(SU?)(\d+|\*)")
TABLE = 1_000_000  # cells that rouge-score may fill for L and Lsum: about half a second

# These scripts put no spaces between words: each character is a token, as in sacrebleu's `zh`.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
LETTERS = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]"
WORD = regex.compile(rf"[{UNSPACED}]\p{{M}}*|{LETTERS}+", regex.V1)


def rouge(prediction: str, references: Sequence[str],
          kinds: Iterable[str] = ("1", "2", "L", "W-1.2", "S4", "SU4"),
          variant: str = "paper", multi: str = "average") -> dict[str, dict[str, float]]:
    """ROUGE of a text against one or several references: {kind: {"precision", "recall", "f1"}}.

    prediction: a text, sentences separated by a line break. references: a list of such texts.
    kinds: "1" to "9" for N, "L", "Lsum", "W-1.2" (with its weight), "S4" and "SU4" (with the
    largest gap), "S*", "SU*".
    variant: "paper" is Lin (2004), over Unicode words, where identical texts score 1; "rouge155" is
    what his program ROUGE-1.5.5 prints without stemming, ASCII only, rounded to five decimals.
    multi: "average" sums the hits and counts of all references (`-f A`), "best" takes the best
    reference (`-f B`).
    Each score is from 0 to 1; nothing to count (an empty text, S of one word) scores 0.
    Raises DataError for an unknown kind, variant or multi, and without references.
    """
    if variant not in ("paper", "rouge155") or multi not in ("average", "best"):
        raise DataError(f"rouge: variant {variant!r}, multi {multi!r}; take `paper` or `rouge155`, "
                        "and `average` or `best`.")
    if isinstance(references, str) or not references:
        raise DataError("rouge: references must be a list of at least one text.")
    ours, theirs = sentences(prediction, variant), [sentences(text, variant) for text in references]
    found = {}
    for kind in kinds:
        counted = [counts(kind, reference, ours, variant) for reference in theirs]
        found[kind] = _combined(counted, kind, variant, multi)
    return found


def sentences(text: str, variant: str) -> Text:
    """The tokens of each line, lines without any left out.

    paper: Unicode words, case folded; for ASCII text the same as rouge155. rouge155: runs of ASCII
    letters and digits in lower case, as the program's; everything else separates, so a text without
    any has no tokens and scores 0.
    """
    if variant == "rouge155":
        found = (re.findall("[A-Za-z0-9]+", line) for line in text.split("\n"))
        lines = [[token.lower() for token in line] for line in found]
    else:
        lines = [WORD.findall(unicodedata.normalize("NFKC", line).casefold())
                 for line in text.split("\n")]
    return [line for line in lines if line]


def counts(kind: str, reference: Text, prediction: Text, variant: str) -> Counts:
    """(hits, count of the reference, count of the prediction) of one kind; W's may be summed.

    Lin 2004: N section 2, L section 3.1, Lsum section 3.2, W section 4, S and SU section 5. In the
    variant `paper` all but Lsum read a text as one sequence; L, Lsum and W of `rouge155` work by
    sentence, its N, S and SU run over line breaks.
    """
    found = KIND.fullmatch(kind)
    if not found or (found[3] and float(found[3]) < 1):
        raise DataError(f"rouge: no kind {kind!r}; take 1 to 9, L, Lsum, W-1.2 (a weight from 1), "
                        "S4, SU4, S* or SU*.")
    n, longest, weight, skip, gap = found.groups()
    x, y = ([token for line in text for token in line] for text in (reference, prediction))
    if n:
        expected, had = (max(len(tokens) - int(n) + 1, 0) for tokens in (x, y))
        return round(_recall(f"rouge{n}", reference, prediction) * expected), expected, had
    if skip:
        reach = None if gap == "*" else int(gap)
        return _skip_counts(x, y, reach, skip == "SU", last=variant == "paper")
    if weight and variant == "paper":
        weight = float(weight)
        return weighted_lcs(x, y, weight), len(x) ** weight, len(y) ** weight
    if weight:
        weight = float(weight)
        base = sum(len(line) ** weight for line in reference)
        # The program weighs the reference's count twice: an identical text does not score 1.
        return union_hits(reference, prediction, weight)[1], base**weight, len(y) ** weight
    by_sentence = longest == "Lsum" or variant == "rouge155"
    if len(x) * len(y) <= TABLE:
        measure = "rougeLsum" if by_sentence else "rougeL"
        hits = round(_recall(measure, reference, prediction) * len(x))
    elif by_sentence and max(len(reference), len(prediction)) > 1:
        hits = union_hits(reference, prediction, 1)[0]
    else:
        hits = lcs_length(x, y)
    return hits, len(x), len(y)


def _combined(counted, kind, variant, multi):
    """Precision, recall and F1 of several references: sums (`-f A`), or the best one (`-f B`).

    The best is the one of the highest recall in the program, and of the highest F1 in the variant
    `paper`. Nothing to count gives 0. The program rounds to five decimals, and makes F1 of the
    rounded values.
    """
    weight = float(kind[2:]) if kind[0] == "W" else 1.0

    def rounded(value):
        return round(value, 5) if variant == "rouge155" else value

    def share(hits, count):
        return rounded(min(1.0, (hits / count) ** (1 / weight))) if count else 0.0

    def scored(hits, expected, had):
        recall, precision = share(hits, expected), share(hits, had)
        both = precision + recall
        return {"precision": precision, "recall": recall,
                "f1": rounded(2 * precision * recall / both) if both else 0.0}

    def rank(one):
        hits, expected, _ = one
        if variant == "rouge155" and kind[0] in "LW":  # unrounded, W's count before its weighing
            return hits / expected ** (1 / weight) if expected else 0.0
        return scored(*one)["f1" if variant == "paper" else "recall"]

    return scored(*(map(sum, zip(*counted)) if multi == "average" else max(counted, key=rank)))


def _recall(measure, reference, prediction):
    """By rouge-score, over our tokens: its own tokeniser drops all that is not ASCII."""
    from rouge_score.rouge_scorer import RougeScorer  # two seconds, and few stages measure texts
    scorer = RougeScorer([measure], tokenizer=SimpleNamespace(tokenize=str.split))
    texts = ("\n".join(map(" ".join, text)) for text in (reference, prediction))
    return scorer.score(*texts)[measure].recall


def _skip_counts(x, y, gap, unigrams, last):
    """Counts of ROUGE-S, and of SU with unigrams, the last token among them or not.

    In the program the last token does not count as a unigram.
    """
    hits, expected, had = skip_hits(x, y, gap), skip_total(len(x), gap), skip_total(len(y), gap)
    if unigrams:
        one, other = (Counter(tokens if last else tokens[:-1]) for tokens in (x, y))
        hits += (one & other).total()
        expected, had = expected + one.total(), had + other.total()
    return hits, expected, had
