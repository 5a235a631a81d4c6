"""The design of a review: which pairs, who sees them, on which side; for any number of models."""
import random
from collections import Counter
from itertools import combinations

from helpers.review import make_prompts, make_written, settings
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from lib.studies.experts import design, pages

FIVE = settings(items=60, reviewers=15, ratings_per_item=3, repeated=2)


def drawn(count=30, authors=20, **changes):
    rows = make_prompts(authors)
    return design.draw_items(rows, make_written(rows) | changes, count, 7)


def test_items_are_stratified_seeded_and_spread_over_authors():
    items, left_out = drawn()
    pairs = list(combinations(("base", "tuned", "larger"), 2))
    assert Counter(tuple(item["pair"]) for item in items) == dict.fromkeys(pairs, 10)
    assert left_out == {"unreadable": 0, "identical": 0}
    used = Counter(item["prompt"] for item in items)
    assert set(used.values()) == {1, 2}, "30 items of 20 authors"
    assert items == drawn()[0]
    assert [item["item"] for item in items] == [f"item-{i:03d}" for i in range(1, 31)]
    names = {name for item in items for name in item["profiles"]}
    assert len(names) == 60, "no profile id tells that two items share a profile"
    order = [tuple(item["pair"]) for item in items]
    assert order != pairs * 10, "an item's number would tell its models"
    firsts = [next(iter(item["profiles"].values()))["model"] for item in items]
    sides = Counter(first == item["pair"][0] for first, item in zip(firsts, items))
    assert min(sides.values()) >= 5


def test_an_item_shows_the_abstracts_of_its_prompt():
    shown = {row["id"]: row["abstracts"] for row in make_prompts(20)}
    assert all(item["abstracts"] == shown[item["prompt"]] for item in drawn()[0])


def test_pairs_that_cannot_be_compared_are_counted():
    rows = make_prompts(4)
    written = make_written(rows)
    written["tuned"]["test-0"] = None
    domain = f"  {written['base']['test-1']['domain']} "
    written["larger"]["test-1"] = {**written["base"]["test-1"], "domain": domain}
    items, left_out = design.draw_items(rows, written, 99, 7)
    assert left_out == {"unreadable": 2, "identical": 1} and len(items) == 12 - 3
    assert design.draw_items([], written, 9, 7) == ([], {"unreadable": 0, "identical": 0})


def profiles(models, texts):
    """Prompts, and different profiles of them by models m1, m2 and so on."""
    rows = [{"id": f"t{number}", "abstracts": []} for number in range(texts)]
    return rows, {f"zz-model-{model}": {row["id"]: {"domain": f"d{model}", "competencies": []}
                                        for row in rows} for model in range(models)}


@st.composite
def reviews(draw):
    """(items, questions, settings) of a review of two to six models."""
    models, texts = draw(st.integers(2, 6)), draw(st.integers(1, 40))
    reviewers = draw(st.integers(1, 12))
    given = settings(seed=draw(st.integers(0, 99)), items=draw(st.integers(1, 90)),
                     reviewers=reviewers, ratings_per_item=draw(st.integers(1, reviewers)),
                     repeated=draw(st.integers(0, 3)))
    items, _ = design.draw_items(*profiles(models, texts), given.items, given.seed)
    return items, design.assign(items, given), given, models, texts


def firsts(asked):
    """The questions of a page without those that come again."""
    return list({row["item"]: row for row in reversed(asked)}.values())


@settings_of_hypothesis(max_examples=100)
@given(reviews())
def test_any_design_is_balanced(review):
    items, questions, given, models, texts = review
    known = {item["item"]: item for item in items}
    pairs = [tuple(item["pair"]) for item in items]
    every = models * (models - 1) // 2
    counts = [Counter(pairs)[pair] for pair in set(pairs)] + [0] * (every - len(set(pairs)))
    assert len(items) == min(given.items, every * texts)
    assert max(counts) - min(counts) <= 1, "every two models are compared equally often"
    assert len({(item["prompt"], *item["pair"]) for item in items}) == len(items)
    shown = {f"R{number}": firsts(questions.get(f"R{number}", []))
             for number in range(1, given.reviewers + 1)}
    raters = Counter(row["item"] for rows in shown.values() for row in rows)
    assert set(raters.values()) == {given.ratings_per_item} and set(raters) == set(known)
    within_one(len(rows) for rows in shown.values())
    left = Counter()
    for pair in set(pairs):
        own = {name: [row for row in rows if tuple(known[row["item"]]["pair"]) == pair]
               for name, rows in shown.items()}
        within_one(map(len, own.values()))
        for name, rows in own.items():
            first = sum(known[row["item"]]["profiles"][row["left"]]["model"] == pair[0]
                        for row in rows)
            assert abs(2 * first - len(rows)) <= 1, "sides of two models at one reviewer"
            left.update({name: first, pair: first})
        assert abs(2 * left[pair] - sum(map(len, own.values()))) <= 1, "sides of two models"
    assert all(abs(2 * left[name] - len(rows)) <= 1 for name, rows in shown.items())


