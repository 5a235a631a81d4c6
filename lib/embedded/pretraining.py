"""Training the embedded models from scratch: a small Llama reads abstracts and writes profiles.

Plain training on noisy profiles does not teach such a model to copy names from the page. Two things
do: an induction warm-up (repeat a random sequence) and a curriculum (clean profiles first, the
model's own quality of profiles or the judging of rivals after).
"""
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch.nn import Module
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import prompts, verdicts, world
from lib.core.records import digest, read_json, write_json
from lib.core.rows import Rate
from lib.core.sections.models import Pretraining, Role
from lib.core.settings import ROOT
from lib.embedded import lessons
from lib.embedded.induction import new_model
from lib.embedded.lessons import Lesson
from lib.embedded.tokenizer import world_tokenizer
from lib.metrics import stats
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all

PROCEDURE = 1  # of training, see `train`; a change that changes weights takes the next number
SAMPLED = 4  # batches of each stage that tell one curriculum from another


class Point(TypedDict):
    """A point of a learning curve: losses in nats per token, held_out on authors of new domains."""

    step: int
    stage: str
    loss: float
    held_out: float


def completion_loss(model: Module, batch: list[Lesson]) -> torch.Tensor:
    """Mean cross-entropy over the completion tokens of lessons, the only ones with logits.

    Rows are padded on the right, where causal attention never looks.
    """
    length = max(len(prompt) + len(completion) for prompt, completion in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    scored = torch.zeros(len(batch), length, dtype=torch.bool)
    for row, (prompt, completion) in enumerate(batch):
        end = len(prompt) + len(completion)
        ids[row, :end] = torch.tensor(prompt + completion)
        scored[row, len(prompt):end] = True
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    logits, targets = model.lm_head(hidden[scored[:, 1:]]), ids[:, 1:][scored[:, 1:]]
    return torch.nn.functional.cross_entropy(logits, targets)


def curriculum(role: str, recipe: Role, tokenizer: Tokenizer, wording: str = "plain",
               ) -> list[tuple[str, int, Iterator[list[Lesson]]]]:
    """What one model learns from, stage by stage: [(name, steps, endless batches of lessons)]."""
    domains, generator = world.seen_domains(), torch.Generator().manual_seed(recipe.seed)

    def stream(make, key, *options):
        return lessons.batches(lambda start, count: make(
            tokenizer, f"{role}-{key}", start, count, domains, recipe.invented, wording,
            *options), recipe.batch)

    random_tokens = iter(lambda: lessons.repeats(tokenizer, 16, generator), None)
    clean = stream(lessons.examples, "clean")
    spoiled = stream(lessons.examples, "own", recipe.faults.model_dump())
    judging = lessons.mixed(stream(lessons.comparisons, "judging"), clean)
    return [("induction", recipe.induction_steps, random_tokens),
            ("clean profiles", recipe.clean_steps, clean),
            ("own quality", recipe.own_steps, spoiled),
            ("judging", recipe.judging_steps, judging)]


def train(model: Module, role: str, recipe: Role, tokenizer: Tokenizer,
          wording: str = "plain") -> Iterator[Point]:
    """Train a new model in place; yields a point of its learning curve each 50 steps and last."""
    probe = lessons.examples(tokenizer, "probe", 0, 32, world.held_out_domains(), 0, wording)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98),
                                  weight_decay=0.01)
    stages = curriculum(role, recipe, tokenizer, wording)
    plan = [(stage, stream) for stage, steps, stream in stages for _ in range(steps)]
    losses: list[float] = []
    for step, (stage, stream) in enumerate(plan, 1):
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * trapezoid(step, len(plan))
        loss = completion_loss(model, next(stream))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses = [*losses[-49:], loss.item()]
        if step % 50 == 0 or step == len(plan):
            with torch.no_grad():
                held_out = completion_loss(model, probe).item()
            yield Point(step=step, stage=stage, loss=sum(losses) / len(losses), held_out=held_out)


def trapezoid(step: int, steps: int) -> float:
    """The share of the peak learning rate at a step, from 1: up, flat, down."""
    return min(1.0, step / 50, max((steps - step + 1) / (0.7 * steps), 0.01))


def train_role(role: str, recipe: Role, tokenizer: Tokenizer, wording: str,
               directory: Path) -> list[Point]:
    """Train one model from scratch, save it in Hugging Face form and return its learning curve.

    Runs on one thread, so that the weights do not depend on how many cores there are.
    """
    torch.set_num_threads(1)
    model, curve = new_model(tokenizer, recipe), []
    total = sum(steps for _, steps, _ in curriculum(role, recipe, tokenizer))
    with tqdm(total=total, desc=role, unit="step") as bar:
        for point in train(model, role, recipe, tokenizer, wording):
            curve.append(point)
            bar.set_postfix(loss=f"{point['loss']:.3f}", refresh=False)
            bar.update(point["step"] - bar.n)
    model.to(torch.float16).save_pretrained(directory)  # half the size in git; loaded in float32
    tokenizer.save_pretrained(directory)
    for file in directory.iterdir():
        file.chmod(0o644)  # safetensors makes private files
    return curve


