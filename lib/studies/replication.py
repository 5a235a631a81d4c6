"""The main comparison trained anew, seed by seed, with its controls: what is one run's luck?

A condition is a way of spending the same preferences, or of doing without. Every condition has the
same seeds, and a seed draws the order of training, an adapter's first weights, the coin that turns
labels, and what the base writes: differences between conditions are taken seed by seed.
"""
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from lib.competencies.profiles import render
from lib.core.records import DataError, digest
from lib.core.rows import Candidates, Preference, Prompt
from lib.core.sections.preset import Preset
from lib.core.sections.studies import Gate
from lib.endpoint.store import Calls
from lib.judging.judges import Scoring, contest
from lib.metrics import stats
from lib.models import loading
from lib.studies import rounds
from lib.studies.controls import best_of, noisy
from lib.studies.evaluation import write_profiles
from lib.studies.generalisation import behaviour_tests
from lib.studies.synthesis import sample_candidates
from lib.training import sft

CHECKED = 16  # validation pairs in a training whose curve nobody looks at
Rows = list[Any]  # {"id", "text", "profile"} for each test prompt
Outcomes = dict[str, list[float | None]]  # for each measure and test prompt: 1, 0.5 or 0


class Condition(NamedTuple):
    """What one condition trains on. way: "base", "dpo" or "sft"; noise: share of turned labels;
    rows: preferences or, for sft, prompts with answers; changes: settings that differ.
    """
    way: str
    rows: Sequence[Any] = ()
    noise: float = 0.0
    changes: Mapping[str, Any] = {}


def conditions(settings: Preset, prompts: list[Prompt], preferences: list[Preference],
               by_k: dict[int, list[Preference]]) -> dict[str, Condition]:
    """All that are trained. by_k: the preferences that the first k candidates of a prompt give."""
    wanted = settings.replication
    chosen = [(row["prompt"], row["chosen"][0]["content"])
              for row in rounds.chosen_once(preferences)]
    truth = [(row["messages"], render(row["truth"])) for row in prompts
             if row["split"] == "train" and row["truth"]]
    found = {"base": Condition("base"), "dpo": Condition("dpo", preferences),
             "sft_chosen": Condition("sft", chosen), "sft_truth": Condition("sft", truth),
             "shuffled": Condition("dpo", preferences, 0.5)}
    for share in wanted.noise:
        found[f"noise_{share}"] = Condition("dpo", preferences, share)
    for beta in wanted.beta:
        found[f"beta_{beta}"] = Condition("dpo", preferences, 0.0, {"beta": beta})
    return {**found, **{f"k_{k}": Condition("dpo", rows) for k, rows in by_k.items()}}


def first_of(candidates: list[Candidates], k: int) -> list[Candidates]:
    """The candidates as if only k had been drawn for each prompt."""
    return [{**row, "completions": row["completions"][:k], "profiles": row["profiles"][:k],
             "tokens": row["tokens"][:k], "status": row["status"][:k]} for row in candidates]


def trained(settings: Preset, condition: Condition, seed: int, prompts: list[Prompt],
            references: Path) -> Rows:
    """One training of a condition, and what the result writes to some prompts, at the thesis's
    setting, as `Rows`.

    references: a file of reference log-probabilities that is read and, while it is missing, made.
    """
    with TemporaryDirectory() as work:
        model, tokenizer = _tuned(settings, condition, seed, Path(work), references)
    decoding = settings.evaluation.settings[settings.evaluation.thesis_setting]
    written = write_profiles(condition.way, model, tokenizer, prompts, settings.models, decoding,
                             settings.evaluation.seed + seed)
    return [_kept(row) for row in written]


def _tuned(settings, condition, seed, work, references):
    if condition.way == "base":
        return loading.load_role(settings, "base")
    if condition.way == "sft":
        base, tokenizer = loading.load_role(settings, "base")
        tuning = settings.rounds.sft
        tuning = tuning.model_copy(update={"seed": tuning.seed + seed})
        model, _, _ = sft.tune(base, tokenizer, [tuple(row) for row in condition.rows], tuning)
        return model, tokenizer
    changes = {"seed": settings.dpo.seed + seed, "checkpoints": 1, **condition.changes}
    pairs = noisy(condition.rows, condition.noise, settings.evaluation.seed + seed)
    pairs = [*(row for row in pairs if row["split"] == "train"),
             *[row for row in pairs if row["split"] == "validation"][:CHECKED]]
    own = work / "references.jsonl"  # a job of its own may not write where others read
    if references.exists():
        shutil.copy(references, own)
    model, _ = rounds.tune_on(settings, None, pairs, changes, work, own)
    if not references.exists():
        shutil.copy(own, references)
    return model, loading.load_role(settings, "base")[1]


