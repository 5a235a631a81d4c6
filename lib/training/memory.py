"""What a preset needs in memory and time, from model configurations alone, before anything is loaded.

`python -m lib memory --preset paper` prints it. The sums follow what the code keeps: weights as lib.models.parts stores them, AdamW on
the adapter in float32, activations as counted per token and layer, keys and values as lib.tree_model and lib.sampling copy them.
tests/test_memory.py holds them against measured peaks. Prompts and answers are taken at their longest; allocators add some percent.
"""
import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lib.core.records import DataError, dump
from lib.core.settings import load
from lib.models import chats, loading, lora
from lib.models.parts import count_parameters, expert_weights, planned_storage
from lib.training import launch

GIB = 2**30
LIBRARIES = 0.8 * GIB  # a process with torch, transformers and TRL imported, or the context of a GPU
FLOPS = {"cpu": 1e10, "cuda": 1.5e14}  # assumed FLOP/s: of a CPU thread in float32; of an H100 in bfloat16, about a sixth of its peak

# Shapes of the hub models in params.yaml, from the config.json of their repositories: type, width, feed-forward width, layers, heads,
# key heads, vocabulary, tied embeddings. A test holds the parameters that these give against those that the hub states.
KNOWN = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": ("llama", 576, 1536, 30, 9, 3, 49152, True),
    "HuggingFaceTB/SmolLM2-360M-Instruct": ("llama", 960, 2560, 32, 15, 5, 49152, True),
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": ("llama", 2048, 8192, 24, 32, 32, 49152, True),
    "Qwen/Qwen2.5-0.5B-Instruct": ("qwen2", 896, 4864, 24, 14, 2, 151936, True),
    "Qwen/Qwen2.5-72B-Instruct": ("qwen2", 8192, 29568, 80, 64, 8, 152064, False),
    "meta-llama/Meta-Llama-3-70B-Instruct": ("llama", 8192, 28672, 80, 64, 8, 128256, False),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": ("mixtral", 4096, 14336, 32, 32, 8, 32000, False),  # with 8 experts, 2 for each token
    "mistralai/Mixtral-8x22B-Instruct-v0.1": ("mixtral", 6144, 16384, 56, 48, 8, 32768, False),
}


@dataclass(frozen=True)
class Work:
    """What there is to tune on. k: answers to a prompt; prompt, answer: tokens of the longest; tokens of an epoch as trees, as pairs."""
    prompts: int
    pairs: int
    k: int
    prompt: int
    answer: int
    tree_tokens: int
    pair_tokens: int


def expected_work(settings):
    """The most that a preset can ask for: every prompt and answer at its limit."""
    data, limits, k = settings.data, settings.models, settings.candidates.k
    share = data.authors.train / sum(data.authors.model_dump().values())
    prompts = round(data.openalex.authors * share) if data.source == "openalex" else data.authors.train
    pairs, prompt = prompts * settings.judging.pairs, min(limits.max_prompt_tokens, settings.dpo.max_length - 1)
    answer = min(limits.max_new_tokens, settings.dpo.max_length - prompt)
    return Work(prompts, pairs, k, prompt, answer, prompts * (prompt + k * answer), pairs * 2 * (prompt + answer))


def measured_work(preferences, tokenizer):
    """What these preferences ask for, in tokens of their prompts and answers. Of none at all: one token each."""
    prompts = {dump(row["prompt"]): row["prompt"] for row in preferences}
    long = dict(zip(prompts, map(len, chats.encode_chats(tokenizer, list(prompts.values()))))) if prompts else {}
    answers, pair_tokens = {key: {} for key in prompts}, 0
    for row in preferences:
        key = dump(row["prompt"])
        for text in (row[side][0]["content"] for side in ("chosen", "rejected")):
            if text not in answers[key]:  # one token more, for the end of the turn
                answers[key][text] = 1 + len(tokenizer(text, add_special_tokens=False)["input_ids"])
            pair_tokens += long[key] + answers[key][text]
    short = [tokens for group in answers.values() for tokens in group.values()]
    return Work(len(prompts), len(preferences), max(map(len, answers.values()), default=1), max(long.values(), default=1),
                max(short, default=1), sum(long.values()) + sum(short), pair_tokens)