def train_all(settings: Pretraining, work: Path, destination: Path,
              wording: str = "plain") -> dict[str, list[Point]]:
    """Train every role, several at a time on one thread each, and publish it: {role: curve}.

    Each role becomes a Hugging Face directory in `destination`, beside training/<role>.json: its
    curve, and the key of all that decided the weights. A model that is there with the same key is
    not trained again, nor is one that an interrupted run has finished in `work`.
    """
    tokenizers = {judging: world_tokenizer(settings, judging, wording)
                  for judging in (False, True)}
    jobs = {role: (role, recipe, tokenizers[recipe.judging_steps > 0], wording)
            for role, recipe in settings.roles.items()}
    keys = {role: training_key(*job) for role, job in jobs.items()}
    stale = [role for role, key in keys.items() if known_key(destination, role) != key]
    todo = [role for role in stale if known_key(work, role) != keys[role]]
    # The longest first, so that no core idles at the end.
    todo.sort(key=lambda role: (-jobs[role][1].judging_steps, -jobs[role][1].hidden))
    with ProcessPoolExecutor(torch.get_num_threads(), mp_context=get_context("spawn")) as pool:
        runs = {pool.submit(train_role, *jobs[role], work / role): role for role in todo}
        for run in tqdm(as_completed(runs), total=len(runs), desc="models", unit="model"):
            record = {"key": keys[runs[run]], "curve": run.result()}
            write_json(training_file(work, runs[run]), record)
    for role in stale:
        shutil.rmtree(destination / role, ignore_errors=True)
        shutil.copytree(work / role, destination / role, copy_function=shutil.copyfile)
        write_json(training_file(destination, role), read_json(training_file(work, role)))
    return {role: read_json(training_file(destination, role))["curve"] for role in jobs}


def folder(settings: Pretraining, work: Path) -> Path:
    """Where trained models go: the folder that the settings name, or else one beside the work."""
    return ROOT / settings.folder if settings.folder else work / "thrown_away"


def training_file(folder: Path, role: str) -> Path:
    """The key and the learning curve of a role."""
    return folder / "training" / f"{role}.json"


def training_key(role: str, recipe: Role, tokenizer: Tokenizer, wording: str = "plain") -> str:
    """A digest of what decides a role's weights: recipe, tokenizer, first batches of each stage.

    It holds nothing of how the code is written, so code may move. PROCEDURE stands for the training
    itself; a test holds the first steps of that against the committed curve.
    """
    unused = set() if recipe.own_steps else {"faults"}
    stages = curriculum(role, recipe, tokenizer, wording)
    read = [list(islice(batches, SAMPLED)) for _, steps, batches in stages if steps]
    return digest([recipe.model_dump(exclude=unused), tokenizer.get_vocab(),
                   tokenizer.chat_template, read, PROCEDURE, torch.__version__.split("+")[0]])


def known_key(folder: Path, role: str) -> str | None:
    """The key of a finished model, None where there is none."""
    place = training_file(folder, role)
    finished = place.exists() and (folder / role / "model.safetensors").exists()
    return read_json(place)["key"] if finished else None


def probe_prompts(count: int, domains: list[str],
                  wording: str = "plain") -> list[dict[str, Any]]:
    """Prompts of fresh authors in some domains, with the truth, to measure a model's skill on."""
    rows = []
    for index in range(count):
        abstracts = world.author(f"probe-{index}", "skill", domains, wording=wording)
        rows.append({"id": f"probe-{index}", "messages": prompts.messages(abstracts, "brief"),
                     "truth": world.truth(abstracts)})
    return rows


def judging_skill(model: Module, tokenizer: Tokenizer, count: int, domains: list[str],
                  batch_size: int, max_new_tokens: int, wording: str = "plain") -> Rate:
    """How often a model names the better of two profiles of fresh authors, guided by the true one.

    A rate; ties do not count, and an answer without a clear verdict is wrong.
    """
    rows = [lessons.comparison("skill", index, domains, 0, wording) for index in range(count)]
    asked = encode_chats(tokenizer, [chat for chat, _, _ in rows])
    said = complete_all(model, tokenizer, list(zip(map(str, range(count)), asked)), batch_size,
                        description="judges", max_new_tokens=max_new_tokens)
    right = [verdicts.read(said[str(index)][0]["text"]) == verdicts.WINNERS[winner]
             for index, (_, _, winner) in enumerate(rows) if winner != "tie"]
    return stats.rate(sum(right), len(right))
