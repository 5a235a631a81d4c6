"""The whole pipeline on a user's own files: broken rows, text that the embedded models have never
seen, and evaluators behind a server.
"""

import json

from helpers import smoke
from helpers.smoke import in_one_process, run

from lib.benchmarks import scripted_server

PANEL = (
    "panel: [{name: server, kind: endpoint, model: scripted, endpoint: {urls: [%s]}}, "
    '{name: lexical, kind: lexical, model: ""}], '
)

def evaluators_measured(project, calls):
    """Both evaluators, one of them in words, judged all pairs, and the suite as far as it is."""
    found = json.loads((project / "reports/metrics/04_evaluation.json").read_text())
    server, lexical = found["evaluators"]["server"], found["evaluators"]["lexical"]
    assert found["evaluator"]["name"] == "server" and calls >= 2 * server["suite"]["n"]
    assert server["family"] == "language model: scripted" and lexical["family"] == "lexical"
    assert server["preference_over_base"] == found["preference_over_base"]
    assert server["preference_over_base"]["n"] == lexical["preference_over_base"]["n"] > 0
    assert server["invalid"]["rate"] == 0, "a verdict in each reply"
    assert server["suite"]["n"] == server["suite_not_run"] == 126, "no real texts are there"
    assert server["suite"]["rate"] < 0.5 < lexical["suite"]["rate"], "one tosses a coin"
    assert not server["valid"] and not lexical["valid"]
    rows = json.loads((project / "reports/metrics/10_comparison.json").read_text())["evaluators"]
    assert set(rows) == {"server", "lexical"}
    page = (project / "reports/04_evaluation.html").read_text()
    assert "not valid here" in page and "NOT VALID HERE" in page


def test_bad_rows_and_foreign_text_still_give_a_report(tmp_path):
    project = smoke.project(tmp_path)
    sentence = "Wir untersuchen Stahlbrücken Nummer {} im Winter und berichten über Risse. "
    lines = [json.dumps({"id": i, "text": sentence.format(i) * 3}) for i in range(14)]
    (project / "data/raw/mine.jsonl").write_text(
        "\n".join([*lines, "not json", '{"text": ""}']) + "\n"
    )
    params = project / "params.yaml"
    before, smoke_preset = params.read_text().split("\n  smoke:\n")
    for old, new in (
        ("data: {", "data: {source: files, group_size: 2, "),
        ('folder: ""', 'folder: ""\n      train: false'),
    ):
        smoke_preset = smoke_preset.replace(old, new, 1)
    with scripted_server.running() as url:
        smoke_preset = smoke_preset.replace("evaluation: {", f"evaluation: {{{PANEL % url}", 1)
        params.write_text(f"{before}\n  smoke:\n{smoke_preset}")
        in_one_process(
            project,
            "01_data_synthesis",
            "02_judging",
            "03_dpo",
            "04_evaluation",
            "05_expert_review",
            "07_generalisation",
            "09_round:number=2",
            "09_round:number=3",
            "10_comparison",
        )
        asked = scripted_server.log(url)
    run(project, "lib", "report")
    evaluators_measured(project, len(asked))
    metrics = json.loads((project / "reports/metrics/01_data_synthesis.json").read_text())
    assert (
        metrics["source"] == "files"
        and metrics["rejected_rows"] == 2
        and not metrics["models_have_seen_such_text"]
    )
    assert "never seen text like" in (project / "reports/index.html").read_text()
    page = (project / "reports/01_data_synthesis.html").read_text()
    assert "mine.jsonl" in page and "not JSON" in page and "the text is empty" in page
