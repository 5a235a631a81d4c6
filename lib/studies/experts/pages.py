"""The experts' review: one self-contained page of blind pairs per reviewer, and answers read.

The pages name neither models nor authors. The key, which stays with the researcher, says what was
shown to whom.
"""
import base64
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

from lib.core.records import DataError, read_json
from lib.studies.experts.design import Item, Question
from lib.studies.experts.submissions import Aside, Refused, read_each

FORMAT = "competency-review/1"
CHOICES = ("left", "right", "tie", "cannot_judge")
SHOWN = ("item", "left", "right")  # of a question: an item, and the profile on each side
LONGEST = 1e9  # seconds on a question; a page may lie open for a year, but not for thirty
TEMPLATE = Path(__file__).with_name("review.html")


def make_pages(items: list[Item], questions: dict[str, list[Question]],
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


def read_submissions(folder: Path, key: dict[str, Any], apart: Path | None = None,
                     ) -> tuple[dict[str, list[dict[str, Any]]], Aside]:
    """Submissions in a folder and its sub-folders that fit the key, by reviewer.

    They end in .json, or in .txt where text was copied. apart: a folder inside with files of
    another kind. Returns ({reviewer: answers}, set aside as {"file", "where", "reason"}): what
    `listed` leaves out, what is partial, edited, of other pages or not understood. Of two equal
    ones of a reviewer one is read, a complete one replaces the partial one that it continues; of
    two that contradict each other none is read.
    """
    sound, aside = read_each(folder, (".json", ".txt"), lambda value: check_submission(value, key),
                             apart)
    found: dict[str, dict[str, list[Any]]] = {}
    for file, value in sound.items():
        found.setdefault(value["reviewer"], {})[file] = value["answers"]
    read = {}
    for reviewer in [reviewer for reviewer in key["pages"] if reviewer in found]:
        total = len(key["pages"][reviewer]["questions"])
        file, reasons = settle(reviewer, found[reviewer], total)
        aside += [{"file": name, "where": "answers", "reason": reason}
                  for name, reason in reasons.items()]
        if file:
            read[reviewer] = found[reviewer][file]
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
    """One submission, if it is one of the key's. Raises Refused."""
    if not isinstance(value, dict) or not str(value.get("format")).startswith("competency-review/"):
        raise Refused("not a submission of the review page", "format")
    if value["format"] != FORMAT:
        raise Refused(f"format {value['format'][:40]!r}, but this workbook reads {FORMAT!r}",
                      "format")
    reviewer = value.get("reviewer")
    page = key["pages"].get(reviewer) if isinstance(reviewer, str) else None
    if value.get("set") != key["set"]:
        raise Refused("made for another set of items: the pages were drawn anew since; go back to "
                      "the version that was sent out", "set")
    if page is None or value.get("page") != page["page"]:
        raise Refused("its reviewer and page do not belong together in the key", "reviewer, page")
    asked, answers = page["questions"], _answers(value)
    if value.get("checksum") != checksum(value):
        raise Refused("edited: the checksum does not fit the answers; ask for the file as it was "
                      "downloaded", "checksum")
    for number, answer in enumerate(answers, 1):
        shown = {name: answer[name] for name in SHOWN}
        if answer["question"] != number or [shown] != asked[number - 1:number]:
            raise Refused("its questions are not those of the page", f"answer {number}")
    if value["partial"] != (len(answers) < len(asked)):
        raise Refused("edited: it does not say rightly whether it is partial", "partial")
    return value


def _answers(value):
    """The answers of a submission, once each of them has the form that the page writes."""
    answers, wrong = value.get("answers"), "partial"
    if isinstance(value.get("partial"), bool):
        wrong = "" if isinstance(answers, list) else "answers"
        for number, answer in enumerate([] if wrong else answers, 1):
            if field := _wrong(answer):
                wrong = f"answer {number}: {field}"
                break
    if wrong:
        raise Refused("its answers do not have the form that the page writes", wrong)
    return answers


def _wrong(answer):
    """The first field of an answer that the page would not write so; "" where it would."""
    if not isinstance(answer, dict):
        return "no object"
    seconds = answer.get("seconds")  # NaN lies in no range, and no whole number is too long for it
    reason = answer.get("reason", "why")  # of one line; who gave none wrote no such field
    checks = {
        "question": type(answer.get("question")) is int,
        **{name: isinstance(answer.get(name), str) for name in SHOWN},
        "choice": isinstance(answer.get("choice"), str) and answer["choice"] in CHOICES,
        "seconds": type(seconds) in (int, float) and 0 <= seconds <= LONGEST,
        "reason": (isinstance(reason, str) and 0 < len(reason) <= 300
                   and len(reason.splitlines()) == 1),
    }
    return next((name for name, sound in checks.items() if not sound), "")


def checksum(value: dict[str, Any]) -> str:
    """CRC-32 over the answers as the page computes it: finds careless edits, no deceit."""
    lines = [value[name] for name in ("format", "set", "page", "reviewer")]
    lines.append(str(value["partial"]).lower())
    for row in value["answers"]:
        shown = " ".join(str(row[name]) for name in ("question", *SHOWN, "choice"))
        reason = f" {row['reason']}" if row.get("reason") else ""
        lines.append(f"{shown} {row['seconds']:.1f}{reason}")
    return f"{zlib.crc32(chr(10).join(lines).encode('utf-8', 'surrogatepass')):08x}"
