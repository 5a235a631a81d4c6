"""Financial sentiment: our own sets and four public ones, from files or a hub.

Nothing of theirs is shipped. What cannot be used is never dropped silently: every reader returns
its rows, what it rejected, and counts of the traps it met.
"""
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lib.core.records import DataError
from lib.core.rows import Labelled, Rejected
from lib.core.sections.studies import Instruction
from lib.metrics import stats
from lib.metrics.labels import label_rates
from lib.metrics.overlap import contaminated
from lib.tasks import sentiment_synthetic
from lib.tasks.classification import instruction, loose, strict
from lib.tasks.sentiment_files import files, read_file
from lib.tasks.sentiment_records import CODE_PAGE, INTERPRETERS, mended

Rows = list[dict[str, Any]]  # "id", "set", "source", "text", "label", "part", "file", "line"
Reading = tuple[Rows, list[Rejected], dict[str, Any]]

LABELS = sentiment_synthetic.LABELS
RUN, LINK = 7, re.compile(r"https?://\S+")  # words in a row that make two texts one
ORDER, DEFAULT = ("positive", "negative"), "neutral"  # how FinGPT reads, see `classification.loose`
HUB = {  # `datasets` runs no scripts any more, so FPB comes from the hub's own conversion
    "tfns": {"path": "zeroshot/twitter-financial-news-sentiment"},
    "fiqa": {"path": "pauri32/fiqa-2018"},
    "fpb": {"path": "takala/financial_phrasebank", "revision": "refs/convert/parquet",
            "data_dir": "sentences_50agree"},
    "nwgi": {"path": "oliverwang15/news_with_gpt_instructions"},
}
PUBLISHED = {  # weighted F1 (FinGPT's tables): fpb, fiqa, tfns, nwgi
    "FinGPT v3.3 (Llama2-13B)": (0.882, 0.874, 0.903, 0.643),
    "FinGPT v3.2 (Llama2-7B)": (0.850, 0.860, 0.894, 0.632),
    "FinGPT, 8-bit": (0.855, 0.847, 0.879, 0.636),
    "FinGPT, QLoRA": (0.777, 0.752, 0.828, 0.583),
    "Llama2-7B, untuned": (0.390, 0.800, 0.296, 0.503),
    "ChatGLM2, untuned": (0.381, 0.790, 0.189, 0.449),
    "GPT-4": (0.833, 0.630, 0.808, None), "FinBERT": (0.880, 0.596, 0.733, 0.538),
}


def collect(wanted: Instruction, folder: Path, offline: bool) -> tuple[
        dict[str, dict[str, list[Labelled]]], list[dict[str, Any]], list[Rejected]]:
    """All sets of a study: ({name: {"train": rows, "test": rows}}, [{"set", counts}], rejected).

    folder: where a user's files lie. Sets are ours, where `wanted.synthetic` says so, those that
    the folder holds, and those of `wanted.hub` that it does not hold, unless `offline`. Each is cut
    to wanted.train and wanted.test rows.
    """
    sets: dict[str, dict[str, Any]] = {}
    counts, rejected = [], []
    sizes = {"train": wanted.train, "test": wanted.test}
    for name in sentiment_synthetic.SETS if wanted.synthetic else ():
        sets[name] = {part: sentiment_synthetic.rows(name, part, size, wanted.seed, wanted.noise)
                      for part, size in sizes.items()}
    for name in HUB:
        local, left_out = files(folder, name)
        rejected += left_out
        if local:
            rows, refused, found = read(name, local, wanted.repair_umlauts)
        elif name in wanted.hub and not offline:
            rows, refused, found = from_hub(name, wanted.repair_umlauts)
        else:
            continue
        parts = split(rows, wanted.seed)
        sets[name] = {part: sample(parts[part], size, wanted.seed) for part, size in sizes.items()}
        counts.append({"set": name, **found})
        rejected += refused
    leaked = apart({name: parts for name, parts in sets.items() if name in HUB})
    for count in counts:
        count["training texts that a test holds"] = leaked[count["set"]]
    for rows in (rows for parts in sets.values() for rows in parts.values()):
        for row in rows:
            question = f"What is the sentiment of this {row['source']}?"
            row["instruction"] = instruction(question, LABELS)
    if wanted.single not in sets:
        raise DataError(
            f"instruction.single is {wanted.single!r}; the sets at hand are "
            f"{', '.join(sets) or 'none'}. Name one, or put {wanted.single!r} into {folder}.")
    return sets, counts, rejected


