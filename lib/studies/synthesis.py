"""From authors to candidates: collect abstracts, split them by author, clean, prompt, and sample from the base model."""
import random

from lib.competencies import abstracts, prompts, world
from lib.competencies.profiles import parse
from lib.core.records import DataError, file_digest
from lib.core.settings import ROOT
from lib.metrics.overlap import contaminated, distinct_completions, near_duplicates
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all

SPLITS = ("train", "validation", "test", "held_out")


def collect(data):
    """Abstracts of one source as groups, one prompt's worth each. Returns (groups, rejected).

    data: the settings. A group is {"id", "author", "split", "domain", "abstracts", "truth"}; domain and truth are None
    where nobody knows them. No author is in two splits. rejected: [{"file", "line", "reason"}].
    """
    if data.source == "synthetic":
        return synthetic_groups(data), []
    if data.source == "files":
        rows, rejected = abstracts.read(ROOT / data.path, data.columns.model_dump())
    else:
        rows, rejected = abstracts.from_openalex(**data.openalex.model_dump())
    return split_by_author(abstracts.group(rows, data.group_size), data), rejected


def synthetic_groups(data):
    """Authors of the synthetic world; `held_out` ones work in domains that no other split has."""
    seen, (_, held_out) = world.seen_domains(), world.lexicon()
    groups = []
    for split in SPLITS:
        for index in range(getattr(data.authors, split)):
            rows = world.author(f"{split}-{index}", data.seed, list(held_out) if split == "held_out" else seen)
            groups.append({"id": f"{split}-{index}", "author": f"{split}-{index}", "split": split,
                           "domain": rows[0]["domain"], "abstracts": rows, "truth": world.truth(rows)})
    return groups


def split_by_author(groups, data):
    """Assign each author to train, validation or test in the proportion of data.authors."""
    authors = sorted({group["author"] for group in groups})
    if len(authors) < 3:
        raise DataError(f"{data.source}: {len(authors)} authors or groups of abstracts; the three splits need at least 3, "
                        "so bring more abstracts or set data.group_size lower.")
    random.Random(data.seed).shuffle(authors)
    share = data.authors
    total = share.train + share.validation + share.test
    validation, test = (max(1, round(len(authors) * part / total)) for part in (share.validation, share.test))
    split = dict.fromkeys(authors, "train") | dict.fromkeys(authors[:test], "test")
    split |= dict.fromkeys(authors[test:test + validation], "validation")
    return [{**group, "split": split[group["author"]], "domain": None, "truth": None} for group in groups]


def clean(groups, data):
    """Drop groups that repeat another, and training groups that share text with the test. Returns (kept, dropped).

    dropped: [{"id", "reason"}]. Of two that repeat each other the one in the test stays.
    """
    order = sorted(groups, key=lambda group: ("test", "held_out", "validation", "train").index(group["split"]))
    repeats = near_duplicates([" ".join(texts(group)) for group in order], data.near_duplicate)
    dropped = [{"id": order[i]["id"], "reason": f"near-duplicate of {order[j]['id']}"} for i, j in repeats.items()]
    gone = {row["id"] for row in dropped}
    kept = [group for group in groups if group["id"] not in gone]
    leaks = leaking(kept, data.contamination_words)
    dropped += [{"id": name, "reason": f"shares {data.contamination_words} words in a row with a test prompt"}
                for name in sorted(leaks)]
    return [group for group in kept if group["id"] not in leaks], dropped


def leaking(groups, length):
    """Ids of the training and validation groups that share a run of `length` words with the test; none after `clean`."""
    train = [group for group in groups if group["split"] in ("train", "validation")]
    test = [texts(group) for group in groups if group["split"] in ("test", "held_out")]
    return {train[i]["id"] for i in contaminated([texts(group) for group in train], test, length)}


def texts(group):
    return [row["text"] for row in group["abstracts"]]


