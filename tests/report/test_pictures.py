"""Pictures drawn from numbers: what stands where, and what a reader without eyes hears."""
import re
from xml.etree import ElementTree

from lib.report import pictures

SHARE = {"rate": 0.75, "low": 0.5, "high": 0.9, "n": 12}


def test_an_interval_stands_where_its_numbers_are_and_is_told_in_text():
    picture = pictures.intervals([("A <group>", [pictures.Line("<ours>", SHARE, "control")])],
                                 "What & why.", "x")
    assert 'style="left:50.0%;width:40.0%"' in picture and 'style="left:75.0%"' in picture
    assert "75 % [50, 90]" in picture and "&lt;ours&gt;" in picture and "A &lt;group&gt;" in picture
    assert picture.startswith('<figure id="figure-x"') and "What &amp; why." in picture
    ElementTree.fromstring(picture)
    unknown = pictures.Line("nothing to judge", dict.fromkeys(SHARE))
    assert "nothing to judge" not in pictures.intervals([("A", [unknown])], "C", "x")


def test_the_picture_of_the_effect_has_both_worlds_controls_and_the_thesis():
    own = {"04_evaluation": {"preference_over_base": SHARE,
                             "names": {"preference_over_base": SHARE},
                             "descriptions": {"preference_over_base": SHARE}},
           "10_comparison": {"controls": {"shuffled": {"judge": {"over_base": SHARE}}}}}
    study = {"human_preference_over_base": SHARE, "judge_preference_over_base": SHARE,
             "controls": {"tuned": {"people": SHARE}, "best_of_8": {"people": SHARE}}}
    alone = pictures.effect(own, {})
    both = pictures.effect(own, {"04_evaluation": study})
    assert alone.count("<li") == 6 and both.count("<li") == 9
    assert "80 % [67, 89]" in alone and "74 % [60, 84]" in alone, "of 50 pairs, Wilson's"
    assert both.count('class="control"') == 2
    assert "best of 8 by the label judge, by indexers" in both


def test_the_diagram_says_what_each_step_handled():
    metrics = {"01_data_synthesis": {"prompts": 640, "candidates": 2240},
               "02_judging": {"preferences": 2210, "votes": 15228},
               "03_dpo": {"steps": 987, "parameters": {"trained": 154624}}}
    picture = pictures.diagram(metrics)
    ElementTree.fromstring(picture)
    for number in ("640", "2,240", "15,228", "2,210", "987", "154,624"):
        assert picture.count(number) == 4, "drawn, and told to who does not see it: wide and narrow"
    wide, narrow = picture.split('<svg class="narrow"')
    tops = [int(top) for top in re.findall(r'<rect x="2" y="(\d+)"', narrow)]
    assert tops == sorted(set(tops)) and len(tops) == 7, "one step below the other"
    assert wide.count("<rect") == 7 and len(set(re.findall(r'<rect x="\d+" y="(\d+)"', wide))) == 2
