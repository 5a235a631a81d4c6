"""The answer to each page's question, in a sentence made of its numbers.

No direction is written by hand: whether something is better, level or worse, met or missed, is
chosen by the numbers and their intervals, so that no sentence can outlive a result.
"""
from collections.abc import Callable, Mapping
from typing import Any

from lib.report.answers_real import OF_STUDY
from lib.report.words import apart, by_whom, decimal, percent, referee, than_even, tried, trusted

Metrics = Mapping[str, Any]  # of one notebook
Numbers = Mapping[str, Metrics]  # {notebook: its numbers} of one world


def embedded_models(found: Metrics) -> str:
    models = found["models"]
    base, larger, judge = (models[name] for name in ("base", "larger", "label_judge"))
    return (f"Yes, in a language of templates: the base, of {base['parameters'] / 1e6:.1f} million "
            f"weights, names competencies with an F1 of {decimal(base['f1'])}, in domains that it "
            f"has never seen {decimal(base['f1_held_out'])}; the larger model reaches "
            f"{decimal(larger['f1'])}, the label judge {decimal(judge['f1'])}.")


def data_synthesis(found: Metrics) -> str:
    share = found["candidates_ok"] / max(1, found["candidates"])
    spread = found["similarity_to_truth"]
    told = "" if spread["p10"] is None else (
        f" They differ in quality: similarity to the truth is {spread['p10']:.2f} at the tenth "
        f"percentile and {spread['p90']:.2f} at the ninetieth.")
    return (f"{found['prompts']:,} prompts and {found['candidates']:,} candidates, of which "
            f"{100 * share:.0f} % can be compared.{told} {found['dropped_as_contaminated']} "
            "authors were left out because they share long runs of words with those of the test.")


def judging(found: Metrics) -> str:
    agreement = (found.get("panel") or {}).get("agreement_with_truth")
    if not agreement or agreement["rate"] is None:
        return (f"{found['preferences']:,} preferences were made; there is no truth here that they "
                "could be held against.")
    canary = found.get("best_canary")
    told = f" A profile that says nothing wins {percent(canary)} of its matches." if canary else ""
    alone = {name: one["agreement_with_truth"] for name, one in found.get("judges", {}).items()}
    ranked = ", ".join(f"{name} {percent(rate)}" for name, rate in alone.items())
    each = f" Judges by themselves differ: {ranked}." if ranked else ""
    trusted = "Yes, here" if agreement["low"] and agreement["low"] > 0.9 else "Not blindly"
    return (f"{trusted}: {percent(agreement, 1)} of the {agreement['n']:,} preferences that the "
            f"truth decides agree with it.{each}{told}")


def dpo(found: Metrics) -> str:
    if not found["trained"]:
        return "No: there were too few pairs to train on, and the adapter changes nothing."
    accuracy, logps = found["reward_accuracy"], found["chosen_logp"]
    falls = logps["last"] < logps["first"]
    learns = "Yes" if accuracy > 0.5 else "No"
    return (f"{learns}: it orders {100 * accuracy:.0f} % of the validation pairs as the judge did. "
            f"At the same time the chosen answers themselves became "
            f"{'less' if falls else 'more'} likely, from {logps['first']:.1f} to "
            f"{logps['last']:.1f} nats{', the known price of DPO' if falls else ''}.")


def evaluation(found: Metrics) -> str:
    share, f1 = trusted(found), found["f1"]
    verdict = than_even(share, "It is better", "It cannot be told from its base", "It is worse")
    halves = ""
    if found.get("names"):
        names, said = (found[part]["preference_over_base"] for part in ("names", "descriptions"))
        halves = (f" By names alone tuned profiles are preferred on {percent(names)}, by "
                  f"descriptions alone on {percent(said)}.")
    return (f"{verdict}: preferred in {percent(share)} of unseen authors {by_whom(found)}."
            f"{halves} F1 of names goes from {decimal(f1['base'])} to "
            f"{decimal(f1['tuned'])}; a larger model has {decimal(f1['larger'])}.")


def expert_review(found: Metrics) -> str:
    if not found["submissions"]["read"]:
        return (f"Not known yet: {found['pages']} pages with {found['items']} pairs are ready, and "
                "nobody has answered.")
    return f"{found['submissions']['read']} experts have answered; the tables say what."


