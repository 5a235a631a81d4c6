"""Financial sentiment: four public sets from files or a hub, each with its own order of labels, encoding and traps.

Nothing of theirs is shipped. What cannot be used is never dropped silently: every reader returns its rows, a list of
{"file", "line", "reason"}, and counts of the traps it met.
"""
import math
import random
import re
from collections import Counter, defaultdict

from lib.core.records import DataError
from lib.metrics import stats
from lib.metrics.labels import scores
from lib.tasks import sentiment_synthetic
from lib.tasks.classification import instruction, loose, strict
from lib.tasks.sentiment_files import RECORDS, decode, files

LABELS = sentiment_synthetic.LABELS
ORDER, DEFAULT = ("positive", "negative"), "neutral"  # how FinGPT reads an answer, see `instructions.loose`
HUB = {  # scripts of data sets are no longer run by `datasets`, so FPB comes from the hub's own conversion
    "tfns": {"path": "zeroshot/twitter-financial-news-sentiment"},
    "fiqa": {"path": "pauri32/fiqa-2018"},
    "fpb": {"path": "takala/financial_phrasebank", "revision": "refs/convert/parquet", "data_dir": "sentences_50agree"},
    "nwgi": {"path": "oliverwang15/news_with_gpt_instructions"},
}
NUMBERED = {  # what the numbers mean, which differs from set to set
    "tfns": {"0": "negative", "1": "positive", "2": "neutral"},
    "fiqa": {"0": "positive", "1": "neutral", "2": "negative"},
    "fpb": {"0": "negative", "1": "neutral", "2": "positive"},
    "nwgi": {},
}
SEVEN = {f"{how} {label}": label if how != "mildly" else "neutral"
         for how in ("strong", "moderately", "mildly") for label in ("negative", "positive")} | {"neutral": "neutral"}
PUBLISHED = {  # weighted F1 (FinGPT's tables): fpb, fiqa, tfns, nwgi
    "FinGPT v3.3 (Llama2-13B)": (0.882, 0.874, 0.903, 0.643), "FinGPT v3.2 (Llama2-7B)": (0.850, 0.860, 0.894, 0.632),
    "FinGPT, 8-bit": (0.855, 0.847, 0.879, 0.636), "FinGPT, QLoRA": (0.777, 0.752, 0.828, 0.583),
    "Llama2-7B, untuned": (0.390, 0.800, 0.296, 0.503), "ChatGLM2, untuned": (0.381, 0.790, 0.189, 0.449),
    "GPT-4": (0.833, 0.630, 0.808, None), "FinBERT": (0.880, 0.596, 0.733, 0.538),
}
CODE_PAGE = re.compile(r"\+([^\x00-\x7f])")


def collect(wanted, folder, offline):
    """All sets of a study: ({name: {"train": rows, "test": rows}}, [{"set", counts...}], rejected).

    wanted: the settings (`sections.Instruction`). folder: where a user's files lie. Sets are ours, where `wanted.synthetic` says so,
    those that the folder holds, and those of `wanted.hub` that it does not hold, unless `offline`. Each is cut to wanted.train and
    wanted.test rows. A row is {"id", "set", "instruction", "text", "label"}; ours also have "truth" and "kind".
    """
    sets, counts, rejected = {}, [], []
    for name in sentiment_synthetic.SETS if wanted.synthetic else ():
        sets[name] = {part: sentiment_synthetic.rows(name, part, getattr(wanted, part), wanted.seed, wanted.noise) for part in ("train", "test")}
    for name in HUB:
        local = files(folder, name)
        if local or (name in wanted.hub and not offline):
            rows, refused, found = read(name, local, wanted.repair_umlauts) if local else from_hub(name, wanted.repair_umlauts)
            parts = split(rows, wanted.seed)
            sets[name] = {part: sample(parts[part], getattr(wanted, part), wanted.seed) for part in parts}
            counts.append({"set": name, **found})
            rejected += refused
    for rows in (rows for parts in sets.values() for rows in parts.values()):
        for row in rows:
            row["instruction"] = instruction(f"What is the sentiment of this {row['source']}?", LABELS)
    if wanted.single not in sets:
        raise DataError(f"instruction.single is {wanted.single!r}; the sets at hand are {', '.join(sets) or 'none'}. Name one of them, "
                        f"or put {wanted.single!r} into {folder}.")
    return sets, counts, rejected


