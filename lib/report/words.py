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
