"""The one door for commands: what it lists, how quickly it helps, and what it refuses."""
import json
import subprocess
import sys
import tomllib

import pytest

from lib import __main__ as door
from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.report import site

NAMES = ["extract", "classify", "experts", "costs", "memory", "card", "power", "settings", "report",
         "pdf", "models", "real", "run"]
HEAVY = ("torch", "transformers", "trl", "peft", "matplotlib", "papermill", "mistune")


def ended(capsys, *words):
    """Status, stdout and stderr of a command that ends the process."""
    with pytest.raises(SystemExit) as end:
        door.main(list(words))
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def test_without_a_command_all_are_listed_with_a_sentence_each(capsys):
    status, out, err = ended(capsys)
    assert status == 0 and err == "" and ended(capsys, "--help")[1] == out
    assert list(door.COMMANDS) == NAMES
    text = " ".join(out.split())
    for name, (sentence, *_) in door.COMMANDS.items():
        assert f"{name} {sentence}" in text and sentence.endswith(".")


def test_help_needs_no_heavy_library():
    """Seconds of imports are what would make it slow."""
    code = ("import json, sys; from lib.__main__ import parser; parser(); "
            f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))")
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert json.loads(said.stdout) == [], said.stderr


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_examples_and_every_default(name, capsys):
    status, out, _ = ended(capsys, name, "--help")
    text = " ".join(out.split())
    assert status == 0 and "examples:" in out
    _, examples, takes, _ = door.COMMANDS[name]
    for example in examples:
        assert f"python -m lib {name} {example}".strip() in text
    listed = text.partition(" options: ")[2].partition("examples:")[0]
    for names, options in takes:
        optional = names[0].startswith("-") and not options.get("required")
        if optional and "action" not in options:
            assert "(default: " in listed.partition(names[-1] + " ")[2].partition(" --")[0]


def test_every_example_is_understood():
    for name, (_, examples, _, function) in door.COMMANDS.items():
        for example in examples:
            given = door.parser().parse_args([name, *example.split()])
            assert given.carry_out is function


@pytest.mark.parametrize("words", [
    ["report", "--hepl"], ["reprot"], ["run"], ["run", "a.ipynb", "number"],
    ["run", "a.ipynb", "=2"], ["extract", "abstracts.csv"], ["experts"],
    ["extract", "abstracts.csv", "-o", "x.csv"],  # neither a model nor a preset
    ["classify", "a.csv", "-o", "x.csv", "--task", "sentiment"],
    *(["classify", "a.csv", "--model", "m", *rest] for rest in (
        ["-o", "x.csv"], ["-o", "x.csv", "--task", "mood"],
        ["-o", "x.html", "--task", "sentiment"])),
    ["classify", "a.csv", "--model", "", "-o", "x.csv", "--task", "sentiment"],
    ["experts", "folder", "-o", "y" * 300], ["power", "--ratings", "1" + "0" * 400],
    ["experts", "folder", "--format", "other"], ["settings", "--pre", "smoke"],
    *(["extract", "a.csv", "--model", "m", "-o", output, *rest] for output, *rest in (
        ["x.xlsx"], ["profiles"], ["x.csv", "--group-size", "0"], ["x.csv", "--group-size", "two"],
        ["x.csv", "--max-prompt-tokens", "31"], ["x.csv", "--max-new-tokens", "0"],
        ["x.csv", "--batch-size", "-1"], ["x.csv", "--temperature", "-0.1"],
        ["x.csv", "--adapter", ""], ["x.csv", "--batch-size", "1" + "0" * 400],
        ["y" * 300 + ".csv"],
        ["x.csv", "--temperature", "nan"], ["x.csv", "--temperature", "inf"],
        ["x.csv", "--top-p", "0"], ["x.csv", "--top-p", "1.1"]))])
def test_wrong_use_is_one_sentence_and_status_2_and_nothing_is_done(words, capsys, monkeypatch):
    def nothing(*_, **__):
        raise AssertionError("something was done")
    monkeypatch.setattr(site, "command", nothing)
    status, out, err = ended(capsys, *words)
    assert status == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and err.endswith(" --help\n")


