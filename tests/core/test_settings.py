"""Bad settings stop before any work, with one sentence; presets hold differences only."""
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from lib.__main__ import main
from lib.core import settings
from lib.core.sections.preset import Preset
from lib.core.settings import ROOT, SettingsError

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
PRESETS = yaml.safe_load(TEXT)["presets"]
INF, NAN = float("inf"), float("nan")


def preset(*changes, name="default"):
    """Read a preset after changes, (place, value), to the presets of params.yaml; `...` deletes."""
    presets = PRESETS
    for place, value in changes:
        presets = changed(presets, place.split("."), value)
    return settings.checked(name, presets)


def changed(tree, way, value):
    """A copy of a tree of settings with another value at a place."""
    tree, key = tree.copy(), int(way[0]) if isinstance(tree, list) else way[0]
    if way[1:]:
        tree[key] = changed(tree[key], way[1:], value)
    elif value is ...:
        del tree[key]
    else:
        tree[key] = value
    return tree


def said(*changes, name="default"):
    """What the error says, which is one sentence."""
    with pytest.raises(SettingsError) as error:
        preset(*changes, name=name)
    return one(error.value)


def one(error):
    """The text of an error, if it is one sentence about params.yaml."""
    sentence = str(error)
    assert sentence.startswith("params.yaml: preset") and sentence[-1] in ".?"
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_sound(name):
    assert settings.load(name) == (name, preset(name=name))


def test_params_yaml_selects_a_preset(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("\npreset: default\n", "\npreset: smoke\n"), encoding="utf-8")
    assert settings.load(path=path) == settings.load("smoke")


@pytest.mark.parametrize(("place", "value", "sentence"), [
    ("dpo.bta", 1, "presets.default.dpo.bta is not a setting; did you mean 'beta'?"),
    ("dpo.beta", -0.1, "presets.default.dpo.beta is -0.1; it must be greater than 0."),
    ("dpo.beta", "1e-1x", "dpo.beta is '1e-1x'; it must be a valid number"),
    ("dpo.beta", ..., "presets.default.dpo.beta is missing; set it."),
    ("dpo.beta", INF, "dpo.beta is inf; it must be a finite number."),
    ("dpo.learning_rate", NAN, "dpo.learning_rate is nan; it must be a finite number."),
    ("instruction.job_ads.missed.age", NAN, "missed.age is nan; it must be a finite number."),
    ("dpo.lora", [8], "dpo.lora is [8]; it must hold settings."),
    ("rounds.sft", None, "rounds.sft is None; it must hold settings."),
    ("data.source", "web", "source is 'web'; it must be 'synthetic', 'files' or 'openalex'."),
    ("models.base", ["a", "b"], "models.base is ['a', 'b']; it must be a valid string."),
    ("judging.panel.0.name", ["a"], "panel.0.name is ['a']; it must be a valid string."),
    ("judging.panel.0", "a", "judging.panel.0 is 'a'; it must hold settings."),
    ("evaluation.thesis_setting", ["greedy"], "is ['greedy']; it must be a valid string."),
    ("evaluation.thesis_setting", "gredy", "thesis_setting is 'gredy'; it must be one of greedy"),
    ("rounds.judges", "chat", "rounds.judges is 'chat'; it must be a valid list."),
    ("rounds.judges", ["chta"], "rounds.judges names 'chta', which is no judge of judging.panel"),
    ("pretraining.roles.base.hidden", 130, "it must be a multiple of 4 x heads"),
    ("pretraining.roles.bse", {}, "roles.bse is 'bse'; it must be 'base', 'larger'"),
    ("judging.panel.0.model", "base", "'reference' of judging.panel is also the base"),
    ("judging.panel.0.kind", "endpoint", "only kind endpoint has, and needs, a section `endpoint`"),
    ("judging.panel.0.kind", "standardised", "only kind standardised has, and needs, a section"),
    ("judging.panel.0.lexical", {"words": 1, "foreign": 1, "repeated": 1},
     "only kind lexical has, and needs, a section `lexical`"),
    ("judging.panel.0", {"name": "near", "kind": "encoder", "model": "encoder", "encoder": 3},
     "panel.0.encoder is 3; it must hold settings."),
    ("judging.panel.0", {"name": "near", "kind": "encoder", "model": "encoder",
                         "encoder": {"relevence": 1}}, "did you mean 'relevance'?"),
    ("judging.panel.1", {"name": "all", "kind": "standardised", "model": "",
                         "standardised": {"chat": 1}}, "'all' is made of 'chat', which is no"),
    ("judging.panel.0.temperature", 0.5, "temperature belongs to a judge of kind chat"),
    ("judging.panel.2.promt", "brief", "panel.2.promt is not a setting; did you mean 'prompt'?"),
    ("judging.scheme", "best", "judging.scheme is 'best'; it must be 'knockout', 'swiss'"),
    ("generalisation.forgetting.methods.full.epohcs", 1, "full.epohcs is not a setting; did you "
                                                         "mean 'epochs'?"),
    ("experts.reviewers", 2, "ratings_per_item is 3; it must be at most the number of reviewers"),
    ("experts.models", ["base"], "models and files name base; a review needs two models or more"),
    ("experts.models", ["base", "tuned", "base"], "each named once"),
    ("experts.models", ["base", "tie"], "'tie' cannot be a model's name in a review"),
    ("experts.files", {"base": "x.jsonl"}, "name tuned, larger, base, base; a review needs two"),
    ("experts.items", 2, "items is 2; 3 models make 3 pairs, and each needs an item"),
    ("generalisation.explanations.strengths", [0.7, 1.0], "strengths must lie between 0.5 and 1"),
    ("instruction.job_ads.missed", {"age": 0.1}, "missed must give a probability from 0 to 1"),
    ("pretraining.roles", {}, "pretraining.roles is {}; it must "),
    ("models.base", "", "models.base is ''; it must "),
    ("dpo.loss_type", [], "dpo.loss_type is []; it must "),
    ("dpo.loss_weights", [], "loss_weights has 0 numbers for 1 losses of loss_type"),
    ("sft.lora.target_modules", [], "sft.lora.target_modules is []; it must "),
    ("data.seed", -1, "data.seed is -1; it must be greater than or equal to 0."),
    ("data.seed", 10**400, "00; it must be less than 4294967296."),
    ("data.columns.text", [[]], "columns.text is [[]]; it must be a valid string."),
    ("examples.k", 6, "examples.k is 6; it must be less than or equal to 5."),
    ("examples.k", 1, "examples.choose is nearest, which takes a sentence encoder; name one in"),
    ("prompts.k", [0, 1], "prompts.k.0 is 0; it must be greater than or equal to 1."),
    ("servers.larger", {"urls": ["http://h/v1"], "key": 1}, "servers.larger.key is not a setting"),
    ("servers.larger", {}, "servers.larger.urls is missing; set it."),
    ("servers.larger", {"urls": ["http://h/v1"], "max_tokens": 9}, "max_tokens is not a setting"),
    ("judging.usual.endpoint.retries", 99, "default.judging.usual.endpoint.retries is 99; it must"),
    ("judging.usual.endpoint", None, "judging.usual.endpoint is None; it must hold settings."),
    ("dpo.launch", "ddp", "dpo.launch is ddp and runtime.device is cpu; cpu_2 is for the cpu"),
])
def test_what_is_wrong_is_said_in_one_sentence(place, value, sentence):
    assert sentence in said((f"default.{place}", value))


