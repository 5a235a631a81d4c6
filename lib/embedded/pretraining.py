"""Training the embedded models from scratch: a small Llama that reads abstracts and writes profiles.

Plain training on noisy profiles does not teach such a model to copy names from the page. Two things do: an induction
warm-up (repeat a random sequence) and a curriculum (clean profiles first, the model's own quality of profiles or the judging of
rivals after).
"""
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from multiprocessing import get_context

import torch
from tqdm import tqdm

from lib.competencies import prompts, verdicts, world
from lib.core.records import digest, read_json, write_json
from lib.core.settings import ROOT
from lib.embedded import lessons
from lib.embedded.induction import new_model
from lib.embedded.tokenizer import world_tokenizer
from lib.metrics import stats
from lib.models.chats import encode_chats
from lib.models.sampling import complete_all

PROCEDURE = 1  # of training: how `train_role` starts, steps and ends; a change that changes weights takes the next number
SAMPLED = 4  # batches of each stage that tell one curriculum from another


def completion_loss(model, batch):
    """Mean cross-entropy over the completion tokens of (prompt ids, completion ids) pairs.

    Rows are padded on the right, where causal attention never looks; logits are computed for completions only.
    """
    length = max(len(prompt) + len(completion) for prompt, completion in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    scored = torch.zeros(len(batch), length, dtype=torch.bool)
    for row, (prompt, completion) in enumerate(batch):
        end = len(prompt) + len(completion)
        ids[row, :end] = torch.tensor(prompt + completion)
        scored[row, len(prompt):end] = True
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[scored[:, 1:]]), ids[:, 1:][scored[:, 1:]])


def curriculum(role, recipe, tokenizer):
    """What one model learns from, stage by stage: [(name, steps, endless batches of (prompt ids, completion ids) pairs)]."""
    domains, generator = world.seen_domains(), torch.Generator().manual_seed(recipe.seed)

    def stream(make, key, *options):
        return lessons.batches(lambda start, count: make(
            tokenizer, f"{role}-{key}", start, count, domains, recipe.invented, *options), recipe.batch)

    clean = stream(lessons.examples, "clean")
    return [
        ("induction", recipe.induction_steps, iter(lambda: lessons.repeats(tokenizer, 16, generator), None)),
        ("clean profiles", recipe.clean_steps, clean),
        ("own quality", recipe.own_steps, stream(lessons.examples, "own", recipe.faults.model_dump())),
        ("judging", recipe.judging_steps, lessons.mixed(stream(lessons.comparisons, "judging"), clean)),
    ]


