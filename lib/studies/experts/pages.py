"""The experts' review: blind pairs of profiles, one self-contained page per reviewer, answers read.

The pages name neither models nor authors. The key, which stays with the researcher, says what was
shown to whom.
"""
import base64
import hashlib
import json
import random
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from lib.competencies.profiles import canonical
from lib.core.records import DataError, read_json
from lib.core.rows import Profile, Prompt
from lib.core.sections.studies import Experts
from lib.studies.experts.submissions import Aside, read_each

FORMAT = "competency-review/1"
PAIRS = (("tuned", "base"), ("tuned", "larger"), ("larger", "base"))
CHOICES = ("left", "right", "tie", "cannot_judge")
SHOWN = ("item", "left", "right")  # of a question: an item, and the profile on each side
LONGEST = 1e9  # seconds on a question; a page may lie open for a year, but not for thirty
TEMPLATE = Path(__file__).with_name("review.html")
Question = dict[str, str]  # one of SHOWN each


def draw_items(prompts: list[Prompt], written: dict[str, dict[str, Profile | None]], count: int,
               seed: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Pairs of profiles to review: of each pair of models equally many, few authors twice.

    written: {model: {prompt id: profile or None}} for the models in PAIRS.
    Returns (items, left_out). An item is {"item", "prompt", "pair", "abstracts", "profiles"}; its
    profiles are keyed by an opaque id, in an order that tells nothing, and hold {"model",
    "profile"}. left_out counts the pairs that cannot be compared: {"unreadable", "identical"}.
    There are fewer items than `count` where the data have no more.
    """
    rng = random.Random(f"items/{seed}")
    left_out, pools = {"unreadable": 0, "identical": 0}, {}
    for pair in PAIRS:
        usable = []
        for prompt in prompts:
            one, other = (written[model].get(prompt["id"]) for model in pair)
            if not one or not other:
                left_out["unreadable"] += 1
            elif canonical(one) == canonical(other):
                left_out["identical"] += 1
            else:
                usable.append(prompt)
        pools[pair] = rng.sample(usable, len(usable))
    drawn: list[tuple[Prompt, tuple[str, str]]] = []
    used: Counter[str] = Counter()
    while len(drawn) < count and any(pools.values()):
        for pair in [pair for pair in PAIRS if pools[pair]][:count - len(drawn)]:
            prompt = min(pools[pair], key=lambda row: used[row["id"]])
            pools[pair].remove(prompt)
            used[prompt["id"]] += 1
            drawn.append((prompt, pair))
    rng.shuffle(drawn)  # so that an item's number does not tell its pair of models
    items = []
    for number, (prompt, pair) in enumerate(drawn, 1):
        profiles = {}
        for model in rng.sample(pair, 2):
            name = f"{rng.getrandbits(40):010x}"
            profiles[name] = {"model": model, "profile": written[model][prompt["id"]]}
        items.append({"item": f"item-{number:03d}", "prompt": prompt["id"], "pair": list(pair),
                      "abstracts": prompt["abstracts"], "profiles": profiles})
    return items, left_out


def assign(items: list[dict[str, Any]], experts: Experts) -> dict[str, list[Question]]:
    """Who sees what, in which order and on which side: questions of each reviewer.

    Each item goes to `ratings_per_item` reviewers, those who have the fewest items so far, and
    among them the fewest of this pair of models. Order and sides are random for each reviewer.
    `repeated` items of a reviewer's first half come again in the second, with sides swapped.
    """
    rng = random.Random(f"reviewers/{experts.seed}")
    reviewers = [f"R{number}" for number in range(1, experts.reviewers + 1)]
    load: Counter[Any] = Counter()
    questions: dict[str, list[Question]] = {reviewer: [] for reviewer in reviewers}
    for item in items:
        pair = tuple(item["pair"])
        ranked = rng.sample(reviewers, len(reviewers))
        ranked.sort(key=lambda name: (load[name], load[name, pair]))
        for reviewer in ranked[:experts.ratings_per_item]:
            load.update([reviewer, (reviewer, pair)])
            left, right = rng.sample(list(item["profiles"]), 2)
            questions[reviewer].append({"item": item["item"], "left": left, "right": right})
    for reviewer, asked in questions.items():
        rng.shuffle(asked)
        half = (len(asked) + 1) // 2
        late = asked[half:]
        for row in rng.sample(asked[:half], min(experts.repeated, half)):
            late.append({"item": row["item"], "left": row["right"], "right": row["left"]})
        rng.shuffle(late)
        questions[reviewer] = asked[:half] + late
    return {reviewer: asked for reviewer, asked in questions.items() if asked}


def make_pages(items: list[dict[str, Any]], questions: dict[str, list[Question]],
               ) -> tuple[dict[str, str], dict[str, Any]]:
    """The pages and their key: ({reviewer: HTML}, key). Equal input gives equal bytes."""
    content, known = {}, {}
    for item in items:
        profiles, name = item["profiles"].items(), item["item"]
        content[name] = {"abstracts": item["abstracts"],
                         "profiles": {key: value["profile"] for key, value in profiles}}
        known[name] = {"prompt": item["prompt"], "pair": item["pair"],
                       "profiles": {key: value["model"] for key, value in profiles}}
    key: Any = {"format": FORMAT, "set": fingerprint(content), "pages": {}, "items": known}
    pages, template = {}, TEMPLATE.read_text(encoding="utf-8")
    for reviewer, asked in questions.items():
        data = {"format": FORMAT, "set": key["set"], "reviewer": reviewer, "questions": asked,
                "items": {row["item"]: content[row["item"]] for row in asked}}
        data["page"] = fingerprint(data)
        key["pages"][reviewer] = {"page": data["page"], "questions": asked}
        pages[reviewer] = fill(template, data)
    return pages, key


def fingerprint(value: Any) -> str:
    """16 hexadecimal digits of the content of a JSON value; lone surrogates are allowed in it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("ascii")).hexdigest()[:16]


