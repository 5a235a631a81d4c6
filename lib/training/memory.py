"""What a preset needs in memory and time, from model configurations, before anything is loaded.

The sums follow what the code keeps: weights as lib.models.parts stores them, AdamW on the adapter
in float32, activations as counted per token and layer, keys and values as tree_attention and
lib.models.shared_prompt hold them. tests/training/test_memory.py holds them against measured peaks.
Prompts and answers are taken at their longest; allocators add some percent.
"""
import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lib.core.records import DataError, dump
from lib.core.rows import Preference
from lib.core.sections.preset import Preset
from lib.core.sections.tuning import Dpo
from lib.core.settings import load
from lib.core.terminal import say
from lib.models import chats, loading, lora, places
from lib.models.parts import count_parameters, expert_weights, planned_storage
from lib.models.shared_prompt import can_share
from lib.training import launch
from lib.training.tree import scored_at_once

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

GIB = 2**30
LIBRARIES = 0.8 * GIB  # a process with torch, transformers and TRL, or the context of a GPU
# Assumed FLOP/s: of a CPU thread in float32; of an H100 in bfloat16, about a sixth of its peak.
FLOPS = {"cpu": 1e10, "cuda": 1.5e14}

# Shapes of the hub models in params.yaml, from the config.json of their repositories: type, width,
# feed-forward width, layers, heads, key heads, vocabulary, tied embeddings. A test holds the
# parameters that these give against those that the hub states. Mixtral has 8 experts, 2 a token.
KNOWN = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": ("llama", 576, 1536, 30, 9, 3, 49152, True),
    "HuggingFaceTB/SmolLM2-360M-Instruct": ("llama", 960, 2560, 32, 15, 5, 49152, True),
    "allenai/OLMo-2-0425-1B-Instruct": ("olmo2", 2048, 8192, 16, 16, 16, 100352, False),
    "Qwen/Qwen2.5-0.5B-Instruct": ("qwen2", 896, 4864, 24, 14, 2, 151936, True),
    "Qwen/Qwen2.5-72B-Instruct": ("qwen2", 8192, 29568, 80, 64, 8, 152064, False),
    "meta-llama/Meta-Llama-3-70B-Instruct": ("llama", 8192, 28672, 80, 64, 8, 128256, False),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": ("mixtral", 4096, 14336, 32, 32, 8, 32000, False),
    "mistralai/Mixtral-8x22B-Instruct-v0.1": ("mixtral", 6144, 16384, 56, 48, 8, 32768, False),
}
SHAPE = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
         "num_key_value_heads", "vocab_size", "tie_word_embeddings")

Bytes = dict[str, float]  # {part: bytes of one process}


@dataclass(frozen=True)
class Work:
    """What there is to tune on. prompt, answer: tokens of the longest; ..._tokens: of an epoch."""
    prompts: int
    pairs: int
    k: int  # answers to a prompt
    prompt: int
    answer: int
    tree_tokens: int
    pair_tokens: int


def expected_work(settings: Preset) -> Work:
    """The most that a preset can ask for: every prompt and answer at its limit."""
    data, limits, k = settings.data, settings.models, settings.candidates.k
    share = data.authors.train / sum(data.authors.model_dump().values())
    from_hub = data.source == "openalex"
    prompts = round(data.openalex.authors * share) if from_hub else data.authors.train
    pairs = prompts * settings.judging.pairs
    prompt = min(limits.max_prompt_tokens, settings.dpo.max_length - 1)
    answer = min(limits.max_new_tokens, settings.dpo.max_length - prompt)
    return Work(prompts, pairs, k, prompt, answer, tree_tokens=prompts * (prompt + k * answer),
                pair_tokens=pairs * 2 * (prompt + answer))