def answer_scores(rows, answers, seed=0):
    """How answers fare on the rows of one set: `instructions.scores` of the strict reading, and beside it
    "loose", the scores of FinGPT's reading, and "true_accuracy", of the strict one against the truth, where the rows have it."""
    labels = [row["label"] for row in rows]
    found = [strict(answer, LABELS) for answer in answers]
    true = {"true_accuracy": stats.win_rate(label == row["truth"] for row, label in zip(rows, found))} if "truth" in rows[0] else {}
    return {**scores(labels, found, LABELS, seed), **true,
            "loose": scores(labels, [loose(answer, ORDER, DEFAULT) for answer in answers], LABELS, seed)}


def read(name, paths, repair=False):
    """One set from files: (rows, rejected, counts). name: "tfns", "fiqa", "fpb" or "nwgi".

    repair: undo the mangled umlauts of Financial PhraseBank ("Sepp+ñl+ñ"). Raises DataError where nothing can be used.
    """
    records, counts = [], Counter()
    for path in paths:
        part = "test" if re.search(r"test|valid|dev", path.stem.lower()) else "train"
        if path.suffix.lower() == ".parquet":
            content = path
        else:
            content, encoding = decode(path)
            counts[f"files in {encoding}"] += 1
        try:
            records += [(path.name, line, part, record) for line, record in RECORDS[path.suffix.lower()](content, path.stem.lower())]
        except (ValueError, OSError) as error:
            records.append((path.name, 1, part, f"cannot be read ({error})"))
    return interpret(name, records, counts, repair)


def from_hub(name, repair=False):
    """One set from the hub, as `read` returns it. Raises DataError where the hub has it not or cannot be reached."""
    from datasets import load_dataset
    try:
        parts = load_dataset(**HUB[name])
    except (OSError, RuntimeError, ValueError) as error:  # the errors of `datasets` and of the hub are kinds of these
        raise DataError(f"cannot load {HUB[name]['path']} ({' '.join(str(error).split())[:200]}); put its files into data/finance, or "
                        f"take {name!r} out of instruction.hub.") from None
    records = [(f"{HUB[name]['path']} ({part})", line, "train" if part == "train" else "test", dict(record))
               for part, rows in parts.items() for line, record in enumerate(rows, 1)]
    return interpret(name, records, Counter(), repair)


def interpret(name, records, counts, repair=False):
    """Rows of one set from (file, line, part, record or reason): see `read`."""
    rows, rejected = [], []
    for file, line, part, record in records:
        found = record if isinstance(record, str) else INTERPRETERS[name](record, counts)
        if isinstance(found, str):
            rejected.append({"file": file, "line": line, "reason": found})
            continue
        text, label, source = found
        counts["texts with mangled umlauts"] += bool(CODE_PAGE.search(text))
        text = " ".join((mended(text) if repair else text).split())
        rows.append({"set": name, "source": source, "text": text, "label": label, "part": part, "file": file, "line": line})
    rows, conflicting = unique(rows, counts)
    if not rows:
        first = (rejected + conflicting or [{"file": name, "line": 1, "reason": "no records"}])[0]
        raise DataError(f"{name}: nothing usable; {first['file']} line {first['line']}: {first['reason']}.")
    counts = {"records": len(records), "usable": len(rows), **{key: n for key, n in sorted(counts.items()) if n}}
    return [{"id": f"{name}-{i}", **row} for i, row in enumerate(rows, 1)], rejected + conflicting, counts


