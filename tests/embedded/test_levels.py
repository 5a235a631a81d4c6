"""The grid of the base's faults, and what models of the open wording learn from."""
import random

from lib.competencies import profiles, verdicts, world
from lib.core.settings import load
from lib.embedded import induction, lessons, levels, pretraining
from lib.embedded.tokenizer import world_tokenizer
from lib.metrics import competencies

OPEN = load("open")[1]


def test_the_levels_of_the_faults_are_those_that_were_set_beforehand():
    assert levels.LEVELS == {"none": 0.0, "middle": 0.2, "high": 0.55}
    base = OPEN.pretraining.roles["base"]
    assert {getattr(base.faults, fault) for fault in levels.VARIED} == {0.2}, "the middle one"
    found = levels.bases(OPEN.pretraining, "elsewhere")
    assert set(found.roles) == {"base_none", "base_high"} and found.folder == "elsewhere"
    for role, level in (("base_none", 0.0), ("base_high", 0.55)):
        faults = found.roles[role].faults.model_dump()
        assert {faults.pop(fault) for fault in levels.VARIED} == {level}
        assert faults == {key: getattr(base.faults, key) for key in faults}


def test_open_models_have_a_place_of_their_own():
    plain = load("default")[1]
    assert plain.data.wording == "plain" and OPEN.data.wording == "open"
    assert plain.pretraining.folder != OPEN.pretraining.folder
    assert all(getattr(OPEN.models, role).startswith(OPEN.pretraining.folder)
               for role in OPEN.pretraining.roles)


def test_a_judge_learns_that_aliases_and_paraphrases_are_right():
    aliased, errors = 0, []
    for index in range(60):
        rows = world.author(f"reviewed-{index}", 1, world.seen_domains(), wording="open")
        rival, own = world.rival(rows, random.Random(index), "open"), world.truth(rows)
        lines, score = lessons.review(1, profiles.render(rival), own)
        if rival["competencies"]:
            errors.append(abs(score / 100 - competencies.similarity(rival, own)))
        aliased += sum(" like " in line and " supported," in line for line in lines)
    assert aliased > 10 and max(errors) < 0.15 and sum(errors) / len(errors) < 0.03
    _, reply, winner = lessons.comparison("open", 0, world.seen_domains(), 0, "open")
    assert verdicts.WINNERS[winner] == verdicts.read(reply)


def test_the_tokenizer_knows_what_the_open_wording_says_and_stays_small():
    settings = OPEN.pretraining.model_copy(update={"tokenizer_authors": 300})
    tokenizer = world_tokenizer(settings, wording="open")

    def split(text):
        return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    assert split(" kernel grouping") == ["Ġkernel", "Ġgrouping"]
    assert split(" KC") == ["ĠK", "C"] and split(" decompositions")[1:] == ["s"]
    assert len(tokenizer) < 2300
    recipe = OPEN.pretraining.roles["base"].model_copy(update={
        "hidden": 32, "layers": 2, "heads": 2, "batch": 2, "induction_steps": 0, "clean_steps": 2,
        "own_steps": 2})
    model = induction.new_model(tokenizer, recipe)
    point, = pretraining.train(model, "base", recipe, tokenizer, "open")
    assert point["step"] == 4 and point["loss"] > 0
    plain = pretraining.training_key("base", recipe, tokenizer)
    assert plain != pretraining.training_key("base", recipe, tokenizer, "open")
