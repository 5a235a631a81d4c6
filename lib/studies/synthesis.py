"""From authors to candidates: collect abstracts, split them, clean, prompt, and sample."""
import random
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.nn import Module
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import abstracts, prompts, world
from lib.competencies.profiles import parse
from lib.core.records import DataError, Journal, file_digest
from lib.core.rows import Candidates, Completion, Group, Message, Prompt, Rejected, Shown
from lib.core.sections import data as sections
from lib.core.sections.models import Models
from lib.core.settings import ROOT
from lib.judging.judges import Scoring
from lib.metrics.overlap import contaminated, distinct_completions, near_duplicates
from lib.models.chats import encode_chats
from lib.models.sampling import Writer, complete_prompts

LONGEST_TOKEN = 50  # characters: what is longer on average is no language
SPLITS = ("warm_start", "train", "validation", "test", "held_out")


def collect(data: sections.Data) -> tuple[list[Group], list[Rejected]]:
    """Abstracts as groups, one prompt's worth each, no author in two splits; and what is unread."""
    if data.source == "synthetic":
        return synthetic_groups(data), []
    if data.source == "openalex":
        rows, rejected = abstracts.from_openalex(**data.openalex.model_dump())
        return split_by_author(abstracts.group(rows, data.group_size), data), rejected
    columns = data.columns.model_dump()
    rows, rejected = abstracts.read(ROOT / data.path, columns)
    if not data.test_path:
        return split_by_author(abstracts.group(rows, data.group_size), data), rejected
    tested, also_rejected = abstracts.read(ROOT / data.test_path, columns)
    authors = {row["author"] for row in rows}
    test = abstracts.group(tested, data.group_size, "test group", authors)
    taken = {name for group in test for name in (group["id"], group["author"])}
    groups = abstracts.group(rows, data.group_size, taken=taken)
    return split_beside_test(groups, test, data), rejected + also_rejected


def synthetic_groups(data: sections.Data) -> list[Group]:
    """Authors of the synthetic world; `held_out` ones work in domains that no other split has."""
    seen, (_, held_out) = world.seen_domains(), world.lexicon()
    groups: list[Group] = []
    for split in ("train", "validation", "test", "held_out"):
        domains = list(held_out) if split == "held_out" else seen
        for name in [f"{split}-{index}" for index in range(getattr(data.authors, split))]:
            rows = world.author(name, data.seed, domains, wording=data.wording)
            groups.append({"id": name, "author": name, "split": split, "abstracts": rows,
                           "domain": rows[0]["domain"], "truth": world.truth(rows)})
    return groups


def split_by_author(groups: list[Group], data: sections.Data) -> list[Group]:
    """Assign each author to train, validation or test in the proportion of data.authors."""
    authors = sorted({group["author"] for group in groups})
    n, share = len(authors), data.authors
    if n < 3:
        raise DataError(f"{data.source}: {n} authors or groups of abstracts; the three splits need "
                        "at least 3, so bring more abstracts or set data.group_size lower.")
    random.Random(data.seed).shuffle(authors)
    total = share.train + share.validation + share.test
    validation, test = (max(1, round(n * part / total)) for part in (share.validation, share.test))
    split = dict.fromkeys(authors, "train") | dict.fromkeys(authors[:test], "test")
    split |= dict.fromkeys(authors[test:test + validation], "validation")
    return [assigned(group, split[group["author"]]) for group in groups]


def split_beside_test(groups: list[Group], test: list[Group], data: sections.Data) -> list[Group]:
    """As many authors as data.authors says for each split; those of the test have their own file.

    Raises DataError where there are fewer.
    """
    splits = ("warm_start", "train", "validation")
    wanted = {split: getattr(data.authors, split) for split in splits}
    tested = {group["author"] for group in test}
    authors = sorted({group["author"] for group in groups} - tested)
    for place, n, needed in ((data.path, len(authors), sum(wanted.values())),
                             (data.test_path, len(tested), data.authors.test)):
        if n < needed:
            raise DataError(f"{place}: {n} authors or groups of abstracts, where data.authors asks "
                            f"for {needed}; bring more, or ask for fewer.")
    random.Random(data.seed).shuffle(authors)
    names = [split for split, count in wanted.items() for _ in range(count)]
    split = dict(zip(authors, names))
    kept = set(sorted(tested)[:data.authors.test])
    return [*(assigned(group, split[group["author"]]) for group in groups
              if group["author"] in split),
            *(assigned(group, "test") for group in test if group["author"] in kept)]