def test_no_model_takes_two_roles():
    base = PRESETS["default"]["models"]["base"]
    sentence = said(("default.models.label_judge", base))
    assert "label_judge and base are the same model; no model may judge its own output" in sentence


def test_two_judges_or_models_need_two_names():
    panel = PRESETS["default"]["judging"]["panel"]
    sentence = said(("default.judging.panel", [*panel, panel[0]]))
    assert "two judges of the panel have the same name" in sentence
    model = {"name": "tuned_all", "model": "a", "adapter": "", "quantisation": "none"}
    sentence = said(("default.instruction.compared", [model]))
    assert "each of compared needs a name of its own" in sentence


@pytest.mark.parametrize(("key", "value", "sentence"), [
    ("urls", ["ftp://x"], "each of urls must look like http://host:8000/v1"),
    ("urls", ["http://user:word@host/v1"], "without user, password or query"),
    ("urls", ["http://host:99999/v1"], "each of urls must look like http://host:8000/v1"),
    ("urls", ["http://host/v1#part"], "each of urls must look like http://host:8000/v1"),
    ("key_variable", "sk-123 abc", "must be the name of an environment variable"),
])
def test_no_secret_goes_into_params_yaml(key, value, sentence):
    assert sentence in said((f"paper.judging.panel.0.endpoint.{key}", value), name="paper")


def test_the_sentence_names_the_preset_that_the_mistake_stands_in():
    wrong = ("default.candidates.k", 1)
    assert "presets.default.candidates.k is 1" in said(wrong, name="laptop")
    again = ("laptop.candidates.k", 1)
    assert "presets.laptop.candidates.k is 1" in said(wrong, again, name="laptop")
    mine = ("laptop.evaluation.settings", {"mine": {"temperature": 1.0}})
    assert "presets.laptop.evaluation.settings.mine.top_p is missing" in said(mine, name="laptop")


