"""How fast DPO on trees is, and how much memory it takes, beside TRL's own trainer; and sampling candidates from one read prompt.

`python benchmarks/dpo.py results.json` prints the tables and writes them; for one case of interest add `--prompts 1500 --k 8`. Small random
models of the architectures of interest, on a CPU. For a notebook: `measure` and `sampling` return rows, `ratios` compares them.
"""
import argparse
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from lib.records import write_json  # noqa: E402

LAYERS = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
          "vocab_size": 4096, "max_position_embeddings": 8192}
METHODS = {
    "trl_default": "TRL, its defaults (reference in each step, checkpointing)",
    "trl_checkpointing": "TRL, reference precomputed, checkpointing",
    "trl": "TRL, reference precomputed, no checkpointing",
    "pair": "one pair at a time, its prompt shared",
    "tree": "tree",
    "tree_checkpointing": "tree, checkpointing"}
CHECKPOINTING = ("trl_default", "trl_checkpointing", "tree_checkpointing")
CLOSURE = {4: 5, 8: 12}  # preferences that a tournament of K candidates ends with
TRL_BATCH = 4


def new_model(family):
    """A small random model. family: llama, or mixtral (eight experts, two per token)."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig
    torch.manual_seed(0)
    config = LlamaConfig(**LAYERS) if family == "llama" else MixtralConfig(**LAYERS, num_local_experts=8, num_experts_per_tok=2)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    model.generation_config.eos_token_id = None  # so that every completion has the same length
    return model


def tournament(prompt, completion, k, pairs, seed=0):
    """`pairs` of the pairs of k random completions of one random prompt, tokenised. prompt, completion: tokens."""
    draw = random.Random(seed)
    ids = [[draw.randrange(5, LAYERS["vocab_size"]) for _ in range(length)] for length in [prompt] + [completion] * k]
    chosen = draw.sample(list(itertools.combinations(ids[1:], 2)), pairs)
    return [{"prompt_ids": ids[0], "chosen_ids": one, "rejected_ids": other} for one, other in chosen]


def new_trainer(method, family, rows, folder):
    from datasets import Dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    from lib.models import load_tokenizer
    from lib.tree_trainer import TreeTrainer
    tree = method in ("pair", "tree", "tree_checkpointing")
    arguments = DPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, max_length=None, router_aux_loss_coef=0.0, report_to="none", disable_tqdm=True,
        per_device_train_batch_size=len(rows) if tree else TRL_BATCH, precompute_ref_log_probs=method != "trl_default",
        gradient_checkpointing=method in CHECKPOINTING)
    lora = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=32, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])

    class Tokenised(TreeTrainer if tree else DPOTrainer):
        reference_seconds = 0.0

        def _prepare_dataset(self, dataset, *_):
            return dataset

        def _precompute_ref_logps(self, *arguments):
            start = time.perf_counter()
            dataset = super()._precompute_ref_logps(*arguments)
            self.reference_seconds = time.perf_counter() - start
            return dataset

    return Tokenised(model=new_model(family), args=arguments, processing_class=load_tokenizer("data/models/embedded/base"), peft_config=lora,
                     train_dataset=Dataset.from_list(rows), **({"references": folder / "references.jsonl"} if tree else {}))


def one(method, family, prompt, completion, k, pairs, threads):
    """Seconds and peak memory of the training steps (forward and backward) of one tournament; run in a process of its own.

    The better of two rounds. Of TRL's trainer one batch of four pairs is timed: all batches are alike. reference_seconds_per_pair: what
    the log-probabilities of the reference took, which TRL computes beforehand once per run, and the tree once for all runs.
    """
    import torch

    from lib.tree import grow
    torch.set_num_threads(threads)
    rows = tournament(prompt, completion, k, pairs)
    rows = rows[:TRL_BATCH] if method.startswith("trl") else rows
    with tempfile.TemporaryDirectory() as folder:
        trainer = new_trainer(method, family, rows, Path(folder))
        trainer.current_gradient_accumulation_steps = 1
        if method in CHECKPOINTING:
            trainer.model.activation_checkpointing_enable()  # as `train` does
        batch = next(iter(trainer.get_train_dataloader()))
        if method == "pair":
            batch, trainer.token_budget = {"trees": [grow([row])[0] for row in trainer.train_dataset]}, 1
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            trainer.training_step(trainer.model, batch)
            seconds.append(time.perf_counter() - start)
            trainer.model.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"family": family, "prompt": prompt, "completion": completion, "k": k, "pairs": pairs, "method": method, "threads": threads,
            "seconds_per_pair": min(seconds) / len(rows), "pairs_per_second": len(rows) / min(seconds),
            "reference_seconds_per_pair": trainer.reference_seconds / len(rows), "peak_memory_mb": peak / 1024,
            "step_memory_mb": (peak - before) / 1024}


def apart(name, *arguments):
    """The row of a function of this file that runs in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--one", json.dumps([name, *arguments])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": "",
                   "PYTHONWARNINGS": "ignore"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{name} {arguments} failed: {result.stderr.strip().splitlines()[-1:]}")
    return json.loads(result.stdout.splitlines()[-1])


