"""The answers of the pages of the real study, written from their metrics as in `answers`."""
from collections.abc import Callable, Mapping
from typing import Any

from lib.report.words import apart, decimal, judge_tried, percent, than_even
from lib.workbook.naming import said

Metrics = Mapping[str, Any]  # of one notebook


def judging(found: Metrics) -> str:
    used, longest = found["judges"]["label"], found["judges"]["longest"]
    verdict = apart(used["agreement_with_humans"], longest["agreement_with_humans"], "better than",
                    "no better than", "worse than")
    return (f"The judge that labels ({used['family']}) orders two profiles as indexers' terms do "
            f"in {percent(used['agreement_with_humans'])} of pairs, {verdict} a preference for the "
            f"longer one ({percent(longest['agreement_with_humans'])}); one that has seen such "
            f"terms reaches {percent(found['judges']['reward']['agreement_with_humans'])}.")


def evaluation(found: Metrics) -> str:
    share, judge = found["human_preference_over_base"], found["judge_preference_over_base"]
    verdict = than_even(share, "Yes", "Not so that one could tell", "No, farther away")
    gain = found["difference"]["f1"]
    moved = than_even(gain, "rises", "does not move beyond chance", "falls", even=0.0)
    controls = found["controls"]
    beside = ", ".join(f"{said(name)} {percent(one['people'])}"
                       for name, one in controls.items() if name != "tuned")
    return (f"{verdict}: by indexers' terms the tuned profile is preferred to the base's on "
            f"{percent(share)} of texts, by a judge of another family{judge_tried(found)} on "
            f"{percent(judge)}; F1 of names {moved}, from {decimal(found['f1']['base'])} to "
            f"{decimal(found['f1']['tuned'])}. Beside it: {beside}.")


def validation(found: Metrics) -> str:
    told = []
    for name, one in found["preferred"].items():
        told.append(f"{said(name)} on {percent(one['people'])} of texts (F1 "
                    f"{decimal(found['f1'][name])}, {found['name_words'][name]:.1f} words a name)")
    base = f"F1 {decimal(found['f1']['base'])}, {found['name_words']['base']:.1f} words a name"
    return f"Preferred to the base ({base}) by people's terms: {'; '.join(told)}."


def gate(found: Metrics) -> str:
    ranked = [f"{name.replace('_', ' ')} {percent(rates['all'])}" for name, rates in found.items()
              if isinstance(rates, Mapping) and "all" in rates]
    passed = [name.replace("_", " ") for name, rates in found.items()
              if isinstance(rates, Mapping) and rates.get("passed")]
    return (f"Tests met: {', '.join(ranked)}. "
            f"{'It is passed by ' + ', '.join(passed) if passed else 'Nobody passes'}.")


def forgetting(found: Metrics) -> str:
    tasks = found["lost"]["full"]
    told = [f"{task.replace('_', ' ')} goes from {one['learnt']:.2f} to {one['end']:.2f}"
            for task, one in list(tasks.items())[:-1] if one["change"] is not None]
    beside = [f"{said(name)} {value:+.2f}" for name, value in found["backward_transfer"].items()
              if value is not None]
    return (f"When all weights learn one task after another, {' and '.join(told)}. The mean change "
            f"of earlier tasks: {', '.join(beside)}.")


def benchmarks(found: Metrics) -> str:
    found = found["smollm2"]
    tree, drawn = found["tree_vs_default"], found["sampling_ratio"]
    return (f"A tree per prompt trains {tree['rate']:.1f} times as fast as TRL with its defaults, "
            f"sampling writes {drawn['rate']:.1f} times as fast as generate; log-probabilities "
            f"differ by {found['tree_largest_difference']:.1g} at most.")


