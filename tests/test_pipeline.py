"""The whole pipeline, small: every notebook as a DVC stage in an unpacked archive without git."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.settings import ROOT

COPIED = (".dvc", ".dvcignore", "dvc.yaml", "params.yaml", "pyproject.toml", "lib", "launch", "notebooks", "reports", "data/raw/README.md", "data/reviews/README.md", "data/finance/README.md",
          "data/explanations/README.md", "data/models/embedded", "README.md")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the repository's files, without git and without results, set to the smoke profile."""
    place = tmp_path_factory.mktemp("project")
    skip = shutil.ignore_patterns("__pycache__", "cache", "tmp", "config.local", "notebooks", "figures", "metrics", "failed", "*.html")
    for name in COPIED:
        source = ROOT / name
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=skip if name in ("reports", ".dvc") else shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    params = place / "params.yaml"
    params.write_text(params.read_text().replace("\nprofile: embedded\n", "\nprofile: smoke\n").replace("      threads: 2 ", "      threads: 1 "))
    dvc(place, "config", "--local", "core.no_scm", "true")
    return place


def dvc(place, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(place), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=place, env=environment, text=True, capture_output=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-6000:]
    return result.stdout + result.stderr


def results(place):
    """Everything that two equal runs must leave byte for byte the same."""
    files = [path for pattern in ("reports/*.html", "reports/notebooks/*", "reports/metrics/*", "data/*.jsonl", "data/CARD.md", "data/adapter/*", "data/review/**/*.*")
             for path in place.glob(pattern) if path.stem != "runtime"]
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


def test_the_smoke_pipeline(project):
    dvc(project, "repro")
    metrics = {path.stem: json.loads(path.read_text()) for path in (project / "reports/metrics").glob("*.json")}
    assert set(metrics) == {"00_embedded_models", "01_data_synthesis", "02_judging", "03_dpo", "04_evaluation", "05_expert_review",
                            "06_instruction_tuning", "07_generalisation", "09_round_2", "09_round_3", "10_comparison", "runtime"}
    assert metrics["03_dpo"]["trained"] and metrics["03_dpo"]["loss"]["first"] == pytest.approx(0.693147, abs=1e-4)
    assert metrics["01_data_synthesis"]["contaminated"] == 0
    judging = metrics["02_judging"]
    assert judging["label_judge"]["agreement_with_truth"]["rate"] > 0.8 and set(judging["judges"]) == {"reference", "likelihood", "chat"}
    assert set(judging["schemes"]) == {"knockout", "swiss", "merge_sort", "two_pass", "all_pairs"} and judging["best_canary"]["rate"] <= 0.5
    review = metrics["05_expert_review"]
    assert review["pages"] == len(list((project / "data/review/pages").glob("*.html"))) > 0 and review["experts"] is None
    evaluation = metrics["04_evaluation"]
    assert evaluation["preference_over_base"]["n"] == 12 and evaluation["held_out_domains"]["preference_over_base"]["n"] == 6
    assert set(evaluation["f1"]) == {"base", "tuned", "larger"}
    assert metrics["09_round_2"]["ran"] and metrics["09_round_2"]["share"]["previous"]["judge"]["n"] == 4
    assert metrics["09_round_3"]["ran"] is metrics["09_round_2"]["goes_on"] and set(metrics["10_comparison"]["runs"]) >= {"round_1", "together", "sft"}
    page = (project / "reports/index.html").read_text()
    assert "smoke profile" in page and "data.authors.test" in page  # the warning, and the difference from the default
    before = results(project)
    assert "Data and pipelines are up to date" in dvc(project, "repro")
    dvc(project, "repro", "-f", "-s", "02_judging")
    dvc(project, "repro", "-f", "-s", "03_dpo")
    dvc(project, "repro", "-f", "-s", "report")
    assert results(project) == before, "a second run differs from the first"
    left = {path.name for path in (project / "data/.work").iterdir()}
    assert left <= {"references.jsonl"}, "work in progress was left behind"  # reference log-probabilities serve the next run, too


def test_bad_rows_and_foreign_text_still_give_a_report(project):
    """Real input: a user's files, some rows broken, for models that have never seen such text."""
    lines = [json.dumps({"id": i, "text": f"Wir untersuchen Stahlbrücken Nummer {i} im Winter und berichten über Risse. " * 3}) for i in range(14)]
    (project / "data/raw/mine.jsonl").write_text("\n".join([*lines, "not json", '{"text": ""}']) + "\n")
    params = project / "params.yaml"
    text = params.read_text()
    head, tail = text.split("  # The same code in about two minutes")
    tail = tail.replace("data: {<<: *data,", "data: {<<: *data, source: files, group_size: 2,", 1)
    params.write_text(head + "  # The same code in about two minutes" + tail)
    dvc(project, "repro")
    metrics = json.loads((project / "reports/metrics/01_data_synthesis.json").read_text())
    assert metrics["source"] == "files" and metrics["rejected_rows"] == 2 and not metrics["models_have_seen_such_text"]
    assert "never seen text like" in (project / "reports/index.html").read_text()
    page = (project / "reports/01_data_synthesis.html").read_text()
    assert "mine.jsonl" in page and "not JSON" in page and "the text is empty" in page
