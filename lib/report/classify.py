"""Labels for your own texts by a model tuned to answer one question, from the command line.

python -m lib classify --preset smollm2 --task sentiment tweets.csv --text text -o labels.csv

INPUT is a file of .csv, .tsv or .jsonl. Every row gets a label: the likeliest of the task's choices
by the model's own probabilities, so no answer is unreadable; where other answers would have been
likelier than all choices together, a warning counts them. A run that was stopped goes on when the
same command is given again.
"""
import csv
import io
import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from lib.competencies.decoding import decode
from lib.competencies.files import spare
from lib.competencies.tables import csv_records, header, json_records
from lib.core.records import DataError, Journal, digest, write_jsonl, write_text
from lib.core.rows import Rejected
from lib.core.terminal import say
from lib.report import options
from lib.report.cells import harmless

# Below, rooms that load torch are imported where they are used, so that --help is quick.
FORMS = (".csv", ".tsv", ".jsonl")
Row = dict[str, Any]


def question(task: str) -> tuple[str, tuple[str, ...]]:
    """The instruction that the adapter of a task was tuned with, and its choices."""
    from lib.tasks import job_ads, sentiment
    from lib.tasks.classification import instruction
    if task == "job_bias":
        return job_ads.QUESTION, job_ads.LABELS
    tweet = "What is the sentiment of this tweet?"
    return instruction(tweet, sentiment.LABELS), tuple(sentiment.LABELS)


def classify(given: Namespace) -> tuple[list[Row], list[Rejected], int, Journal]:
    """Read, ask, label. Returns (rows, rejected, how many had likelier answers, the journal).

    given: the arguments of the command. A row has all columns of the input, and two more.
    """
    from lib.models import loading
    from lib.tasks import classification

    spare(given.output, [given.input])
    if len(set(given.names)) < len(given.names):
        raise DataError(f"--names: both new columns are called {given.names[0]!r}; give two names.")
    given = options.complete(given, given.task)
    found, rejected = read(given.input, given.text)
    if clash := {name for _, row in found for name in given.names if name in row}:
        raise DataError(f"{given.input}: it has a column {min(clash)!r} of its own; name the two "
                        "new ones with --names.")
    model, tokenizer = loading.load(given.model, given.dtype, given.device, given.quantisation,
                                    given.adapter)
    asked, labels = question(given.task)
    texts: Any = [{"instruction": asked, "text": clean(row[given.text])} for _, row in found]
    ids = classification.encode(tokenizer, texts, given.template)
    most = given.max_prompt_tokens
    for (line, _), prompt in zip(found, ids):
        if len(prompt) > most:
            reason = f"the text is too long ({len(prompt)} tokens with the question, of {most})"
            rejected.append(Rejected(file=given.input.name, line=line, reason=reason))
    short = [(row, prompt) for (_, row), prompt in zip(found, ids) if len(prompt) <= most]

    keys = [digest(prompt) for _, prompt in short]
    journal = Journal(given.output.with_name(f".{given.output.name}.progress"))
    items = dict(zip(keys, [prompt for _, prompt in short]))
    chances = classification.choose(model, tokenizer, list(items.items()), labels,
                                    given.batch_size, journal)
    rows = [{**row, **labelled(chances[key], labels, given.names)}
            for (row, _), key in zip(short, keys)]
    unlikely = sum(sum(chances[key]) < 0.5 for key in keys)
    return rows, sorted(rejected, key=lambda item: item["line"]), unlikely, journal


def labelled(chances: list[float], labels: tuple[str, ...], names: tuple[str, str]) -> Row:
    """The likeliest label and its probability among the choices. names: of the two columns."""
    best = max(range(len(labels)), key=lambda i: chances[i])
    total = sum(chances)
    sure = chances[best] / total if total else 1 / len(labels)  # too unlikely for a float
    return dict(zip(names, (labels[best], round(sure, 4))))


def read(path: Path, text: str) -> tuple[list[tuple[int, Row]], list[Rejected]]:
    """The (line, row) of a file that have a text, and what was refused. text: its column or key.

    Raises DataError for another kind of file, without such a column and without a usable row.
    """
    kind = path.suffix.lower()
    if kind not in FORMS:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(FORMS)}.")
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    found: list[tuple[int, Row]] = []
    rejected: list[Rejected] = []
    try:
        content, _ = decode(path)
        if kind == ".jsonl":
            records = json_records(content)
        else:
            delimiter = "\t" if kind == ".tsv" else ","
            check_header(header(content, delimiter), text)
            records = csv_records(content, delimiter)
    except (OSError, DataError) as error:
        raise DataError(f"{path}: {error}") from None
    for line, record in records:
        reason = record if isinstance(record, str) else refusal(record, text)
        if reason:
            rejected.append(Rejected(file=path.name, line=line, reason=reason))
        else:
            found.append((line, record))
    if not found:
        first = f"line {rejected[0]['line']}: {rejected[0]['reason']}" if rejected else "no rows"
        raise DataError(f"{path}: no text that can be labelled ({first}).")
    return found, rejected


def check_header(names: list[str], text: str) -> None:
    """Raise DataError unless one of a table's columns is the text's."""
    if text not in names:
        raise DataError(f"no column {text!r} (found: {', '.join(names)}); name it with --text.")


def refusal(record: Row, text: str) -> str:
    """Why a row cannot be labelled; "" where it can."""
    if text not in record:
        return f"no key {text!r} (found: {', '.join(map(str, record))}); name it with --text"
    if not isinstance(record[text], str):
        return f"the text is {type(record[text]).__name__}, not a string"
    return "" if clean(record[text]) else "the text is empty"


def clean(text: str) -> str:
    """A text as the tuned models read it: on one line, without control tokens."""
    from lib.competencies.prompts import neutralise
    return " ".join(neutralise(text).split())


def write(rows: list[Row], path: Path) -> None:
    """Write the rows in the form that the path's ending names, whole or not at all."""
    if path.suffix == ".jsonl":
        write_jsonl(path, rows)
        return
    out = io.StringIO()
    table = csv.writer(out, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table.writerow(map(harmless, columns))
    table.writerows([cell(row.get(name)) for name in columns] for row in rows)
    write_text(path, out.getvalue())


def cell(value: Any) -> str:
    """A value of a row as a cell of a table: text as it is unless it is a formula, else as JSON."""
    if value is None:
        return ""
    return harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def command(given: Namespace) -> None:
    """Write given.input with a label for each row to given.output, and say what was left out."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    rows, rejected, unlikely, journal = classify(given)
    write(rows, given.output)
    journal.remove()
    for item in rejected:
        say(f"left out: {item['file']} line {item['line']}: {item['reason']}", error=True)
    if unlikely:
        say(f"WARNING: for {unlikely} of {len(rows)} texts another answer was likelier than all "
            "choices together; is the adapter one for this task?", error=True)
    say(f"{given.output}: {len(rows)} texts labelled; {len(rejected)} rows left out")
