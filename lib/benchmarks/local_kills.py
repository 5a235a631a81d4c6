"""Work of local models that is killed at random moments, and what whoever starts it again loses."""
import multiprocessing
import random
import runpy
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from lib.core.records import Journal, digest, file_digest, json_lines, write_json, write_jsonl
from lib.core.settings import ROOT, load
from lib.core.terminal import silence

BASE = ROOT / "data" / "models" / "embedded" / "base"
AUTHORS, TOKENS = 10, 32  # of each run; of an answer
# What a process does is imported there, once for all: torch and trl take longer than the work.
PRELOADED = ["lib.studies.synthesis", "lib.studies.evaluation", "lib.report.extract",
             "lib.training.callbacks", "lib.training.tree_trainer", "lib.embedded.pretraining"]


class Case(NamedTuple):
    """Work that is killed: what it does in a folder, where it keeps rows, what it leaves."""
    work: Callable[[Path], None]
    journal: str
    results: tuple[str, ...]


def sampled(folder: Path) -> None:
    """Candidates for some authors, as 01_data_synthesis draws them."""
    from lib.models import loading  # here and below: torch, for the killed process alone
    from lib.studies import synthesis
    settings = load("smoke")[1]
    models = settings.models.model_copy(update={"max_new_tokens": TOKENS, "batch_size": 1})
    wanted = settings.candidates.model_copy(update={"k": 2})
    rows = synthesis.sample_candidates(*loading.load(BASE, device="cpu"), prompts(), wanted, models,
                                       Journal(folder / "candidates.jsonl"))
    write_jsonl(folder / "result.jsonl", rows)


def trained(folder: Path) -> None:
    """An adapter on a model of few weights, as 03_dpo tunes it; rows are reference readings."""
    import torch  # as above

    from lib.embedded import induction
    from lib.models import loading, lora
    from lib.training import dpo
    settings = load("smoke")[1]
    changes = {"batch_size": 2, "checkpoints": 4, "epochs": 2}
    settings = settings.model_copy(update={"dpo": settings.dpo.model_copy(update=changes)})
    tokenizer = loading.load_tokenizer(BASE)
    torch.manual_seed(0)
    shape: Any = settings.pretraining.roles["base"]
    pairs = preferences()
    tuned, history = dpo.train(induction.new_model(tokenizer, shape), tokenizer, pairs[:6],
                               pairs[6:], settings, folder / "work", folder / "references.jsonl")
    lora.save_adapter(tuned, folder / "adapter", "base", "card")
    write_json(folder / "history.json", history)


def evaluated(folder: Path) -> None:
    """Profiles of some authors and how good they are, as 04_evaluation writes and measures them."""
    from lib.core.sections.studies import Decoding  # as above
    from lib.models import loading
    from lib.studies import evaluation
    models = load("smoke")[1].models.model_copy(update={"max_new_tokens": TOKENS, "batch_size": 1})
    asked = prompts()
    written = evaluation.write_profiles(
        "base", *loading.load(BASE, device="cpu"), asked, models, Decoding(temperature=0, top_p=1),
        0, Journal(folder / "base.jsonl"), sure=True)
    write_jsonl(folder / "result.jsonl", written)
    write_json(folder / "means.json", evaluation.means(evaluation.measure(asked, written)))


def extracted(folder: Path) -> None:
    """Profiles by the command, as a user gives it."""
    given = folder / "abstracts.jsonl"
    write_jsonl(given, [{"id": f"{row['id']}-{number}", "author": row["id"], **abstract}
                        for row in prompts() for number, abstract in enumerate(row["abstracts"])])
    sys.argv = ["lib", "extract", str(given), "-o", str(folder / "result.jsonl"), "--model",
                str(BASE), "--max-new-tokens", str(TOKENS), "--batch-size", "1", "--device", "cpu"]
    runpy.run_module("lib", run_name="__main__")  # the door is above this room


CASES = {
    "sampling": Case(sampled, "candidates.jsonl", ("result.jsonl",)),
    "training": Case(trained, "references.jsonl",
                     ("adapter/adapter_model.safetensors", "history.json")),
    "evaluation": Case(evaluated, "base.jsonl", ("result.jsonl", "means.json")),
    "extraction": Case(extracted, ".result.jsonl.progress", ("result.jsonl",))}