def assigned(group: Group, split: str) -> Group:
    """A group of real abstracts in its split, with the terms that people gave its texts."""
    unknown: Any = {"domain": None, "truth": None}
    given = [row.get("references", []) for row in group["abstracts"]]
    terms = list(dict.fromkeys(term for terms in given for term in terms))
    known: Any = {"references": terms} if terms else {}
    return {**group, "split": split, **unknown, **known}


def clean(groups: list[Group], data: sections.Data) -> tuple[list[Group], list[dict[str, str]]]:
    """Drop groups that repeat another, and others' that share text with the test.

    Returns (kept, dropped: {"id", "reason"}). Of two that repeat each other that in the test stays.
    """
    rank = {split: i for i, split in enumerate(("test", "held_out", "validation", "train",
                                                "warm_start"))}
    order = sorted(groups, key=lambda group: rank[group["split"]])
    repeats = near_duplicates([" ".join(texts(group)) for group in order], data.near_duplicate)
    dropped = [{"id": order[i]["id"], "reason": f"near-duplicate of {order[j]['id']}"}
               for i, j in repeats.items()]
    gone = {row["id"] for row in dropped}
    kept = [group for group in groups if group["id"] not in gone]
    leaks = leaking(kept, data.contamination_words)
    reason = f"shares {data.contamination_words} words in a row with a test prompt"
    dropped += [{"id": name, "reason": reason} for name in sorted(leaks)]
    return [group for group in kept if group["id"] not in leaks], dropped


def leaking(groups: list[Group], length: int) -> set[str]:
    """Ids of groups with a run of `length` words that the test has, too."""
    tested = ("test", "held_out")
    train = [group for group in groups if group["split"] not in tested]
    test = [texts(group) for group in groups if group["split"] in tested]
    return {train[i]["id"] for i in contaminated([texts(group) for group in train], test, length)}


def texts(group: Group) -> list[str]:
    return [row["text"] for row in group["abstracts"]]


def build_prompts(groups: list[Group], tokenizer: Tokenizer,
                  models: Models) -> tuple[list[Prompt], list[str]]:
    """One chat per group, within models.max_prompt_tokens, and the ids of those shortened."""
    rows: list[Any] = []
    shortened = []
    for group in groups:
        shown, cut = fitting(prompts.as_shown(group["abstracts"]), tokenizer, models)
        if cut:
            shortened.append(group["id"])
        known = {key: group[key]  # references: where given
                 for key in ("id", "author", "split", "domain", "truth", "references")
                 if key in group}
        rows.append({**known, "abstracts": shown,
                     "messages": prompts.messages(shown, models.prompt)})
    return rows, shortened


def fitting(items: list[Shown], tokenizer: Tokenizer,
            models: Models) -> tuple[list[Shown], bool]:
    """Abstracts whose prompt has at most models.max_prompt_tokens, and whether they were cut.

    Where they are too long, every title and text is cut to the same number of tokens, the largest
    that fits. Raises DataError where not even empty abstracts fit.
    """
    limit = models.max_prompt_tokens

    def fits(some):
        if sum(len(row["title"]) + len(row["text"]) for row in some) > limit * LONGEST_TOKEN:
            return False  # without reading it
        return len(encode_chats(tokenizer, [prompts.messages(some, models.prompt)])[0]) <= limit
    if fits(items):
        return items, False
    ends = [tuple(cuttings(tokenizer, row, limit)) for row in items]

    def cut(tokens):
        return [Shown(title=row["title"][:title[:tokens + 1][-1]],
                      text=row["text"][:text[:tokens + 1][-1]])
                for row, (title, text) in zip(items, ends)]
    most = bisect_left(range(limit + 1), True, key=lambda tokens: not fits(cut(tokens))) - 1
    if most < 0:
        raise DataError(f"{len(items)} abstracts do not fit in max_prompt_tokens ({limit}), "
                        "however short; raise it, or put fewer in a group (data.group_size).")
    return cut(most), True


def cuttings(tokenizer: Tokenizer, row: Shown, limit: int) -> Iterator[list[int]]:
    """Where the first `limit` tokens of a title and of a text end, from 0, in characters."""
    for text in (row["title"], row["text"]):
        found = tokenizer(text[:limit * LONGEST_TOKEN], add_special_tokens=False,
                          return_offsets_mapping=True)
        yield [0, *(end for _, end in found["offset_mapping"][:limit])]


def printable(prompt: Prompt, shown: bool) -> list[Message]:
    """A prompt's chat for a page; texts that may not be passed on are replaced by their ids."""
    if shown:
        return prompt["messages"]
    *chat, question = [prompt["messages"][0], prompt["messages"][-1]]
    text = prompts.document(prompts.as_shown(prompt["abstracts"]))
    for name in prompt.get("examples", []):
        chat += [Message(role="user", content=f"(the abstract {name})"),
                 Message(role="assistant", content="(its profile)")]
    words = question["content"].replace(text, f"(the abstract {prompt['id']})")
    return [*chat, Message(role="user", content=words)]