def drawn(settings: Preset, seed: int, prompts: list[Prompt]) -> list[Candidates]:
    """K candidates of the untuned base for each prompt, to choose the best of."""
    sampling = settings.candidates.model_copy(update={"seed": settings.candidates.seed + seed})
    model, tokenizer = loading.load_role(settings, "base")
    return sample_candidates(model, tokenizer, prompts, sampling, settings.models)


def outcomes(who: Mapping[str, Any], ours: Rows, base: Rows) -> Outcomes:
    """What each judge says of every prompt: 1 where ours is better than the base's, 0.5, 0."""
    return {name: [row["outcome"] for row in contest(judge, ours, base)]
            for name, judge in who.items()}


def summary(runs: Sequence[Sequence[float | None]], domains: Sequence[str],
            kind: str = "share") -> dict[str, Any]:
    """The mean outcome of a condition, with an interval for each thing that could be another.

    runs: (seeds, prompts) outcomes; a prompt that cannot be judged is None in all. Returns {"rate",
    "low", "high", "n": over authors, whose outcomes are means over seeds; "domains": the same,
    resampling whole domains; "seeds": over trainings (Student's); "each": the rate of each seed}.
    """
    known = [place for place in range(len(domains)) if all(run[place] is not None for run in runs)]
    if not known:
        raise DataError("no test prompt can be judged in every run; there is nothing to compare.")
    table: Any = [[run[place] for place in known] for run in runs]
    by_prompt, each = list(map(mean, zip(*table))), list(map(mean, table))
    where = [domains[place] for place in known]
    return {**stats.mean(by_prompt, kind=kind), "domains": stats.mean(by_prompt, where, kind=kind),
            "seeds": stats.over_seeds(each, kind), "each": each}


def ahead(ours: Sequence[Sequence[float | None]], theirs: Sequence[Sequence[float | None]],
          domains: Sequence[str]) -> dict[str, Any]:
    """The `summary` of ours less theirs, seed by seed and prompt by prompt, with "p": of a
    permutation of signs over authors, two-sided, that there is no difference.
    """
    differences = [[None if None in (one, other) else one - other  # type: ignore[operator]
                    for one, other in zip(*runs, strict=True)]
                   for runs in zip(ours, theirs, strict=True)]
    known = [list(values) for values in zip(*differences) if None not in values]
    return {**summary(differences, domains, "difference"),
            "p": stats.sign_flip([mean(values) for values in known])}


def judged_again(settings: Preset, candidates: list[Candidates], prompts: list[Prompt],
                 calls: Calls, work: Path) -> dict[int, list[Preference]]:
    """The preferences that judges of `rounds.judges` make of the first k candidates, for every k.

    The largest k is all candidates: the same judges, so that only k differs.
    """
    asked = {row["id"]: row for row in prompts}
    found = {}
    for k in (*settings.replication.k, settings.candidates.k):
        rows = first_of(candidates, k)
        found[k] = rounds.judged(rows, [asked[row["id"]] for row in rows], settings, calls,
                                 work)
    return found


def best_profiles(rows: list[Candidates], judge: Scoring) -> Rows:
    """Of each prompt's candidates the profile that a judge likes best, as `Rows`."""
    return [_kept(row) for row in best_of(rows, judge)]


def _kept(row):
    return {key: row[key] for key in ("id", "text", "profile")}


def hundreds(gate: Gate, recipe: Any, count: int,
             wording: str = "plain") -> list[list[behaviour_tests.Test]]:
    """Fresh sets of behaviour tests. Their seeds are digests of the recipe that is measured: who
    changes it gets others, and nobody can choose them.
    """
    found = []
    for number in range(count):
        tests = behaviour_tests.build(gate.tests, int(digest([recipe, number])[:8], 16),
                                      gate.unseen_f1, gate.tolerance, wording)
        found.append([{**test, "id": f"{number}/{test['id']}"} for test in tests])
    return found


def gate_of(taken: list[behaviour_tests.Test], size: int) -> dict[str, Any]:
    """What a step makes of all hundreds: {"tolerant", "strict": Rate of all tests, "hundreds":
    [{"tolerant", "strict"}: tests met], "opened": how many gates, strict and tolerant}.
    """
    parts = [behaviour_tests.outcome(taken[start:start + size])
             for start in range(0, len(taken), size)]
    met = [{"tolerant": part["passed"], "strict": part["exactly"]} for part in parts]
    found: dict[str, Any] = {"hundreds": met, "opened": {}}
    for kind in ("tolerant", "strict"):
        found[kind] = stats.rate(sum(part[kind] for part in met), len(taken))
        found["opened"][kind] = sum(part[kind] >= behaviour_tests.PASS * size for part in met)
    return found