def fill(template: str, data: dict[str, Any]) -> str:
    """The page: data as JSON that no parser takes for markup, and a policy for our code alone."""
    policy = ["default-src 'none'"]
    for tag in ("script", "style"):
        code: Any = re.search(rf"<{tag}>(.*?)</{tag}>", template, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(code.group(1).encode()).digest()).decode()
        policy.append(f"{tag}-src 'sha256-{digest}'")
    policy.append("form-action 'none'")
    text = json.dumps(data, sort_keys=True)  # ASCII only: U+2028 and surrogates become escapes
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return template.replace("{{policy}}", "; ".join(policy), 1).replace("{{data}}", text, 1)


def read_key(path: Path) -> dict[str, Any]:
    """The key that was written with the pages. Raises DataError for another file."""
    key = read_json(path)
    if not isinstance(key, dict) or not {"format", "set", "pages", "items"} <= set(key):
        raise DataError(f"{path}: not the key of review pages; give the one that was written with "
                        "them.")
    return key


def read_submissions(folder: Path, key: dict[str, Any],
                     ) -> tuple[dict[str, list[dict[str, Any]]], Aside]:
    """Submissions in a folder and its sub-folders that fit the key, by reviewer.

    They end in .json, or in .txt where text was copied. Returns ({reviewer: answers}, set aside as
    {"file", "reason"}): what `listed` leaves out, what is partial, edited, of
    other pages or not understood. Of two equal ones of a reviewer one is read, a complete one
    replaces the partial one that it continues; of two that contradict each other none is read.
    """
    sound, aside = read_each(folder, (".json", ".txt"), lambda value: check_submission(value, key))
    found: dict[str, dict[str, list[Any]]] = {}
    for path, value in sound.items():
        found.setdefault(value["reviewer"], {})[path.name] = value["answers"]
    read = {}
    for reviewer in [reviewer for reviewer in key["pages"] if reviewer in found]:
        name, reasons = settle(reviewer, found[reviewer], len(key["pages"][reviewer]["questions"]))
        aside += [{"file": file, "reason": reason} for file, reason in reasons.items()]
        if name:
            read[reviewer] = found[reviewer][name]
    return read, sorted(aside, key=lambda row: row["file"])


