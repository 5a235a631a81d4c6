"""Pages of notebooks: the answer under the question, tables as CSV, where it all comes from."""
from helpers.pages import Page

from lib.core.records import write_json
from lib.report import chapters
from lib.workbook.tables import table_html

LINKS = [("index.html", "Overview"), ("09_round_2.html", "09 round 2")]
SHARE = {"rate": 0.6, "low": 0.55, "high": 0.65, "n": 54}
ROUND = {"ran": True, "round": 2, "best": 2, "share": {"previous": {"judge": SHARE}}}


def notebook(folder, name="09_round_2"):
    table = table_html([{"a": "=1+1", "b": 0.5}], "First & last.")
    cells = [{"cell_type": "markdown", "source": "# 9 · Round\n\n**Question** Why?\n\n**Reads** x"},
             {"cell_type": "code", "source": "x", "outputs": [{"data": {"text/html": table}}]}]
    path = folder / f"{name}.ipynb"
    write_json(path, {"cells": cells})
    return path


def test_the_answer_stands_under_the_question_and_the_number_in_the_title(tmp_path):
    path = notebook(tmp_path)
    page = chapters.notebook_page(path, LINKS, ROUND, "metrics/09_round_2.json", [])
    assert "<h1 id=\"9-round\">9 · Round: number 2</h1>" in page
    assert page.index("Why?") < page.index("<strong>Answer</strong>") < page.index("Reads")
    assert "It beats the round before" in page and "metrics/09_round_2.json" in Page(page).links
    assert "dvc repro --single-item 09_round@2" in page
    lost = {**ROUND, "best": 1, "share": {"previous": {"judge": {
        "rate": 0.3, "low": 0.2, "high": 0.4, "n": 54}}}}
    assert "It loses to" in chapters.notebook_page(path, LINKS, lost, "m.json", [])
    assert "Answer" not in chapters.notebook_page(path, LINKS, None, "m.json", [])


def test_a_page_of_the_real_study_says_how_it_is_run_again(tmp_path):
    path = notebook(tmp_path)
    page = chapters.notebook_page(path, LINKS, ROUND, "m.json", [], of_study=True)
    assert "make real PART=09_round</code>" in page and chapters.OF_STUDY in page


def test_tables_are_csv_that_no_spreadsheet_runs(tmp_path):
    written = chapters.write_tables(notebook(tmp_path), tmp_path)
    assert written == [("09_round_2-1.csv", "First & last.")]
    assert (tmp_path / "09_round_2-1.csv").read_text() == "a,b\n'=1+1,0.500\n"
    page = chapters.notebook_page(notebook(tmp_path), LINKS, None, "", written)
    assert "tables/09_round_2-1.csv" in Page(page).links and "First &amp; last." in page
