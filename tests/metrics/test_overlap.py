"""What repeats and what is shared between train and test."""
from lib.metrics import overlap


def test_near_duplicates_and_contamination():
    long = "one two three four five six seven eight nine ten eleven twelve"
    other = "entirely other words stand here today"
    assert overlap.near_duplicates([long, other, long.upper()], 0.9) == {2: 0}
    near = " ".join(["word" + str(i) for i in range(60)])
    assert overlap.near_duplicates([near, near + " extra"], 0.9) == {1: 0}
    assert overlap.contaminated([[long], ["x " + long[:20]]], [["zero " + long + " end"]], 8) == [0]
    # no run across abstracts
    assert overlap.contaminated([["a b c d", "e f g h"]], [["a b c d e f g h"]], 8) == []
    assert overlap.distinct_completions(["a b c", "a b c", "x y z"], 0.95) == [0, 2]
