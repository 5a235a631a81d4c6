"""ROUGE-N, L, Lsum, W, S and SU, as Lin (2004) defines them and as his program ROUGE-1.5.5 computes them.

Lin, C.-Y. (2004). "ROUGE: A Package for Automatic Evaluation of Summaries". N, L and Lsum come from rouge-score, W, S and SU
from here, and so do the counts of L and Lsum for texts whose tables rouge-score could not fill in sensible time. A text is a
list of sentences, a sentence a list of tokens; each measure counts hits, what the reference has, and what the prediction has.
"""
import functools
import re
import unicodedata
from bisect import bisect
from collections import Counter
from types import SimpleNamespace

import numpy as np
import regex

from lib.core.records import DataError

KIND = re.compile(r"([1-9])|(L|Lsum)|W-(\d+(?:\.\d+)?)|(SU?)(\d+|\*)")
TABLE = 1_000_000  # cells that rouge-score may fill for L and Lsum: about half a second
SMALL = 20_000     # cells below which a table of Python numbers is faster than numpy
BLOCK = 2048       # anti-diagonals between two that are kept
PAIRS = 2**22      # skip-bigrams held at once

# These scripts put no spaces between words: each character counts as a token, as in sacrebleu's `zh`.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = regex.compile(rf"[{UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+", regex.V1)

EXPLAINED = [
    {"measure": "precision, recall, F1, exact", "measures": "competency names that both lists share, letter for letter",
     "misleads": "where a name is worded differently: `data analysis` and `analysing data` share nothing"},
    {"measure": "precision, recall, F1, stem-exact", "measures": "the same after Porter stemming",
     "misleads": "where stems merge what differs (`universal`, `university`); made for English; still blind to synonyms"},
    {"measure": "soft precision, recall, F1", "measures": "how close each name comes to its nearest in the other list, by embeddings",
     "misleads": "anything in one field lies close, so wrong names earn much; only differences between systems mean something"},
    {"measure": "macro F1 of labels", "measures": "the mean over classes, each with equal weight",
     "misleads": "with rare classes: a handful of cases decides"},
    {"measure": "micro F1 of labels", "measures": "all decisions pooled; the accuracy, where every answer is one of the labels",
     "misleads": "with a common class: always naming it scores well"},
    {"measure": "weighted F1 of labels", "measures": "the mean over classes by their share of the truth",
     "misleads": "like micro F1; compare it with the majority baseline"},
    {"measure": "ROUGE-1", "measures": "shared words", "misleads": "by the words that any text of the kind holds; blind to order"},
    {"measure": "ROUGE-2, 3, 4", "measures": "shared runs of 2, 3, 4 words", "misleads": "with paraphrase; near 0 for short texts"},
    {"measure": "ROUGE-L", "measures": "the longest word sequence in common, gaps allowed",
     "misleads": "by order: a profile with two competencies swapped may lose half; counts one sequence only"},
    {"measure": "ROUGE-Lsum", "measures": "the same by sentence, united over the prediction's sentences",
     "misleads": "with long predictions: each sentence may find its words somewhere"},
    {"measure": "ROUGE-W", "measures": "ROUGE-L that favours runs without gaps, by run length to the power w",
     "misleads": "in the variant `rouge155`: the recall of an identical text is below 1 and falls with its length"},
    {"measure": "ROUGE-S", "measures": "shared word pairs in order, with up to d words between",
     "misleads": "with large d: pairs of frequent words; 0 for fewer than two words"},
    {"measure": "ROUGE-SU", "measures": "ROUGE-S with the single words counted too",
     "misleads": "like ROUGE-S; in the variant `rouge155` the last word does not count, so a single word scores 0"},
    {"measure": "BLEU", "measures": "precision of runs of 1 to 4 words over a whole corpus, times a penalty for brevity",
     "misleads": "for single short texts, across tokenisers (compare signatures), and with few references: no recall"},
]


