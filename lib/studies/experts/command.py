"""What experts preferred, as tables and as JSON: submissions of our review pages, or of the original study.

Files that cannot be used are named, with the reason, and left out.
"""
import sys
from pathlib import Path

from lib.core.records import DataError, read_json, write_json
from lib.studies.experts import pages, thesis_study
from lib.studies.experts.statistics import judgments, review_statistics


def command(given):
    """Read given.folder, print tables, write the numbers. given: folder, format, key, output, seed."""
    output = given.output or Path("thesis_study.json" if given.format == "thesis" else "experts.json")
    if given.format == "thesis":
        read, aside = thesis_study.read_study(given.folder)
    elif given.folder.is_dir():
        key = read_json(given.key)
        read, aside = pages.read_submissions(given.folder, key)
    else:
        raise DataError(f"{given.folder}: no such folder; give the one that holds the reviewers' files.")
    for row in aside:
        print(f"set aside: {row['file']}: {row['reason']}", file=sys.stderr)
    if not read:
        raise DataError(f"{given.folder}: no submission that can be used ({len(aside)} set aside); put the .json files there.")
    if given.format == "thesis":
        numbers = thesis_study.analyse(read, given.seed)
        print(thesis_study.tables(numbers))
    else:
        numbers = review_statistics(judgments(key, read), seed=given.seed)
        for name in ("pairs", "win_rates", "shares"):
            print(f"{name.replace('_', ' ')}:", *(f"  {model:24} {shown(value)}" for model, value in numbers[name].items()), sep="\n")
        print(f"alpha: {shown(numbers['agreement']['alpha'])}\nself-consistency: {shown(numbers['self_consistency'])}")
    # Reasons only: the names of files may be names of persons.
    write_json(output, {**numbers, "set_aside": sorted(row["reason"] for row in aside)})
    print(f"Written to {output}")



def shown(value):
    """A number or interval as text, such as "0.62 [0.41, 0.80]"; an interval that a single reviewer cannot give is left out."""
    if not isinstance(value, dict):
        return "–" if value is None else f"{value:.2f}"
    spread = "" if value["low"] is None or value["rate"] is None else f" [{value['low']:.2f}, {value['high']:.2f}]"
    return ("–" if value["rate"] is None else f"{value['rate']:.2f}") + spread + f", n = {value['n']}"