def within_one(counts):
    counts = list(counts)
    assert max(counts) - min(counts) <= 1, counts


@settings_of_hypothesis(max_examples=40)
@given(reviews())
def test_nobody_sees_a_pair_twice_but_to_be_asked_again_with_sides_swapped(review):
    items, questions, given, *_ = review
    for asked in questions.values():
        places = {}
        for number, row in enumerate(asked):
            places.setdefault(row["item"], []).append(number)
        once = len(places)
        again = [own for own in places.values() if len(own) > 1]
        assert len(again) == min(given.repeated, (once + 1) // 2)
        for first, second in again:
            assert first < (once + 1) // 2 <= second
            one, other = asked[first], asked[second]
            assert (one["left"], one["right"]) == (other["right"], other["left"])
    assert design.assign(items, given) == questions, "the same seed gives the same design"
    assert all(asked for asked in questions.values()), "no empty page"


@settings_of_hypothesis(max_examples=25)
@given(reviews())
def test_no_page_names_a_model_or_a_text(review):
    items, questions, *_ = review
    made, key = pages.make_pages(items, questions)
    assert list(made) == list(questions)
    for page in made.values():
        assert "zz-model" not in page
    assert {shown for item in key["items"].values() for shown in item["profiles"].values()} <= {
        f"zz-model-{number}" for number in range(6)}


def test_five_models_are_spread_over_fifteen_reviewers():
    items, _ = design.draw_items(*profiles(5, 20), 60, 3)
    found = design.balance(items, design.assign(items, FIVE))
    assert found["load"] == {"fewest": 12, "most": 12} and len(found["pairs"]) == 10
    for pair in found["pairs"].values():
        assert pair == {"items": 6, "judgments": 18, "fewest": 1, "most": 2, "first_left": 9}
    assert found["texts_again"] == 0, "though each text is in about three items"


def test_an_exchange_of_reviewers_spreads_texts_and_changes_no_load():
    # Of 12 texts each reviewer's 12 items would have to hold each one once: not all can be helped.
    items, _ = design.draw_items(*profiles(5, 12), 60, 3)
    plain = design.deal(items, [f"R{number}" for number in range(1, 16)], 3, random.Random(1))
    spread = design.spread(items, plain)
    assert 0 < again(items, spread) < again(items, plain) / 1.5
    pair_of = {item["item"]: tuple(item["pair"]) for item in items}

    def loads(dealt):
        return Counter((name, pair_of[item]) for item, own in dealt.items() for name in own)
    assert loads(spread) == loads(plain)
    assert all(len(set(own)) == 3 for own in spread.values())


def again(items, dealt):
    """How often a reviewer meets a text again."""
    seen = Counter((name, item["prompt"]) for item in items for name in dealt[item["item"]])
    return sum(count - 1 for count in seen.values())


def test_a_short_supply_of_one_pair_is_filled_up_by_the_others_and_told():
    rows, written = profiles(3, 12)
    one, other, _ = written
    for number in range(10):  # these two say the same, but for two texts
        written[one][f"t{number}"] = written[other][f"t{number}"]
    items, left_out = design.draw_items(rows, written, 20, 1)
    counts = Counter(" and ".join(item["pair"]) for item in items)
    assert left_out["identical"] == 10 and sorted(counts.values()) == [2, 9, 9]
    found = design.balance(items, design.assign(items, settings(items=20)))
    assert {name: pair["items"] for name, pair in found["pairs"].items()} == counts


def test_reviewers_meet_each_other_in_changing_company():
    items, _ = drawn(60, 40)
    questions = design.assign(items, FIVE)
    seen = {}
    for reviewer, asked in questions.items():
        for question in asked:
            seen.setdefault(question["item"], set()).add(reviewer)
    together = {pair for reviewers in seen.values() for pair in combinations(sorted(reviewers), 2)}
    assert len(together) > 60, "the same reviewers always meet"


def test_a_review_without_items_has_no_pages():
    assert design.assign([], settings()) == {}
    assert design.balance([], {}) == {
        "pairs": {}, "load": {"fewest": 0, "most": 0}, "texts_again": 0}
