"""Competency profiles for your own abstracts, from the command line.

python -m lib.extract --model PATH_OR_NAME [--adapter PATH] INPUT -o profiles.jsonl

INPUT is a file or folder of .jsonl, .csv, .tsv, .txt, .pdf or .bib. The ending of the output chooses its form: .jsonl,
.csv or .html. A run that was stopped goes on where it was when the same command is given again.
"""
import argparse
import csv
import html
import io
import os
import sys
from pathlib import Path

from lib.records import DataError, Journal, digest, write_jsonl, write_text

FORMS = (".jsonl", ".csv", ".html")


def arguments(argv=None):
    parser = argparse.ArgumentParser(prog="python -m lib.extract", description=__doc__.split("\n", 1)[0])
    parser.add_argument("input", help="file or folder with abstracts")
    parser.add_argument("--model", required=True, help="a model's directory or hub name")
    parser.add_argument("--adapter", help="directory of a PEFT adapter, such as data/adapter")
    parser.add_argument("-o", "--output", required=True, type=Path, help="profiles.jsonl, .csv or .html")
    parser.add_argument("--prompt", choices=("auto", "brief", "full"), default="auto",
                        help="auto: brief for embedded models, full for all others")
    parser.add_argument("--group-size", type=int, default=4, help="abstracts per profile, at most (default 4)")
    for name in ("id", "author", "title", "text"):
        parser.add_argument(f"--{name}-column", default=name, metavar="NAME", help=f"column or key of the {name}")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 decodes greedily (default)")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-prompt-tokens", type=int, default=1536, help="longer prompts have their abstracts shortened")
    parser.add_argument("--max-new-tokens", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--quantisation", choices=("none", "8bit", "4bit"), default="none")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    given = parser.parse_args(argv)
    if given.output.suffix not in FORMS:
        parser.error(f"the output {given.output} must end in one of {', '.join(FORMS)}")
    for name, least in (("group_size", 1), ("max_prompt_tokens", 32), ("max_new_tokens", 1), ("batch_size", 1), ("temperature", 0)):
        if getattr(given, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}")
    if not 0 < given.top_p <= 1:
        parser.error("--top-p must be above 0 and at most 1")
    return given


def extract(given):
    """Read, prompt, write profiles. Returns (rows, rejected): a row has id, author, abstracts, profile, problems, text."""
    from lib import abstracts, models, synthesis
    from lib.sampling import complete_all
    from lib.sections import Models

    columns = {name: getattr(given, f"{name}_column") for name in ("id", "author", "title", "text")}
    found, rejected = abstracts.read(given.input, columns)
    groups = [{**group, "split": None, "domain": None, "truth": None} for group in abstracts.group(found, given.group_size)]
    model, tokenizer = models.load(given.model, given.dtype, given.device, given.quantisation, given.adapter)
    brief = (tokenizer.chat_template or "").startswith("{{ bos_token }}{% for message in messages %}{{ '<|' + message['role']")
    style = {"auto": "brief" if brief else "full"}.get(given.prompt, given.prompt)
    limits = Models.model_construct(prompt=style, max_prompt_tokens=given.max_prompt_tokens)
    prompts, shortened = synthesis.build_prompts(groups, tokenizer, limits)

    # The key of a finished item holds everything that decides it, so a changed command never takes over old results.
    how = {key: str(getattr(given, key)) for key in ("model", "adapter", "temperature", "top_p", "seed", "max_new_tokens",
                                                     "dtype", "quantisation")}
    keys = [digest([how, prompt["id"], prompt["messages"]]) for prompt in prompts]
    journal = Journal(given.output.with_name(f".{given.output.name}.progress"))
    ids = models.encode_chats(tokenizer, [prompt["messages"] for prompt in prompts])
    drawn = complete_all(model, tokenizer, list(zip(keys, ids)), given.batch_size, journal, "profiles", temperature=given.temperature,
                         top_p=given.top_p, max_new_tokens=given.max_new_tokens, seed=given.seed)
    rows = [row(group, drawn[key][0], group["id"] in shortened) for group, key in zip(groups, keys)]
    return rows, rejected, journal


def row(group, completion, shortened):
    """One result; `problems` says what is wrong with the profile, or why there is none."""
    from lib.profiles import parse, problems
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
    from lib.report import page, scroll
    from lib.workbook import table_html
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
    return page("Competency profiles", "\n".join(parts), links=False)


def main():
    given = arguments()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        rows, rejected, journal = extract(given)
        write(rows, rejected, given.output)
    except DataError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; finished profiles are kept, give the same command again to go on")
    journal.remove()
    for item in rejected:
        print(f"left out: {item['file']} line {item['line']}: {item['reason']}", file=sys.stderr)
    good = sum(item["profile"] is not None and not item["problems"] for item in rows)
    print(f"{given.output}: {len(rows)} profiles, {good} of them without problems; {len(rejected)} rows left out")


if __name__ == "__main__":
    main()
