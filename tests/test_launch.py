"""DPO in several processes and DPO that is killed: the same training in the end, and a clear word where there is none."""
import contextlib
import json
import multiprocessing
import os
import random
import re
import signal
import socket
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
from test_dpo import small_settings
from test_tree import new_model, new_trainer, tournaments

from lib.core.records import DataError, file_digest, read_json, write_json, write_jsonl
from lib.core.settings import ROOT, SettingsError, load
from lib.embedded import induction
from lib.models import loading, lora
from lib.report import card, site
from lib.training import callbacks, cards, dpo, launch, tree_trainer
from lib.training.callbacks import last_checkpoint
from lib.training.tree_trainer import TreeTrainer

# Processes for tests come from one that has everything imported: they start at once, and are as mortal as any.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["lib.dpo"])
NAMES = sorted(path.stem for path in launch.PROCESSES.glob("*.yaml"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a tiny base model."""
    place = tmp_path_factory.mktemp("launch")
    tokenizer = loading.load_tokenizer(str(ROOT / "data/models/embedded/base"))
    induction.new_model(tokenizer, SimpleNamespace(hidden=32, layers=2, heads=2, matched=1, seed=0)).save_pretrained(place / "base")
    tokenizer.save_pretrained(place / "base")
    return place


@pytest.fixture(scope="module")
def rows():
    return [{**row, "id": str(i)} for i, row in enumerate(tournaments(12, pairs=4))]


def settings_for(place, **changes):
    settings = small_settings(**{"epochs": 2, "token_budget": 64, "learning_rate": 1e-3} | changes)
    return settings.model_copy(update={"models": settings.models.model_copy(update={"base": str(place / "base")}),
                                       "runtime": settings.runtime.model_copy(update={"threads": 1})})


def arrange(death):
    """See to it that this process is killed: in a step, while it writes its n-th checkpoint, or after its n-th."""
    def at(moment, count, owner, name):
        done, plain = [], getattr(owner, name)

        def counted(*args, **kwargs):
            result = plain(*args, **kwargs)
            done.append(args[2].global_step if moment == "step" else len(done) + 1)
            if done[-1] == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        setattr(owner, name, counted)

    if death:
        moment, count = death
        at(moment, count, *{"step": (callbacks.Progress, "on_step_end"), "writing": (dpo.DPOTrainer, "_save_rng_state"),
                            "written": (callbacks.Checkpoints, "on_save")}[moment])


def alone(work, death):
    """One process that trains as 03_dpo does and leaves the adapter in `work`."""
    torch.set_num_threads(1)
    arrange(death)
    job = read_json(work / "job.json")
    settings = SimpleNamespace(**{name: SimpleNamespace(**job["settings"][name]) for name in ("runtime", "models")},
                               dpo=launch.Dpo(**job["settings"]["dpo"]))
    pairs = {part: launch.read_jsonl(work / f"{part}.jsonl") for part in ("train", "validation")}
    tuned, history = launch.train(settings, pairs, work, job["references"])
    lora.save_adapter(tuned, work / "adapter", "base", "card")
    write_json(work / "history.json", history)


def together(work, environment):
    """One of several processes, as accelerate starts them."""
    os.environ.update(environment)
    launch.work_on(work)


def start(target, *arguments):
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def ends(processes):
    """Exit codes of processes, minus the signal where one was killed."""
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def ranks():
    """The environment of two processes that are to find each other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    return [{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} for rank in (0, 1)]


def prepared(work, settings, rows, adapter=None):
    launch.prepare(settings, {"train": rows, "validation": rows[:8]}, work, work / "references.jsonl", adapter)
    return work


def outcome(work):
    return file_digest(work / "adapter" / "adapter_model.safetensors"), read_json(work / "history.json")


@pytest.mark.parametrize("trainer", ["tree", "trl"])
def test_killed_at_any_step_and_resumed_to_the_same_bits(place, rows, trainer):
    """12 steps in two epochs, a checkpoint every 4, curves of means over 5: no boundary of one is a boundary of another."""
    settings, draw = settings_for(place, trainer=trainer, checkpoints=3, logging_steps=5, token_budget=4096), random.Random(trainer)
    whole, killed = (prepared(place / f"{trainer}-{name}", settings, rows[:24]) for name in ("whole", "killed"))
    assert ends([start(alone, whole, None)]) == [0]
    deaths = {("step", draw.randint(1, 4)): None, ("step", draw.randint(5, 8)): "checkpoint-4", ("writing", 1): "checkpoint-4",
              ("written", 1): "checkpoint-8"}
    for death, reached in list(deaths.items())[trainer == "trl":]:  # TRL's loses the first checkpoint as the tree does
        assert ends([start(alone, killed, death)]) == [-signal.SIGKILL], death
        assert last_checkpoint(killed) == (reached and str(killed / reached)), death
        assert death[0] != "writing" or (killed / "checkpoint-8").exists(), "nothing was half-written"
    assert ends([start(alone, killed, None)]) == [0]
    assert outcome(killed) == outcome(whole)
    assert outcome(whole)[1]["steps"] == 12


@pytest.fixture(scope="module")
def two(place, rows):
    """Uninterrupted trainings in two processes: {trainer: work folder}."""
    works = {}
    for trainer in ("tree", "trl"):
        works[trainer] = prepared(place / f"{trainer}-two", settings_for(place, trainer=trainer, launch="cpu_2"), rows)
        assert ends([start(together, works[trainer], environment) for environment in ranks()]) == [0, 0]
    return works


@pytest.mark.parametrize("trainer", ["tree", "trl"])
def test_two_processes_follow_one_with_the_doubled_batch(place, rows, two, trainer):
    """Losses, margins and log-probabilities of every step, to 1e-4 relative: float32, in another order of addition.

    The tree reads two prompts a process and step here, of unequal length and with a budget of 64 tokens, so one process has more
    to read than the other.
    """
    settings = settings_for(place, trainer=trainer, batch_size=8, token_budget=4096)
    base, tokenizer = loading.load_role(settings, "base")
    tuned, one = dpo.train(base, tokenizer, rows, rows[:8], settings, place / f"{trainer}-one")
    both = read_json(two[trainer] / "history.json")
    assert (both["processes"], one["processes"]) == (2, 1) and both["steps"] == one["steps"] == 12 and both["tokens"] == one["tokens"]
    for part in ("train", "validation"):
        for mine, theirs in zip(both[part], one[part], strict=True):
            del mine["accuracy"], theirs["accuracy"]  # before the first step it counts which of two equal rewards is rounded up
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    assert both["validation"][-1]["loss"] < both["validation"][0]["loss"] - 0.01
    again = loading.with_adapter(loading.load_role(settings, "base")[0], two[trainer] / "adapter")
    weights = [{name: value for name, value in model.named_parameters() if "lora_" in name} for model in (tuned, again)]
    assert all(torch.allclose(value, weights[1][name], rtol=1e-3, atol=1e-5) for name, value in weights[0].items())
    assert not list(two[trainer].glob("error-*"))


def test_a_later_round_in_two_processes_starts_from_the_adapter_of_the_one_before(place, rows, two):
    adapter, settings = two["tree"] / "adapter", settings_for(place, launch="cpu_2", epochs=1)
    work = prepared(place / "later-two", settings, rows, adapter)
    assert ends([start(together, work, environment) for environment in ranks()]) == [0, 0]
    alone_settings = settings_for(place, batch_size=8, epochs=1)
    _, one = launch.train(alone_settings, {"train": rows, "validation": rows[:8]}, place / "later-one", place / "later-one-references.jsonl", adapter)
    both = read_json(work / "history.json")
    assert both["validation"][0]["loss"] == pytest.approx(0.693147, abs=1e-5), "the reference is where it starts"
    assert both["validation"][0]["chosen_logp"] == pytest.approx(read_json(two["tree"] / "history.json")["validation"][-1]["chosen_logp"], rel=1e-5)
    for mine, theirs in zip(both["validation"], one["validation"], strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


def test_a_killed_process_ends_the_job_and_the_next_run_goes_on(place, rows, two, capfd):
    """With accelerate's launcher: SIGKILL of rank 1 in mid-training, then the same again."""
    settings = settings_for(place, launch="cpu_2")
    work, killed = prepared(place / "launched", settings, rows), []

    def kill_rank_1():
        while last_checkpoint(work) is None:
            time.sleep(0.005)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.environ().get("RANK") == "1" and not killed:
                    os.kill(process.pid, signal.SIGKILL)
                    killed.append(time.monotonic())
    killer = threading.Thread(target=kill_rank_1, daemon=True)
    killer.start()
    with pytest.raises(DataError, match=r"cpu_2.yaml: the process of rank 1 ended by SIGKILL .* checkpoint-\d+ is kept in .*run the same") as ended:
        launch.run_processes("cpu_2", work, 1)
    assert time.monotonic() - killed[0] < 20 and not (work / "history.json").exists()
    assert not [process for process in psutil.Process().children(recursive=True) if "lib.training.launch" in " ".join(process.cmdline())]
    step = int(re.search(r"checkpoint-(\d+)", str(ended.value))[1])
    assert 0 < step < 12
    capfd.readouterr()
    launch.run_processes("cpu_2", work, 1)
    shown = capfd.readouterr().err
    assert f"{step}/12" in shown and "12/12" in shown and len(re.findall(r"DPO: +\d+%[^\r\n]*12/12", shown)) == 1  # one bar
    assert outcome(work) == outcome(two["tree"])
    settings = settings.model_copy(update={"dpo": settings.dpo.model_copy(update={"launch": "ddp"})})
    with pytest.raises(DataError, match="starts 2 processes, one per GPU, but 0 GPUs are visible"):
        launch.train(settings, {"train": rows, "validation": rows[:8]}, work, work / "references.jsonl")


def sleeping(work, reading):
    """`launch.main` with nothing to do but wait, and its stdin at `reading`."""
    os.dup2(reading, 0)
    os.environ[launch.OWNED], launch.sys.argv, launch.work_on = "1", ["launch", str(work)], lambda work: time.sleep(60)
    launch.main()


def failing(work, environment):
    def fail(work):
        raise DataError("the pairs are bad")
    os.environ.update(environment)
    launch.sys.argv, launch.work_on = ["launch", str(work)], fail
    launch.main()


def test_processes_end_with_the_one_that_started_them(tmp_path):
    from multiprocessing import reduction
    reading, writing = os.pipe()
    process = PROCESSES.Process(target=sleeping_with, args=(tmp_path, reduction.DupFd(reading)))
    process.start()
    os.close(reading)
    process.join(1)
    assert process.exitcode is None
    os.close(writing)
    assert ends([process]) == [1]


def sleeping_with(work, handle):
    sleeping(work, handle.detach())


def test_an_error_in_a_process_is_the_error_of_the_run(tmp_path):
    assert ends([start(failing, tmp_path, {"RANK": "1"})]) == [1]
    assert launch.reason("cpu_2", tmp_path, "Traceback ...") == "the pairs are bad"


def test_reasons_name_rank_and_signal(tmp_path):
    """As torch's launcher prints failures, of which the signal is the cause, and accelerate's simple one."""
    said = ("[0]:\n  time : now\n  rank      : 0 (local_rank: 0)\n  exitcode  : 1 (pid: 7)\n"
            "[1]:\n  time : now\n  rank      : 2 (local_rank: 2)\n  exitcode  : -15 (pid: 8) (SIGTERM)\n"
            "[2]:\n  time : now\n  rank      : 3 (local_rank: 3)\n  exitcode  : -9 (pid: 9) (SIGKILL)\n")
    assert "process of rank 3 ended by SIGKILL" in launch.reason("ddp", tmp_path, said)
    assert "process of rank 0 ended with exit code 1" in launch.reason("ddp", tmp_path, said.partition("[2]")[0])
    assert "rank 0 ended by SIGKILL" in launch.reason("one_gpu", tmp_path, "Command 'x' died with <Signals.SIGKILL: 9>.")
    assert launch.reason("ddp", tmp_path, "?").endswith("Run the same again.")


@pytest.mark.parametrize(("found", "sentence"), [
    ((2, "cpu", False), None), ((1, "cpu", False), "2 on cpu with whole weights; started: 1 on cpu"),
    ((2, "cuda", False), "started: 2 on cuda"), ((2, "cpu", True), "started: 2 on cpu with split weights")])
def test_what_was_started_must_be_what_was_promised(found, sentence):
    state = SimpleNamespace(num_processes=found[0], device=torch.device(found[1]))
    with pytest.raises(DataError, match=sentence) if sentence else contextlib.nullcontext():
        launch.check_started("cpu_2", state, found[2])


def test_a_folder_prepared_for_two_processes_is_not_worked_on_by_one(place, rows, tmp_path, monkeypatch):
    work = prepared(tmp_path / "work", settings_for(place, launch="cpu_2"), rows[:4])
    with pytest.raises(DataError, match="started: 1 on cpu"):
        launch.work_on(work)


@pytest.mark.parametrize("name", NAMES)
def test_configurations_are_accelerates(name):
    """Every key is known to accelerate, in the sections too, and the launcher makes of them what they are meant to be."""
    path = launch.PROCESSES / f"{name}.yaml"
    config, known = load_config_from_file(str(path)), vars(launch_command_parser().parse_args(["-m", "x"]))
    unknown = {key for key in (*config.fsdp_config, *config.deepspeed_config) if key not in known}
    assert not unknown and launch.configuration(name)["num_processes"] == config.num_processes
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", str(path), "-m", "lib.training.launch", "WORK"]))
    started = {"multi_gpu": args.multi_gpu, "fsdp": args.use_fsdp, "deepspeed": args.use_deepspeed}
    assert started == {kind: kind == {"ddp": "multi_gpu", "cpu_2": "multi_gpu", "fsdp2": "fsdp", "zero3": "deepspeed"}.get(name)
                       for kind in started}
    assert args.use_cpu == (name == "cpu_2") and args.mixed_precision == "no" and not args.cpu


def test_fsdp_is_version_2_with_what_adapters_need(monkeypatch):
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(
        ["--config_file", str(launch.PROCESSES / "fsdp2.yaml"), "-m", "lib.training.launch", "WORK"]))
    with patch_environment(**prepare_multi_gpu_env(args)):
        assert loading.sharded()
        plugin = FullyShardedDataParallelPlugin()
    plugin.set_auto_wrap_policy(new_model(loading.load_tokenizer(str(ROOT / "data/models/embedded/base"))))
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True and plugin.cpu_ram_efficient_loading
    assert plugin.state_dict_type.name == "SHARDED_STATE_DICT" and plugin.use_orig_params is None
    assert [layer.__name__ for layer in plugin.auto_wrap_policy.keywords["transformer_layer_cls"]] == ["LlamaDecoderLayer"]
    plugin.set_state_dict_type("FULL_STATE_DICT")  # what the end of a training does
    assert plugin.state_dict_type.name == "FULL_STATE_DICT" and not loading.sharded()


def test_a_launch_suits_the_device_and_the_weights(tmp_path):
    text = (ROOT / "params.yaml").read_text()
    for old, new, sentence in (("launch: none", "launch: ddp", "cpu_2 is for the cpu"), ("launch: one_gpu", "launch: cpu_2", "cpu_2 is for"),
                               ("launch: one_gpu", "launch: fsdp2", "which quantised ones do not stand"),
                               ("launch: none", "launch: fsdp3", "dpo.launch is 'fsdp3'")):
        (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
        with pytest.raises(SettingsError, match=sentence):
            load("paper" if old.endswith("gpu") else "default", tmp_path / "params.yaml")


def split(out, environment):
    """One of two processes that hold a half of every weight (FSDP2, on the CPU): loss and gradients of a step, against whole weights."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    os.environ.update(environment)
    torch.set_num_threads(1)
    tokenizer, steps = loading.load_tokenizer(str(ROOT / "data/models/embedded/base")), []
    for shard in (False, True):
        tree_trainer.sharded = lambda shard=shard: shard
        trainer = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, out, gradient_checkpointing=True, trees={"token_budget": 100})
        noise = torch.Generator().manual_seed(1)
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                parameter.data = 0.1 * torch.randn(parameter.shape, generator=noise)
        trainer.state.global_step = trainer.current_gradient_accumulation_steps = 1
        trainer.model.activation_checkpointing_enable()
        if shard:
            mesh, base = init_device_mesh("cpu", (2,)), trainer.model.get_base_model()
            for part in (*base.model.layers, base.model.embed_tokens, [base.model.norm, base.lm_head], trainer.model):
                fully_shard(part, mesh=mesh)
            trainer.accelerator.no_sync = lambda model: contextlib.nullcontext()
        loss = trainer.training_step(trainer.model.train(), next(iter(trainer.get_train_dataloader())))
        gradients = [parameter.grad for parameter in trainer.model.parameters() if parameter.requires_grad]
        gradients = [gradient.full_tensor() if shard else trainer.accelerator.reduce(gradient, "mean") for gradient in gradients]
        steps.append((trainer.accelerator.reduce(loss, "mean").item(), torch.cat([gradient.flatten() for gradient in gradients])))
    if environment["RANK"] == "0":
        (one, whole), (other, parts) = steps
        write_json(out / "result.json", {"loss": [one, other], "error": ((whole - parts).norm() / whole.norm()).item()})
    torch.distributed.destroy_process_group()


def test_the_tree_trains_on_weights_that_two_processes_share(tmp_path):
    """In FSDP2's own splitting, with checkpointing, several packs a step, and references read in the step."""
    assert ends([start(split, tmp_path, environment) for environment in ranks()]) == [0, 0]
    result = read_json(tmp_path / "result.json")
    assert result["loss"][1] == pytest.approx(result["loss"][0], rel=1e-5) and result["error"] < 1e-5


def test_gradients_wait_for_the_last_pack(place, tmp_path, monkeypatch):
    """DeepSpeed takes a step after every pass in which accelerate says that gradients are to be synchronised."""
    tokenizer = loading.load_tokenizer(str(place / "base"))
    trainer, said = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, trees={"token_budget": 100}), []
    trainer.state.global_step = trainer.current_gradient_accumulation_steps = 1
    monkeypatch.setattr(trainer.accelerator, "backward", lambda loss: said.append(trainer.accelerator.sync_gradients))
    trainer.training_step(trainer.model, next(iter(trainer.get_train_dataloader())))
    assert len(said) > 1 and said == [False] * (len(said) - 1) + [True]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """An adapter as 03_dpo leaves it, the numbers of 03 and 04, and a hub that only takes notes."""
    history = {"train": [], "steps": 7, "validation": [
        {"accuracy": 0.9, "chosen_logp": -9.0, "loss": 0.6, "margin": 1.23456789, "step": step} for step in (0, 7)]}
    adapter, metrics = tmp_path / "adapter", tmp_path / "metrics"
    write_jsonl(tmp_path / "preferences.jsonl", [{"id": "1"}])
    text = cards.model_card(small_settings(), history, {"train": [1, 2]}, tmp_path / "preferences.jsonl")
    for name, content in (("README.md", text), ("adapter_config.json", "{}"), ("adapter_model.safetensors", "weights"), ("training_args.bin", "?")):
        adapter.mkdir(exist_ok=True)
        (adapter / name).write_text(content)
    write_json(adapter / "curves.json", history)
    measured = json.loads((ROOT / "reports/metrics/04_evaluation.json").read_text())
    write_json(metrics / "03_dpo.json", {"profile": measured["profile"], "steps": 7, "reward_margin": 1.234568, "pairs": {"train": 2, "validation": 1}})
    write_json(metrics / "04_evaluation.json", measured)
    monkeypatch.setattr(site, "METRICS", metrics)
    noted = {}

    class Hub:
        def __init__(self, token):
            noted["token"] = token

        def create_repo(self, name, private, exist_ok):
            noted.update(name=name, private=private)
            return f"https://hub/{name}"

        def upload_folder(self, repo_id, folder_path, commit_message):
            noted["files"] = {path.name: path.read_text() for path in launch.Path(folder_path).iterdir()}
    monkeypatch.setattr(card, "HfApi", Hub)
    monkeypatch.setenv("HF_TOKEN", "secret")
    return SimpleNamespace(adapter=adapter, metrics=metrics, noted=noted, measured=measured)


def test_the_card_tells_results_with_intervals_and_is_only_printed(published, capsys):
    card.main(["--adapter", str(published.adapter)])
    text, rate = capsys.readouterr().out, published.measured["preference_over_base"]
    assert f"{rate['rate']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}] | {rate['n']}" in text and "| 7 | 0.6000 | 1.2346 |" in text
    assert text.startswith("---\n# The base is a directory") and text.index("## Every argument") < text.index("## Evaluation") < text.index("## Limits")
    assert published.noted == {} and "## Evaluation" not in (published.adapter / "README.md").read_text()
    card.main(["--adapter", str(published.adapter), "-o", str(published.adapter.parent / "CARD.md")])
    assert (published.adapter.parent / "CARD.md").read_text() + "\n" == text and published.noted == {}


def test_only_push_uploads_and_only_what_belongs_there(published, capsys, monkeypatch):
    card.main(["--adapter", str(published.adapter), "--push", "me/adapter"])
    assert capsys.readouterr().out == "uploaded to https://hub/me/adapter\n"
    noted = published.noted
    assert noted["token"] == "secret" and noted["private"] and noted["name"] == "me/adapter"
    assert set(noted["files"]) == {"README.md", "adapter_config.json", "adapter_model.safetensors", "curves.json"}
    assert "## Evaluation" in noted["files"]["README.md"] and "secret" not in "".join(noted["files"].values())
    monkeypatch.delenv("HF_TOKEN")
    noted.clear()
    with pytest.raises(SystemExit, match="set the environment variable HF_TOKEN"):
        card.main(["--adapter", str(published.adapter), "--push", "me/adapter"])
    assert noted == {}


def test_a_card_never_shows_another_adapters_numbers(published):
    write_json(published.metrics / "03_dpo.json", {**read_json(published.metrics / "03_dpo.json"), "reward_margin": 2.0})
    with pytest.raises(SystemExit, match=r"03_dpo\.json is not about"):
        card.main(["--adapter", str(published.adapter), "--push", "me/adapter"])
    (published.metrics / "04_evaluation.json").unlink()
    with pytest.raises(SystemExit, match=r"04_evaluation.json is missing; run dvc repro"):
        card.main(["--adapter", str(published.adapter)])
    assert published.noted == {}


def test_a_hub_model_is_named_by_its_revision(tmp_path, monkeypatch):
    monkeypatch.setattr(dpo, "try_to_load_from_cache", lambda name, file: f"/cache/models--me--base/snapshots/abc123/{file}")
    settings = small_settings()
    settings = settings.model_copy(update={"models": settings.models.model_copy(update={"base": "me/base"})})
    text = cards.model_card(settings, {"train": [], "validation": [], "steps": 0}, {"train": []})
    assert text.startswith("---\nbase_model: me/base\n") and "`me/base`, revision `abc123`" in text and "the adapter is untrained" in text
