"""The whole pipeline on a user's own files: broken rows, and text that the embedded models have
never seen.
"""

import json

from helpers import smoke
from helpers.smoke import in_one_process, run


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
    run(project, "lib", "report")
    metrics = json.loads((project / "reports/metrics/01_data_synthesis.json").read_text())
    assert (
        metrics["source"] == "files"
        and metrics["rejected_rows"] == 2
        and not metrics["models_have_seen_such_text"]
    )
    assert "never seen text like" in (project / "reports/index.html").read_text()
    page = (project / "reports/01_data_synthesis.html").read_text()
    assert "mine.jsonl" in page and "not JSON" in page and "the text is empty" in page