def test_a_preset_is_merged_key_by_key_and_a_list_as_a_whole():
    usual = {"a": {"x": 1, "y": {"z": 2}}, "list": [1, 2], "b": {"c": 1}}
    special = {"a": {"y": {"w": 3}}, "list": [3], "b": None, "new": {}}
    assert settings.merged(usual, special) == {
        "a": {"x": 1, "y": {"z": 2, "w": 3}}, "list": [3], "b": None, "new": {}}
    assert settings.merged(usual, {}) == usual
    default, smoke = preset(), preset(name="smoke")
    assert smoke.dpo.batch_size == 8 and smoke.dpo.beta == default.dpo.beta
    assert smoke.evaluation.settings == default.evaluation.settings
    assert [judge.name for judge in preset(name="laptop").judging.panel] == ["judge"]


def test_a_section_that_differs_in_nothing_is_written_down_all_the_same():
    assert said(("smoke.dpo", ...), name="smoke") == (
        "params.yaml: presets.smoke.dpo is missing; where nothing differs from the default, write "
        "`dpo: {}`.")
    assert preset(("smoke.dpo", {}), name="smoke").dpo == preset().dpo
    assert "presets.default.dpo is missing" in said(("default.dpo", ...), name="smoke")


@pytest.mark.parametrize("value", [None, 3, "none", [{"beta": 1}]])
@pytest.mark.parametrize("name", ["default", "smoke"])
def test_a_section_holds_settings(name, value):
    sentence = said((f"{name}.dpo", value), name="smoke")
    assert sentence.endswith(f".{name}.dpo is {value!r}; it must hold settings, or be {{}}.")


def test_a_preset_holds_sections():
    assert "presets.smoke must hold sections, such as `dpo: {}`" in said(("smoke", 3), name="smoke")


def test_further_tunings_say_only_what_differs_from_sft():
    found = preset(("default.sft.warmup_ratio", 0.25), ("default.sft.lora", {
        "r": 4, "alpha": 8, "dropout": 0.1, "stored": "float16", "target_modules": ["q_proj"]}))
    study = found.generalisation
    further = [found.rounds.sft, found.instruction.tuning, study.gate.sft, study.gate.explained,
               study.explanations.tuning, *study.forgetting.methods.values()]
    assert len(further) == 8 and all(one.warmup_ratio == 0.25 for one in further)
    assert all(one.lora == found.sft.lora for one in further)
    assert found.rounds.sft == found.sft and study.gate.sft.epochs == 3 != found.sft.epochs


def test_roles_say_only_what_differs_from_the_base():
    roles = preset(("default.pretraining.roles.base.batch", 5)).pretraining.roles
    assert {role.batch for role in roles.values()} == {5}
    assert roles["larger"].hidden == 160 and roles["label_judge"].hidden == roles["base"].hidden
    assert roles["label_judge"].faults == roles["base"].faults != roles["larger"].faults


def test_what_differs_may_hold_what_is_wrong():
    sentence = said(("default.generalisation.gate.sft.epohcs", 1))
    assert "gate.sft.epohcs is not a setting; did you mean 'epochs'?" in sentence
    assert "sft.epochs is missing" in said(("default.sft.epochs", ...))
    assert "gate is [1]; it must hold settings" in said(("default.generalisation.gate", [1]))


def test_a_method_of_null_is_left_out():
    methods = preset(("default.generalisation.forgetting.methods.full", None)).generalisation
    assert methods.forgetting.methods["full"] is None
    assert methods.forgetting.methods["lora"].method == "lora"


def test_judges_have_what_is_usual_for_their_kind():
    short = {"name": "chat", "kind": "chat", "model": "label_judge"}
    reference, _, chat = preset(("default.judging.panel.2", short)).judging.panel
    assert (chat.temperature, chat.max_tokens, chat.prompt) == (0.1, 400, "full") and chat.screens
    assert reference.temperature is None and reference.max_tokens is None
    server = preset(name="laptop").judging.panel[0].endpoint
    assert server.concurrency == 2 and server.timeout == 120 and server.urls


def test_writers_behind_servers_have_what_is_usual_for_servers():
    larger = ("default.servers", {"larger": {"urls": ["http://h/v1"], "retries": 1}})
    server = preset(larger).servers.larger
    assert (server.retries, server.timeout, server.concurrency) == (1, 120, 8)
    assert preset(larger).servers.candidates is None
    sentence = said(larger, ("default.models.larger", ""))
    assert "models.larger is empty; say there what the server calls its model" in sentence


