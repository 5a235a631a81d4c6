"""Pictures hold the points they are given, and say them in words."""
import subprocess
import sys

import pytest
from matplotlib.colors import to_hex

from lib.core.settings import ROOT
from lib.workbook import figures

UNKNOWN = {"rate": None, "low": 0.0, "high": 1.0, "n": 0}


def rate(value, half=0.1):
    return {"rate": value, "low": value - half, "high": value + half, "n": 20}


def panels(picture):
    picture.figure.canvas.draw()  # a layout that does not fit would warn
    return picture.figure.axes


def points(axis):
    """(x, y) of every mark that an axis draws, series by series."""
    return [[tuple(map(float, point)) for point in zip(*container.lines[0].get_data())]
            for container in axis.containers if container.lines[0] is not None]


def ends(axis):
    """Both ends of each horizontal interval."""
    drawn = [bars for container in axis.containers if hasattr(container, "lines")
             for bars in container.lines[2]]
    return [segment[:, 0].round(6).tolist() for bars in drawn for segment in bars.get_segments()]


def legend(picture):
    return [text.get_text() for found in picture.figure.legends for text in found.get_texts()]


def test_intervals_stand_under_each_other_and_unknown_rates_are_left_out():
    rates = {"judge": {"greedy": rate(0.7), "warm": UNKNOWN},
             "truth": {"greedy": rate(0.6), "warm": rate(0.5)}}
    picture = figures.intervals(rates, xlabel="preferred", reference=(0.5, 0.8))
    axis, = panels(picture)
    assert [series[0][0] for series in points(axis)] == [0.7, 0.6, 0.5]
    assert ends(axis) == [[0.6, 0.8], [0.5, 0.7], [0.4, 0.6]]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["greedy", "warm"]
    assert legend(picture) == ["judge", "truth"] and axis.get_xlim() == (0, 1)
    assert picture.alt == ("Points with intervals: preferred. judge: greedy 0.7; "
                           "truth: greedy 0.6, warm 0.5. Dashed: 0.5 and 0.8.")


def test_series_of_one_row_do_not_cover_each_other():
    picture = figures.intervals({"one": {"a": rate(0.5)}, "other": {"a": rate(0.5)}}, xlabel="x")
    (_, above), (_, below) = (series[0] for series in points(panels(picture)[0]))
    assert -0.5 < above < 0 < below < 0.5


def test_a_value_outside_its_own_interval_is_drawn_and_a_rate_without_one_is_a_point():
    strange = {"rate": 0.2, "low": 0.3, "high": 0.4, "n": 2}
    alone = {"rate": 0.6, "low": None, "high": None, "n": 1}
    axis, = panels(figures.intervals({"strange": strange, "alone": alone}, xlabel="x"))
    assert [series[0][0] for series in points(axis)] == [0.2, 0.6]
    assert ends(axis) == [[0.2, 0.4]]


def test_bars_have_panels_that_share_their_rows_and_colours_of_their_own():
    rates = {name: {"": {"rule": rate(0.4), "base": rate(0.5), "tuned": rate(best)}}
             for name, best in (("news", 0.9), ("tweets", 0.8))}
    picture = figures.bars(rates, xlabel="F1", muted=("rule",), marked=("tuned",))
    left, right = panels(picture)
    widths = [[bar.get_width() for bar in axis.patches] for axis in (left, right)]
    assert widths == [[0.4, 0.5, 0.9], [0.4, 0.5, 0.8]]
    colours = [to_hex(bar.get_facecolor()).upper() for bar in left.patches]
    assert colours == [figures.MUTED, figures.COLOURS[0], figures.COLOURS[1]]
    assert (left.get_title(), right.get_title()) == ("news", "tweets") and not legend(picture)
    assert "news: rule 0.4, base 0.5, tuned 0.9. tweets: rule 0.4" in picture.alt


def test_bars_of_plain_numbers_have_no_intervals():
    picture = figures.bars({"tree, 8 pairs": 1234.5, "TRL": 436.0}, xlabel="MB")
    assert not ends(panels(picture)[0])
    assert picture.alt == "Bars: MB. tree, 8 pairs 1,234, TRL 436."


def test_curves_of_training_have_a_panel_for_each_measure_and_say_their_ends():
    rows = [{"step": step, "loss": (70 - step) / 100, "accuracy": step / 50}
            for step in range(1, 41)]
    parts = {"train": rows, "validation": rows[::10]}
    lines = figures.over_steps(parts, {"loss": "DPO loss", "accuracy": "reward accuracy"})
    picture = figures.curves(lines, xlabel="step", reference={"DPO loss": [0.693]})
    loss, accuracy = panels(picture)
    assert points(loss)[1] == [(row["step"], row["loss"]) for row in rows[::10]]
    assert len(points(accuracy)[0]) == 40 and legend(picture) == ["train", "validation"]
    assert [len(axis.lines) for axis in (loss, accuracy)] == [3, 2], "a reference in one panel"
    assert "DPO loss: train: from 0.69 at 1 to 0.3 at 40; validation: 0.69 at 1," in picture.alt
    assert picture.alt.endswith("Dashed: 0.693.")


def test_curves_with_intervals_stand_beside_each_other_but_not_on_a_logarithmic_axis():
    known = [(0.5, rate(0.9)), (1.0, rate(0.7)), (0.9, UNKNOWN)]
    lines = {"label only": known, "told": known}
    one, other = points(panels(figures.curves(lines, xlabel="strength"))[0])
    assert len(one) == 2 and one[0][0] < 0.5 < other[0][0] < one[0][0] + 0.01
    axis, = panels(figures.curves(lines, xlabel="strength", log="x", limits=(0, None)))
    assert [series[0][0] for series in points(axis)] == [0.5, 0.5]
    assert axis.get_xscale() == "log" and axis.get_ylim()[0] == 0