def rouge(prediction, references, kinds=("1", "2", "L", "W-1.2", "S4", "SU4"), variant="paper", multi="average"):
    """ROUGE of a text against one or several references: {kind: {"precision", "recall", "f1"}}, each from 0 to 1.

    prediction: a text, sentences separated by a line break. references: a list of such texts.
    kinds: "1" to "9" for N, "L", "Lsum", "W-1.2" (with its weight), "S4" and "SU4" (with the largest gap), "S*", "SU*".
    variant: "paper" is Lin (2004), over Unicode words, where identical texts score 1; "rouge155" is what his program
    ROUGE-1.5.5 prints without stemming, ASCII only, rounded to five decimals. multi: "average" sums the hits and counts of all
    references (`-f A`), "best" takes the best reference (`-f B`). Nothing to count (an empty text, S of one word) scores 0.
    Raises DataError for an unknown kind, variant or multi, and without references.
    """
    if variant not in ("paper", "rouge155") or multi not in ("average", "best"):
        raise DataError(f"rouge: variant {variant!r}, multi {multi!r}; take `paper` or `rouge155`, and `average` or `best`.")
    if isinstance(references, str) or not references:
        raise DataError("rouge: references must be a list of at least one text.")
    prediction, references = sentences(prediction, variant), [sentences(text, variant) for text in references]
    return {kind: _combined([counts(kind, reference, prediction, variant) for reference in references], kind, variant, multi)
            for kind in kinds}


def sentences(text, variant):
    """The tokens of each line, lines without any left out.

    paper: Unicode words, case folded; for ASCII text the same as rouge155. rouge155: runs of ASCII letters and digits in lower
    case, as the program's; everything else separates, so a text without any has no tokens and scores 0.
    """
    if variant == "rouge155":
        lines = (re.findall("[A-Za-z0-9]+", line) for line in text.split("\n"))
        return [[token.lower() for token in line] for line in lines if line]
    lines = (WORD.findall(unicodedata.normalize("NFKC", line).casefold()) for line in text.split("\n"))
    return [line for line in lines if line]


def counts(kind, reference, prediction, variant):
    """(hits, count of the reference, count of the prediction) of one kind; for W weighted, so that they may be summed.

    Lin 2004: N section 2, L section 3.1, Lsum section 3.2, W section 4, S and SU section 5. In the variant `paper` all but
    Lsum read a text as one sequence; L, Lsum and W of `rouge155` work by sentence, its N, S and SU run over line breaks.
    """
    found = KIND.fullmatch(kind)
    if not found or (found[3] and float(found[3]) < 1):
        raise DataError(f"rouge: no kind {kind!r}; take 1 to 9, L, Lsum, W-1.2 (a weight from 1), S4, SU4, S* or SU*.")
    n, longest, weight, skip, gap = found.groups()
    x, y = [token for line in reference for token in line], [token for line in prediction for token in line]
    if n:
        expected, had = max(len(x) - int(n) + 1, 0), max(len(y) - int(n) + 1, 0)
        return round(_rouge_score(f"rouge{n}", reference, prediction) * expected), expected, had
    if skip:
        return _skip_counts(x, y, None if gap == "*" else int(gap), skip == "SU", last=variant == "paper")
    if weight and variant == "paper":
        weight = float(weight)
        return weighted_lcs(x, y, weight), len(x) ** weight, len(y) ** weight
    if weight:
        weight = float(weight)
        base = sum(len(line) ** weight for line in reference)
        # The program weighs the reference's count twice; this is why an identical text does not score 1.
        return union_hits(reference, prediction, weight)[1], base**weight, len(y) ** weight
    by_sentence = longest == "Lsum" or variant == "rouge155"
    if len(x) * len(y) <= TABLE:
        hits = round(_rouge_score("rougeLsum" if by_sentence else "rougeL", reference, prediction) * len(x))
    elif by_sentence and max(len(reference), len(prediction)) > 1:
        hits = union_hits(reference, prediction, 1)[0]
    else:
        hits = lcs_length(x, y)
    return hits, len(x), len(y)