def measured_work(preferences: list[Preference], tokenizer: "PreTrainedTokenizerBase") -> Work:
    """What these preferences ask for, in tokens. Of none at all: one token each."""
    prompts = {dump(row["prompt"]): row["prompt"] for row in preferences}
    answers: dict[str, dict[str, int]] = {key: {} for key in prompts}
    long, pair_tokens = {}, 0
    for key, prompt in prompts.items():
        long[key] = len(chats.encode_chats(tokenizer, [prompt])[0])
    for row in preferences:
        key = dump(row["prompt"])
        for text in (row[side][0]["content"] for side in ("chosen", "rejected")):
            if text not in answers[key]:  # one token more, for the end of the turn
                answers[key][text] = len(chats.encode_ended(tokenizer, [text])[0])
            pair_tokens += long[key] + answers[key][text]
    short = [tokens for group in answers.values() for tokens in group.values()]
    return Work(len(prompts), len(preferences), max(map(len, answers.values()), default=1),
                max(long.values(), default=1), max(short, default=1),
                tree_tokens=sum(long.values()) + sum(short), pair_tokens=pair_tokens)


def skeleton(name: str) -> "PreTrainedModel":
    """A model of names and shapes only, as a directory, the table above, or the hub says."""
    *_, name = map(str, places.lineage(name))  # merged, an adapter changes no shape
    known, _, _ = name.partition("@")
    from transformers import AutoConfig, AutoModelForCausalLM  # seconds, for this alone
    if known in KNOWN and not places.find(name):
        kind, *sizes = KNOWN[known]
        config = AutoConfig.for_model(kind, **dict(zip(SHAPE, sizes, strict=True)))
    else:
        config = loading.pretrained(AutoConfig, name)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


