"""Claims: numbers by their names, targets, and where a reader finds the measurement."""
import pytest
import yaml
from helpers.pages import Page

from lib.core.records import DataError, read_json, write_json
from lib.core.settings import ROOT
from lib.report import claims
from lib.report.html import notebook_html
from lib.workbook.tables import interval

NUMBER = {"rate": 0.5, "low": 0.4, "high": 0.6, "n": 9}


def test_every_claim_links_to_where_it_is_measured():
    index = (ROOT / "reports" / "index.html").read_text()
    for row in claims.measured(claims.worlds()):
        for found in filter(None, row["findings"]):
            if found["value"] is not None:
                file, anchor = found["link"].split("#")
                assert anchor in Page((ROOT / "reports" / file).read_text()).ids
                assert interval(found["value"]) in index


def test_a_claim_on_real_texts_names_a_section_of_its_notebook():
    for claim in yaml.safe_load(claims.CLAIMS.read_text()):
        if real := claim.get("real"):
            name = f"{real['metric'].split('.')[0]}.ipynb"
            place = ROOT / "notebooks" / "real" / name
            place = place if place.exists() else ROOT / "notebooks" / name
            _, headings = notebook_html(read_json(place))
            assert real["section"] in [anchor for _, anchor, _ in headings], claim["claim"]


def test_an_unknown_number_is_named():
    assert claims.lookup({"n": {"temperature_0.7": {"x": 1}}}, "n.temperature_0.7.x") == 1
    assert claims.lookup({"n": {"part": None}}, "n.part.x") is None
    with pytest.raises(DataError, match=r"no number 'n.y'"):
        claims.lookup({"n": {"x": 1}}, "n.y")


def finding(**changes):
    return {"value": NUMBER, "target": "≥ 0.80", "met": None, "note": "", "link": "a.html#b",
            **changes}


def table(*findings):
    """The table of one claim, in HTML and in Markdown."""
    rows = [{"claim": "<b>", "headline": True, "findings": list(findings)}]
    places = [claims.World(f"world {number}", "", {}) for number, _ in enumerate(findings)]
    return claims.claims_html(rows, places), claims.results_markdown(rows, places).splitlines()


def test_claims_say_when_a_target_is_missed():
    page, lines = table(finding(met=False), finding(met=True), finding(target=""))
    assert ">missed<" in page and ">met<" in page and "&lt;b&gt;" in page
    assert '<a href="a.html#b">0.500 [0.400, 0.600]</a>' in page and ">n = 9<" in page
    number = "0.500 [0.400, 0.600]; n = 9"
    assert lines[2] == (f"| <b> | {number}; target ≥ 0.80: **missed** | "
                        f"{number}; target ≥ 0.80: met | {number} |")


def test_what_has_not_run_and_what_is_not_measured_are_told_apart():
    page, lines = table(finding(value=None, note="<greedily>"), None)
    assert lines[2] == "| <b> | not run yet; <greedily>; target ≥ 0.80 | – |"
    assert "not run yet" in page and "href" not in page and "<td>–</td>" in page
    assert "&lt;greedily&gt;" in page


@pytest.fixture
def claimed(tmp_path, monkeypatch):
    """Writes claims.yaml, and gives what two worlds say of it."""
    def give(text, own, real):
        (tmp_path / "claims.yaml").write_text(text)
        monkeypatch.setattr(claims, "CLAIMS", tmp_path / "claims.yaml")
        return claims.measured([claims.World("own", "", own), claims.World("real", "far", real)])
    return give


@pytest.mark.parametrize(("targets", "met", "words"), [
    ("at_least: 0.5", True, "≥ 0.50"), ("low_at_least: 0.5", False, "low end ≥ 0.50"),
    ("at_least: 0.5\n  low_at_least: 0.41", False, "≥ 0.50, low end ≥ 0.41"),
    ("low_at_least: 0.4", True, "low end ≥ 0.40"), ("low_above: 0.4", False, "low end > 0.40"),
    ("n_at_least: 10", False, "n ≥ 10"), ("at_least: 0.5\n  n_at_least: 9", True, "≥ 0.50, n ≥ 9"),
    ("at_most: 0.5", True, "≤ 0.50"), ("at_most: 0.4", False, "≤ 0.40"), ("other: 1", None, "")])
def test_a_target_is_met_by_rate_low_end_and_count(targets, met, words, claimed):
    text = f"- claim: c\n  metric: n.x\n  section: s\n  {targets}\n"
    found, = claimed(text, {"n": {"x": NUMBER}}, {})
    own, real = found["findings"]
    assert (own["met"], own["target"], own["link"], real) == (met, words, "n.html#s", None)
    unknown = dict.fromkeys(("rate", "low", "high"))
    found, = claimed(text, {"n": {"x": {**unknown, "n": 99}}}, {})
    assert found["findings"][0]["met"] in (None, words == "n ≥ 10")


def test_each_world_has_its_own_source_target_and_page(claimed):
    text = ("- {claim: both, metric: n.x, section: s, headline: true, at_least: 0.9,\n"
            "   real: {metric: m.y, section: t, note: so, at_least: 0.1}}\n"
            "- claim: real\n  real: {metric: m.z, section: t}\n"
            "- {claim: nowhere, metric: n.none, section: s}\n")
    own, real = {"n": {"x": NUMBER, "none": None}}, {"m": {"y": NUMBER, "z": NUMBER}}
    both, only = claimed(text, own, real)
    assert [found["met"] for found in both["findings"]] == [False, True]
    assert both["findings"][1]["link"] == "far/m.html#t" and both["findings"][1]["note"] == "so"
    assert only["findings"][0] is None and (both["headline"], only["headline"]) == (True, False)
    both, only = claimed(text, own, {})
    assert both["findings"][1]["value"] is only["findings"][1]["value"] is None
    with pytest.raises(DataError, match=r"no number 'm.z'"):
        claimed(text, own, {"m": {"y": NUMBER}})


def test_the_worlds_are_this_run_and_the_real_study(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "METRICS", tmp_path)
    assert [(world.folder, world.metrics) for world in claims.worlds()] == [
        ("", {}), (claims.REAL, {})]
    write_json(tmp_path / "01_data_synthesis.json", {"source": "files"})
    write_json(tmp_path / claims.REAL / "04_evaluation.json", {"x": 1})
    own, real = claims.worlds()
    assert own.title == "this run" and set(own.metrics) == {"01_data_synthesis"}
    assert real.metrics == {"04_evaluation": {"x": 1}}


def test_nothing_but_the_results_of_the_readme_is_replaced(claimed):
    claimed("[]", {}, {})
    text = f"before\n{claims.START}\n| old |\n{claims.END}\nafter\n"
    written = claims.with_results(text, [])
    assert written.startswith(f"before\n{claims.START}\n") and "| old |" not in written
    assert written.endswith(f"\n{claims.END}\nafter\n")
    assert claims.with_results("plain\n", []).startswith(f"plain\n{claims.START}\n")
    for broken in (text.replace(claims.END, ""), text.replace(claims.START, ""),
                   text + claims.END, text + claims.START, text + text,
                   f"{claims.END} x {claims.START}"):
        with pytest.raises(DataError, match=r"^README.md: its results stand between .* put back"):
            claims.with_results(broken, [])
