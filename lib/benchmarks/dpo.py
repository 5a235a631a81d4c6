"""How fast DPO on trees is beside TRL's trainer, and sampling from a prompt that is read once.

Small random models of the architectures of interest, on a CPU. `step` and `draw` measure one thing
once, in a process of its own; lib/benchmarks/cases.py says what is measured and what is made of it.
"""
import itertools
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.benchmarks.sampling import timed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer

VOCABULARY = 4096
# (width, layers); 64 to a head, three times the width inside
SIZES = {"small": (128, 2), "medium": (256, 4), "large": (384, 6)}
# TRL's defaults read the reference in each step; where nothing is said, there is no checkpointing.
METHODS = {
    "default": "TRL, defaults", "precomputed": "TRL, precomputed",
    "precomputed_checkpointing": "TRL, precomputed, checkpointing",
    "pair": "one pair at a time", "tree": "tree", "tree_checkpointing": "tree, checkpointing"}
TREES = ("pair", "tree", "tree_checkpointing")
CHECKPOINTING = ("default", "precomputed_checkpointing", "tree_checkpointing")
TOKENIZER = "data/models/embedded/base"


def new_model(family: str, size: str = "medium") -> "PreTrainedModel":
    """A small random model. family: llama, or mixtral (eight experts, two per token).

    family may also be the directory of a real model, which is taken as it is.
    """
    # Here and below: libraries that take seconds, for the measured process alone.
    import torch  # see above
    if "/" in family:
        from lib.models.loading import load  # see above
        model, _ = load(family)
        model.generation_config.eos_token_id = None
        return model
    from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig  # see above
    torch.manual_seed(0)
    width, layers = SIZES[size]
    shape: dict[str, Any] = {
        "hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers,
        "num_attention_heads": width // 64, "num_key_value_heads": width // 64,
        "vocab_size": VOCABULARY, "max_position_embeddings": 8192}
    config = (LlamaConfig(**shape) if family == "llama"
              else MixtralConfig(**shape, num_local_experts=8, num_experts_per_tok=2))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    model.generation_config.eos_token_id = None  # so that every completion has the same length
    return model


def tournament(prompt: int, completion: int, k: int, pairs: int,
               seed: int = 0) -> list[dict[str, list[int]]]:
    """`pairs` of the pairs of k random completions of one random prompt, tokenised.

    prompt, completion: tokens. The first pairs hold every candidate, as a tournament does; the rest
    are drawn.
    """
    draw = random.Random(seed)
    lengths = [prompt] + [completion] * k
    ids = [[draw.randrange(5, VOCABULARY) for _ in range(length)] for length in lengths]
    first = [(i, i + 1) for i in range(0, k, 2)]
    others = [pair for pair in itertools.combinations(range(k), 2) if pair not in first]
    taken = first[:pairs] + draw.sample(others, max(0, pairs - len(first)))
    return [{"prompt_ids": ids[0], "chosen_ids": ids[one + 1], "rejected_ids": ids[other + 1]}
            for one, other in taken]


def new_trainer(method: str, model: "PreTrainedModel", rows: list[dict[str, list[int]]],
                folder: Path) -> "Trainer":
    """A trainer of one method for tokenised rows.

    TRL's defaults, but for a sufficient max_length and no auxiliary loss of experts.
    """
    from datasets import Dataset  # see new_model
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    from lib.models.loading import load_tokenizer  # see new_model
    from lib.training.tree_trainer import TreeTrainer
    arguments = DPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, max_length=None, router_aux_loss_coef=0.0,
        report_to="none", disable_tqdm=True, gradient_checkpointing=method in CHECKPOINTING,
        per_device_train_batch_size=len(rows), precompute_ref_log_probs=method != "default")
    lora = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=32,
                      target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    kind: Any = TreeTrainer if method in TREES else DPOTrainer

    class Tokenised(kind):
        def _prepare_dataset(self, dataset, *_):
            return dataset

    options = {"references": folder / "references.jsonl"} if method in TREES else {}
    trainer = Tokenised(model=model, args=arguments, processing_class=load_tokenizer(TOKENIZER),
                        peft_config=lora, train_dataset=Dataset.from_list(rows), **options)
    trainer.current_gradient_accumulation_steps = 1
    if method in CHECKPOINTING:
        trainer.model.activation_checkpointing_enable()  # as `train` does
    if method == "pair":
        trainer.token_budget = 1
    return trainer


def collated(trainer: "Trainer", method: str) -> dict[str, Any]:
    """All rows of a trainer as one batch, as its own loader makes it."""
    from lib.training.tree import grow  # see new_model
    dataset: Any = trainer.train_dataset
    rows = list(dataset)  # with what was computed beforehand
    if method == "pair":
        return {"trees": [grow([row])[0] for row in rows]}
    return {"trees": grow(rows)} if method in TREES else trainer.data_collator(rows)


def step(method: str, family: str, size: str, prompt: int, completion: int, k: int, pairs: int,
         threads: int) -> dict[str, Any]:
    """One training step, forward and backward, on some pairs of one tournament.

    Seconds and memory; needs a process of its own. It is the second of two steps, for the first
    also asks the system for memory, which takes the tree as long as its work. Nor is the time
    counted for log-probabilities of the reference that are computed beforehand. training_mb: by how
    much all this raised the peak of the process over that with the model loaded.
    """
    import torch  # see new_model

    from lib.training.parallel import peak_memory  # see new_model
    torch.set_num_threads(threads)
    rows = tournament(prompt, completion, k, pairs)
    with tempfile.TemporaryDirectory() as folder:
        model = new_model(family, size)
        before = peak_memory()
        trainer: Any = new_trainer(method, model, rows, Path(folder))
        batch = collated(trainer, method)
        for _ in range(2):
            start = time.perf_counter()
            trainer.training_step(trainer.model, batch)
            seconds = time.perf_counter() - start
            trainer.model.zero_grad()
    peak = peak_memory()
    return {"method": method, "family": family, "size": size, "prompt": prompt,
            "completion": completion, "k": k, "pairs": pairs, "seconds_per_pair": seconds / pairs,
            "peak_mb": peak, "training_mb": peak - before}


def draw(prompt: int, new: int, k: int, threads: int) -> dict[str, Any]:
    """Seconds to draw k completions of `new` tokens after one prompt, the second of two turns.

    The prompt is read once and held once, or drawn from with `generate`.
    """
    import torch  # see new_model
    torch.set_num_threads(threads)
    model, ids = new_model("llama"), tournament(prompt, 1, 2, 1)[0]["prompt_ids"]
    seconds = timed(model, [ids], new, k, warm=new)
    return {"prompt": prompt, "new": new, "k": k, **seconds}