def prompts() -> list[Any]:
    """Prompts of synthetic authors, with what is true of them."""
    from lib.competencies import world  # as above
    from lib.competencies.prompts import as_shown, messages
    rows = []
    for number in range(AUTHORS):
        own = world.author(f"killed-{number}", 0, world.seen_domains())
        rows.append({"id": f"killed-{number}", "author": f"killed-{number}", "split": "train",
                     "truth": world.truth(own), "abstracts": as_shown(own),
                     "messages": messages(own, "brief")})
    return rows


def preferences() -> list[Any]:
    """A pair for each prompt: one profile is better than another."""
    from lib.competencies.profiles import render  # as above
    rows = prompts()
    answers = [[{"role": "assistant", "content": render(row["truth"])}] for row in rows]
    return [{**row, "prompt": row["messages"], "chosen": answers[place - 1],
             "rejected": answers[place]} for place, row in enumerate(rows)]


def carry_out(kind: str, folder: Path) -> None:
    """What a process does until it is killed."""
    silence()
    import torch  # as above
    torch.set_num_threads(1)
    CASES[kind].work(folder)


def kills(kind: str, times: int, seed: int = 0) -> dict[str, Any]:
    """Kill one kind of work at random moments, start it again each time; compare with whole work.

    kind: of CASES. Work that ends before its kill begins anew elsewhere, until `times` were killed
    (SIGKILL). Returns {"kind", "kills", "runs", "rows", "lost", "doubled", "identical"}: rows of an
    undisturbed run; rows that were kept and then gone, or missing at the end; rows beyond those of
    that run, such as those made again; whether all results have the bytes of that run's.
    """
    moments, case = random.Random(f"{seed}/{kind}"), CASES[kind]
    found: dict[str, Any] = {"kind": kind, "kills": 0, "runs": 0, "lost": 0, "doubled": 0,
                             "identical": True}
    with TemporaryDirectory() as place:
        whole = Path(place, "whole")
        for folder in (Path(place, "first"), whole):  # the first one pays for what is imported
            begun = time.perf_counter()
            ended(kind, folder, None)
            seconds = time.perf_counter() - begun
        while found["kills"] < times:
            folder = Path(place, str(found["runs"]))
            found["runs"] += 1
            killed, kept = True, Counter[str]()
            while killed:
                killed = ended(kind, folder,
                               moments.uniform(0, seconds) if found["kills"] < times else None)
                found["kills"] += killed
                if (folder / case.journal).exists():
                    now = rows_of(folder / case.journal)
                    found["lost"] += len(kept - now)
                    kept = Counter(set(now))
            mine, theirs = left(folder, case), left(whole, case)
            found["lost"] += (theirs - mine).total()
            found["doubled"] += (mine - theirs).total()
            found["identical"] &= contents(folder, case) == contents(whole, case)
        return {**found, "rows": left(whole, case).total()}


def ended(kind: str, folder: Path, moment: float | None) -> bool:
    """Do the work in a process; kill it after `moment` seconds. Whether it was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)
    process = processes.Process(target=carry_out, args=(kind, folder))
    process.start()
    process.join(moment)
    if process.is_alive():
        process.kill()
        process.join()
    if process.exitcode not in (0, -9):
        raise RuntimeError(f"{kind} failed after a kill, with exit code {process.exitcode}")
    return process.exitcode == -9


def left(folder: Path, case: Case) -> Counter[str]:
    """How often each row stands in the journal and in the results that work left."""
    files = [folder / name for name in (case.journal, *case.results) if name.endswith(".jsonl")]
    return sum(map(rows_of, files), Counter[str]())


def rows_of(file: Path) -> Counter[str]:
    """How often each row stands in a file; half a row is none."""
    lines = json_lines(file.read_bytes()) if file.exists() else ()
    return Counter(digest(row) for _, row, problem in lines if not problem)


def contents(folder: Path, case: Case) -> list[str]:
    """Digests of what work left behind."""
    return [file_digest(folder / name) for name in case.results]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The kills of all kinds together: {"count", "rows_lost", "identical"}; lost: or doubled."""
    return {"count": sum(row["kills"] for row in rows),
            "rows_lost": sum(row["lost"] + row["doubled"] for row in rows),
            "identical": all(row["identical"] for row in rows)}