def build_prompts(groups, tokenizer, models):
    """One chat per group, within models.max_prompt_tokens. Returns (prompt rows, ids of prompts that were shortened).

    Too long a prompt has all its abstracts cut to the same number of words, as many as fit.
    """
    rows, shortened = [], []
    for group in groups:
        items = group["abstracts"]
        words = max(len(row["text"].split()) for row in items)
        messages = prompts.messages(items, models.prompt)
        while len(encode_chats(tokenizer, [messages])[0]) > models.max_prompt_tokens and words > 1:
            words = int(words * 0.9)
            items = [{**row, "text": " ".join(row["text"].split()[:words])} for row in group["abstracts"]]
            messages = prompts.messages(items, models.prompt)
        if items is not group["abstracts"]:
            shortened.append(group["id"])
        rows.append({key: group[key] for key in ("id", "author", "split", "domain", "truth")} | {"messages": messages})
    return rows, shortened


def sample_candidates(model, tokenizer, prompt_rows, settings, journal=None):
    """K candidate profiles for each prompt, as rows of the candidates contract.

    Each completion has a status: "ok", "unfinished" (cut by the length limit), "unreadable" (no profile found) or
    "duplicate" (of an earlier one of the same prompt). Only "ok" ones enter the bracket.
    """
    wanted, models = settings.candidates, settings.models
    ids = encode_chats(tokenizer, [row["messages"] for row in prompt_rows])
    drawn = complete_all(model, tokenizer, list(zip([row["id"] for row in prompt_rows], ids)), models.batch_size, journal,
                         "candidates", k=wanted.k, temperature=wanted.temperature, top_p=wanted.top_p,
                         max_new_tokens=models.max_new_tokens, seed=wanted.seed)
    return [candidate_row(row, drawn[row["id"]], models.base, wanted.near_duplicate) for row in prompt_rows]


def candidate_row(prompt, completions, model, near_duplicate):
    texts = [completion["text"] for completion in completions]
    profiles = [parse(text) for text in texts]
    status = ["unfinished" if not completion["finished"] else "ok" if profile else "unreadable"
              for completion, profile in zip(completions, profiles)]
    sound = [i for i, state in enumerate(status) if state == "ok"]
    kept = {sound[i] for i in distinct_completions([texts[i] for i in sound], near_duplicate)}
    return {"id": prompt["id"], "author": prompt["author"], "split": prompt["split"], "messages": prompt["messages"],
            "completions": texts, "profiles": profiles, "model": model, "tokens": [c["tokens"] for c in completions],
            "status": ["duplicate" if state == "ok" and i not in kept else state for i, state in enumerate(status)]}


def data_card(settings, authors, states, tokens, files):
    """The data card: origin, licence, sizes, hashes, what was left out, and what the set is not for."""
    origin = {"synthetic": "a synthetic world (lib/world.py); no person is described. Licence: MIT, like the code.",
              "files": "files brought by the user, under whatever licence they have; check it before passing the set on.",
              "openalex": "OpenAlex (CC0); authors are known by OpenAlex ids only."}[settings.data.source]
    sizes = "\n".join(f"| {split} | {count} |" for split, count in authors.items())
    hashes = "\n".join(f"| {path.name} | {path.stat().st_size} | `{file_digest(path)}` |" for path in files)
    outcome = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"""# Data card: prompts and candidate profiles

**Origin** {origin}

**Made by** `notebooks/01_data_synthesis.ipynb` with seed {settings.data.seed}; candidates by `{settings.models.base}`,
{settings.candidates.k} per prompt at temperature {settings.candidates.temperature}, top-p {settings.candidates.top_p},
seed {settings.candidates.seed}; {tokens} tokens written, at no cost in money.

| split | authors |
|---|---|
{sizes}

**Candidates** {outcome}. Only those that are ok enter the tournament.

| file | bytes | SHA-256 |
|---|---|---|
{hashes}

**Not for** judging people, and not as a measure of models on real abstracts unless real abstracts went in.
"""
