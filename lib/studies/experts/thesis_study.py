"""The original study's files: what its experts preferred, counted as published and correctly.

Each expert played a knockout among profiles of his or her own papers. A file holds the profiles
(model and extraction method of each) and the bracket as a tree: {"match": {"profiles": [id, id],
"preferred_profile_index": 0 | 1}, "children": []}. Of two children the first leads to the first
profile, the second to the second. A profile without a rival has a bye: a leaf that holds it twice,
or a node with this one profile and one child.
"""
from pathlib import Path
from typing import Any

from lib.core.records import DataError, dump
from lib.core.terminal import line
from lib.metrics import stats
from lib.studies.experts.submissions import Aside, read_each

ABSTRACTS_TASK = ("extract_from_abstracts_custom", "finetuning")
DEEPEST = 64  # rounds of a tournament
MOST = 256  # profiles of one expert
LONGEST = 200  # characters of a model's or method's name
Node = dict[str, Any]  # {"profiles": one or two ids, "winner": id, "loser": id or None, "children"}
Source = dict[str, str]  # what wrote a profile: {"model", "method"}
Pairs = list[tuple[Source, Source]]  # of a winner and a loser


def read_study(folder: Path) -> tuple[list[dict[str, Any]], Aside]:
    """All submissions in a folder and its sub-folders, or in one file: (experts, set aside).

    experts: [{"profiles": {id: Source}, "tournament": Node}], nothing personal in it. set aside:
    [{"file", "reason"}]. The names of files may be names of persons. Raises DataError where there
    is no file.
    """
    if not folder.exists():
        raise DataError(f"{folder}: no such folder; give the one with the study's .json files.")
    found, aside = read_each(folder, (".json",), read_expert)
    experts: dict[str, dict[str, Any]] = {}
    for path, (expert, content) in found.items():
        if content in experts:
            aside.append({"file": path.name, "reason": "the same, in every field, as another file"})
        experts.setdefault(content, expert)
    return list(experts.values()), sorted(aside, key=lambda row: row["file"])


def read_expert(value: Any) -> tuple[dict[str, Any], str]:
    """One submission, and its whole content as a key. A DataError quotes nothing of the file."""
    given = value.get("profiles") if isinstance(value, dict) else None
    if not isinstance(given, dict) or not given:
        raise DataError("no \"profiles\"; this is not a submission of the study")
    if len(given) > MOST:
        raise DataError(f"more than {MOST} profiles")
    profiles = {str(key): read_source(profile) for key, profile in given.items()}
    tournament = read_node(value.get("tournament"), profiles)
    if len(nodes(tournament)) > DEEPEST * len(profiles):
        raise DataError("more matches than its profiles can play")
    return {"profiles": profiles, "tournament": tournament}, dump(value)


def read_source(value: Any) -> Source:
    value = value if isinstance(value, dict) else {}
    found = {"model": value.get("model"), "method": value.get("extraction_function")}
    if not all(isinstance(name, str) and 0 < len(name) <= LONGEST for name in found.values()):
        raise DataError("a profile without \"model\" or \"extraction_function\", or with one of "
                        f"more than {LONGEST} characters")
    return found


def read_node(value: Any, profiles: dict[str, Source], depth: int = 0) -> Node:
    """A checked node of the tree, with its children."""
    if depth > DEEPEST:
        raise DataError("nested too deeply")
    match: Any = value.get("match") if isinstance(value, dict) else None
    entrants: Any = match.get("profiles") if isinstance(match, dict) else None
    children: Any = value.get("children") or [] if isinstance(value, dict) else None
    lists = isinstance(entrants, list) and isinstance(children, list)
    if not lists or len(entrants) not in (1, 2):
        raise DataError("a node of the tournament without a match of one or two profiles")
    if not all(type(name) in (int, str) and str(name) in profiles for name in entrants):
        raise DataError("a match names a profile that is not in the file")
    entrants = tuple(map(str, entrants))
    bye = len(set(entrants)) == 1
    if len(children) not in ((0, 1) if bye else (0, 2)):
        raise DataError(f"a {'bye' if bye else 'match'} with {len(children)} children")
    preferred = match.get("preferred_profile_index")
    if not bye and (type(preferred) is not int or preferred not in (0, 1)):
        raise DataError("a match whose \"preferred_profile_index\" is neither 0 nor 1")
    return {"profiles": entrants, "winner": entrants[0 if bye else preferred],
            "loser": None if bye else entrants[1 - preferred],
            "children": [read_node(child, profiles, depth + 1) for child in children]}


