"""Claims: numbers by their names, targets, controls, and where a reader finds the measurement."""
import pytest
from helpers.pages import Page

from lib.core.records import DataError, read_json, write_json
from lib.core.settings import ROOT
from lib.report import claims
from lib.report.html import notebook_html

NUMBER = {"rate": 0.5, "low": 0.4, "high": 0.6, "n": 9}
CLAIMS = claims.contents(claims.CLAIMS)["claims"]


def test_every_claim_links_to_where_it_is_measured():
    index = (ROOT / "reports" / "index.html").read_text()
    for row in claims.measured(claims.worlds()):
        for found in filter(None, row["findings"]):
            if found["value"] is not None:
                file, anchor = found["link"].split("#")
                assert anchor in Page((ROOT / "reports" / file).read_text()).ids
                assert claims.figure(found["value"], found["measure"]["kind"]) in index


def test_every_claim_of_an_effect_has_a_control_or_a_baseline():
    for claim in CLAIMS:
        for world in ("synthetic", "real"):
            if claim.get("effect") and world in claim:
                assert claim[world].get("beside"), claim["claim"]


def test_every_claim_says_what_its_interval_covers_and_every_target_when_it_was_set():
    known = claims.contents(claims.CLAIMS)
    for measure in known["measures"].values():
        assert measure["kind"] in claims.POSSIBLE
        assert measure["kind"] == "count" or (measure["over"] and measure["by"] in claims.MADE_BY)
    for claim in CLAIMS:
        assert claim["chapter"] in known["chapters"]
        for source in (claim[world] for world in ("synthetic", "real") if world in claim):
            assert source["measure"] in known["measures"]
            assert source.get("target", {"set": "x"})["set"], claim["claim"]
    assert sum(claim.get("headline", False) for claim in CLAIMS) == 8


def test_the_committed_claims_are_those_of_the_committed_numbers():
    places = claims.worlds()
    records = claims.as_records(claims.measured(places), places)
    assert read_json(ROOT / "reports" / "metrics" / "claims.json") == records


def test_what_no_number_of_its_kind_can_be_is_refused():
    beyond = {"rate": 0.98, "low": 0.93, "high": 1.022, "n": 5}
    with pytest.raises(DataError, match=r"holds 1\.022, which no correlation can be"):
        claims.check(beyond, "correlation", "n.x")
    claims.check(beyond, "ratio", "n.x")
    claims.check({"rate": -0.2, "low": None, "high": None, "n": 1}, "difference", "n.x")
    with pytest.raises(DataError, match="which no share"):
        claims.check({"rate": -0.2, "low": None, "high": None, "n": 1}, "share", "n.x")


def test_lowest_and_highest_are_not_shown_as_an_interval():
    value = {"rate": 20.56, "low": 16.757, "high": 23.107, "n": 3}
    assert claims.figure(value, "ratio") == "20.56 (16.76 to 23.11)"
    assert claims.figure(NUMBER, "share") == "0.500 [0.400, 0.600]"
    assert claims.figure({"rate": 0, "low": None, "high": None, "n": None}, "count") == "0"


def test_a_claim_on_real_texts_names_a_section_of_its_notebook():
    for claim in CLAIMS:
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


SHARE = {"kind": "share", "over": "authors", "by": "wilson"}


def finding(**changes):
    return {"value": NUMBER, "target": "≥ 0.80", "met": None, "note": "", "link": "a.html#b",
            "measure": SHARE, "beside": {}, "set": "before", **changes}


def table(*findings):
    """The table of one claim, in HTML and in Markdown."""
    rows = [{"claim": "<b>", "headline": True, "findings": list(findings)}]
    places = [claims.World(f"world {number}", "", {}) for number, _ in enumerate(findings)]
    page = claims.claims_html(rows, places, "All of them.")
    return page, claims.results_markdown(rows, places).splitlines()


