"""Competency profiles for your own abstracts, from the command line.

python -m lib extract --preset smollm2 INPUT -o profiles.jsonl
python -m lib extract --model PATH_OR_NAME [--adapter PATH] INPUT -o profiles.jsonl

INPUT is a file or folder of .jsonl, .csv, .tsv, .txt, .pdf or .bib; where whole documents are read
(--extraction, --document) also of .md, .docx and .eml. The ending of the output chooses its form. A
run that was stopped goes on when the same command is given again.
Each competency has the model's confidence in its name, or of a whole document the places where it
was found; each row says whether its text is unlike those that the model was trained on, where that
is known.
"""
import csv
import html
import io
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.competencies.files import PROFILES
from lib.core.records import Journal, digest, write_jsonl, write_text
from lib.core.rows import Completion, Group, Profile, Prompt, Rejected
from lib.core.settings import load
from lib.core.terminal import say
from lib.report import options, whole
from lib.report.cells import harmless

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

# Below, rooms that load torch are imported where they are used, so that --help is quick.
FORMS = (".jsonl", ".csv", ".html")
# What a spreadsheet may part cells at, whatever the file parts them with; text has ", " often.
NOTHING: Profile = {"domain": "", "competencies": [{"name": "", "description": ""}]}


def prompt_style(model: str) -> str:
    """The prompt that a model was made for: "brief" for embedded ones, "full" for all others.

    An embedded model lies beside the record of its training, in which it read brief prompts only.
    """
    from lib.embedded.pretraining import training_file  # torch
    from lib.models.places import locate
    place = Path(locate(model)).resolve()
    return "brief" if training_file(place.parent, place.name).exists() else "full"


def extract(given: Namespace) -> tuple[list[dict[str, Any]], list[Rejected], Journal]:
    """Read, prompt, write profiles. Returns (rows, rejected, the journal of finished work).

    given: the arguments of the command. A row has id, author, abstracts, profile, problems, text
    and unlike_training.
    """
    from lib.competencies import abstracts  # torch, with all that follow
    from lib.core.sections.models import Models
    from lib.models import chats, loading
    from lib.models.sampling import complete_all
    from lib.studies import novelty, synthesis

    given = options.complete(given)
    if whole.wanted(given):
        return whole.extract(given, prompt_style)
    abstracts.spare_inputs(Path(given.input), given.output)
    columns = {name: getattr(given, f"{name}_column") for name in ("id", "author", "title", "text")}
    found, rejected = abstracts.read(given.input, columns)
    unknown = {"split": None, "domain": None, "truth": None}
    groups: list[Any] = [{**group, **unknown} for group in abstracts.group(found, given.group_size)]
    model, tokenizer = loading.load(given.model, given.dtype, given.device, given.quantisation,
                                    given.adapter)
    style = prompt_style(given.model) if given.prompt == "auto" else given.prompt
    limits = Models.model_construct(prompt=style, max_prompt_tokens=given.max_prompt_tokens)
    prompts, shortened = synthesis.build_prompts(groups, tokenizer, limits)
    prompts = after_examples(prompts, given.preset, tokenizer, style)

    keys = [digest([row["id"], row["messages"]]) for row in prompts]
    ids = chats.encode_chats(tokenizer, [prompt["messages"] for prompt in prompts])
    journal = Journal(given.output.with_name(f".{given.output.name}.progress"))
    drawn = complete_all(
        model, tokenizer, list(zip(keys, ids)), given.batch_size, journal, "profiles",
        temperature=given.temperature, top_p=given.top_p, max_new_tokens=given.max_new_tokens,
        seed=given.seed, with_logps=True)
    unlike = novelty.unlike_training(prompts, given.training_texts, given.device)

    def decode(ids):
        return tokenizer.decode(ids, skip_special_tokens=True)
    rows = [row(group, drawn[key][0], group["id"] in shortened, decode) | {"unlike_training": new}
            for group, key, new in zip(groups, keys, unlike)]
    return rows, rejected, journal


def after_examples(prompts: list[Prompt], preset: str, tokenizer: "Tokenizer",
                   style: str) -> list[Prompt]:
    """Prompts that show the examples of a preset's own data, as many as it wants; "" wants none."""
    from lib.studies import prompting, synthesis  # see above
    settings = load(preset)[1]
    if not (preset and settings.examples.k):
        return prompts
    groups, _ = synthesis.clean(synthesis.collect(settings.data)[0], settings.data)
    return prompting.of_preset(prompts, groups, settings, tokenizer, style)[0]