def _combined(all_counts, kind, variant, multi):
    """Precision, recall and F1 of several references: hits and counts summed (`-f A`), or those of the best one (`-f B`).

    The best is the one of the highest recall in the program, and of the highest F1 in the variant `paper`. Nothing to count
    gives 0. The program rounds to five decimals, and makes F1 of the rounded values.
    """
    weight = float(kind[2:]) if kind[0] == "W" else 1.0
    digits = 5 if variant == "rouge155" else None

    def rounded(value):
        return value if digits is None else round(value, digits)

    def scored(hits, expected, had):
        recall, precision = (rounded(min(1.0, (hits / count) ** (1 / weight))) if count else 0.0 for count in (expected, had))
        f1 = rounded(2 * precision * recall / (precision + recall)) if precision + recall else 0.0
        return {"precision": precision, "recall": recall, "f1": f1}

    def rank(counted):
        hits, expected, _ = counted
        if variant == "rouge155" and kind[0] in "LW":  # unrounded, and W by its count before the second weighing
            return hits / expected ** (1 / weight) if expected else 0.0
        return scored(*counted)["f1" if variant == "paper" else "recall"]

    return scored(*(map(sum, zip(*all_counts)) if multi == "average" else max(all_counts, key=rank)))


def _rouge_score(kind, reference, prediction):
    """Recall by rouge-score, over our tokens: its own tokeniser drops all that is not ASCII."""
    from rouge_score.rouge_scorer import RougeScorer  # takes two seconds, and few stages measure texts
    reference, prediction = ("\n".join(map(" ".join, text)) for text in (reference, prediction))
    return RougeScorer([kind], tokenizer=SimpleNamespace(tokenize=str.split)).score(reference, prediction)[kind].recall


def _numbered(x, y):
    """Two token lists as arrays of numbers below the third value, equal ones for equal tokens."""
    ids = {}
    x, y = (np.array([ids.setdefault(token, len(ids)) for token in tokens], dtype=np.int64) for tokens in (x, y))
    return x, y, len(ids)


def lcs_length(x, y):
    """Length of the longest common subsequence of two token lists.

    One bit per token of the longer, one row of bits per token of the shorter: len(x) * len(y) / 64 steps of the machine.
    Hyyrö 2004, "Bit-Parallel LCS-length Computation Revisited", section 4.
    """
    x, y = sorted((x, y), key=len)
    shared = set(x) & set(y)
    x, y, _ = _numbered([token for token in x if token in shared], [token for token in y if token in shared])

    @functools.lru_cache(4096)  # all masks of a text without repetitions would not fit into memory
    def places(token):
        return int.from_bytes(np.packbits(y == token, bitorder="little").tobytes(), "little")

    full = row = (1 << len(y)) - 1
    for token in x.tolist():
        hit = row & places(token)
        row = ((row + hit) | (row - hit)) & full
    return len(y) - row.bit_count()


def weighted_lcs(x, y, weight):
    """Weighted LCS: each run of k tokens without a gap counts k ** weight. Lin 2004, section 4 (the table of WLCS).

    len(x) * len(y) steps in numpy, memory len(x): a quarter of a minute for two texts of 100,000 words, longer the more of them
    are equal. A match is always taken, as in the paper, even where a gap would earn more.
    """
    shorter = min(len(x), len(y))
    if x[len(x) - shorter:] == y[len(y) - shorter:]:  # one ends with the other, as equal texts do: the run to the border
        return shorter**weight
    if len(x) * len(y) <= SMALL:
        return _table(x, y, _powers(x, y, weight))[-1][-1]
    powers = np.array(_powers(x, y, weight))
    x, y, _ = _numbered(x, y)
    y, state = y[::-1], _zeros(len(x))
    for d in range(2, len(x) + len(y) + 1):
        _fill_diagonal(d, x, y, powers, state, 1, len(x))
    return float(state[(len(x) + len(y)) % 3][0][-1])


def union_hits(reference, prediction, weight):
    """Hits of the program's summary-level LCS: (their number, their runs weighted). Lin 2004, section 3.2, eq. 5.

    A token of a reference sentence is marked where the LCS with any sentence of the prediction takes it, and counts while the
    prediction still has one left. As in the program a run ends where the marks end; one whose last token no longer counts goes
    on with the next run of its sentence, and is lost at the end of the sentence.
    """
    places, left = {}, Counter(token for line in prediction for token in line)
    for number, line in enumerate(prediction):
        for token in dict.fromkeys(line):
            places.setdefault(token, []).append(number)
    hits, weighted = 0, 0.0
    for line in reference:
        marked, done, run = [False] * (len(line) + 1), set(), 0
        for i, token in enumerate(line):
            for number in places.get(token, ()):
                if marked[i]:  # sentences whose tokens are all marked add nothing: most pairs need no table
                    break
                if number not in done:
                    done.add(number)
                    for position in alignment(line, prediction[number], weight):
                        marked[position] = True
        for i, token in enumerate(line):
            if marked[i] and left[token] > 0:
                left[token] -= 1
                hits, run = hits + 1, run + 1
                if not marked[i + 1]:
                    weighted, run = weighted + run**weight, 0
    return hits, weighted