def test_judges_of_texts_have_the_usual_weights():
    line = {"name": "near", "kind": "encoder", "model": "encoder"}
    usual = preset().judging.usual.encoder
    assert preset(("default.judging.panel.1", line)).judging.panel[1].encoder == usual
    reference, near, _ = preset(("default.judging.panel.1", {
        **line, "encoder": {"relevance": 2.0}})).judging.panel
    assert near.encoder == usual.model_copy(update={"relevance": 2.0})
    assert near.lexical is None and reference.encoder is None


def test_several_judges_without_a_model_of_their_own_are_no_role():
    line = {"name": "words", "kind": "lexical", "model": ""}
    found = preset(("default.judging.panel.1", line), ("default.models.larger", ""),
                   ("default.models.encoder", ""))
    assert found.judging.panel[1].lexical == found.judging.usual.lexical


def test_settings_are_flat_by_name():
    flat = settings.flatten(preset().model_dump())
    assert flat["dpo.lora.r"] == 16 and flat["judging.panel.chat.kind"] == "chat"
    assert flat["dpo.loss_type"] == ["sigmoid"] and flat["instruction.compared"] == []


@pytest.mark.parametrize("value", [None, 3, ["default"], {"default": 1}, "defualt"])
def test_what_selects_a_preset_is_the_name_of_one(value, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"preset": value, "presets": PRESETS}))
    with pytest.raises(SettingsError, match=r"^params.yaml: preset is .*('default'\?|_quick\.)$"):
        settings.load(path=path)


@pytest.mark.parametrize(("content", "sentence"), [
    (b"preset: [", "not valid YAML"), (b"", "exactly two keys"), (b"[1]", "exactly two keys"),
    (b"preset: a\npresets: {}\nextra: 1", "exactly two keys"), (b"a: \xe9", "save it as UTF-8"),
    (b"preset: a\npresets: 3", "presets.default is missing"),
    (b"preset: a\npresets: {a: {}}", "presets.default is missing"),
    (b"preset: 1\npresets: {default: {}, 1: {}}", r"preset is 1; did you mean '1'\?$"),
    (b"preset: default\npresets: {default: 3}", "presets.default must hold sections"),
    (b"preset: 2024-13-45", "not valid YAML: month must be"),
    (b"preset: " + b"9" * 5000, "not valid YAML: Exceeds the limit"),
    (b"preset: !!bool maybe", "not valid YAML"), (b"preset: !!timestamp x", "not valid YAML"),
    (b"preset: " + b"[" * 5000, "nested too deeply"), (b"a: \x1b", "not valid YAML"),
])
def test_broken_files(tmp_path, content, sentence):
    path = tmp_path / "params.yaml"
    with pytest.raises(SettingsError, match="no such file"):
        settings.load(path=path)
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=sentence) as error:
        settings.load(path=path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_a_params_yaml_that_cannot_be_opened(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot be opened \(Is a directory\)\.$"):
        settings.load(path=tmp_path)


def deep(levels):
    """A list in a list in a list."""
    value = []
    for _ in range(levels):
        value = [value]
    return value


def circle():
    """What YAML's `&a {x: *a}` stands for."""
    value = {}
    value["x"] = value
    return value


def places(tree, way=""):
    """Every place of a tree of settings."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if "." not in str(key):
            yield f"{way}{key}"
            if isinstance(value, (dict, list)):
                yield from places(value, f"{way}{key}.")


ODD = st.sampled_from([
    None, True, -1, 0, 0.5, 10**9, 10**400, INF, NAN, "", "x\ny", "\x1b\ud800", [], ["x"], [[]],
    [None], [INF], {}, {"x": 1}, {1: 2}, {"x": NAN}, {"name": ["x"]}, deep(3000), {"x": deep(3000)},
    circle(), {None: circle()}, ...])


@given(st.sampled_from(list(places(PRESETS["default"], "default."))), ODD,
       st.sampled_from(list(PRESETS)))
def test_whatever_stands_anywhere_is_settings_or_one_sentence(place, value, name):
    try:
        assert isinstance(preset((place, value), name=name), Preset)
    except SettingsError as error:
        one(error)


def test_a_stage_stops_before_any_work(capsys):
    with pytest.raises(SystemExit, match=r"^error: params.yaml: preset is 'nosuch'"):
        main(["run", "notebooks/03_dpo.ipynb", "--preset", "nosuch"])
    assert capsys.readouterr().out == ""


def test_yaml_1_1_and_1_2_read_the_same():
    assert yaml.safe_load(TEXT) == YAML(typ="safe", pure=True).load(TEXT)
