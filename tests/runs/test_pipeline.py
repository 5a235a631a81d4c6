"""The whole pipeline, small, in an unpacked archive without git.

The first notebooks run as DVC has them run, each in a kernel of its own; the others, which that
would take minutes to start, in one process. DVC then takes stock: every stage has left its outputs.
"""

import json

import pytest
from helpers import smoke
from helpers.smoke import in_one_process, run

REST = (
    "04_evaluation",
    "05_expert_review",
    "06_instruction_tuning",
    "07_generalisation",
    "09_round:number=2",
    "09_round:number=3",
    "10_comparison",
)


def results(place):
    """Everything that two equal runs must leave byte for byte the same."""
    files = [
        path
        for pattern in (
            "reports/*.html",
            "reports/notebooks/*",
            "reports/metrics/*",
            "data/*.jsonl",
            "data/CARD.md",
            "data/adapter/*",
            "data/review/**/*.*",
        )
        for path in place.glob(pattern)
        if path.stem != "runtime"
    ]
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


def test_the_smoke_pipeline(tmp_path):
    project = smoke.project(tmp_path)
    run(project, "dvc", "repro", "03_dpo")
    in_one_process(project, *REST)
    run(project, "lib", "report")
    run(project, "dvc", "commit", "--force", "dvc.yaml")
    metrics = {
        path.stem: json.loads(path.read_text())
        for path in (project / "reports/metrics").glob("[0-9]*.json")
    }
    assert set(metrics) == {
        "00_embedded_models",
        "01_data_synthesis",
        "02_judging",
        "03_dpo",
        "04_evaluation",
        "05_expert_review",
        "06_instruction_tuning",
        "07_generalisation",
        "08_benchmarks",
        "09_round_2",
        "09_round_3",
        "10_comparison",
        "11_reliability",
    }
    assert metrics["03_dpo"]["trained"] and metrics["03_dpo"]["loss"]["first"] == pytest.approx(
        0.693147, abs=1e-4
    )
    assert metrics["01_data_synthesis"]["contaminated"] == 0
    judging = metrics["02_judging"]
    assert judging["label_judge"]["agreement_with_truth"]["rate"] > 0.8 and set(
        judging["judges"]
    ) == {"reference", "likelihood", "chat"}
    assert (
        set(judging["schemes"]) == {"knockout", "swiss", "merge_sort", "two_pass", "all_pairs"}
        and judging["best_canary"]["rate"] <= 0.5
    )
    review = metrics["05_expert_review"]
    assert (
        review["pages"] == len(list((project / "data/review/pages").glob("*.html"))) > 0
        and review["experts"] is None
    )
    evaluation = metrics["04_evaluation"]
    assert (
        evaluation["preference_over_base"]["n"] == 12
        and evaluation["held_out_domains"]["preference_over_base"]["n"] == 6
    )
    assert set(evaluation["f1"]) == {"base", "tuned", "larger"}
    assert (
        metrics["09_round_2"]["ran"]
        and metrics["09_round_2"]["share"]["previous"]["judge"]["n"] == 4
    )
    assert metrics["09_round_3"]["ran"] is metrics["09_round_2"]["goes_on"] and set(
        metrics["10_comparison"]["runs"]
    ) >= {"round_1", "together", "sft"}
    page = (project / "reports/index.html").read_text()
    assert (
        "smoke preset" in page and "data.authors.test" in page
    )  # the warning, and the difference from the default
    before = results(project)
    assert "Data and pipelines are up to date" in run(project, "dvc", "repro")
    run(project, "dvc", "repro", "-f", "-s", "02_judging")
    run(project, "dvc", "repro", "-f", "-s", "03_dpo")
    run(project, "dvc", "repro", "-f", "-s", "report")
    assert results(project) == before, "a second run differs from the first"
    left = {path.name for path in (project / "data/.work").iterdir()}
    assert left <= {"references.jsonl"}, (
        "work in progress was left behind"
    )  # reference log-probabilities serve the next run, too