def sample_candidates(model: Module | Writer, tokenizer: Tokenizer | None, asked: list[Prompt],
                      wanted: sections.Candidates, models: Models,
                      journal: Journal | None = None) -> list[Candidates]:
    """K candidate profiles for each prompt.

    Each completion has a status: "ok", "unfinished" (cut by the length limit), "unreadable" (no
    profile found) or "duplicate" (of an earlier one). Only "ok" ones enter the tournament.
    """
    drawn = complete_prompts(model, tokenizer, asked, models.batch_size, journal, "candidates",
                             k=wanted.k, temperature=wanted.temperature, top_p=wanted.top_p,
                             max_new_tokens=models.max_new_tokens, seed=wanted.seed)
    return [candidate_row(row, drawn[row["id"]], models.base, wanted.near_duplicate)
            for row in asked]


def candidate_row(prompt: Prompt, completions: list[Completion], model: str,
                  near_duplicate: float) -> Candidates:
    """The answers to one prompt with their profiles and what each is worth."""
    written = [completion["text"] for completion in completions]
    profiles = [parse(text) for text in written]
    status = ["unfinished" if not completion["finished"] else "ok" if profile else "unreadable"
              for completion, profile in zip(completions, profiles)]
    sound = [i for i, state in enumerate(status) if state == "ok"]
    distinct = distinct_completions([written[i] for i in sound], near_duplicate)
    for i in set(sound) - {sound[place] for place in distinct}:
        status[i] = "duplicate"
    row: Any = {**{key: prompt[key] for key in ("id", "author", "split", "messages")},
                "completions": written, "profiles": profiles, "model": model,
                "tokens": [completion["tokens"] for completion in completions], "status": status}
    return row


def sizes(rows: list[Group] | list[Prompt]) -> list[dict[str, str | int]]:
    """How many authors, prompts and abstracts each split has, where it has any."""
    table: list[dict[str, str | int]] = []
    for split in SPLITS:
        part = [row for row in rows if row["split"] == split]
        if not part:
            continue
        table.append({"split": split, "authors": len({row["author"] for row in part}),
                      "prompts": len(part),
                      "abstracts": sum(len(row["abstracts"]) for row in part)})
    return table


def sound(candidates: list[Candidates]) -> dict[str, list[str]]:
    """The completions of each prompt that may enter the tournament."""
    return {row["id"]: [text for text, state in zip(row["completions"], row["status"], strict=True)
                        if state == "ok"] for row in candidates}


def closeness(standard: Scoring, candidates: list[Candidates]) -> list[float]:
    """How close each sound candidate comes to a standard, 0 to 1, where it can tell."""
    scores = [standard.score(row["id"], profile) for row in candidates
              for profile, state in zip(row["profiles"], row["status"], strict=True)
              if state == "ok"]
    return [score for score in scores if score is not None]


def data_card(data: sections.Data, wanted: sections.Candidates, base: str, authors: dict[str, int],
              states: dict[str, int], tokens: int, whence: str, files: list[Path]) -> str:
    """The data card: origin, licence, sizes, hashes, what was left out, and what it is not for.

    base: the model that wrote the candidates. authors: counts by split. states: counts by status.
    whence: where they were written and what that cost, see `writers.whence`.
    """
    origin = {
        "synthetic": "a synthetic world (lib/competencies/world.py); no person is described. "
                     "Licence: MIT, like the code.",
        "files": "files brought by the user, under whatever licence they have; check it before "
                 "passing the set on.",
        "openalex": "OpenAlex (CC0); authors are known by OpenAlex ids only."}[data.source]
    sizes = "\n".join(f"| {split} | {count} |" for split, count in authors.items())
    hashes = "\n".join(f"| {path.name} | {path.stat().st_size} | `{file_digest(path)}` |"
                       for path in files)
    outcome = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"""# Data card: prompts and candidate profiles

**Origin** {origin}

**Made by** `notebooks/01_data_synthesis.ipynb` with seed {data.seed}; candidates by `{base}`,
{wanted.k} per prompt at temperature {wanted.temperature}, top-p {wanted.top_p},
seed {wanted.seed}; {tokens} tokens, {whence}.

| split | authors |
|---|---|
{sizes}

**Candidates** {outcome}. Only those that are ok enter the tournament.

| file | bytes | SHA-256 |
|---|---|---|
{hashes}

**Not for** judging people, and not as a measure of models on real abstracts unless real abstracts
went in.
"""