def train_role(role, recipe, tokenizer, directory):
    """Train one model from scratch, save it as a Hugging Face directory and return its learning curve.

    role: its name, which also names its stream of authors. recipe: its settings (`sections.Role`).
    Runs on one thread, so that the weights do not depend on how many cores there are.
    Returns [{"step", "stage", "loss", "held_out"}]: training loss, and the loss on authors of held-out domains.
    """
    torch.set_num_threads(1)
    model = new_model(tokenizer, recipe)
    _, held_out = world.lexicon()
    probe = lessons.examples(tokenizer, "probe", 0, 32, list(held_out), 0)
    stages = curriculum(role, recipe, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    total = sum(steps for _, steps, _ in stages)
    curve, recent, step = [], [], 0
    with tqdm(total=total, desc=role, unit="step", mininterval=5) as bar:
        for stage, steps, stream in stages:
            for _ in range(steps):
                warm, rest = (step + 1) / 50, (total - step) / (0.7 * total)  # a trapezoid: up, flat, down
                optimizer.param_groups[0]["lr"] = recipe.learning_rate * min(1.0, warm, max(rest, 0.01))
                loss = completion_loss(model, next(stream))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                recent, step = [*recent[-49:], loss.item()], step + 1
                if step % 50 == 0 or step == total:
                    with torch.no_grad():
                        held = completion_loss(model, probe).item()
                    curve.append({"step": step, "stage": stage, "loss": sum(recent) / len(recent), "held_out": held})
                    bar.set_postfix(loss=f"{curve[-1]['loss']:.3f}", refresh=False)
                bar.update()
    model.to(torch.float16).save_pretrained(directory)  # half the size in git; loaded in float32
    tokenizer.save_pretrained(directory)
    for file in directory.iterdir():
        file.chmod(0o644)  # safetensors makes private files
    return curve


def train_all(settings, work, destination):
    """Train every role, several at a time on one thread each, and publish it. Returns {role: learning curve}.

    destination: a folder; each role becomes a Hugging Face directory in it, beside training/<role>.json: its curve, and the key of
    all that decided the weights. A model that is there with the same key is not trained again, nor is one that an interrupted run
    has finished in `work`.
    """
    tokenizers = {judging: world_tokenizer(settings, judging) for judging in (False, True)}
    keys = {role: training_key(role, recipe, tokenizers[recipe.judging_steps > 0]) for role, recipe in settings.roles.items()}
    stale = [role for role, key in keys.items() if known_key(destination, role) != key]
    todo = [role for role in stale if known_key(work, role) != keys[role]]
    # The longest first, so that no core idles at the end.
    todo.sort(key=lambda role: (-settings.roles[role].judging_steps, -settings.roles[role].hidden))
    with ProcessPoolExecutor(max_workers=torch.get_num_threads(), mp_context=get_context("spawn")) as pool:
        runs = {pool.submit(train_role, role, recipe := settings.roles[role], tokenizers[recipe.judging_steps > 0], work / role): role
                for role in todo}
        for run in tqdm(as_completed(runs), total=len(runs), desc="models", unit="model"):
            write_json(training_file(work, runs[run]), {"key": keys[runs[run]], "curve": run.result()})
    for role in stale:
        shutil.rmtree(destination / role, ignore_errors=True)
        shutil.copytree(work / role, destination / role, copy_function=shutil.copyfile)
        write_json(training_file(destination, role), read_json(training_file(work, role)))
    return {role: read_json(training_file(destination, role))["curve"] for role in settings.roles}


def folder(settings, work):
    """Where trained models go: the folder that the settings name, or, where they name none, one that goes with the work."""
    return ROOT / settings.folder if settings.folder else work / "thrown_away"


def training_file(folder, role):
    return folder / "training" / f"{role}.json"


def training_key(role, recipe, tokenizer):
    """A digest of what decides the weights of one role: its recipe, its tokenizer, and the first batches of each stage of its curriculum.

    It speaks of what the model reads and not of how the code is written, so code may move. PROCEDURE stands for the training itself;
    a test holds the first steps of that against the committed curves.
    """
    unused = set() if recipe.own_steps else {"faults"}
    read = [list(islice(batches, SAMPLED)) for _, steps, batches in curriculum(role, recipe, tokenizer) if steps]
    return digest([recipe.model_dump(exclude=unused), tokenizer.get_vocab(), tokenizer.chat_template, read, PROCEDURE,
                   torch.__version__.split("+")[0]])


def known_key(folder, role):
    """The key of a finished model, None where there is none."""
    place = training_file(folder, role)
    return read_json(place)["key"] if place.exists() and (folder / role / "model.safetensors").exists() else None


def probe_prompts(count, domains):
    """Prompts of fresh authors in some domains, with the truth, to measure a model's skill on."""
    rows = []
    for index in range(count):
        items = world.author(f"probe-{index}", "skill", domains)
        rows.append({"id": f"probe-{index}", "messages": prompts.messages(items, "brief"), "truth": world.truth(items)})
    return rows


def judging_skill(model, tokenizer, count, domains, batch_size, max_new_tokens):
    """How often a model names the better of two profiles of fresh authors, guided by the true one: a rate; ties do not count.

    An answer without a clear verdict is wrong.
    """
    rows = [lessons.comparison("skill", index, domains, 0) for index in range(count)]
    items = list(zip(map(str, range(count)), encode_chats(tokenizer, [chat for chat, _, _ in rows])))
    said = complete_all(model, tokenizer, items, batch_size, description="judges", max_new_tokens=max_new_tokens)
    right = [verdicts.read(said[str(index)][0]["text"]) == verdicts.WINNERS[winner]
             for index, (_, _, winner) in enumerate(rows) if winner != "tie"]
    return stats.rate(sum(right), len(right))