def row(group: Group, completion: Completion, shortened: bool,
        decode: Callable[[list[int]], str]) -> dict[str, Any]:
    """One result; `problems` says what is wrong with the profile, or why there is none."""
    from lib.competencies.confidence import with_confidence
    from lib.competencies.profiles import parse, problems  # see above
    profile = parse(completion["text"])
    profile = with_confidence(profile, completion, decode) if profile else None
    found = problems(profile) if profile else ["no profile in the model's answer"]
    found += [] if completion["finished"] else ["the answer was cut off"]
    found += ["the abstracts were shortened"] if shortened else []
    return {"id": group["id"], "author": group["author"],
            "abstracts": [item["id"] for item in group["abstracts"]],
            "profile": profile, "problems": found, "text": completion["text"]}


def write(rows: list[dict[str, Any]], rejected: list[Rejected], path: Path) -> None:
    """Write the rows in the form that the path's ending names, whole or not at all."""
    if path.suffix == ".jsonl":
        write_jsonl(path, rows)
    else:
        write_text(path, as_csv(rows) if path.suffix == ".csv" else as_html(rows, rejected))


def as_csv(rows: list[dict[str, Any]]) -> str:
    """A table with a line for each competency; no cell is a formula to a spreadsheet."""
    out = io.StringIO()
    table = csv.writer(out)
    placed = any("places" in one for item in rows for one in (item["profile"] or NOTHING)[
        "competencies"])
    table.writerow([*PROFILES, *["places"] * placed])
    for item in rows:
        profile, notes = item["profile"] or NOTHING, "; ".join(item["problems"])
        unlike = {True: "true", False: "false"}.get(item["unlike_training"], "")
        for one in profile["competencies"]:
            sure = one.get("confidence")
            cells = [item["id"], item["author"], profile["domain"], one["name"],
                     one["description"], "" if sure is None else str(sure), notes, unlike,
                     *["; ".join(one.get("places", []))] * placed]
            table.writerow(map(harmless, cells))
    return out.getvalue().replace("\r\n", "\n")


def as_html(rows: list[dict[str, Any]], rejected: list[Rejected]) -> str:
    """A self-contained page; everything that came from abstracts or models is escaped."""
    from lib.report.html import page, scroll  # a parser of Markdown and one of formulas
    from lib.workbook.tables import table_html
    parts = ["<h1>Competency profiles</h1>"]
    for item in rows:
        parts.append(f"<h2>{html.escape(item['id'])}</h2>")
        if item["profile"]:
            domain = html.escape(item["profile"]["domain"])
            parts.append(f"<p><strong>{domain}</strong></p><ul>")
            for one in item["profile"]["competencies"]:
                name, description = html.escape(one["name"]), html.escape(one["description"])
                sure = one.get("confidence")
                said = "" if sure is None else f' <span class="soft">({sure:.0%})</span>'
                found = html.escape("; ".join(one.get("places", [])))
                said += f' <span class="soft">[{found}]</span>' if found else ""
                parts.append(f"<li><strong>{name}</strong>{said}: {description}</li>")
            parts.append("</ul>")
        unlike = ["unlike the texts that the model was trained on"]
        if noted := item["problems"] + (unlike if item["unlike_training"] else []):
            notes = html.escape("; ".join(noted))
            parts.append(f'<p class="soft">Note: {notes}.</p>')
    if rejected:
        table = table_html([dict(item) for item in rejected], f"{len(rejected)} rows.")
        parts.append(f"<h2>Rows that could not be used</h2>{scroll(table, 'rejected rows')}")
    return page("Competency profiles", "\n".join(parts))


def command(given: Namespace) -> None:
    """Write the profiles of given.input to given.output and say what was left out."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    rows, rejected, journal = extract(given)
    write(rows, rejected, given.output)
    journal.remove()
    for item in rejected:
        say(f"left out: {item['file']} line {item['line']}: {item['reason']}", error=True)
    if strange := sum(item["unlike_training"] is True for item in rows):
        say(f"WARNING: {strange} of {len(rows)} profiles are of texts unlike those that the "
            "model was trained on (unlike_training).", error=True)
    good = sum(item["profile"] is not None and not item["problems"] for item in rows)
    say(f"{given.output}: {len(rows)} profiles, {good} of them without problems; "
        f"{len(rejected)} rows left out")