def instruction(found: Metrics) -> str:
    parts = []
    for name, rates in found["sentiment"]["tuned_all"].items():
        tuned, rivals = rates["weighted_f1"], found["baselines"][name]
        parts.append(f"on {name} {decimal(tuned)} (always the most frequent label "
                     f"{decimal(rivals['majority']['weighted_f1'])}, a logistic regression on "
                     f"words {decimal(rivals['words']['weighted_f1'])})")
    said = f"Weighted F1 after tuning on all sets: {'; '.join(parts)}."
    ads = found.get("job_bias")
    if not ads:
        return said
    tuned, rules = ads["tuned"], ads["baselines"]
    alarms = tuned["false_alarm_on_hard_neutral"]
    ahead = apart(tuned["f1"], rules["length"]["f1"], "clear of", "not clear of", "below")
    return (f"{said} Biased advertisements are found with F1 {decimal(tuned['f1'])}, {ahead} a "
            f"rule by length ({decimal(rules['length']['f1'])}); a list of words reaches "
            f"{decimal(rules['word list']['f1'])}, a regression {decimal(rules['words']['f1'])}. "
            f"False alarms: {percent(alarms)} of harmless ones that use the same words.")


def generalisation(found: Metrics) -> str:
    gate, kept = found["gate"], found["forgetting"]
    met = "meets" if (gate["dpo"]["rate"] or 0) >= 0.9 else "does not meet"
    rivals = "".join(f", {words} {percent(gate[key])}" for key, words in (
        ("base", "its base"), ("sft", "imitation of the best answers")) if key in gate)
    arms, cue = found["explanation"].get("0.9") or {}, ""
    seen = [arms[arm]["cue_correlation"] for arm in ("with_explanation", "permuted", "label_only")
            if arms]
    if seen and None not in [one["rate"] for one in seen]:
        own, others, alone = seen
        verdict = "but so do" if others["rate"] < alone["rate"] else "which is not true of"
        moved = "lower" if own["rate"] < alone["rate"] else "do not lower"
        cue = (f" Explanations after the label {moved} the correlation with a misleading cue, from "
               f"{decimal(alone)} to {decimal(own)}, {verdict} explanations of other claims "
               f"({decimal(others)}).")
    ways = {"full": "all weights tuned on one other task", "lora": "an adapter tuned on it",
            "multi_task": "all weights on all tasks together"}
    after = [f"{words} {decimal(kept[key]['profiles']['after'])}"
             for key, words in ways.items() if kept.get(key)]
    before = next((kept[key]["profiles"]["before"] for key in ways if kept.get(key)), None)
    forgot = f" F1 of profiles, {decimal(before)} before: {', '.join(after)}." if before else ""
    return (f"After preference tuning the model {met} the gate of 90 tests in 100, one name given "
            f"or taken: {percent(gate['dpo'])}{rivals}.{cue}{forgot}")


def benchmarks(found: Metrics) -> str:
    try:
        tree = found["dpo"]["llama"]["1500x300"]["k8"]["tree_vs_default"]
        drawn = found["sampling"]["1500"]["k8"]["ratio"]
        if None in (tree["low"], drawn["rate"]):
            raise KeyError("no rounds")
    except KeyError:
        return "It has been measured in part; the tables say what."
    return (f"A tree per prompt trains {tree['rate']:.1f} times as fast as TRL with its defaults "
            f"(the median of {tree['n']} rounds, {tree['low']:.1f} to {tree['high']:.1f}), and "
            f"sampling writes {drawn['rate']:.1f} times as fast as generate.")


def one_round(found: Metrics) -> str:
    if not found["ran"]:
        return "It was not begun: the round before had not won."
    share = found["share"]["previous"]["judge"]
    verdict = than_even(share, "It beats the round before",
                        "It cannot be told from the round before", "It loses to the round before")
    kept = found["best"] == found["round"]
    goes = (f"round {found['round']} is kept" if kept
            else f"the rounds stop, and round {found['best']} is kept")
    return (f"{verdict}: preferred on {percent(share)} of validation authors. The rule asks for "
            f"more than half, so {goes}.")


def comparison(found: Metrics) -> str:
    by = referee(found)
    ahead = {name: than_even(run["over_round_1"][by])
             for name, run in found["runs"].items() if run and run.get("over_round_1")}
    names = {"round_2": "a second round", "round_3": "a third round", "longer": "longer training",
             "together": "all pairs at once", "sft": "imitation of the chosen answers (SFT)"}
    said = "; ".join(f"{names[name]} is {verdict} one round" for name, verdict in ahead.items()
                     if name in names)
    controls = tried(found)
    told = ""
    if "shuffled" in controls:
        own, coin = found["run_1"][by], controls["shuffled"][by]["over_base"]
        told = (f" Labels matter: with them {percent(own)} over the base, decided by a coin "
                f"{percent(coin)}." if apart(own, coin) == "above" else
                f" With labels decided by a coin DPO does as well ({percent(coin)}) as with those "
                f"of the judges ({percent(own)}).")
    if "sft" in controls and found["runs"].get("sft"):
        over, met = (found["runs"]["sft"][key][by] for key in ("over_base", "over_round_1"))
        told += (f" Imitation, set against the base, reaches {percent(over)}, near the ceiling as "
                 f"DPO is; when the two meet it {than_even(met, 'wins', 'is level', 'loses')} "
                 f"({percent(met)}).")
    return f"{said[:1].upper()}{said[1:]}, {by_whom(found)}.{told}"