def nodes(node: Node) -> list[Node]:
    return [node, *(inner for child in node["children"] for inner in nodes(child))]


def preferences(tournament: Node) -> list[tuple[str, str]]:
    """All (winner, loser) ids as the study counted them, byes and duplicates included.

    A match without children gives its own pair; a bye there, one profile twice, is taken for a
    match that the profile won against itself. A match with two children gives the winner over every
    entry of every leaf of the loser's side, and a bye's leaf has two entries, so that a pair may
    come twice. A bye further up gives nothing. (The sum over methods in the study's figure 20 and
    its table 7 follow from this way of counting.)
    """
    found = []
    for node in nodes(tournament):
        if not node["children"]:
            found.append((node["winner"], node["loser"] or node["winner"]))
        elif len(node["children"]) == 2:
            beaten = nodes(node["children"][node["profiles"].index(node["loser"])])
            leaves = [leaf for leaf in beaten if not leaf["children"]]
            found += [(node["winner"], name) for leaf in leaves for name in leaf["profiles"]]
    return found


def corrected(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The preferences without self-preferences and without duplicates, in order."""
    return [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]


def matches(tournament: Node) -> list[tuple[str, str]]:
    """(winner, loser) of every comparison that an expert really made."""
    played = [node for node in nodes(tournament) if node["loser"] is not None]
    return [(node["winner"], node["loser"]) for node in played]


def stale(tournament: Node) -> int:
    """Matches with an entrant that did not win its side: an early choice changed, no later one."""
    full = [node for node in nodes(tournament) if len(node["children"]) == 2]
    return sum(tuple(child["winner"] for child in node["children"]) != node["profiles"]
               for node in full)


def analyse(experts: list[dict[str, Any]], seed: int = 0, draws: int = 2000) -> dict[str, Any]:
    """The study's tables as plain numbers, in percent; `shares` and `direct_wins` say of what.

    Under "as_published" and "corrected": "by_model", "by_method" and "table_7", each {name:
    percent}; "counts" has the numbers behind them, "intervals" their 95 % intervals from a
    bootstrap over experts (None for fewer than two).
    """
    sections: dict[str, list[Pairs]] = {"as_published": [], "corrected": [], "direct": []}
    for expert in experts:
        profiles, tournament = expert["profiles"], expert["tournament"]
        pairs = preferences(tournament)
        counted = (pairs, corrected(pairs), matches(tournament))
        for section, found in zip(sections.values(), counted):
            section.append([(profiles[winner], profiles[loser]) for winner, loser in found])
    everyone = [source for expert in experts for source in expert["profiles"].values()]
    direct = direct_wins(sections.pop("direct"), everyone, seed, draws)
    published = {name: shares(found, everyone, seed, draws) for name, found in sections.items()}
    return {**published, "direct": direct, "experts": len(experts),
            "stale_matches": sum(stale(expert["tournament"]) for expert in experts)}


def shares(clusters: list[Pairs], sources: list[Source], seed: int, draws: int) -> dict[str, Any]:
    """Of all preferences, the share whose winner is of a model or method, in percent.

    clusters: one list per expert. Table 7 restricts the preferences to those whose winner came from
    the abstracts task, whatever the loser came from: only then its total is the sum of the two
    methods in figure 20 (71 + 14 = 85). The narrower reading, with both from the abstracts task, is
    kept in counts under "table_7_both_sides".
    """
    task = [source for source in sources if source["method"] in ABSTRACTS_TASK]
    won = [[pair for pair in own if pair[0]["method"] in ABSTRACTS_TASK] for own in clusters]
    both = [[pair for pair in own if pair[1]["method"] in ABSTRACTS_TASK] for own in won]

    def hits(pairs, field, among):
        return {name: [[int(winner[field] == name) for winner, _ in own] for own in pairs]
                for name in named(field, among)}

    tables = {"by_model": hits(clusters, "model", sources), "table_7": hits(won, "model", task),
              "by_method": hits(clusters, "method", sources)}
    counted = {**tables, "table_7_both_sides": hits(both, "model", task)}
    counts = {table: {name: sum(map(sum, cases)) for name, cases in by_name.items()}
              for table, by_name in counted.items()}
    return {**percentages(tables, seed, draws),
            "counts": {**counts, "preferences": sum(map(len, clusters))}}


def direct_wins(clusters: list[Pairs], sources: list[Source], seed: int, draws: int,
                ) -> dict[str, Any]:
    """Of the comparisons in which a model or method took part, the share that it won, in percent.

    A comparison of two profiles of one model counts for both sides, once won and once lost.
    """
    tables = {}
    counts: dict[str, Any] = {"matches": sum(map(len, clusters))}
    for table, field in (("by_model", "model"), ("by_method", "method")):
        tables[table] = {name: sides(clusters, name, field) for name in named(field, sources)}
        counts[table] = {name: {"wins": sum(map(sum, cases)), "matches": sum(map(len, cases))}
                         for name, cases in tables[table].items()}
    return {**percentages(tables, seed, draws), "counts": counts}


def sides(clusters: list[Pairs], name: str, field: str) -> list[list[int]]:
    """1 for each match won and 0 for each match lost by a model or method, per expert."""
    return [[int(side == 0) for pair in own for side in (0, 1) if pair[side][field] == name]
            for own in clusters]


def named(field: str, sources: list[Source]) -> list[str]:
    return sorted({source[field] for source in sources})


def percentages(tables: dict[str, dict[str, list[list[int]]]], seed: int, draws: int,
                ) -> dict[str, Any]:
    """Each table's {name: percent}, and all "intervals". tables: 1 or 0 per case, by expert."""
    found: dict[str, Any] = {"intervals": {}}
    for table, by_name in tables.items():
        rates = {name: stats.cluster_bootstrap(cases, percent, seed, draws)
                 for name, cases in by_name.items()}
        found[table] = {name: rate["rate"] for name, rate in rates.items()}
        found["intervals"][table] = {name: {"low": rate["low"], "high": rate["high"]}
                                     for name, rate in rates.items()}
    return found


def percent(cases: list[int]) -> float | None:
    return 100 * sum(cases) / len(cases) if cases else None


def tables(study: dict[str, Any]) -> str:
    """The study as text: one table for each way of counting."""
    lines = [f"{study['experts']} experts"]
    if study["stale_matches"]:
        lines.append(f"{study['stale_matches']} matches have an entrant that did not win its side "
                     "(an early choice was changed)")
    titles = {"by_model": "by model", "by_method": "by extraction method",
              "table_7": "by model, abstracts task only (table 7)"}
    for section in ("as_published", "corrected", "direct"):
        what = "comparisons won by each side" if section == "direct" else "share of all preferences"
        for table in [table for table in titles if table in study[section]]:
            lines += ["", f"{section.replace('_', ' ')}: {what}, {titles[table]} "
                          "(%, 95 % interval over experts, count)"]
            lines += [table_line(name, study[section], table) for name in study[section][table]]
    return "\n".join(lines)


def table_line(name: str, section: dict[str, Any], table: str) -> str:
    """A model or method with its percentage, interval and count, on one line."""
    value, spread = section[table][name], section["intervals"][table][name]
    low, high, count = spread["low"], spread["high"], section["counts"][table][name]
    number = "-" if value is None else f"{value:.2f}"
    interval = "no interval" if low is None else f"[{low:.1f}, {high:.1f}]"
    if isinstance(count, dict):
        count = f"{count['wins']} of {count['matches']}"
    return f"  {line(name):44} {number:>7}  {interval:>15}  {count}"