def test_claims_say_when_a_target_is_missed():
    page, lines = table(finding(met=False), finding(met=True), finding(target=""))
    assert ">missed<" in page and ">met<" in page and "&lt;b&gt;" in page
    assert '<a href="a.html#b">0.500 [0.400, 0.600]</a>' in page and "(set before)" in page
    number = "0.500 [0.400, 0.600]; n = 9; Wilson's, over authors"
    assert lines[2] == (f"| <b> | {number}; target ≥ 0.80 (set before): **missed** | "
                        f"{number}; target ≥ 0.80 (set before): met | {number} |")


def test_controls_stand_beside_what_they_belong_to():
    page, lines = table(finding(beside={"<coin>": NUMBER, "not run": None}), None)
    assert "<li>&lt;coin&gt; 0.500 [0.400, 0.600]</li>" in page and "not run" not in page
    assert lines[2].endswith("Beside it: <coin> 0.500 [0.400, 0.600] | – |")


def test_what_has_not_run_and_what_is_not_measured_are_told_apart():
    page, lines = table(finding(value=None, note="<greedily>"), None)
    assert lines[2] == "| <b> | not run yet; <greedily>; target ≥ 0.80 (set before) | – |"
    assert "not run yet" in page and "href" not in page and ">–</td>" in page
    assert "&lt;greedily&gt;" in page


@pytest.fixture
def claimed(tmp_path, monkeypatch):
    """Writes claims.yaml, and gives what two worlds say of it."""
    def give(text, own, real):
        place = tmp_path / f"claims-{len(list(tmp_path.iterdir()))}.yaml"
        place.write_text("chapters: {c: C}\nmeasures: {m: {kind: share, over: x, by: wilson}}\n"
                         f"claims:\n{text}")
        monkeypatch.setattr(claims, "CLAIMS", place)
        return claims.measured([claims.World("own", "", own), claims.World("real", "far", real)])
    return give


@pytest.mark.parametrize(("targets", "met", "words"), [
    ("at_least: 0.5", True, "≥ 0.50"), ("low_at_least: 0.5", False, "low end ≥ 0.50"),
    ("at_least: 0.5, low_at_least: 0.41", False, "≥ 0.50, low end ≥ 0.41"),
    ("low_at_least: 0.4", True, "low end ≥ 0.40"), ("low_above: 0.4", False, "low end > 0.40"),
    ("n_at_least: 10", False, "n ≥ 10"), ("at_least: 0.5, n_at_least: 9", True, "≥ 0.50, n ≥ 9"),
    ("at_most: 0.5", True, "≤ 0.50"), ("at_most: 0.4", False, "≤ 0.40"), ("other: 1", None, "")])
def test_a_target_is_met_by_rate_low_end_and_count(targets, met, words, claimed):
    text = ("- {claim: c, chapter: c, synthetic: {measure: m, metric: n.x, section: s, "
            f"target: {{{targets}, set: before}}}}}}\n")
    found, = claimed(text, {"n": {"x": NUMBER}}, {})
    own, real = found["findings"]
    assert (own["met"], own["target"], own["link"], real) == (met, words, "n.html#s", None)
    unknown = dict.fromkeys(("rate", "low", "high"))
    found, = claimed(text, {"n": {"x": {**unknown, "n": 99}}}, {})
    assert found["findings"][0]["met"] in (None, words == "n ≥ 10")


def test_each_world_has_its_own_source_target_and_page(claimed):
    text = ("- {claim: both, chapter: c, headline: true, synthetic: {measure: m, metric: n.x, "
            "section: s, target: {at_least: 0.9, set: x}},\n"
            "   real: {measure: m, metric: m.y, section: t, note: so, target: {at_least: 0.1}}}\n"
            "- {claim: real, chapter: c, real: {measure: m, metric: m.z, section: t}}\n"
            "- {claim: nowhere, chapter: c, synthetic: {measure: m, metric: n.none, section: s}}\n"
            "- {claim: unless, chapter: c, synthetic: {measure: m, metric: n.x, section: s, "
            "when: {n.best: 3}}}\n")
    own, real = {"n": {"x": NUMBER, "none": None, "best": 2}}, {"m": {"y": NUMBER, "z": NUMBER}}
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
    claimed("  []", {}, {})
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
