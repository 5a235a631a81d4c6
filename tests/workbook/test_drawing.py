"""Figures as SVG: the same bytes each time, nothing in them interpreted, readable in the dark."""
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from lib.core.settings import ROOT
from lib.workbook import drawing, figures, palette

HOSTILE = "<script>alert(1)</script> & $\\frac{a}{b}$ ]]>"


@pytest.fixture(scope="module")
def drawn():
    rates = {"one": {HOSTILE: 0.5}, "other": {HOSTILE: {"rate": 0.6, "low": 0.4, "high": 0.7}}}
    return drawing.svg(figures.intervals(rates, xlabel=HOSTILE, reference=(0.5,)).figure)


def test_nothing_in_a_label_is_interpreted(drawn):
    tree = ElementTree.fromstring(drawn)
    kinds = {part.tag.rpartition("}")[2] for part in tree.iter()}
    assert kinds == {"svg", "defs", "style", "g", "path", "use", "text", "clipPath", "rect"}
    said = {"".join(part.itertext()) for part in tree.iter() if part.tag.endswith("text")}
    assert HOSTILE in said, "not as a formula, not as an element"
    assert "href=\"http" not in drawn.replace("http://www.w3.org", "")


def test_text_stays_text_in_a_font_that_every_machine_replaces_by_a_like_one(drawn):
    assert set(re.findall(r"font-family: ([^;\"]+)", drawn)) == {drawing.FONTS}


def test_two_processes_draw_the_same_bytes():
    code = ("import hashlib; from lib.workbook import drawing, figures as f; "
            "p = f.curves({'a': {'b': [(0, 1.0), (1, {'rate': 2, 'low': 1, 'high': 3})]}}, "
            "xlabel='x', log='y'); "
            "print(hashlib.sha256((drawing.svg(p.figure) + drawing.svg(p.slim)).encode()))")
    runs = [subprocess.run([sys.executable, "-c", code.replace("()))", "()).hexdigest())")],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout
            for _ in range(2)]
    assert runs[0] == runs[1] and len(runs[0]) > 60 and "dc:date" not in runs[0]


def test_every_colour_has_its_counterpart_in_the_dark(drawn):
    style = re.search(r"<style.*?</style>", drawn, re.DOTALL)[0]
    body = drawn.replace(style, "")
    for colour in set(re.findall(r"(?:fill|stroke): (#\w{6})", body)):
        assert colour.upper() in palette.DARK and colour in style
    assert "prefers-color-scheme: dark" in style


def test_ticks_of_a_logarithmic_axis_are_numbers_as_one_writes_them():
    picture = figures.curves({"a": [(1, 0.01), (2, 100.0)]}, xlabel="x", log="y")
    assert {">0.01<", ">1<", ">100<"} <= set(re.findall(r">[\d.]+<", drawing.svg(picture.figure)))