def skeleton(name):
    """A model of names and shapes only, as its configuration says: a directory's, that of the table above, or the hub's."""
    if name in KNOWN and not Path(loading.locate(name)).is_dir():
        kind, width, inner, layers, heads, key_heads, vocabulary, tied = KNOWN[name]
        config = AutoConfig.for_model(kind, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
                                      num_key_value_heads=key_heads, vocab_size=vocabulary, tie_word_embeddings=tied)
    else:
        config = loading.pretrained(AutoConfig, name)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def estimate(settings, work=None, role="base"):
    """{"training", "sampling": {part: bytes of one process}, "time": {...}} of tuning a role's model, and of drawing K answers from it.

    work: what is tuned on; by default the most that the settings allow.
    """
    dpo, work, batch = settings.dpo, work or expected_work(settings), settings.models.batch_size
    model, width = skeleton(getattr(settings.models, role)), 4 if settings.models.dtype == "float32" else 2
    config, cuda, (processes, parts) = model.config, settings.runtime.device == "cuda", division(settings)
    layers, hidden = config.num_hidden_layers, config.hidden_size
    head = getattr(config, "head_dim", None) or hidden // config.num_attention_heads
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    experts = sum(weight.numel() for _, weight in expert_weights(model))
    active = config.num_experts_per_tok if experts else 1  # feed-forward blocks that a token passes
    inner = active * config.intermediate_size
    weights = 1e6 * sum(row["MB"] for row in planned_storage(model, settings.models.quantisation, settings.models.dtype))
    restored = experts * width / layers if settings.models.quantisation == "4bit" else 0  # of one layer, while it works

    tokens, copies, logits = per_step(dpo, work, config.vocab_size)
    copied = queries if dpo.trainer == "tree" and cuda else keys  # on CUDA lib.tree_model repeats shared key heads
    around = hidden * (44 if width == 4 else 36) + active * hidden * width * bool(experts)  # bytes of a token around attention and blocks
    within = inner * width * (4 if "down_proj" in dpo.lora.target_modules else 3)
    layer = tokens * (around + within) + 2 * copies * copied * width
    # Checkpointing keeps the inputs of the layers only. Without it each layer's restored experts wait for the backward pass, too.
    kept, busy, waiting = (tokens * hidden * width, 1.25, 1) if dpo.gradient_checkpointing else (layer, 0.25, layers)
    trained = lora.planned(model, dpo.lora)["trained"] if role == "base" else 0
    training = {"weights": weights / parts, "adapter, its gradients and AdamW": 16 * trained / parts,
                "one layer at work": busy * layer, "kept for the backward pass": layers * kept, "restored experts": waiting * restored,
                "logits": logits, "libraries": LIBRARIES}

    rows, length = batch * settings.candidates.k, work.prompt + settings.models.max_new_tokens
    sampling = {"weights": weights, "one layer at work": batch * work.prompt * (6 * hidden + 3 * inner) * width,
                "restored experts": restored, "keys and values": (rows * (1 + 1 / layers) + batch) * length * 2 * keys * layers * width,
                "logits": rows * config.vocab_size * 16, "libraries": LIBRARIES}

    # A token costs 2 FLOPs for each weight it meets, and twice its context in the width of all heads (Kaplan et al. 2020, 2.1). Frozen
    # weights take no gradients: the backward pass costs one forward pass more, recomputing with checkpointing another, that is 4 or 6
    # FLOPs in all. The first summand is the reference, read once.
    met = count_parameters(model) - experts + experts * active // getattr(config, "num_local_experts", 1)
    read = work.tree_tokens if dpo.trainer == "tree" else work.pair_tokens
    passes = 1 + dpo.epochs * (3 if dpo.gradient_checkpointing else 2)
    flop = read * passes * (2 * met + 2 * layers * queries * (work.prompt + work.answer))
    speed = FLOPS["cuda"] if cuda else FLOPS["cpu"] * settings.runtime.threads
    return {"training": training, "sampling": sampling, "time": {
        "tokens of an epoch": read, "TFLOP": flop / 1e12, "assumed TFLOP/s": speed / 1e12, "minutes": flop / speed / processes / 60}}