@pytest.mark.parametrize(("words", "sentence"), [
    (["run", "absent.ipynb"], "error: absent.ipynb: no such notebook."),
    (["extract", "absent.csv", "--model", "m", "-o", "x.csv"], "error: absent.csv: no such file"),
    (["experts", "absent"], "error: absent: no such folder"),
    (["classify", "absent.csv", "--task", "job_bias", "--model", "m", "-o", "x.csv"],
     "error: absent.csv: no such file"),
    (["extract", "a.csv", "--preset", "smol", "-o", "x.csv"],
     "error: params.yaml: preset is 'smol'; "),
    (["settings", "--preset", "smok"], "error: params.yaml: preset is 'smok'; did you mean")])
def test_a_missing_input_is_one_sentence_and_status_1(words, sentence, capsys):
    status, out, _ = ended(capsys, *words)
    assert status.startswith(sentence) and "\n" not in status and out == ""


@pytest.mark.parametrize("words", [
    ["extract", "a.csv", "--model", "m"], ["experts", "folder"], ["card"],
    ["classify", "a.csv", "--model", "m", "--task", "job_bias"]])
def test_an_output_that_is_a_folder_is_refused_before_any_work(words, tmp_path, capsys):
    (tmp_path / "out.csv").mkdir()
    for place in ("out.csv", "."):
        status, out, err = ended(capsys, *words, "-o", str(tmp_path / place))
        assert status == 2 and out == "" and err.count("\n") == 1
    status, _, err = ended(capsys, *words, "-o", str(tmp_path / "out.csv"))
    assert "out.csv' is a folder; name a file in it; see" in err


@pytest.mark.parametrize(("error", "sentence"), [
    (OSError(28, "No space left on device"), "error: No space left on device."),
    (IsADirectoryError(21, "Is a directory", "a\x1b[1m/b"),
     r"error: a\x1b[1m/b: Is a directory."),
    (DataError("caf\udce9.csv: two\nlines"), r"error: caf\udce9.csv: two\nlines")])
def test_what_the_system_refuses_is_one_sentence(error, sentence, capsys, monkeypatch):
    def refused(**_):
        raise error
    monkeypatch.setattr(site, "command", refused)
    assert ended(capsys, "report")[0] == sentence


def test_wrong_words_never_act_on_the_terminal(capsys):
    _, _, err = ended(capsys, "report", "--\x1b[31m\u202e\nx\udce9")
    assert err.startswith(r"error: unrecognized arguments: --\x1b[31m\u202e\nx\udce9; see")


def test_who_reads_only_the_beginning_is_told_nothing():
    command = f"{sys.executable} -m lib settings --show | head -n 1"
    said = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert said.stderr == "" and said.stdout.startswith("params.yaml is sound")


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(**_):
        raise KeyboardInterrupt
    monkeypatch.setattr(site, "command", interrupted)
    assert "give the same command again" in ended(capsys, "report")[0]


def test_parameters_of_a_notebook_are_numbers_where_they_are_digits():
    given = door.parser().parse_args(["run", "n.ipynb", "number=2", "parts=dpo, sampling", "x="])
    assert given.parameters == [("number", 2), ("parts", "dpo, sampling"), ("x", "")]


def test_settings_are_shown(capsys):
    door.main(["settings", "--preset", "smoke", "--show"])
    out = capsys.readouterr().out
    assert out.startswith("params.yaml is sound; preset: smoke\n") and "candidates.k: 4\n" in out


def test_the_program_is_the_same_door(monkeypatch, capsys):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"competency": "lib.__main__:main"}
    monkeypatch.setattr(sys, "argv", ["/somewhere/competency", "report", "--help"])
    with pytest.raises(SystemExit):
        door.main()
    assert "competency report --runtime" in capsys.readouterr().out


def test_power_says_how_many_it_takes(capsys):
    door.main(["power", "--share", "0.6", "--ratings", "3"])
    said = capsys.readouterr().out
    assert "from 198 prompts" in said and "from 119 pairs rated 3 times" in said
    with pytest.raises(SystemExit, match=r"must lie above 0\.5"):
        door.main(["power", "--share", "0.4"])