def alignment(x, y, weight):
    """Positions in x that a weighted LCS takes, from the last; of equal ones the one that the program finds.

    len(x) * len(y) steps; for long texts in numpy, with every 2,048th anti-diagonal kept and those between made again along
    the path, so that two texts of 100,000 tokens need about 250 MB. With weight 1 it is the LCS.
    """
    shorter = min(len(x), len(y))
    if x[len(x) - shorter:] == y[len(y) - shorter:]:
        return range(len(x) - 1, len(x) - shorter - 1, -1)
    powers = _powers(x, y, weight)
    if len(x) * len(y) <= SMALL:
        table = _table(x, y, powers)
        return _path(x, y, lambda i, j: table[i - 1][j] >= table[i][j - 1])
    powers = np.array(powers)
    a, b, _ = _numbered(x, y)
    b, state, kept = b[::-1], _zeros(len(x)), {0: _zeros(len(x))}
    for d in range(2, len(x) + len(y) + 1):
        _fill_diagonal(d, a, b, powers, state, 1, len(x))
        if d % BLOCK == 0:
            kept[d] = [(scores.copy(), runs.copy()) for scores, runs in state]
            kept[d][(d + 1) % 3] = _zeros(0)[0]  # of diagonal d - 2; nothing reads it again
    window = {}

    def goes_up(i, j):
        d = i + j - 1
        if d not in window:
            window.clear()
            start = d - d % BLOCK
            # The path meets at most d - start rows above i: a small part of each anti-diagonal.
            first, state = max(1, i - (d - start) - 1), kept.pop(start)
            state[(start + 1) % 3] = _zeros(len(x))[0]
            for step in range(start, d + 1):
                if step > start:
                    _fill_diagonal(step, a, b, powers, state, first, i)
                window[step] = first - 1, state[step % 3][0][first - 1:i + 1].copy()
        first, scores = window[d]
        return scores[i - 1 - first] >= scores[i - first]

    return _path(x, y, goes_up)


def _powers(x, y, weight):
    return [float(k) ** weight for k in range(min(len(x), len(y)) + 2)]


def _table(x, y, powers):
    """The scores of all prefixes. The order of the additions is the program's: ties depend on the last bit."""
    table, runs = [[0.0] * (len(y) + 1)], [0] * (len(y) + 1)
    for token in x:
        above, row, last = table[-1], [0.0], 0
        for j, other in enumerate(y, 1):
            corner, last = last, runs[j]
            if token == other:
                row.append(above[j - 1] + powers[corner + 1] - powers[corner])
                runs[j] = corner + 1
            else:
                row.append(above[j] if above[j] >= row[-1] else row[-1])
                runs[j] = 0
        table.append(row)
    return table


def _path(x, y, goes_up):
    """Positions in x of the matches, from the last, on the way that `goes_up` tells where tokens differ."""
    i, j, found = len(x), len(y), []
    while i and j:
        if x[i - 1] == y[j - 1]:
            i, j = i - 1, j - 1
            found.append(i)
        elif goes_up(i, j):
            i -= 1
        else:
            j -= 1
    return found


def _zeros(rows):
    """Scores and run lengths by row, of three neighbouring anti-diagonals: number d is kept at d % 3."""
    return [(np.zeros(rows + 1), np.zeros(rows + 1, dtype=np.int32)) for _ in range(3)]


def _fill_diagonal(d, x, y, powers, state, first, last):
    """Fill rows first to last of the cells with row + column = d, from the two anti-diagonals before; y is reversed."""
    low, high = max(first, d - len(y)), min(last, d - 1)
    if low > high:
        return
    (scores, runs), (side, _), (corner, corner_runs) = (state[(d - back) % 3] for back in range(3))
    np.maximum(side[low - 1:high], side[low:high + 1], out=scores[low:high + 1])
    runs[low:high + 1] = 0
    shift = len(y) - d
    rows = np.flatnonzero(x[low - 1:high] == y[shift + low:shift + high + 1]) + low
    run = corner_runs[rows - 1]
    scores[rows] = corner[rows - 1] + powers[run + 1] - powers[run]
    runs[rows] = run + 1


