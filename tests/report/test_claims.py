"""Claims: numbers by their names, targets, and where a reader finds the measurement."""
import pytest
from helpers.pages import Page

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.report import claims
from lib.workbook.tables import interval


def test_every_claim_links_to_where_it_is_measured():
    index = (ROOT / "reports" / "index.html").read_text()
    for row in claims.measured(claims.load_metrics()):
        file, anchor = row["link"].split("#")
        assert anchor in Page((ROOT / "reports" / file).read_text()).ids
        assert interval(row["value"]) in index


def test_an_unknown_number_is_named():
    assert claims.lookup({"n": {"temperature_0.7": {"x": 1}}}, "n.temperature_0.7.x") == 1
    assert claims.lookup({"n": {"part": None}}, "n.part.x") is None
    with pytest.raises(DataError, match=r"no number 'n.y'"):
        claims.lookup({"n": {"x": 1}}, "n.y")


def row(**changes):
    value = {"rate": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    return {"claim": "<b>", "link": "a.html#b", "value": value, "target": "≥ 0.80", **changes}


def test_claims_say_when_a_target_is_missed():
    page = claims.claims_html([row(met=False), row(met=True), row(met=None, target="")])
    assert "missed" in page and "&lt;b&gt;" in page and "0.500 [0.400, 0.600]" in page
    assert ">met<" in page and "<td>–</td><td>–</td>" in page


@pytest.mark.parametrize(("targets", "met", "words"), [
    ("at_least: 0.5", True, "≥ 0.50"), ("low_at_least: 0.5", False, "low end ≥ 0.50"),
    ("at_least: 0.5\n  low_at_least: 0.41", False, "≥ 0.50, low end ≥ 0.41"),
    ("at_most: 0.5", True, "≤ 0.50"), ("at_most: 0.4", False, "≤ 0.40"), ("{}: 1", None, "")])
def test_a_target_is_met_by_rate_and_by_the_low_end(targets, met, words, tmp_path, monkeypatch):
    path = tmp_path / "claims.yaml"
    path.write_text(f"- claim: c\n  metric: n.x\n  section: s\n  {targets.replace('{}', 'other')}\n"
                    "- claim: not in this run\n  metric: absent.x\n  section: s\n")
    monkeypatch.setattr(claims, "CLAIMS", path)
    found, = claims.measured({"n": {"x": row()["value"]}})
    assert (found["met"], found["target"], found["link"]) == (met, words, "n.html#s")
    assert claims.results_markdown({"n": {"x": row()["value"]}}).splitlines()[2].startswith(
        f"| c | 0.500 [0.400, 0.600] | 9 | {words or '–'} |")