def apart(sets: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Drop training texts that share RUN words in a row with a test text of any set; how many.

    The public sets overlap: sentences of Financial PhraseBank stand in FiQA, and tweets come again
    with another link. Links do not count as words. The sets are changed in place.
    """
    def plain(rows):
        return [[LINK.sub(" ", row["text"])] for row in rows]

    test = plain([row for parts in sets.values() for row in parts["test"]])
    dropped = {}
    for name, parts in sets.items():
        leaking = set(contaminated(plain(parts["train"]), test, RUN))
        parts["train"] = [row for i, row in enumerate(parts["train"]) if i not in leaking]
        dropped[name] = len(leaking)
    return dropped


def answer_scores(rows: Sequence[Labelled], answers: Sequence[str],
                  seed: int = 0) -> dict[str, Any]:
    """How answers fare on the rows of one set: `label_rates` of the strict reading, with more.

    "loose" are those of FinGPT's reading, "true_accuracy" is that of the strict one against the
    truth, where the rows have it.
    """
    labels = [row["label"] for row in rows]
    found = [strict(answer, LABELS) for answer in answers]
    guessed = [loose(answer, ORDER, DEFAULT) for answer in answers]
    result = label_rates(labels, found, LABELS, seed)
    if "truth" in rows[0]:
        right = [label == row["truth"] for row, label in zip(rows, found)]
        result["true_accuracy"] = stats.win_rate(right)
    return {**result, "loose": label_rates(labels, guessed, LABELS, seed)}


def read(name: str, paths: Iterable[Path], repair: bool = False) -> Reading:
    """One set, "tfns", "fiqa", "fpb" or "nwgi", from files: (rows, rejected, counts).

    repair: undo the mangled umlauts of Financial PhraseBank, see `mended`. Raises DataError where
    nothing can be used.
    """
    records: list[tuple[str, int, str, Any]] = []
    counts: Counter[str] = Counter()
    for path in paths:
        part = "test" if re.search(r"test|valid|dev", path.stem.lower()) else "train"
        found, encoding = read_file(path)
        counts[f"files in {encoding}"] += bool(encoding)
        records += [(path.name, line, part, record) for line, record in found]
    return interpret(name, records, counts, repair)


def from_hub(name: str, repair: bool = False) -> Reading:
    """One set from the hub, as `read` returns it. Raises DataError where it cannot be had."""
    from datasets import load_dataset  # seconds, where the hub is asked
    path = HUB[name]["path"]
    try:
        parts = load_dataset(**HUB[name])
    except (OSError, RuntimeError, ValueError) as error:  # those of `datasets` are kinds of these
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"cannot load {path} ({reason}); put its files into data/finance, or take "
                        f"{name!r} out of instruction.hub.") from None
    records = [(f"{path} ({part})", line, "train" if part == "train" else "test", dict(record))
               for part, rows in parts.items() for line, record in enumerate(rows, 1)]
    return interpret(name, records, Counter(), repair)


def interpret(name: str, records: Sequence[tuple[str, int, str, Any]], counts: Counter,
              repair: bool = False) -> Reading:
    """Rows of one set from (file, line, part, record or reason): see `read`."""
    rows: Rows = []
    rejected: list[Rejected] = []
    for file, line, part, record in records:
        found = record if isinstance(record, str) else INTERPRETERS[name](record, counts)
        if isinstance(found, str):
            rejected.append({"file": file, "line": line, "reason": found})
            continue
        text, label, source = found
        counts["texts with mangled umlauts"] += bool(CODE_PAGE.search(text))
        text = " ".join((mended(text) if repair else text).split())
        rows.append({"set": name, "source": source, "text": text, "label": label,
                     "part": part, "file": file, "line": line})
    rows, conflicting = unique(rows, counts)
    rejected += conflicting
    if not rows:
        first = (rejected or [{"file": name, "line": 1, "reason": "no records"}])[0]
        raise DataError(f"{name}: nothing usable; {first['file']} line {first['line']}: "
                        f"{first['reason']}.")
    met = {key: n for key, n in sorted(counts.items()) if n}
    return ([{"id": f"{name}-{i}", **row} for i, row in enumerate(rows, 1)], rejected,
            {"records": len(records), "usable": len(rows), **met})


def unique(rows: Rows, counts: Counter) -> tuple[Rows, list[Rejected]]:
    """Each text once. One that has several labels is refused; repeats of one label are counted."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["text"]].append(row)
    kept: Rows = []
    rejected: list[Rejected] = []
    for same in groups.values():
        labels = sorted({row["label"] for row in same})
        if len(labels) == 1:
            kept.append(same[0])
            counts["repeats merged"] += len(same) - 1
        else:
            counts["texts with conflicting labels"] += 1
            reason = f"the same text is labelled {' and '.join(labels)}"
            rejected += [{"file": row["file"], "line": row["line"], "reason": reason}
                         for row in same]
    return kept, rejected


def split(rows: Rows, seed: int, share: float = 0.2) -> dict[str, Rows]:
    """{"train", "test"} as the set's own parts say, or else a fifth, drawn at random, for the test.
    """
    if {row["part"] for row in rows} != {"train", "test"}:
        test = {row["id"] for row in sample(rows, max(1, round(len(rows) * share)), seed)}
        rows = [{**row, "part": "test" if row["id"] in test else "train"} for row in rows]
    return {part: [row for row in rows if row["part"] == part] for part in ("train", "test")}


def sample(rows: Rows, count: int, seed: int) -> Rows:
    """At most `count` rows, drawn at random, in their order."""
    picked = set(random.Random(seed).sample(range(len(rows)), min(count, len(rows))))
    return [row for i, row in enumerate(rows) if i in picked]
