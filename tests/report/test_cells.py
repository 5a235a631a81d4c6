"""Cells that no spreadsheet takes for formulas, and that stay as they are otherwise."""
import unicodedata

import pytest

from lib.report.cells import harmless


@pytest.mark.parametrize("cell", [
    "=cmd()", "a\t=cmd()", "a;=cmd()", "a\r=cmd()", "a\n+cmd()", "a,@cmd", "a|-cmd()", "a, =1+1",
    "a\u2028=1", "a；=1",
    "\N{FULLWIDTH EQUALS SIGN}cmd()", "a; \u200b=cmd()", '";=cmd()', " =cmd()", "\t=cmd()"])
def test_no_part_of_a_cell_is_a_formula(cell):
    for separator in "\t;\r\n,|\u2028；":
        for part in harmless(cell).split(separator):
            assert unicodedata.normalize("NFKC", part.strip('" \u200b'))[:1] not in tuple("=+-@")
    assert harmless(cell).replace("'", "") == cell


@pytest.mark.parametrize("cell", ["-1.5", "a; -3; b", "well, -y and @x", "1 = 2", "", "a\tb"])
def test_text_and_numbers_stay_as_they_are(cell):
    assert harmless(cell) == cell
