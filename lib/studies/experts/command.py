"""What experts preferred, as tables and as JSON: answers to our review pages or the original study.

Files that cannot be used are named, with the reason, and left out.
"""
from argparse import Namespace
from pathlib import Path
from typing import Any

from lib.competencies.files import same, spare
from lib.core.records import DataError, read_json, write_json
from lib.core.terminal import say
from lib.studies.experts import pages, statistics, thesis_study


def command(given: Namespace) -> None:
    """Print tables and write the numbers. given: folder, format, key, output, seed."""
    original = given.format == "thesis"
    output = given.output or Path("thesis_study.json" if original else "experts.json")
    inside = given.folder.rglob("*") if given.folder.is_dir() else [given.folder]
    spare(output, [given.key, *(path for path in inside if not earlier(path, output))])
    read: Any  # of the original study a list of experts, of ours the answers by reviewer
    if original:
        read, aside = thesis_study.read_study(given.folder)
    elif given.folder.is_dir():
        key = pages.read_key(given.key)
        read, aside = pages.read_submissions(given.folder, key)
    else:
        raise DataError(f"{given.folder}: no such folder; give that of the reviewers' files.")
    for row in aside:
        place = f" ({row['where']})" if row["where"] else ""
        say(f"set aside: {row['file']}: {row['reason']}{place}", error=True)
    if not read:
        raise DataError(f"{given.folder}: no submission that can be used ({len(aside)} set aside); "
                        "put the .json files there.")
    if original:
        numbers = thesis_study.analyse(read, given.seed)
        say(*thesis_study.tables(numbers).split("\n"))
    else:
        numbers = statistics.review_statistics(statistics.judgments(key, read), seed=given.seed)
        for name in ("pairs", "win_rates", "shares"):
            say(f"{name.replace('_', ' ')}:")
            for model, value in numbers[name].items():
                say(f"  {model:24} {shown(value)}")
        fitted = numbers["bradley_terry"]
        say("choice shares (Bradley-Terry):")
        for model, value in fitted["choice_shares"].items():
            say(f"  {model:24} {shown(value)}")
        say(*filter(None, (fitted["refused"], fitted["caution"])))
        say(f"alpha: {shown(numbers['agreement']['alpha'])}")
        say(f"self-consistency: {shown(numbers['self_consistency'])}")
    # Reasons only: the names of files may be names of persons.
    write_json(output, {**numbers, "set_aside": sorted(row["reason"] for row in aside)})
    say(f"Written to {output}")


def earlier(path: Path, output: Path) -> bool:
    """Whether a file among the submissions is what an earlier run of this command wrote there."""
    try:
        return same(path, output) and "set_aside" in read_json(path)
    except (DataError, OSError, TypeError):
        return False


def shown(value: dict[str, Any] | float | None) -> str:
    """A number or interval as text, such as "0.62 [0.41, 0.80], n = 9"."""
    if not isinstance(value, dict):
        return "–" if value is None else f"{value:.2f}"
    if value["rate"] is None:
        return f"–, n = {value['n']}"
    spread = "" if value["low"] is None else f" [{value['low']:.2f}, {value['high']:.2f}]"
    return f"{value['rate']:.2f}{spread}, n = {value['n']}"