def test_a_series_has_one_colour_in_all_panels():
    lines = {"by prompt": {"default": [(1, 2), (2, 3)], "tree": [(1, 1), (2, 1)]},
             "by K": {"tree": [(2, 1), (4, 1)]}}
    left, right = panels(figures.curves(lines, xlabel="", log="y", shared=True))
    assert left.lines[1].get_color() == right.lines[0].get_color() == figures.COLOURS[1]
    assert left.get_ylim() == right.get_ylim()


def test_a_matrix_shows_every_value():
    picture = figures.matrix({"base (1 of 2)": {"add": 0.0, "drop": 0.5},
                              "sft (2 of 2)": {"add": 1.0, "drop": 1.0}})
    axis, = panels(picture)
    assert [text.get_text() for text in axis.texts] == ["0%", "50%", "100%", "100%"]
    assert [text.get_color() for text in axis.texts] == [
        figures.ON_TINT, figures.ON_TINT, figures.ON_BLUE, figures.ON_BLUE]
    assert "sft (2 of 2): add 100%; drop 100%" in picture.alt
    counts = figures.matrix({"01": {"base and tuned": 4}}, form="d", top=6)
    assert counts.alt == "A matrix. 01: base and tuned 4."


def test_a_scatter_names_its_points():
    places = {"knockout": (7.0, rate(0.8)), "two pass": (15.5, rate(0.9)), "none": (3.0, UNKNOWN)}
    picture = figures.scatter(places, xlabel="comparisons", ylabel="accuracy", marked="two pass")
    axis, = panels(picture)
    assert points(axis) == [[(7.0, 0.8)], [(15.5, 0.9)]]
    assert {text.get_text() for text in axis.texts} == {"knockout", "two pass"}
    assert picture.alt.endswith("accuracy. knockout: 7 and 0.8; two pass: 15.5 and 0.9.")


def test_a_histogram_counts_and_says_the_quantiles():
    picture = figures.histogram([0.1, 0.5, 0.5, 0.9], xlabel="similarity", ylabel="candidates")
    axis, = panels(picture)
    assert sum(bar.get_height() for bar in axis.patches) == 4 and axis.get_xlim() == (0, 1)
    assert picture.alt.startswith("A histogram of 4 candidates. Their similarity has a median of")


@pytest.mark.parametrize("picture", [
    figures.intervals({}, xlabel="x"), figures.intervals({"a": UNKNOWN}, xlabel="x"),
    figures.intervals({"a": {"b": None}}, xlabel="x"), figures.bars({}, xlabel="x"),
    figures.curves({}, xlabel="x"), figures.curves({"panel": {"series": []}}, xlabel="x"),
    figures.matrix({}), figures.matrix({"row": {}}),
    figures.scatter({"a": (1, UNKNOWN)}, xlabel="x", ylabel="y"),
    figures.histogram([], xlabel="x", ylabel="y")])
def test_without_anything_known_there_is_no_picture(picture):
    assert picture is None


def test_rows_of_series_are_turned_into_series_of_rows():
    turned = figures.by_series({"greedy": {"judge": 1, "truth": 2}, "warm": {"judge": 3}})
    assert turned == {"judge": {"greedy": 1, "warm": 3}, "truth": {"greedy": 2, "warm": None}}


def test_who_draws_nothing_does_not_wait_for_matplotlib():
    code = "import sys, lib.workbook.figures; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_panels_that_share_an_axis_show_all_points_of_each():
    lines = {"one": {"a": [(0, 1.0), (1, 0.5)]}, "other": {"a": [(0, 1.0), (1, 0.001)]}}
    picture = figures.curves(lines, xlabel="step", log="y", shared=True)
    low, high = picture.figure.axes[0].get_ylim()
    assert low < 0.001 and high > 1


def test_rows_are_named_as_a_person_would_and_those_in_grey_are_found_by_their_keys():
    picture = figures.bars({"temperature_0.7": 0.5, "tuned_all": 0.6}, xlabel="x",
                           muted=("temperature_0.7",))
    axis, = panels(picture)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["T = 0.7",
                                                                      "tuned on all sets"]
    assert to_hex(axis.patches[0].get_facecolor()).upper() == figures.MUTED
    assert picture.alt == "Bars: x. T = 0.7 0.5, tuned on all sets 0.6."


def test_for_a_phone_panels_stand_below_each_other_and_all_is_as_wide_as_one():
    rates = {name: {"": {"a label that is far too long for a line of a phone": rate(0.5)}}
             for name in ("one", "two", "three", "four")}
    picture = figures.intervals(rates, xlabel="x")
    wide, slim = picture.figure, picture.slim
    slim.canvas.draw()
    assert slim.get_size_inches()[0] < 4 < 9 < wide.get_size_inches()[0] < 10
    assert [axis.get_subplotspec().colspan.start for axis in slim.axes] == [0, 0, 0, 0]
    assert [axis.get_subplotspec().colspan.start for axis in wide.axes] == [0, 1, 0, 1]
    assert "\n" in slim.axes[0].get_yticklabels()[0].get_text()


@pytest.mark.parametrize("slim", [False, True])
def test_labels_of_points_collide_neither_with_each_other_nor_with_points(slim):
    places = {"swiss": (15.5, 1.0), "merge sort": (15.4, 0.993), "two pass": (23.5, 1.0),
              "knockout": (7, 0.96), "all pairs": (56, 1.0)}
    picture = figures.scatter(places, xlabel="x", ylabel="y")
    figure = picture.slim if slim else picture.figure
    figure.canvas.draw()
    axis, = figure.axes
    boxes = [text.get_window_extent() for text in axis.texts]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert not any(box.contains(*axis.transData.transform(point)) for point in places.values())
