"""Numbers as words: shares in per cent, and phrases that numbers and their intervals choose."""
from collections.abc import Mapping
from typing import Any


def percent(rate: Mapping[str, Any], digits: int = 0) -> str:
    """A rate in per cent with its interval, such as "74 % [69, 79]"."""
    if rate["rate"] is None:
        return "–"
    value, low, high = (rate[part] is not None and f"{100 * rate[part]:.{digits}f}"
                        for part in ("rate", "low", "high"))
    return f"{value} % [{low}, {high}]" if low and high else f"{value} %"


def decimal(rate: Mapping[str, Any]) -> str:
    """A number with two decimals."""
    return "–" if rate["rate"] is None else f"{rate['rate']:.2f}"


def than_even(rate: Mapping[str, Any], better: str = "better than", level: str = "level with",
              worse: str = "worse than", even: float = 0.5) -> str:
    """Which of three phrases a share of wins, or a difference with even = 0, comes to."""
    if rate["low"] is not None and rate["low"] > even:
        return better
    return worse if rate["high"] is not None and rate["high"] < even else level


def apart(one: Mapping[str, Any], other: Mapping[str, Any], better: str = "above",
          level: str = "not to be told from", worse: str = "below") -> str:
    """Which of three phrases two numbers come to: their intervals touch in the second."""
    if None in (one["low"], one["high"], other["low"], other["high"]):
        return level
    if one["low"] > other["high"]:
        return better
    return worse if one["high"] < other["low"] else level


def tried(found: Mapping[str, Any]) -> dict[str, Any]:
    """The controls of page 10 that could be run: with too few pairs nothing was trained."""
    return {name: one for name, one in (found.get("controls") or {}).items() if one}


def valid(found: Mapping[str, Any]) -> bool:
    """Whether the judge of a page may carry a verdict; one that was never tried still does."""
    return (found.get("evaluator") or {}).get("valid", True)


def referee(found: Mapping[str, Any]) -> str:
    """Whose numbers speak on a page: the "judge", or the "truth" where that is not valid here."""
    return "judge" if valid(found) else "truth"


def by_whom(found: Mapping[str, Any]) -> str:
    """The same in words, with what the suite says of a judge that was tried."""
    whom = "a judge that labelled nothing" if valid(found) else "the truth"
    return f"by {whom}{judge_tried(found)}"


def trusted(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Page 4's share of wins by its judge, or by the truth where that judge is not valid here."""
    return found["preference_over_base" if valid(found) else "truth_preference_over_base"]


def validity(judge: Mapping[str, Any] | None) -> str:
    """What a claim has to say of the judge that it rests on; "" where there is nothing to say."""
    if not judge:
        return ""
    suite = judge["suite"]
    right = f"{decimal(suite)} of {suite['n']} cases of known outcome right"
    if judge["valid"]:
        return f"by a judge that gets {right}"
    return f"not valid here: its judge, {judge['name']}, gets only {right}, so no claim rests on it"


def judge_tried(found: Mapping[str, Any]) -> str:
    """What the suite says of a page's judge, in brackets; "" where it was never tried."""
    judge = found.get("evaluator") or {}
    if "suite" not in judge:
        return ""
    verdict = "the judge" if judge["valid"] else "the judge is not valid here: it"
    return f" ({verdict} gets {percent(judge['suite'])} of cases of known outcome right)"