def _skip_counts(x, y, gap, unigrams, last):
    """Counts of ROUGE-S, and of SU with unigrams. last: whether the last token counts as a unigram (in the program it does not)."""
    hits, expected, had = skip_hits(x, y, gap), skip_total(len(x), gap), skip_total(len(y), gap)
    if unigrams:
        one, other = (Counter(tokens if last else tokens[:-1]) for tokens in (x, y))
        hits, expected, had = hits + (one & other).total(), expected + one.total(), had + other.total()
    return hits, expected, had


def skip_total(n, gap):
    """How many pairs of n tokens have at most `gap` tokens between them; None for any number."""
    reach = max(n - 1, 0) if gap is None else min(gap + 1, max(n - 1, 0))
    return reach * n - reach * (reach + 1) // 2


def skip_hits(x, y, gap):
    """How many skip-bigrams two token lists share, each as often as in the list that has it less often (clipped).

    Small gaps: the pairs are listed, n * gap of them, in portions. Large ones: per distinct token, how often each other follows
    it, n * distinct steps. Without a limit, the tokens that occur once in each list share the pairs whose order agrees, which
    one search per token counts.
    """
    unlimited = gap is None or gap >= max(len(x), len(y)) - 2
    if unlimited:
        shared = set(x) & set(y)
        x, y = ([token for token in tokens if token in shared] for tokens in (x, y))
    x, y, size = _numbered(x, y)
    if not len(x) or not len(y):
        return 0
    if unlimited:
        return _unlimited_hits(x, y, size)
    n = max(len(x), len(y))
    if n * (gap + 1) <= PAIRS or 20 * (gap + 1) <= size:
        return _listed_hits(x, y, size, gap)
    return sum(int(np.minimum(*(_followers(ids, token, size, gap) for ids in (x, y))).sum())
               for token in np.intersect1d(x, y).tolist())


def _listed_hits(x, y, size, gap):
    portions = max(len(x), len(y)) * (gap + 1) // PAIRS + 1
    hits = 0
    for portion in range(portions):
        found = []
        for ids in (x, y):
            pairs = [ids[:-step] * size + ids[step:] for step in range(1, min(gap + 1, len(ids) - 1) + 1)]
            pairs = [p[ids[:len(p)] % portions == portion] for p in pairs] if portions > 1 else pairs
            found.append(np.unique(np.concatenate(pairs) if pairs else ids[:0], return_counts=True))
        (one, one_counts), (other, other_counts) = found
        _, i, j = np.intersect1d(one, other, assume_unique=True, return_indices=True)
        hits += int(np.minimum(one_counts[i], other_counts[j]).sum())
    return hits


def _unlimited_hits(x, y, size):
    in_x, in_y = np.bincount(x, minlength=size), np.bincount(y, minlength=size)
    once = (in_x == 1) & (in_y == 1)
    hits = 0
    for token in np.flatnonzero(~once).tolist():
        after_x, after_y = _followers(x, token, size, None), _followers(y, token, size, None)
        hits += int(np.minimum(after_x, after_y).sum())
        # A token that occurs once comes before this one as often as it does not come after it.
        hits += int(np.minimum(in_x[token] - after_x, in_y[token] - after_y)[once].sum())
    place = np.zeros(size, dtype=np.int64)
    place[y[once[y]]] = np.arange(once.sum())
    earlier = []
    for position in place[x[once[x]]].tolist():
        rank = bisect(earlier, position)
        hits += rank
        earlier.insert(rank, position)
    return hits


def _followers(ids, token, size, gap):
    """(size,) how often each token comes after the given one, with at most `gap` tokens between."""
    before = np.concatenate([[0], np.cumsum(ids == token)])[:-1]
    if gap is not None:
        before[gap + 1:] -= before[:-gap - 1].copy()
    return np.bincount(ids, weights=before, minlength=size).astype(np.int64)