def reading(found: Metrics) -> str:
    read, pairs = found["extraction"], found["difference"]
    names = {"full_text": "Full texts, read in chunks that are merged,", "summaries": "summaries"}
    said = [f"{words} {than_even(pairs[key]['f1'], 'beat', 'cannot be told from', 'lose to', 0.0)} "
            f"abstracts (F1 {decimal(read[key]['f1'])} and {decimal(read['abstracts']['f1'])})"
            for key, words in names.items()]
    more = than_even(found["full_text_over_merged"]["f1"], "more than", "no more than one can see "
                     "beside", "less than", even=0.0)
    own, other = (found["pointers"]["full_text"][key] for key in ("own", "other"))
    ads = found["documents"]["job_ad"]
    above = apart(ads["soft_f1"], ads["another"]["soft_f1"])
    return (f"{', '.join(said)}. Full texts reach {more} the abstract asked as often. "
            f"{percent(own)} of pointers lead to a chunk that holds the name, of other chunks "
            f"{percent(other)} do. On job advertisements soft F1 against marked skills is "
            f"{decimal(ads['soft_f1'])}, {above} that against another advertisement's "
            f"({decimal(ads['another']['soft_f1'])}).")


def warm_start(found: Metrics) -> str:
    return (f"{found['examples']} profiles made of indexers' terms, in {found['steps']} steps: the "
            f"loss of an answer goes from {found['loss']['first']:.2f} to "
            f"{found['loss']['last']:.2f} nats a token. What it writes is measured on page 4.")


def controls(found: Metrics) -> str:
    accuracy = (found["shuffled"].get("accuracy") or {}).get("last")
    told = "" if accuracy is None else (
        f" On shuffled labels DPO orders {100 * accuracy:.0f} % of validation pairs, where chance "
        "is 50.")
    examples, pairs = found["sft"]["examples"], found["shuffled"]["pairs"]
    return (f"{examples:,} chosen answers to imitate, {pairs:,} pairs shuffled.{told} "
            "What the controls achieve is measured on page 4.")


def prompts(found: Metrics) -> str:
    return (f"{_examples(found, 'as_it_comes', 'the model as it comes')} "
            f"{_examples(found, 'tuned', 'the tuned model')} {_formats(found)}")


def _examples(found: Metrics, model: str, called: str) -> str:
    """What the most examples do to one model, the nearest if these were tried."""
    kinds = found["examples"][model]
    choice = "nearest" if "nearest" in kinds else next(iter(kinds))
    bare, k = kinds[choice]["k0"], max(kinds[choice], key=lambda name: int(name[1:]))
    most, drawn = kinds[choice][k], kinds.get("random", {}).get(k)
    moves = than_even(most["difference"]["f1"], "raise", "do not measurably move", "lower", 0.0)
    beside = ""
    if drawn and choice != "random":
        beside = f", drawn ones to {decimal(drawn['f1'])}"
    return (f"Before {called}, {k[1:]} {choice} examples {moves} F1 of names, from "
            f"{decimal(bare['f1'])} to {decimal(most['f1'])}{beside}; complete profiles go from "
            f"{percent(bare['format'])} to {percent(most['format'])}.")


def _formats(found: Metrics) -> str:
    """What asking for JSON does, with an example to a model as it comes, without to the tuned."""
    told = []
    for model, k, called in (("as_it_comes", "k1", "the model as it comes, shown one example,"),
                             ("tuned", "k0", "the tuned model")):
        text, json = (found["format"][form][model][k] for form in ("text", "json"))
        told.append(f"{called} completes {percent(json['complete'])} of profiles and "
                    f"{percent(text['complete'])} in the text grammar")
    return f"Asked for JSON, {'; '.join(told)}."


OF_STUDY: dict[str, Callable[[Metrics], str]] = {
    "00_warm_start": warm_start, "02_judging": judging, "03_controls": controls,
    "03_validation": validation,
    "04_evaluation": evaluation, "07_gate": gate,
    "07_generalisation": forgetting, "08_benchmarks": benchmarks,
    "13_prompts": prompts, "13_reading": reading}
