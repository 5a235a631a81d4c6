"""Competency profiles for your own abstracts, from the command line.

python -m lib extract --model PATH_OR_NAME [--adapter PATH] INPUT -o profiles.jsonl

INPUT is a file or folder of .jsonl, .csv, .tsv, .txt, .pdf or .bib. The ending of the output chooses its form: .jsonl,
.csv or .html. A run that was stopped goes on where it was when the same command is given again.
"""
import csv
import html
import io
import os
import sys

from lib.core.records import DataError, Journal, digest, write_jsonl, write_text

FORMS = (".jsonl", ".csv", ".html")


def check(given):
    """Raise DataError for arguments that cannot be followed."""
    if given.output.suffix not in FORMS:
        raise DataError(f"the output {given.output} must end in one of {', '.join(FORMS)}.")
    for name, least in (("group_size", 1), ("max_prompt_tokens", 32), ("max_new_tokens", 1), ("batch_size", 1), ("temperature", 0)):
        if getattr(given, name) < least:
            raise DataError(f"--{name.replace('_', '-')} must be at least {least}.")
    if not 0 < given.top_p <= 1:
        raise DataError("--top-p must be above 0 and at most 1.")


def extract(given):
    """Read, prompt, write profiles. Returns (rows, rejected): a row has id, author, abstracts, profile, problems, text."""
    from lib.competencies import abstracts
    from lib.core.sections.models import Models
    from lib.models import chats, loading
    from lib.models.sampling import complete_all
    from lib.studies import synthesis

    columns = {name: getattr(given, f"{name}_column") for name in ("id", "author", "title", "text")}
    found, rejected = abstracts.read(given.input, columns)
    groups = [{**group, "split": None, "domain": None, "truth": None} for group in abstracts.group(found, given.group_size)]
    model, tokenizer = loading.load(given.model, given.dtype, given.device, given.quantisation, given.adapter)
    brief = (tokenizer.chat_template or "").startswith("{{ bos_token }}{% for message in messages %}{{ '<|' + message['role']")
    style = {"auto": "brief" if brief else "full"}.get(given.prompt, given.prompt)
    limits = Models.model_construct(prompt=style, max_prompt_tokens=given.max_prompt_tokens)
    prompts, shortened = synthesis.build_prompts(groups, tokenizer, limits)

    # The key of a finished item holds everything that decides it, so a changed command never takes over old results.
    how = {key: str(getattr(given, key)) for key in ("model", "adapter", "temperature", "top_p", "seed", "max_new_tokens",
                                                     "dtype", "quantisation")}
    keys = [digest([how, prompt["id"], prompt["messages"]]) for prompt in prompts]
    journal = Journal(given.output.with_name(f".{given.output.name}.progress"))
    ids = chats.encode_chats(tokenizer, [prompt["messages"] for prompt in prompts])
    drawn = complete_all(model, tokenizer, list(zip(keys, ids)), given.batch_size, journal, "profiles", temperature=given.temperature,
                         top_p=given.top_p, max_new_tokens=given.max_new_tokens, seed=given.seed)
    rows = [row(group, drawn[key][0], group["id"] in shortened) for group, key in zip(groups, keys)]
    return rows, rejected, journal


def row(group, completion, shortened):
    """One result; `problems` says what is wrong with the profile, or why there is none."""
    from lib.competencies.profiles import parse, problems
    profile = parse(completion["text"])
    found = problems(profile) if profile else ["no profile in the model's answer"]
    found += [] if completion["finished"] else ["the answer was cut off"]
    found += ["the abstracts were shortened"] if shortened else []
    return {"id": group["id"], "author": group["author"], "abstracts": [item["id"] for item in group["abstracts"]],
            "profile": profile, "problems": found, "text": completion["text"]}


def write(rows, rejected, path):
    """Write the rows in the form that the path's ending names, whole or not at all."""
    if path.suffix == ".jsonl":
        write_jsonl(path, rows)
    elif path.suffix == ".csv":
        out = io.StringIO()
        table = csv.writer(out)
        table.writerow(["id", "author", "domain", "competency", "description", "problems"])
        for item in rows:
            profile = item["profile"] or {"domain": "", "competencies": [{"name": "", "description": ""}]}
            table.writerows([spreadsheet(value) for value in (item["id"], item["author"], profile["domain"], c["name"],
                                                              c["description"], "; ".join(item["problems"]))]
                            for c in profile["competencies"])
        write_text(path, out.getvalue().replace("\r\n", "\n"))
    else:
        write_text(path, as_html(rows, rejected))


def spreadsheet(value):
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value


def as_html(rows, rejected):
    """A self-contained page; everything that came from abstracts or models is escaped."""
    from lib.report.html import page, scroll
    from lib.workbook.tables import table_html
    parts = ["<h1>Competency profiles</h1>"]
    for item in rows:
        parts.append(f"<h2>{html.escape(item['id'])}</h2>")
        if item["profile"]:
            parts.append(f"<p><strong>{html.escape(item['profile']['domain'])}</strong></p><ul>")
            parts += [f"<li><strong>{html.escape(c['name'])}</strong>: {html.escape(c['description'])}</li>"
                      for c in item["profile"]["competencies"]]
            parts.append("</ul>")
        if item["problems"]:
            parts.append(f'<p class="soft">Note: {html.escape("; ".join(item["problems"]))}.</p>')
    if rejected:
        parts.append("<h2>Rows that could not be used</h2>" + scroll(table_html(rejected, f"{len(rejected)} rows."), "rejected rows"))
    return page("Competency profiles", "\n".join(parts))


def command(given):
    """Write the profiles of given.input to given.output and say what was left out; see `python -m lib extract --help`."""
    check(given)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    rows, rejected, journal = extract(given)
    write(rows, rejected, given.output)
    journal.remove()
    for item in rejected:
        print(f"left out: {item['file']} line {item['line']}: {item['reason']}", file=sys.stderr)
    good = sum(item["profile"] is not None and not item["problems"] for item in rows)
    print(f"{given.output}: {len(rows)} profiles, {good} of them without problems; {len(rejected)} rows left out")
