"""What the embedded models learn from: reviews, verdicts, and batches."""
import random
from itertools import islice

import pytest

from lib.competencies import profiles, verdicts, world
from lib.embedded import lessons
from lib.metrics import competencies

OWN = {"domain": "bees", "competencies": [
    {"name": "bee dances", "description": "Reads them well."},
    {"name": "bee hives", "description": "Builds them."}]}
RIVAL = {"domain": "wasps", "competencies": [
    {"name": "bee dances", "description": "Sees all."},
    {"name": "bee dances", "description": "Builds them."},
    {"name": "x y", "description": "z."}]}


def test_a_judge_says_what_the_score_is_made_of():
    lines, score = lessons.review(2, profiles.render(RIVAL), OWN, "40 against ")
    assert lines == [
        "Profile 2 has 3 in wasps / Profile 0 has 2 in bees unsupported, 0 of 5: 40 against 0",
        "- bee dances 0 Reads them well. / bee dances 2 Sees all. vague, 2 of 5: 40 against 18",
        "- bee hives 0 Builds them. / bee hives 2 like bee dances again Builds them. partly, "
        "5 of 5: 40 against 45"]
    assert score == 45 == round(100 * competencies.similarity(RIVAL, OWN))
    assert lessons.review(1, "no profile", OWN) == (["Profile 1 has none: 0"], 0)
    assert lessons.review(1, profiles.render(OWN), OWN)[1] == 100


@pytest.mark.parametrize("index", range(20))
def test_a_lesson_in_judging_ends_with_the_verdict_that_its_scores_make(index):
    chat, reply, winner = lessons.comparison("test", index, world.seen_domains(), 0)
    last = reply.splitlines()[-2].split(": ")[-1]
    one, other = map(int, last.split(" against "))
    assert verdicts.WINNERS[winner] == verdicts.read(reply) == (one > other) - (one < other)
    assert "<reference>" in chat[1]["content"]


def test_the_scores_of_a_review_are_the_similarity_in_quarters_of_a_competency():
    errors, rng = [], random.Random(0)
    for index in range(200):
        rows = world.author(f"reviewed-{index}", 1, world.seen_domains())
        rival, own = world.rival(rows, rng), world.truth(rows)
        if rival["competencies"]:
            lines, score = lessons.review(1, profiles.render(rival), own)
            assert len(lines) == 1 + len(own["competencies"]) and lines[-1].endswith(f": {score}")
            errors.append(abs(score / 100 - competencies.similarity(rival, own)))
    assert len(errors) > 150 and max(errors) < 0.1 and sum(errors) / len(errors) < 0.02


def test_batches_are_of_about_equal_lengths_and_leave_no_author_out():
    def make(start, count):
        return [([author], [0] * (author % 7)) for author in range(start, start + count)]
    pools = list(islice(lessons.batches(make, 4), 32))
    assert sorted(prompt[0] for batch in pools for prompt, _ in batch) == list(range(128))
    for batch in pools:
        lengths = [len(completion) for _, completion in batch]
        assert len(batch) == 4 and max(lengths) - min(lengths) <= 1


def test_every_third_batch_comes_from_the_other_stream():
    assert list(islice(lessons.mixed(iter("aaaa"), iter("bb")), 6)) == list("aabaab")