def reliability(found: Metrics) -> str:
    kills, hostile = found.get("kills"), found.get("hostile")
    parts = []
    if kills:
        lost = kills["rows_lost"] + kills["asked_again"] + kills["beyond_budget"]
        parts.append(f"{kills['count']} kills: {lost or 'none'} lost a row, repeated a kept call "
                     "or overspent the budget")
    if hostile:
        bad = hostile["uncaught"] + hostile["stalled"] + hostile["lost"]
        parts.append(f"{hostile['tried']:,} hostile files were handled with {bad or 'no'} failures")
    if found.get("load"):
        parts.append(f"a failing server costs {100 * (1 - found['load']['share']):.0f} % of the "
                     "throughput that its attempts allow")
    return f"{'; '.join(parts).capitalize()}." if parts else "Not measured yet."


def replication(found: Metrics) -> str:
    names, ahead = found["conditions"]["dpo"]["names"], found["ahead"]["names"]
    sides: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for other, value in ahead.items():
        clear = value["p_holm"] < 0.05
        sides[clear * (1 if value["rate"] > 0 else -1)].append(other.replace("_", " "))
    said = [f"{word} {', '.join(sides[side])}" for side, word in
            ((1, "ahead of"), (0, "not to be told apart from"), (-1, "behind")) if sides[side]]
    return (f"Over {found['seeds']} trainings DPO is preferred to the base by names in "
            f"{percent(names)} of authors. By names it is {'; '.join(said)} (Holm's adjustment).")


ANSWERS: dict[str, Callable[[Metrics], str]] = {
    "00_embedded_models": embedded_models, "01_data_synthesis": data_synthesis,
    "02_judging": judging, "03_dpo": dpo, "04_evaluation": evaluation,
    "05_expert_review": expert_review, "06_instruction_tuning": instruction,
    "07_generalisation": generalisation, "08_benchmarks": benchmarks, "09_round_2": one_round,
    "09_round_3": one_round, "10_comparison": comparison, "11_reliability": reliability,
    "12_replication": replication}


def answer(notebook: str, found: Metrics, of_study: bool = False) -> str:
    """The answer to a notebook's question, from its numbers."""
    return (ANSWERS | OF_STUDY if of_study else ANSWERS)[notebook](found)


def overall(own: Numbers, real: Numbers) -> list[str]:
    """The whole workbook's answer in three sentences: both worlds, and what else would have."""
    found = own["04_evaluation"]
    share, f1, by = trusted(found), found["f1"], referee(found)
    verdict = than_even(share, "yes", "not so that one could see it", "no, worse")
    more = apart(f1["tuned"], f1["base"], "rises", "does not change beyond chance", "falls")
    names = ""
    if found.get("names"):
        names = f", by their names alone on {percent(found['names']['preference_over_base'])}"
    ahead = than_even(found["versus_larger"][by], "is beaten", "is level", "stays ahead")
    judged = ("a judge that labelled nothing prefers" if by == "judge" else
              "the truth prefers (the judge is not valid here)")
    first = (f"In a synthetic world whose truth is known, {verdict}: {judged} tuned profiles on "
             f"{percent(share)} of unseen authors{names}; F1 of names {more}, from "
             f"{decimal(f1['base'])} to {decimal(f1['tuned'])}, and a larger model, never tuned, "
             f"{ahead}.")
    runs = own.get("10_comparison") or {}
    controls, second = tried(runs), ""
    if {"shuffled", "sft"} <= set(controls):
        coin, imitation = (controls[name][by]["over_base"] for name in ("shuffled", "sft"))
        met = runs["runs"]["sft"]["over_round_1"][by]
        second = (f"Shuffled labels reach {percent(coin)}, imitation of the chosen answers "
                  f"{percent(imitation)}; set against DPO itself, imitation "
                  f"{than_even(met, 'wins', 'is level', 'loses')} ({percent(met)}).")
    third = ("On real abstracts, with a pretrained language model, the study is under way: judges "
             "and preferences are there, the evaluation is not.")
    if "04_evaluation" in real:
        study = real["04_evaluation"]
        people = study["human_preference_over_base"]
        told = than_even(people, "the tuned profiles are nearer to professional indexers' terms",
                         "no preference can be told from chance", "the tuned profiles are worse")
        third = (f"On real abstracts, with a pretrained model of 135 million weights, {told}: "
                 f"preferred on {percent(people)} of texts, F1 from "
                 f"{decimal(study['f1']['base'])} to {decimal(study['f1']['tuned'])}.")
    return [sentence for sentence in (first, second, third) if sentence]