class Sizes:
    """What the estimates read off a model. width: bytes of a number in which it computes."""

    def __init__(self, settings: Preset, role: str):
        models = settings.models
        self.model = skeleton(getattr(models, role))
        config, self.width = self.model.config, 4 if models.dtype == "float32" else 2
        self.layers, self.hidden = config.num_hidden_layers, config.hidden_size
        head = getattr(config, "head_dim", None) or self.hidden // config.num_attention_heads
        self.queries = config.num_attention_heads * head
        self.keys, self.vocabulary = config.num_key_value_heads * head, config.vocab_size
        self.experts = sum(weight.numel() for _, weight in expert_weights(self.model))
        # Feed-forward blocks that a token passes.
        self.active = config.num_experts_per_tok if self.experts else 1
        self.inner = self.active * config.intermediate_size
        # Parameters that a token meets.
        self.met = (count_parameters(self.model) - self.experts
                    + self.experts * self.active // getattr(config, "num_local_experts", 1))
        stored = planned_storage(self.model, models.quantisation, models.dtype)
        self.weights, self.restored = 1e6 * sum(row["MB"] for row in stored), 0
        if models.quantisation == "4bit":  # the experts of one layer, while it works
            self.restored = self.experts * self.width / self.layers


def estimate(settings: Preset, work: Work | None = None, role: str = "base",
             ) -> dict[str, dict[str, float]]:
    """{"training", "sampling": Bytes, "time"} of tuning a role's model, and of drawing K answers.

    work: what is tuned on; by default the most that the settings allow.
    """
    work, sizes = work or expected_work(settings), Sizes(settings, role)
    trained = lora.planned(sizes.model, settings.dpo.lora)["trained"] if role == "base" else 0
    return {"training": training(settings, work, sizes, trained),
            "sampling": sampling(settings, work, sizes), "time": time(settings, work, sizes)}


def training(settings: Preset, work: Work, sizes: Sizes, trained: float) -> Bytes:
    """Bytes of a training step. trained: parameters of the adapter."""
    dpo, width, hidden = settings.dpo, sizes.width, sizes.hidden
    tokens, copies, logits = per_step(settings, work, sizes.vocabulary)
    # On CUDA lib.training.tree_attention repeats shared key heads.
    repeated = dpo.trainer == "tree" and settings.runtime.device == "cuda"
    copied = sizes.queries if repeated else sizes.keys
    # Bytes of a token around attention and blocks, and within the blocks.
    around = hidden * (44 if width == 4 else 36)
    around += sizes.active * hidden * width * bool(sizes.experts)
    within = sizes.inner * width * (4 if "down_proj" in dpo.lora.target_modules else 3)
    layer = tokens * (around + within) + 2 * copies * copied * width
    # Checkpointing keeps the inputs of the layers only. Without it each layer's restored experts
    # wait for the backward pass, too.
    kept, busy, waiting = layer, 0.25, sizes.layers
    if dpo.gradient_checkpointing:
        kept, busy, waiting = tokens * hidden * width, 1.25, 1
    return {"weights": sizes.weights / division(dpo)[1],
            "adapter, its gradients and AdamW": 16 * trained / division(dpo)[1],
            "one layer at work": busy * layer, "kept for the backward pass": sizes.layers * kept,
            "restored experts": waiting * sizes.restored, "logits": logits, "libraries": LIBRARIES}


def sampling(settings: Preset, work: Work, sizes: Sizes) -> Bytes:
    """Bytes of drawing K answers to models.batch_size prompts."""
    batch, width, layers = settings.models.batch_size, sizes.width, sizes.layers
    rows, length = batch * settings.candidates.k, work.prompt + settings.models.max_new_tokens
    activations = batch * work.prompt * (8 * sizes.hidden + 3 * sizes.inner) * width
    token = 2 * sizes.keys * layers * width  # where `generate` writes, prompts are copied, too
    kept = settings.models.max_new_tokens if can_share(sizes.model, length) else length
    return {"weights": sizes.weights, "one layer at work": activations,
            "restored experts": sizes.restored, "keys and values": batch * work.prompt * token,
            "keys and values of answers": rows * kept * token,
            "logits": rows * sizes.vocabulary * 20, "libraries": LIBRARIES}


def time(settings: Preset, work: Work, sizes: Sizes) -> dict[str, float]:
    """How long training takes at an assumed speed.

    A token costs 2 FLOPs for each weight it meets, and twice its context in the width of all heads
    (Kaplan et al. 2020, 2.1). Frozen weights take no gradients: the backward pass costs one forward
    pass more, recomputing with checkpointing another, that is 4 or 6 FLOPs in all. The first
    summand is the reference, read once.
    """
    dpo, runtime = settings.dpo, settings.runtime
    read = work.tree_tokens if dpo.trainer == "tree" else work.pair_tokens
    passes = 1 + dpo.epochs * (3 if dpo.gradient_checkpointing else 2)
    context = work.prompt + work.answer
    flop = read * passes * (2 * sizes.met + 2 * sizes.layers * sizes.queries * context)
    speed = FLOPS["cuda"] if runtime.device == "cuda" else FLOPS["cpu"] * runtime.threads
    return {"tokens of an epoch": read, "TFLOP": flop / 1e12, "assumed TFLOP/s": speed / 1e12,
            "minutes": flop / speed / division(dpo)[0] / 60}


def per_step(settings: Preset, work: Work, vocabulary: int) -> tuple[int, int, int]:
    """Of one pass of training: tokens, positions whose keys are copied, bytes of logits."""
    dpo = settings.dpo
    if dpo.trainer == "trl":
        # Two padded sequences a pair; logits in tiles of 4,096 tokens, some of them complete.
        tokens = 2 * dpo.batch_size * (work.prompt + work.answer)
        return tokens, tokens, min(tokens, 4096) * 4 * (32768 + 8 * min(vocabulary, 32768))
    longest = work.prompt + work.k * work.answer
    fit = max(1, dpo.token_budget // longest)
    steps = max(1, round(work.pairs / (dpo.batch_size * dpo.gradient_accumulation)))
    trees = min(fit, ceil(work.prompts / steps))
    scored = min(fit * work.k * work.answer, scored_at_once(settings.runtime.device))
    copied = work.prompt + work.k * (work.prompt + work.answer)
    return trees * longest, trees * copied, scored * vocabulary * 20


def peak(parts: Bytes) -> float:
    """Bytes of the worst moment: layers are computed again without logits, answers grow later."""
    later = "keys and values of answers" if "keys and values" in parts else "logits"
    return sum(parts.values()) - min(parts["one layer at work"], parts[later])


def rows(sizes: dict[str, Bytes]) -> list[dict[str, Any]]:
    """Rows for a table: GiB of each part, and the peak, which is not their sum."""
    uses = ("training", "sampling")
    found: list[dict[str, Any]] = [
        {"part": part, **{f"{use} (GiB)": sizes[use].get(part, 0) / GIB for use in uses}}
        for part in dict.fromkeys([*sizes["training"], *sizes["sampling"]])]
    return [*found, {"part": "peak", **{f"{use} (GiB)": peak(sizes[use]) / GIB for use in uses}}]


def division(dpo: Dpo) -> tuple[int, int]:
    """(processes that train, parts of the weights), by dpo.launch or this process's launcher."""
    promised = launch.configuration(dpo.launch)
    count = promised.get("num_processes", int(os.environ.get("WORLD_SIZE", 1)))
    return count, count if promised.get("distributed_type") in ("FSDP", "DEEPSPEED") else 1


def available(settings: Preset) -> float:
    """Bytes that each process can have: of a GPU, of all where it has them alone, or of memory."""
    count, _ = division(settings.dpo)
    if loading.pick_device(settings.runtime.device) == "cuda":
        free = [torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())]
        return sum(free) if settings.dpo.launch == "none" and count == 1 else min(free)
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return float("inf")  # nothing to compare with on this system
    return int(line.split()[1]) * 1024 / count


def check(sizes: dict[str, Bytes], settings: Preset, use: str = "training",
          free: float | None = None) -> None:
    """Raise DataError, which names what to change, where an estimate exceeds the free bytes."""
    need, free = peak(sizes[use]), available(settings) if free is None else free
    if need > free:
        raise DataError(f"{use} with {settings.models.base} takes about {need / GIB:.1f} GiB in "
                        f"each process, and {free / GIB:.1f} GiB are free; "
                        f"{advice(sizes[use], settings)}.")


def advice(parts: Bytes, settings: Preset) -> str:
    """What to change about the part that takes most."""
    most, dpo = max(parts, key=parts.__getitem__), settings.dpo
    if most == "weights":
        smaller = "take a smaller models.base, or more memory"
        quantised = settings.models.quantisation == "4bit"
        return smaller if quantised else f"set models.quantisation to 4bit, or {smaller}"
    if "keys and values" in parts:
        return "lower models.batch_size or candidates.k"
    if not dpo.gradient_checkpointing and most != "logits":
        return "set dpo.gradient_checkpointing to true"
    budget = "token_budget" if dpo.trainer == "tree" else "batch_size"
    return f"lower dpo.{budget}, or models.max_prompt_tokens"


def command(preset: str = "") -> None:
    """Print what a preset takes, on any machine; raise DataError where this one has not enough."""
    name, settings = load(preset)
    os.environ.update(places.hub(settings.runtime))
    models, sizes, work = settings.models, estimate(settings), expected_work(settings)
    say(f"preset {name}: {models.base}, {models.dtype}, quantisation {models.quantisation}",
        f"at most {work.prompts} prompts of {work.prompt} tokens, {work.k} answers of "
        f"{work.answer} each, {work.pairs} pairs", "")
    for row in rows(sizes):
        part = row.pop("part")
        say(f"{part:34}" + "".join(f"{use} {value:7.2f}    " for use, value in row.items()))
    say("", *(f"{key:34}{value:.3g}" for key, value in sizes["time"].items()))
    for role in ["larger"] * (not settings.servers.larger) + ["evaluation_judge"]:
        need = peak(estimate(settings, role=role)["sampling"])
        say(f"{'sampling from ' + role:34}{need / GIB:.1f} GiB")
    if settings.runtime.device == "cuda" and not torch.cuda.is_available():
        say("No CUDA device is visible here, so there is nothing to hold this against.")
        return
    say(f"{'free for each process':34}{available(settings) / GIB:.1f} GiB")
    for use in ("training", "sampling"):
        check(sizes, settings, use)
