"""Keys as a person would say them, in figures, tables and pictures alike."""
import re

import pytest

from lib.core.settings import load
from lib.workbook import naming
from lib.workbook.tables import named


@pytest.mark.parametrize(("key", "words"), [
    ("temperature_0.2", "thesis's setting, T = 0.2"), ("temperature_0.7", "T = 0.7"),
    ("noise_0.2", "DPO, a share of 0.2 of the labels turned"),
    ("greedy", "greedy"), ("best_of_label", "untuned, best by the label judge"),
    ("some_new_key", "some new key"), (3, "3"), ("temperature_low", "temperature low")])
def test_a_key_is_said_as_a_person_would(key, words):
    assert naming.said(key) == words


def test_every_setting_of_decoding_has_a_name_without_underscores():
    for preset in ("default", "smollm2", "laptop", "paper", "smoke"):
        _, settings = load(preset)
        for key in settings.evaluation.settings:
            assert re.fullmatch(r"greedy|(thesis's setting, )?T = [\d.]+", naming.said(key))


def test_cells_and_columns_of_a_table_are_named_but_other_text_stays():
    rows = [{"setting": "temperature_0.2", "weighted_f1": 0.5, "file": "my_file.csv"}]
    assert named(rows) == [{"setting": "thesis's setting, T = 0.2", "weighted F1": 0.5,
                            "file": "my_file.csv"}]


def test_judges_are_named_by_what_they_go_by():
    assert naming.by_whom({"judge": 1, "truth": 2, "names": 3, "base": 4}) == {
        "by the evaluation judge": 1, "by the truth": 2, "by names alone": 3, "base": 4}