def per_step(dpo, work, vocabulary):
    """Of one pass of training: tokens, positions whose keys are copied, bytes of logits."""
    if dpo.trainer == "trl":  # two padded sequences a pair; logits in tiles of 4,096 tokens and a fixed width, and some of the vocabulary's
        tokens = 2 * dpo.batch_size * (work.prompt + work.answer)
        return tokens, tokens, min(tokens, 4096) * 4 * (32768 + 8 * min(vocabulary, 32768))
    longest = work.prompt + work.k * work.answer
    fit = max(1, dpo.token_budget // longest)
    steps = max(1, round(work.pairs / (dpo.batch_size * dpo.gradient_accumulation)))
    trees = min(fit, ceil(work.prompts / steps))
    # Evaluation fills the budget, and has the logits of all its answers at once.
    return trees * longest, trees * (work.prompt + work.k * (work.prompt + work.answer)), fit * work.k * work.answer * vocabulary * 16


def peak(parts):
    """Bytes where most is there at once: layers are computed again when the logits are gone, and prompts are read before answers grow."""
    return sum(parts.values()) - min(parts["one layer at work"], parts["keys and values" if "keys and values" in parts else "logits"])


def rows(sizes):
    """Rows for a table: GiB of each part while training and while sampling, and the peak, which is not their sum (see `peak`)."""
    def row(part, read):
        return {"part": part, **{f"{use} (GiB)": read(sizes[use]) / GIB for use in ("training", "sampling")}}
    parts = dict.fromkeys([*sizes["training"], *sizes["sampling"]])
    return [*(row(part, lambda of, part=part: of.get(part, 0)) for part in parts), row("peak", peak)]


def division(settings):
    """(processes that train, parts into which they split the weights), as dpo.launch or the launcher of this process says."""
    promised = launch.configuration(settings.dpo.launch)
    count = promised.get("num_processes", int(os.environ.get("WORLD_SIZE", 1)))
    return count, count if promised.get("distributed_type") in ("FSDP", "DEEPSPEED") else 1


def available(settings):
    """Bytes that each process can have: of one GPU, of all where a single process spreads over them, or of the machine's memory."""
    count, _ = division(settings)
    if loading.pick_device(settings.runtime.device) == "cuda":
        free = [torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())]
        return sum(free) if settings.dpo.launch == "none" and count == 1 else min(free)
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")) / count
    except (OSError, StopIteration):
        return float("inf")  # nothing to compare with on this system


def check(sizes, settings, use="training", free=None):
    """Raise DataError, which names what to change, where an estimate exceeds the memory. free: bytes; by default what is available."""
    need, free = peak(sizes[use]), available(settings) if free is None else free
    if need > free:
        raise DataError(f"{use} with {settings.models.base} takes about {need / GIB:.1f} GiB in each process, and {free / GIB:.1f} GiB are "
                        f"free; {advice(sizes[use], settings)}.")


def advice(parts, settings):
    """What to change about the part that takes most."""
    most = max(parts, key=parts.get)
    if most == "weights":
        smaller = "take a smaller models.base, or more memory"
        return smaller if settings.models.quantisation == "4bit" else f"set models.quantisation to 4bit, or {smaller}"
    if "keys and values" in parts:
        return "lower models.batch_size or candidates.k"
    if not settings.dpo.gradient_checkpointing and most != "logits":
        return "set dpo.gradient_checkpointing to true"
    return f"lower dpo.{'token_budget' if settings.dpo.trainer == 'tree' else 'batch_size'}, or models.max_prompt_tokens"


def command(preset=""):
    """Print what a preset takes, on any machine; raise DataError where this one has not enough."""
    name, settings = load(preset)
    sizes, work = estimate(settings), expected_work(settings)
    print(f"preset {name}: {settings.models.base}, {settings.models.dtype}, quantisation {settings.models.quantisation}")
    print(f"at most {work.prompts} prompts of {work.prompt} tokens, {work.k} answers of {work.answer} each, {work.pairs} pairs\n")
    for row in rows(sizes):
        print(f"{row.pop('part'):34}" + "".join(f"{use} {value:7.2f}    " for use, value in row.items()))
    print("\n" + "\n".join(f"{key:34}{value:.3g}" for key, value in sizes["time"].items()))
    for role in ("larger", "evaluation_judge"):
        print(f"{'sampling from ' + role:34}{peak(estimate(settings, role=role)['sampling']) / GIB:.1f} GiB")
    if settings.runtime.device == "cuda" and not torch.cuda.is_available():
        print("No CUDA device is visible here, so there is nothing to hold this against.")
        return
    print(f"{'free for each process':34}{available(settings) / GIB:.1f} GiB")
    for use in ("training", "sampling"):
        check(sizes, settings, use)
