"""The original study's submission files: what its experts preferred, counted as published and counted correctly.

Each expert played a knockout among profiles of his or her own papers. A file holds the profiles (model and extraction method of
each) and the bracket as a tree: {"match": {"profiles": [id, id], "preferred_profile_index": 0 | 1}, "children": []}.
Of two children the first leads to the first profile, the second to the second. A profile without a rival has a bye: a
leaf that holds it twice, or a node with this one profile and one child.
"""
import json
from pathlib import Path

from lib.core.records import DataError, read_json
from lib.metrics import stats

ABSTRACTS_TASK = ("extract_from_abstracts_custom", "finetuning")
DEEPEST = 64  # rounds of a tournament


def read_study(folder):
    """All submissions in a folder and its sub-folders: (experts, set aside). folder may also be one file.

    experts: [{"profiles": {id: {"model", "method"}}, "tournament": node}], nothing personal in it; a node is
    {"profiles": (id, id) or (id,), "winner": id, "loser": id or None, "children": [node]}.
    set aside: [{"file", "reason"}]. The names of files may be names of persons. Raises DataError where there is no file.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DataError(f"{folder}: no such folder; give the one that holds the study's .json files.")
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*.json")
                                                     if path.is_file() and not path.name.startswith("."))
    experts, aside, known = [], [], {}
    for path in paths:
        try:
            expert, content = read_expert(path)
        except DataError as error:
            aside.append({"file": path.name, "reason": str(error)})
            continue
        if content in known:
            aside.append({"file": path.name, "reason": "the same, in every field, as another file"})
            continue
        known[content] = path
        experts.append(expert)
    return experts, aside


def read_expert(path):
    """One submission, and its whole content as a key. Raises DataError with a reason that quotes nothing of the file."""
    try:
        value = read_json(path)
        content = json.dumps(value, sort_keys=True)
        if not isinstance(value, dict) or not isinstance(value.get("profiles"), dict) or not value["profiles"]:
            raise DataError("no \"profiles\"; this is not a submission of the study")
        profiles = {str(key): read_profile(profile) for key, profile in value["profiles"].items()}
        return {"profiles": profiles, "tournament": read_node(value.get("tournament"), profiles)}, content
    except OSError:
        raise DataError("cannot be opened") from None
    except RecursionError:
        raise DataError("nested too deeply") from None
    except DataError as error:
        raise DataError("not UTF-8; save it as UTF-8" if "not UTF-8" in str(error) else str(error)) from None
    except ValueError:
        raise DataError("not JSON") from None


def read_profile(value):
    names = [value.get(name) if isinstance(value, dict) else None for name in ("model", "extraction_function")]
    if not all(isinstance(name, str) and name for name in names):
        raise DataError("a profile without \"model\" or \"extraction_function\"")
    return dict(zip(("model", "method"), names))


def read_node(value, profiles, depth=0):
    """A checked node of the tree, with its children; see `read_study` for the form."""
    if depth > DEEPEST:
        raise DataError("nested too deeply")
    match = value.get("match") if isinstance(value, dict) else None
    entrants = match.get("profiles") if isinstance(match, dict) else None
    children = value.get("children") or [] if isinstance(value, dict) else None
    if not isinstance(entrants, list) or not isinstance(children, list) or len(entrants) not in (1, 2):
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
    loser = None if bye else entrants[1 - preferred]
    return {"profiles": entrants, "winner": entrants[0 if bye else preferred], "loser": loser,
            "children": [read_node(child, profiles, depth + 1) for child in children]}


def nodes(node):
    return [node, *(inner for child in node["children"] for inner in nodes(child))]


def preferences(tournament):
    """All (winner, loser) pairs as the study counted them, byes and duplicates included.

    A match without children gives its own pair; a bye there, one profile twice, is taken for a match that the profile won
    against itself. A match with two children gives the winner over every entry of every leaf of the loser's side, and a
    bye's leaf has two entries, so that a pair may come twice. A bye further up gives nothing.
    (The sum over methods in the study's figure 20 and its table 7 follow from this way of counting.)
    """
    found = []
    for node in nodes(tournament):
        if not node["children"]:
            found.append((node["winner"], node["loser"] or node["winner"]))
        elif len(node["children"]) == 2:
            beaten = node["children"][node["profiles"].index(node["loser"])]
            found += [(node["winner"], name) for leaf in nodes(beaten) if not leaf["children"] for name in leaf["profiles"]]
    return found


def corrected(pairs):
    """The preferences without self-preferences and without duplicates, in order."""
    return [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]


def matches(tournament):
    """(winner, loser) of every comparison that an expert really made."""
    return [(node["winner"], node["loser"]) for node in nodes(tournament) if node["loser"] is not None]


def stale(tournament):
    """How many matches have an entrant that did not win its own side: an early choice was changed, later ones were not."""
    return sum(len(node["children"]) == 2 and any(child["winner"] != name for child, name in zip(node["children"], node["profiles"]))
               for node in nodes(tournament))


def analyse(experts, seed=0, draws=2000):
    """The study's tables as plain numbers, shares in percent. See `shares` and `direct_wins` for what they are shares of.

    Under "as_published" and "corrected": "by_model", "by_method" and "table_7", each {name: percent}; "counts" has the
    numbers behind them, "intervals" their 95 % intervals from a bootstrap over experts (None for fewer than two).
    """
    sections = {"as_published": [], "corrected": [], "direct": []}
    for expert in experts:
        profiles, pairs = expert["profiles"], preferences(expert["tournament"])
        for section, found in (("as_published", pairs), ("corrected", corrected(pairs)), ("direct", matches(expert["tournament"]))):
            sections[section].append([(profiles[winner], profiles[loser]) for winner, loser in found])
    everyone = [profile for expert in experts for profile in expert["profiles"].values()]
    return {**{section: shares(sections[section], everyone, seed, draws) for section in ("as_published", "corrected")},
            "direct": direct_wins(sections["direct"], everyone, seed, draws), "experts": len(experts),
            "stale_matches": sum(stale(expert["tournament"]) for expert in experts)}


def shares(clusters, profiles, seed, draws):
    """Of all preferences, the share whose winner is of a model or method, in percent.

    clusters: one list of (winner, loser) profiles per expert. Table 7 restricts the preferences to those whose winner came
    from the abstracts task, that is from `extract_from_abstracts_custom` or `finetuning`, whatever the loser came from: only
    then its total is the sum of the two methods in figure 20 (71 + 14 = 85). The narrower reading, with both from the
    abstracts task, is kept in counts under "table_7_both_sides".
    """
    task = [profile for profile in profiles if profile["method"] in ABSTRACTS_TASK]
    won = [[pair for pair in cluster if pair[0]["method"] in ABSTRACTS_TASK] for cluster in clusters]
    both = [[pair for pair in cluster if pair[1]["method"] in ABSTRACTS_TASK] for cluster in won]
    tables = {"by_model": (clusters, profiles, "model"), "by_method": (clusters, profiles, "method"), "table_7": (won, task, "model")}
    result, counts, intervals = {}, {"preferences": sum(map(len, clusters))}, {}
    for table, (rows, among, field) in tables.items():
        names = sorted({profile[field] for profile in among})
        found = {name: stats.cluster_bootstrap(rows, lambda sample, name=name, field=field: share(sample, name, field), seed, draws)
                 for name in names}
        result[table] = {name: value["rate"] for name, value in found.items()}
        counts[table] = {name: tally(rows, name, field) for name in names}
        intervals[table] = {name: {"low": value["low"], "high": value["high"]} for name, value in found.items()}
    counts["table_7_both_sides"] = {name: tally(both, name, "model") for name in sorted({profile["model"] for profile in task})}
    return {**result, "counts": counts, "intervals": intervals}


def share(pairs, name, field):
    return 100 * sum(winner[field] == name for winner, _ in pairs) / len(pairs) if pairs else None


def tally(clusters, name, field):
    return sum(winner[field] == name for cluster in clusters for winner, _ in cluster)


def direct_wins(clusters, profiles, seed, draws):
    """Of the comparisons really made in which a model or method took part, the share that it won, in percent.

    A comparison of two profiles of one model counts for both sides, once won and once lost.
    """
    result, counts, intervals = {}, {"matches": sum(map(len, clusters))}, {}
    for table, field in (("by_model", "model"), ("by_method", "method")):
        names = sorted({profile[field] for profile in profiles})
        found = {name: stats.cluster_bootstrap(sides(clusters, name, field), lambda sample: 100 * sum(sample) / len(sample) if sample else None,
                                               seed, draws) for name in names}
        result[table] = {name: value["rate"] for name, value in found.items()}
        counts[table] = {name: {"wins": sum(map(sum, sides(clusters, name, field))), "matches": value["n"]} for name, value in found.items()}
        intervals[table] = {name: {"low": value["low"], "high": value["high"]} for name, value in found.items()}
    return {**result, "counts": counts, "intervals": intervals}


def sides(clusters, name, field):
    """1 for each match won and 0 for each match lost by a model or method, per expert."""
    return [[int(side == 0) for pair in cluster for side in (0, 1) if pair[side][field] == name] for cluster in clusters]


def tables(study):
    """The study as text: one table for each way of counting."""
    lines = [f"{study['experts']} experts"]
    if study["stale_matches"]:
        lines.append(f"{study['stale_matches']} matches have an entrant that did not win its side (an early choice was changed)")
    titles = {"by_model": "by model", "by_method": "by extraction method", "table_7": "by model, abstracts task only (table 7)"}
    for section in ("as_published", "corrected", "direct"):
        what = "comparisons won by each side" if section == "direct" else "share of all preferences"
        for table, title in titles.items():
            if table in study[section]:
                lines += ["", f"{section.replace('_', ' ')}: {what}, {title} (%, 95 % interval over experts, count)"]
                lines += [line(name, study[section], table) for name in study[section][table]]
    return "\n".join(lines)


def line(name, section, table):
    value, spread, count = section[table][name], section["intervals"][table][name], section["counts"][table][name]
    number = "-" if value is None else f"{value:.2f}"
    spread = "no interval" if spread["low"] is None else f"[{spread['low']:.1f}, {spread['high']:.1f}]"
    count = f"{count['wins']} of {count['matches']}" if isinstance(count, dict) else count
    return f"  {name:44} {number:>7}  {spread:>15}  {count}"
