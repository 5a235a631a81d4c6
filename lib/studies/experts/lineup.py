"""The profiles that take part in a review: those that the evaluation kept, and files of others."""
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lib.competencies.profiles import is_profile, parse
from lib.core.records import DataError, json_lines
from lib.core.rows import Profile, Prompt, Rejected

Written = dict[str, dict[str, Profile | None]]  # {model: {prompt id: profile, None: unreadable}}


def from_evaluation(rows: Iterable[Mapping[str, Any]], models: Iterable[str], setting: str,
                    ) -> tuple[Written, list[str]]:
    """(profiles by those of the models that are there, a sentence for each that is not).

    rows: {"model", "setting", "id", "profile"}; those of other settings do not take part.
    """
    found: Written = {}
    for row in rows:
        if row["setting"] == setting:
            found.setdefault(row["model"], {})[row["id"]] = row["profile"]
    absent = [f"{model}: nothing in the evaluation under {setting}; it has "
              f"{', '.join(sorted(found)) or 'no profiles'}."
              for model in models if model not in found]
    return {model: found[model] for model in models if model in found}, absent


def from_file(path: Path, model: str, prompts: Iterable[Prompt], setting: str,
              ) -> tuple[dict[str, Profile | None], list[Rejected]]:
    """A further model's profiles, and which lines of its file cannot be used and why.

    JSON Lines with "id" of a prompt and "profile" (null: unreadable) or "text". A row with
    another "model" or "setting" is another model's. Raises DataError where there is no such file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); it should hold the profiles "
                        f"of {model!r}, see experts.files in params.yaml.") from None
    known, found = {prompt["id"] for prompt in prompts}, dict[str, Profile | None]()
    rejected: list[Rejected] = []
    for number, row, problem in json_lines(content.removeprefix(b"\xef\xbb\xbf")):
        mine = not isinstance(row, dict) or (row.get("model", model) == model
                                             and row.get("setting", setting) == setting)
        if mine:
            problem = problem or _problem(row, known, found)
            if problem:
                rejected.append(Rejected(file=path.name, line=number, reason=problem))
            else:
                found[row["id"]] = row["profile"] if "profile" in row else parse(row["text"])
    return found, rejected


def _problem(row, known, found):
    """Why a row is no profile of a test author; "" where it is one."""
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        return "no object with an \"id\""
    if row["id"] not in known:
        return f"id {row['id'][:40]!r} is no text of this review"
    if row["id"] in found:
        return f"id {row['id'][:40]!r} comes twice"
    if "profile" in row:
        good = row["profile"] is None or is_profile(row["profile"])
        return "" if good else "its \"profile\" has no domain, names and descriptions"
    return "" if isinstance(row.get("text"), str) else "neither \"profile\" nor \"text\""


def gather(rows: Iterable[Mapping[str, Any]], prompts: list[Prompt], models: Iterable[str],
           files: Mapping[str, str], setting: str, root: Path,
           ) -> tuple[Written, list[str], list[Rejected]]:
    """(profiles by model, sentences on models that are absent, lines of files left out).

    models: of the evaluation. files: {further model: path under root}. Raises DataError where
    fewer than two models have profiles.
    """
    written, absent = from_evaluation(rows, models, setting)
    rejected: list[Rejected] = []
    for model, path in files.items():
        written[model], bad = from_file(root / path, model, prompts, setting)
        rejected += bad
        if not written[model]:
            del written[model]
            absent.append(f"{model}: no profile of a test author in {path}.")
    if len(written) < 2:
        raise DataError(f"experts.models: a review compares two models or more; "
                        f"{' '.join(absent) or 'name another one.'}")
    return written, absent, rejected