def settle(reviewer: str, files: dict[str, list], total: int) -> tuple[str, dict[str, str]]:
    """Which file of a reviewer counts, "" for none, and why the others, {file: reason}, do not.

    files: {name: answers}. total: how many answers make a submission complete.
    """
    longest = max(files, key=lambda name: len(files[name]))
    n = len(files[longest])
    if any(answers != files[longest][:len(answers)] for answers in files.values()):
        return "", dict.fromkeys(files, f"contradicts another file of {reviewer}; ask which one "
                                        "counts, and remove the others")
    reasons = {name: f"{'the same as' if len(answers) == n else 'continued in'} another file of "
                     f"{reviewer}" for name, answers in files.items() if name != longest}
    if n < total:
        reasons[longest] = f"partial: {n} of {total} answered; ask {reviewer} to finish"
    return longest if n == total else "", reasons


def check_submission(value: Any, key: dict[str, Any]) -> dict[str, Any]:
    """One submission, if it is one of the key's. Raises DataError."""
    if not isinstance(value, dict) or not str(value.get("format")).startswith("competency-review/"):
        raise DataError("not a submission of the review page")
    if value["format"] != FORMAT:
        raise DataError(f"format {value['format'][:40]!r}, but this workbook reads {FORMAT!r}")
    reviewer = value.get("reviewer")
    page = key["pages"].get(reviewer) if isinstance(reviewer, str) else None
    if value.get("set") != key["set"]:
        raise DataError("made for another set of items: the pages were drawn anew since; go back "
                        "to the version that was sent out")
    if page is None or value.get("page") != page["page"]:
        raise DataError("its reviewer and page do not belong together in the key")
    answers: Any = value.get("answers")
    asked, partial = page["questions"], value.get("partial")
    sound = isinstance(answers, list) and all(map(_is_answer, answers))
    if not sound or not isinstance(partial, bool):
        raise DataError("its answers do not have the form that the page writes")
    if value.get("checksum") != checksum(value):
        raise DataError("edited: the checksum does not fit the answers; ask for the file as it was "
                        "downloaded")
    shown = [{name: answer[name] for name in SHOWN} for answer in answers]
    numbers = [answer["question"] for answer in answers]
    if shown != asked[:len(answers)] or numbers != list(range(1, len(answers) + 1)):
        raise DataError("its questions are not those of the page")
    if partial != (len(answers) < len(asked)):
        raise DataError("edited: it does not say rightly whether it is partial")
    return value


def _is_answer(answer):
    if not isinstance(answer, dict) or type(answer.get("question")) is not int:
        return False
    if not all(isinstance(answer.get(name), str) for name in (*SHOWN, "choice")):
        return False
    seconds = answer.get("seconds")  # NaN lies in no range, and no whole number is too long for it
    reason = answer.get("reason", "why")  # of one line; who gave none wrote no such field
    if not isinstance(reason, str) or not 0 < len(reason) <= 300 or len(reason.splitlines()) != 1:
        return False
    return (answer["choice"] in CHOICES and type(seconds) in (int, float)
            and 0 <= seconds <= LONGEST)


def checksum(value: dict[str, Any]) -> str:
    """CRC-32 over the answers as the page computes it: finds careless edits, no deceit."""
    lines = [value[name] for name in ("format", "set", "page", "reviewer")]
    lines.append(str(value["partial"]).lower())
    for row in value["answers"]:
        shown = " ".join(str(row[name]) for name in ("question", *SHOWN, "choice"))
        reason = f" {row['reason']}" if row.get("reason") else ""
        lines.append(f"{shown} {row['seconds']:.1f}{reason}")
    return f"{zlib.crc32(chr(10).join(lines).encode('utf-8', 'surrogatepass')):08x}"