def measure(family="llama", prompt=1500, completion=300, k=8, methods=tuple(METHODS), threads=2):
    """One row per method for one tournament (its closure), and for the tree one with all pairs of its candidates."""
    rows = [apart("one", method, family, prompt, completion, k, CLOSURE[k], threads) for method in methods]
    return [*rows, apart("one", "tree", family, prompt, completion, k, k * (k - 1) // 2, threads)] if "tree" in methods else rows


def ratios(rows):
    """How many times faster than the others the tree is, per pair, in each case of `measure`'s rows."""
    found = []
    for case in dict.fromkeys((row["family"], row["prompt"], row["completion"], row["k"]) for row in rows):
        family, prompt, completion, k = case
        mine = [row for row in rows if (row["family"], row["prompt"], row["completion"], row["k"]) == case]
        seconds = {row["method"]: row["seconds_per_pair"] for row in mine if row["pairs"] == CLOSURE[k]}
        every = [row["seconds_per_pair"] for row in mine if row["pairs"] != CLOSURE[k]]
        found.append({"family": family, "prompt": prompt, "completion": completion, "k": k, "all_pairs_vs_default":
                      seconds["trl_default"] / every[0] if every and "trl_default" in seconds else None,
                      **{f"tree_vs_{name}": seconds[name] / seconds["tree"] for name in METHODS if name in seconds and "tree" not in name}})
    return found


def draw(family, prompt, new, k, threads, rounds):
    """Seconds to draw k completions of `new` tokens after one prompt: read once (lib.sampling), and with `num_return_sequences`."""
    import torch

    from lib.models import load_tokenizer
    from lib.sampling import complete
    torch.set_num_threads(threads)
    model, tokenizer = new_model(family), load_tokenizer("data/models/embedded/base")
    ids = tournament(prompt, 1, 2, 1)[0]["prompt_ids"]
    ways = {"prefilled": lambda: complete(model, tokenizer, [ids], ["a"], k=k, temperature=1.0, max_new_tokens=new),
            "generate": lambda: model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, prompt, dtype=torch.long), do_sample=True,
                                               num_return_sequences=k, max_new_tokens=new, pad_token_id=0)}
    seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {"family": family, "prompt": prompt, "new_tokens": new, "k": k, "threads": threads,
            **{f"{name}_seconds": min(values) for name, values in seconds.items()},
            "ratio": min(seconds["generate"]) / min(seconds["prefilled"])}


def sampling(family="llama", prompt=1500, new=32, k=8, threads=2, rounds=3):
    """One row: sampling K candidates from a prompt that is read once, against `generate(num_return_sequences=K)`."""
    return apart("draw", family, prompt, new, k, threads, rounds)


def show(rows):
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print("  ".join(f"{column:>18}" for column in columns))
    for row in rows:
        print("  ".join(f"{row.get(c):>18.3f}" if isinstance(row.get(c), float) else f"{row.get(c)!s:>18}" for c in columns))
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", default="", help="JSON file to write")
    parser.add_argument("--families", nargs="+", default=["llama", "mixtral"])
    parser.add_argument("--prompts", nargs="+", type=int, default=[500, 1500, 3000])
    parser.add_argument("--k", nargs="+", type=int, default=[4, 8], choices=sorted(CLOSURE))
    parser.add_argument("--completion", type=int, default=300)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", help="used by the benchmark itself")
    options = parser.parse_args()
    if options.one:
        name, *arguments = json.loads(options.one)
        print(json.dumps({"one": one, "draw": draw}[name](*arguments)))
        return
    rows = []
    for family, prompt, k in itertools.product(options.families, options.prompts, options.k):
        found = measure(family, prompt, options.completion, k, options.methods, options.threads)
        show(found)
        rows += found
    show(ratios(rows))
    drawn = [sampling(family, prompt, threads=options.threads) for family in options.families for prompt in options.prompts]
    show(drawn)
    if options.results:
        write_json(options.results, {"training": rows, "ratios": ratios(rows), "sampling": drawn})


if __name__ == "__main__":
    main()