def unique(rows, counts):
    """Each text once: (rows, rejected). A text that has several labels is refused altogether; repeats of one label are counted."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["text"]].append(row)
    kept, rejected = [], []
    for same in groups.values():
        labels = sorted({row["label"] for row in same})
        if len(labels) == 1:
            kept.append(same[0])
            counts["repeats merged"] += len(same) - 1
        else:
            counts["texts with conflicting labels"] += 1
            reason = f"the same text is labelled {' and '.join(labels)}"
            rejected += [{"file": row["file"], "line": row["line"], "reason": reason} for row in same]
    return kept, rejected


def split(rows, seed, share=0.2):
    """{"train", "test"}: as the set's own parts say, or else a fifth of the texts, drawn at random, for the test."""
    if {row["part"] for row in rows} != {"train", "test"}:
        test = {row["id"] for row in sample(rows, max(1, round(len(rows) * share)), seed)}
        rows = [{**row, "part": "test" if row["id"] in test else "train"} for row in rows]
    return {part: [row for row in rows if row["part"] == part] for part in ("train", "test")}


def sample(rows, count, seed):
    """At most `count` rows, drawn at random, in their order."""
    picked = set(random.Random(seed).sample(range(len(rows)), min(count, len(rows))))
    return [row for i, row in enumerate(rows) if i in picked]


def mended(text):
    """Undo a double mistake of Financial PhraseBank: UTF-8 read as code page 850, whose frame became a plus sign."""
    def letter(match):
        try:
            return (b"\xc3" + match[1].encode("cp850")).decode("utf-8")
        except UnicodeError:
            return match[0]
    return CODE_PAGE.sub(letter, text)


def tfns(record, counts):
    found = labelled(record, ("text",), "tfns")
    counts["texts over several lines"] += not isinstance(found, str) and "\n" in found[0].strip()
    return found if isinstance(found, str) else (*found, "tweet")


def fpb(record, counts):
    found = labelled(record, ("sentence", "text"), "fpb")
    return found if isinstance(found, str) else (*found, "news")


def nwgi(record, counts):
    found = labelled(record, ("news", "text"), "nwgi", SEVEN)
    if isinstance(found, str):
        return found
    counts["mildly ... read as neutral"] += str(record["label"]).strip().lower().startswith("mildly")
    return (*found, "news")


def fiqa(record, counts):
    """By the score where there is one: below -0.1 negative, from 0.1 positive, neutral between. One target of a sentence a record."""
    counts["targets of sentences with several"] += record.get("targets", 1) > 1
    source = "tweet" if str(record.get("format", record.get("type", ""))).lower() == "post" else "news"
    score = record.get("sentiment_score", record.get("score"))
    if score is None:
        found = labelled(record, ("sentence", "text"), "fiqa")
        return found if isinstance(found, str) else (*found, source)
    try:
        value = float(score)
    except (TypeError, ValueError):
        return f"the score {score!r} is no number"
    if not (math.isfinite(value) and -1 <= value <= 1):
        return f"the score {score!r} is outside -1 to 1"
    label = "negative" if value < -0.1 else "neutral" if value < 0.1 else "positive"
    found = labelled({**record, "label": label}, ("sentence", "text"), "fiqa")
    given = NUMBERED["fiqa"].get(number(record.get("label")), label)
    counts["labels that contradict the score"] += given != label
    return found if isinstance(found, str) else (*found, source)


INTERPRETERS = {"tfns": tfns, "fiqa": fiqa, "fpb": fpb, "nwgi": nwgi}


def labelled(record, names, name, words=None):
    """(text, label) of a record, or the reason why it cannot be used. names: of the column with the text; words: other names of labels."""
    column = next((key for key in names if key in record), None)
    if column is None or "label" not in record:
        return f"no column {names[0] if column is None else 'label'!r} (found: {', '.join(map(str, record))})"
    text, label = record[column], str(record["label"]).strip().lower()
    if not isinstance(text, str) or not text.strip():
        return "the text is empty"
    label = NUMBERED[name].get(number(label)) or (words or {item: item for item in LABELS}).get(label)
    return (text, label) if label else f"unknown label {record['label']!r}"


def number(value):
    """A label's number as it is written in NUMBERED: 1, "1" and "1.0" are all "1"; other things stay as they are."""
    return re.sub(r"\.0+$", "", str(value).strip())
