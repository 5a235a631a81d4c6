"""Pages from Markdown and notebooks: what is escaped, folded and named."""
import base64
import hashlib

from lib.report import html
from lib.workbook import tables


def markdown(source):
    return {"cells": [{"cell_type": "markdown", "source": source}]}


def test_untrusted_text_is_escaped():
    evil = "<script>alert(1)</script>"
    code = {"cell_type": "code", "source": evil, "outputs": [{"name": "stdout", "text": evil}]}
    body, headings = html.notebook_html({"cells": markdown(f"# T\n\n{evil}")["cells"] + [code]})
    assert "<script" not in body + tables.table_html([{"x": evil}], evil)
    assert headings == [(1, "t", "T")]


def test_long_tables_are_folded_under_their_caption():
    def shown(rows):
        table = tables.table_html([{"a": i} for i in range(rows)], "Cases & more.")
        return html.output_html({"data": {"text/html": table}})
    assert "<details" not in shown(html.LONG)
    summary = f'<details class="folded"><summary>Cases &amp; more. {html.LONG + 1} rows.</summary>'
    assert shown(html.LONG + 1).startswith(summary)


def test_equal_headings_get_different_anchors_and_formulas_become_mathml():
    body, headings = html.notebook_html(markdown("# A\n\n## B\n\n$x^2$\n\n## B"))
    assert [anchor for _, anchor, _ in headings] == ["a", "b", "b-2"] and "<math" in body


def test_code_is_folded_away_and_stands_before_its_output():
    cells = [{"cell_type": "code", "source": source, "outputs": outputs} for source, outputs in (
        ("a = 1", []), ("print(a)", [{"name": "stdout", "text": "1\n"}]), ("b = 2", []))]
    body, _ = html.notebook_html({"cells": cells})
    assert body.count("<details") == 2
    assert body.index("a = 1\n\nprint(a)") < body.index("<pre>1</pre>") < body.index("b = 2")


def test_a_page_names_itself_without_a_link():
    links = (("a.html", "A"), ("b.html", "B"))
    page = html.page("<T>", "<h1>T</h1>", [(2, "x", "X")], "a.html", links)
    assert '<li><span aria-current="page">A</span></li>' in page
    assert '<li><a href="b.html">B</a></li>' in page
    assert "<title>&lt;T&gt;</title>" in page and '<li><a href="#x">X</a></li>' in page


def test_a_page_names_its_neighbours():
    links = (("../i.html", "I"), ("a.html", "A"), ("b.html", "B"))
    first, middle = (html.page("T", "<h1>T</h1>", (), file, links) for file, _ in links[:2])
    assert "Previous:" not in first and 'Next: <a href="a.html">A</a>' in first
    assert 'Previous: <a href="../i.html">I</a>' in middle
    assert 'Next: <a href="b.html">B</a>' in middle
    assert "Next" not in html.page("T", "<h1>T</h1>")


def test_settings_fold_away_however_few_they_are():
    table = tables.table_html([{"setting": "a", "value": 1}], "Settings of the preset 'default'.")
    assert html.output_html({"data": {"text/html": table}}).startswith("<details")


def test_a_page_admits_its_own_script_and_no_other():
    page = html.page("T", "<h1>T</h1>", script="show();")
    digest = base64.b64encode(hashlib.sha256(b"show();").digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "<script>show();</script>" in page
    assert "script" not in html.page("T", "<h1>T</h1>")
