"""DPO in several processes and DPO that is killed: the same training in the end, and a clear word
where there is none.
"""
import contextlib
import os
import random
import re
import signal
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin, patch_environment
from accelerate.utils.launch import prepare_multi_gpu_env
from helpers import processes
from helpers.processes import ends, ranks, start
from helpers.trainers import new_model, new_trainer
from helpers.tunings import save_tiny, small_settings, tokenizer_of_base, tournaments, with_models

from lib.core.records import DataError, file_digest, read_json
from lib.core.settings import ROOT, SettingsError, load
from lib.models import loading
from lib.training import dpo, launch
from lib.training.callbacks import last_checkpoint
from lib.training.tree_trainer import TreeTrainer

NAMES = sorted(path.stem for path in launch.PROCESSES.glob("*.yaml"))
KINDS = {"ddp": "multi_gpu", "cpu_2": "multi_gpu", "fsdp2": "fsdp", "zero3": "deepspeed"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a tiny base model."""
    place = tmp_path_factory.mktemp("launch")
    save_tiny(place / "base")
    return place


@pytest.fixture(scope="module")
def rows():
    return [{**row, "id": str(i)} for i, row in enumerate(tournaments(12, pairs=4))]


def settings_for(place, **changes):
    usual = {"epochs": 2, "token_budget": 64, "learning_rate": 1e-3}
    settings = with_models(small_settings(**usual | changes), base=str(place / "base"))
    runtime = settings.runtime.model_copy(update={"threads": 1})
    return settings.model_copy(update={"runtime": runtime})


def split(rows):
    return {"train": rows, "validation": rows[:8]}


def prepared(work, settings, rows, adapter=None):
    launch.prepare(settings, split(rows), work, work / "references.jsonl", adapter)
    return work


def outcome(work):
    adapter = work / "adapter" / "adapter_model.safetensors"
    return file_digest(adapter), read_json(work / "history.json")


@pytest.mark.parametrize("trainer", ["tree", "trl"])
def test_killed_at_any_step_and_resumed_to_the_same_bits(place, rows, trainer):
    """12 steps in two epochs, a checkpoint every 4, curves of means over 5: no boundary of one is a
    boundary of another.
    """
    draw = random.Random(trainer)
    settings = settings_for(place, trainer=trainer, checkpoints=3, logging_steps=5,
                            token_budget=4096)
    whole, killed = (prepared(place / f"{trainer}-{name}", settings, rows[:24])
                     for name in ("whole", "killed"))
    undisturbed = start(processes.alone, whole, None)
    deaths = {("step", draw.randint(1, 4)): None, ("step", draw.randint(5, 8)): "checkpoint-4",
              ("writing", 1): "checkpoint-4", ("written", 1): "checkpoint-8"}
    # TRL's loses the first checkpoint as the tree does.
    for death, reached in list(deaths.items())[trainer == "trl":]:
        assert ends([start(processes.alone, killed, death)]) == [-signal.SIGKILL], death
        assert last_checkpoint(killed) == (reached and str(killed / reached)), death
        if death[0] == "writing":
            assert (killed / "checkpoint-8").exists(), "nothing was half-written"
    assert ends([start(processes.alone, killed, None), undisturbed]) == [0, 0]
    assert outcome(killed) == outcome(whole)
    assert outcome(whole)[1]["steps"] == 12


@pytest.fixture(scope="module")
def two(place, rows):
    """Uninterrupted trainings in two processes: {trainer: work folder}."""
    works = {}
    for trainer in ("tree", "trl"):
        settings = settings_for(place, trainer=trainer, launch="cpu_2")
        works[trainer] = prepared(place / f"{trainer}-two", settings, rows)
        assert ends(processes.together(works[trainer])) == [0, 0]
    return works


@pytest.mark.parametrize("trainer", ["tree", "trl"])
def test_two_processes_follow_one_with_the_doubled_batch(place, rows, two, trainer):
    """Losses, margins and log-probabilities of every step, to 1e-4 relative: float32, in another
    order of addition.

    The tree reads two prompts a process and step here, of unequal length and with a budget of 64
    tokens, so one process has more to read than the other.
    """
    settings = settings_for(place, trainer=trainer, batch_size=8, token_budget=4096)
    base, tokenizer = loading.load_role(settings, "base")
    work = place / f"{trainer}-one"
    tuned, one = dpo.train(base, tokenizer, rows, rows[:8], settings, work)
    both = read_json(two[trainer] / "history.json")
    assert (both["processes"], one["processes"]) == (2, 1)
    assert both["steps"] == one["steps"] == 12 and both["tokens"] == one["tokens"]
    for part in ("train", "validation"):
        for mine, theirs in zip(both[part], one[part], strict=True):
            # Before the first step it counts which of two equal rewards is rounded up.
            del mine["accuracy"], theirs["accuracy"]
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    assert both["validation"][-1]["loss"] < both["validation"][0]["loss"] - 0.01
    base, _ = loading.load_role(settings, "base")
    again = dict(loading.with_adapter(base, two[trainer] / "adapter").named_parameters())
    for name, value in tuned.named_parameters():
        if "lora_" in name:
            assert torch.allclose(value, again[name], rtol=1e-3, atol=1e-5), name
    assert not list(two[trainer].glob("error-*"))


def test_a_later_round_in_two_processes_starts_from_the_adapter_of_the_one_before(place, rows, two):
    adapter = two["tree"] / "adapter"
    settings = settings_for(place, launch="cpu_2", epochs=1)
    work = prepared(place / "later-two", settings, rows, adapter)
    assert ends(processes.together(work)) == [0, 0]
    _, one = launch.train(settings_for(place, batch_size=8, epochs=1), split(rows),
                          place / "later-one", place / "later-one-references.jsonl", adapter)
    both = read_json(work / "history.json")["validation"]
    before = read_json(two["tree"] / "history.json")["validation"]
    assert both[0]["loss"] == pytest.approx(0.693147, abs=1e-5), "the reference is where it starts"
    assert both[0]["chosen_logp"] == pytest.approx(before[-1]["chosen_logp"], rel=1e-5)
    for mine, theirs in zip(both, one["validation"], strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


def descendants():
    return psutil.Process().children(recursive=True)


def test_a_killed_process_ends_the_job_and_the_next_run_goes_on(place, rows, two, capfd):
    """With accelerate's launcher: SIGKILL of rank 1 in mid-training, then the same again."""
    work, killed = prepared(place / "launched", settings_for(place, launch="cpu_2"), rows), []

    def kill_rank_1():
        while last_checkpoint(work) is None:
            time.sleep(0.005)
        for process in descendants():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("RANK") == "1" and not killed:
                    os.kill(process.pid, signal.SIGKILL)
                    killed.append(time.monotonic())
    threading.Thread(target=kill_rank_1, daemon=True).start()
    with pytest.raises(DataError, match=(
            r"cpu_2.yaml: the process of rank 1 ended by SIGKILL .* "
            r"checkpoint-\d+ is kept in .*run the same")) as ended:
        launch.run_processes("cpu_2", work, 1)
    assert time.monotonic() - killed[0] < 20 and not (work / "history.json").exists()
    assert not [process for process in descendants()
                if "lib.training.launch" in " ".join(process.cmdline())]
    step = int(re.search(r"checkpoint-(\d+)", str(ended.value))[1])
    assert 0 < step < 12
    capfd.readouterr()
    launch.run_processes("cpu_2", work, 1)
    shown = capfd.readouterr().err
    assert f"{step}/12" in shown
    assert len(re.findall(r"DPO: +\d+%[^\r\n]*12/12", shown)) == 1  # one bar
    assert outcome(work) == outcome(two["tree"])


def test_processes_need_a_gpu_each(place, rows, tmp_path):
    settings = settings_for(place, launch="ddp")
    sentence = "starts 2 processes, one per GPU, but 0 GPUs are visible"
    with pytest.raises(DataError, match=sentence):
        launch.train(settings, split(rows), tmp_path, tmp_path / "references.jsonl")


def test_processes_end_with_the_one_that_started_them(tmp_path):
    from multiprocessing import reduction
    reading, writing = os.pipe()
    process = start(processes.sleeping, tmp_path, reduction.DupFd(reading))
    os.close(reading)
    process.join(1)
    assert process.exitcode is None
    os.close(writing)
    assert ends([process]) == [1]


def test_an_error_in_a_process_is_the_error_of_the_run(tmp_path):
    assert ends([start(processes.failing, tmp_path, {"RANK": "1"})]) == [1]
    assert launch.reason("cpu_2", tmp_path, "Traceback ...") == "the pairs are bad"


def test_reasons_name_rank_and_signal(tmp_path):
    """As torch's launcher prints failures, of which the signal is the cause, and accelerate's."""
    said = "".join(
        f"[{rank}]:\n  time : now\n  rank      : {rank} (local_rank: {rank})\n"
        f"  exitcode  : {code} (pid: 7)\n" for rank, code in ((0, "1"), (2, "-15"), (3, "-9")))

    def reason(name, text):
        return launch.reason(name, tmp_path, text)
    assert "process of rank 3 ended by SIGKILL" in reason("ddp", said)
    assert "process of rank 0 ended with exit code 1" in reason("ddp", said.partition("[3]")[0])
    died = "Command 'x' died with <Signals.SIGKILL: 9>."
    assert "rank 0 ended by SIGKILL" in reason("one_gpu", died)
    assert reason("ddp", "?").endswith("Run the same again.")


@pytest.mark.parametrize(("found", "sentence"), [
    ((2, "cpu", False), None),
    ((1, "cpu", False), "2 on cpu with whole weights; started: 1 on cpu"),
    ((2, "cuda", False), "started: 2 on cuda"),
    ((2, "cpu", True), "started: 2 on cpu with split weights")])
def test_what_was_started_must_be_what_was_promised(found, sentence):
    count, device, parts = found
    state = SimpleNamespace(num_processes=count, device=torch.device(device))
    refused = pytest.raises(DataError, match=sentence) if sentence else contextlib.nullcontext()
    with refused:
        launch.check_started("cpu_2", state, parts)


def test_a_folder_prepared_for_two_processes_is_not_worked_on_by_one(place, rows, tmp_path):
    work = prepared(tmp_path / "work", settings_for(place, launch="cpu_2"), rows[:4])
    with pytest.raises(DataError, match="started: 1 on cpu"):
        launch.work_on(work)


def launched(name):
    """The arguments that accelerate's launcher makes of a configuration."""
    words = ["--config_file", str(launch.PROCESSES / f"{name}.yaml"), "-m", "lib.training.launch"]
    return _validate_launch_command(launch_command_parser().parse_args([*words, "WORK"]))[0]


@pytest.mark.parametrize("name", NAMES)
def test_configurations_are_accelerates(name):
    """Every key is known to accelerate, in the sections too, and the launcher makes of them what
    they are meant to be.
    """
    config = load_config_from_file(str(launch.PROCESSES / f"{name}.yaml"))
    known = vars(launch_command_parser().parse_args(["-m", "x"]))
    assert {*config.fsdp_config, *config.deepspeed_config} <= known.keys()
    assert launch.configuration(name)["num_processes"] == config.num_processes
    args = launched(name)
    started = {"multi_gpu": args.multi_gpu, "fsdp": args.use_fsdp, "deepspeed": args.use_deepspeed}
    assert started == {kind: kind == KINDS.get(name) for kind in started}
    assert args.use_cpu == (name == "cpu_2") and args.mixed_precision == "no" and not args.cpu


def test_fsdp_is_version_2_with_what_adapters_need():
    with patch_environment(**prepare_multi_gpu_env(launched("fsdp2"))):
        assert loading.sharded()
        plugin = FullyShardedDataParallelPlugin()
    plugin.set_auto_wrap_policy(new_model(tokenizer_of_base()))
    assert plugin.fsdp_version == 2 and plugin.use_orig_params is None
    assert plugin.reshard_after_forward is True and plugin.cpu_ram_efficient_loading
    assert plugin.state_dict_type.name == "SHARDED_STATE_DICT"
    layers = plugin.auto_wrap_policy.keywords["transformer_layer_cls"]
    assert [layer.__name__ for layer in layers] == ["LlamaDecoderLayer"]
    plugin.set_state_dict_type("FULL_STATE_DICT")  # what the end of a training does
    assert plugin.state_dict_type.name == "FULL_STATE_DICT" and not loading.sharded()


@pytest.mark.parametrize(("preset", "old", "new", "sentence"), [
    ("default", "launch: none", "launch: ddp", "cpu_2 is for the cpu"),
    ("paper", "launch: one_gpu", "launch: cpu_2", "cpu_2 is for"),
    ("paper", "launch: one_gpu", "launch: fsdp2", "which quantised ones do not stand"),
    ("default", "launch: none", "launch: fsdp3", "dpo.launch is 'fsdp3'")])
def test_a_launch_suits_the_device_and_the_weights(tmp_path, preset, old, new, sentence):
    text = (ROOT / "params.yaml").read_text()
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError, match=sentence):
        load(preset, tmp_path / "params.yaml")


def test_the_tree_trains_on_weights_that_two_processes_share(tmp_path):
    """In FSDP2's own splitting, with checkpointing, several packs a step, and references read in
    the step.
    """
    both = [start(processes.sharing, tmp_path, environment) for environment in ranks()]
    assert ends(both) == [0, 0]
    result = read_json(tmp_path / "result.json")
    assert result["loss"][1] == pytest.approx(result["loss"][0], rel=1e-5)
    assert result["error"] < 1e-5


def test_gradients_wait_for_the_last_pack(tmp_path, monkeypatch):
    """DeepSpeed takes a step after every pass in which accelerate says that gradients are to be
    synchronised.
    """
    tokenizer, said = tokenizer_of_base(), []
    trainer = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path,
                          trees={"token_budget": 100})
    trainer.state.global_step = trainer.current_gradient_accumulation_steps = 1
    monkeypatch.setattr(trainer.accelerator, "backward", lambda loss: said.append(
        trainer.accelerator.sync_gradients))
    trainer.training_step(trainer.model, next(iter(trainer.get_train_dataloader())))
    assert len(said) > 1 and said == [False] * (len(said) - 1) + [True]
