"""TRL's DPOTrainer on trees: one forward pass per prompt instead of two per pair."""
import contextlib
import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.data_loader import prepare_data_loader
from accelerate.utils import broadcast_object_list, gather_object
from peft import PeftModel
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import __version__ as transformers_version
from transformers.trainer_utils import EvalLoopOutput
from trl import DPOConfig, DPOTrainer
from trl.trainer.utils import use_adapter

from lib.core.records import DataError, Journal, digest
from lib.models import identity
from lib.models.loading import sharded
from lib.training.losses import pair_losses
from lib.training.tree import Pack, Steps, Tree, bundles, grow, longest, shorten, turns
from lib.training.tree_attention import plant, separate_logps

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel as Model

# What a pack adds up; a step's or an evaluation's logs are ratios of these sums.
SIDES = ("chosen", "rejected")
OF_A_SIDE = ("reward", "logp", "tokens", "entropy", "logits", "first")
SUMS = ("loss", "pairs", "right", *(f"{side}_{name}" for side in SIDES for name in OF_A_SIDE))
# Arguments of TRL's that the tree follows at this value only.
FIXED = {"ld_alpha": None, "f_divergence_type": "reverse_kl", "use_weighting": False,
         "disable_dropout": True, "truncation_mode": "keep_start", "sync_ref_model": False}


class TreeTrainer(DPOTrainer):
    """DPO whose unit is the prompt with all of its pairs; equal to TRL's trainer on the same pairs.

    The same arguments, logs, checkpoints and adapters, with these differences. A step holds whole
    prompts with about per_device_train_batch_size x gradient_accumulation_steps pairs, of all
    processes together, and its loss is the mean over them. Logs of an evaluation are means over its
    pairs, where TRL's are means over batches; `num_tokens` counts the tokens of trees.
    model: a loaded model, with `peft_config` or without. token_budget: tokens in memory at once,
    but a tree is never split. too_long: where a sequence exceeds max_length "refuse" raises
    DataError, "truncate" cuts completions as TRL does and counts them in `truncated`; a prompt that
    fills max_length is always refused. references: a file that keeps reference log-probabilities.
    Where processes share the weights (FSDP, DeepSpeed), none has a model to read them with before
    training: they are then read in each step, with the adapter switched off, and not kept.
    """

    def __init__(self, model: "Model", args: DPOConfig, *, references: Path,
                 token_budget: int = 16384, too_long: str = "refuse",
                 ref_model: "Model | None" = None, **kwargs: Any):
        refuse_what_differs(args)
        args = copy.copy(args)
        self.pairs_per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
        args.gradient_accumulation_steps, args.precompute_ref_log_probs = 1, not sharded()
        self.token_budget, self.too_long = token_budget, too_long
        self.truncated: dict[str, int] = {}
        self._sums: list[torch.Tensor] = []
        self.references_path = references
        self.reference_key = None if sharded() else reference_key(ref_model or model, args)
        # 8-bit activations depend on what shares their batch.
        rounded = (args.bf16 or args.fp16 or getattr(model, "is_loaded_in_8bit", False)
                   or torch.get_float32_matmul_precision() != "highest")
        exact = model.dtype in (torch.float32, torch.float64) and not rounded
        self.tolerance = 1e-4 if exact else 5e-2
        super().__init__(model, ref_model, args, **kwargs)
        if self.aux_loss_enabled:
            raise DataError("router_aux_loss_coef must be 0: the auxiliary loss of a tree counts "
                            "a prompt's tokens once, TRL's once per pair.")
        self.train_trees = grow(self.train_dataset)
        plant(self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model)

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        """Token ids, TRL's where there are none, without its silent dropping: what is too long is
        refused or cut.
        """
        limit, args = args.max_length, copy.copy(args)
        args.max_length = None
        if "prompt_ids" not in dataset.column_names:
            dataset = super()._prepare_dataset(dataset, processing_class, args, dataset_name)
        rows = dataset.select_columns(["prompt_ids", "chosen_ids", "rejected_ids"])
        long = [row for row in rows if limit and longest(row) > limit]
        hopeless = [row for row in long if len(row["prompt_ids"]) >= limit]
        self.truncated[dataset_name] = len(long)
        if hopeless or (long and self.too_long == "refuse"):
            raise DataError(f"{len(long)} of {len(rows)} {dataset_name} pairs exceed max_length "
                            f"({limit} tokens), {len(hopeless)} by their prompt alone; leave them "
                            "out, raise dpo.max_length, or set dpo.too_long to truncate.")
        return rows.map(shorten, fn_kwargs={"max_length": limit}) if long else rows

    def _precompute_ref_logps(self, dataset, name, batch_size):
        """Reference log-probabilities from the file, or computed now, once per completion.

        The processes share the work by prompts, all know the result, the first keeps the file.
        """
        rows, model = list(dataset), self.ref_model or self.model
        model.eval()
        journal = Journal(self.references_path) if self.accelerator.is_main_process else None
        known, = broadcast_object_list([journal and journal.items])
        unread = ((tree, self._unread(tree, known)) for tree in grow(rows))
        todo = [(tree, completions) for tree, completions in unread if completions]
        rank, processes = self.args.process_index, self.args.world_size
        bar = tqdm(total=len(todo), desc=f"reference ({name})", unit="prompt", mininterval=2)
        with self._adapter_off(), self.accelerator.autocast(), bar:
            for start in range(0, len(todo), processes):
                found = []
                for tree, completions in todo[start + rank:start + rank + 1]:
                    keys = [self._reference(tree.prompt, ids) for ids in completions]
                    found += zip(keys, separate_logps(model, tree.prompt, completions))
                found = gather_object(found)
                known.update(found)
                if journal:
                    journal.add(found)
                bar.update(min(processes, len(todo) - start))
        for side in SIDES:
            keys = [self._reference(row["prompt_ids"], row[f"{side}_ids"]) for row in rows]
            dataset = dataset.add_column(f"ref_{side}_logps", [known[key] for key in keys])
        return dataset

    def _unread(self, tree, known):
        return [ids for ids in tree.completions if self._reference(tree.prompt, ids) not in known]

    def _adapter_off(self):
        """Makes the model the reference: no adapter, or that which a new round starts from."""
        if self.ref_model is not None or not isinstance(self.model, PeftModel):
            return contextlib.nullcontext()
        start = "ref" if "ref" in self.model.peft_config else None
        return use_adapter(self.model, adapter_name=start)

    def _reference(self, prompt, completion):
        return digest([self.reference_key, prompt, completion])

    def get_train_dataloader(self) -> DataLoader:
        """Steps of whole prompts: every process sees all of a step, and takes its part of it."""
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        sizes, processes = [len(tree.pairs) for tree in self.train_trees], self.args.world_size
        steps = Steps(sizes, self.pairs_per_step * processes, seed, processes)
        loader = DataLoader(self.train_trees, batch_sampler=steps,
                            collate_fn=lambda trees: {"trees": trees})
        return prepare_data_loader(loader, num_processes=1, process_index=0)

    def get_eval_dataloader(self, eval_dataset: "Dataset | str | None" = None) -> list[list[Tree]]:
        if isinstance(eval_dataset, str):
            eval_dataset = self.eval_dataset[eval_dataset]
        rows: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        return list(bundles(grow(rows), self.token_budget))

    def training_step(self, model: "Model", inputs: dict[str, list[Tree]],
                      num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward by packs; the gradient is that of the step's mean over pairs."""
        trees, processes = inputs["trees"], self.args.world_size
        # Gradients and losses of the processes are averaged.
        share = [part * processes for part in step_share(trees)]
        parts = [list(bundles(trees[rank::processes], self.token_budget))
                 for rank in range(processes)]
        packs, self._sums, loss = turns(parts, self.args.process_index), [], 0.0
        for number, (bundle, counts) in enumerate(packs, 1):
            last = number == len(packs)
            # DeepSpeed steps after every pass where this is True.
            self.accelerator.gradient_state._set_sync_gradients(last)
            part = {"bundle": bundle, "share": share if counts else (0.0, 0.0)}
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                loss += super().training_step(model, part)
            if not counts:
                self._sums.pop()
        self._total_train_tokens += sum(tree.tokens for tree in trees)
        self._log_sums("train")
        return loss

    def compute_loss(self, model: "Model", inputs: dict[str, Any], return_outputs: bool = False,
                     num_items_in_batch: Any = None) -> torch.Tensor:
        """The share of {"bundle": [Tree], "share": (per pair, per chosen token)} in its step."""
        pack = Pack(inputs["bundle"], self.accelerator.device)
        with self.accelerator.autocast():
            tokens = model(tree=pack)
        logps, entropy, logits, first = (_by_completion(column, pack) for column in tokens)
        lengths = torch.tensor(pack.lengths, device=logps.device)
        known = self.reference_key is not None
        reference = pack.reference.to(logps) if known else self._reference_now(model, pack)
        per_pair, per_chosen_token = inputs["share"]
        loss = torch.zeros((), dtype=logps.dtype, device=logps.device)
        for kind, weight in zip(self.loss_types, self.loss_weights, strict=True):
            if kind == "sft":
                loss = loss - weight * per_chosen_token * logps[pack.chosen].sum()
                continue
            policy, base = logps, reference
            if kind == "ipo":
                policy, base = logps / lengths, reference / lengths
            losses = pair_losses(kind, policy[pack.chosen], policy[pack.rejected],
                                 base[pack.chosen], base[pack.rejected],
                                 self.beta, self.label_smoothing)
            loss = loss + weight * per_pair * losses.sum()
        if self.state.global_step == 0 and self.ref_model is None:
            check_start(logps.detach(), reference, self.tolerance)
        self._add_up(pack, loss.detach(), {
            "reward": self.beta * (logps.detach() - reference), "logp": logps.detach(),
            "tokens": lengths, "entropy": entropy, "logits": logits, "first": first})
        return loss

    def _reference_now(self, model, pack):
        """Reference log-probabilities (completions,) by the model that the processes share."""
        with torch.no_grad(), self._adapter_off(), self.accelerator.autocast():
            return _by_completion((self.ref_model or model)(tree=pack)[0], pack)

    def _add_up(self, pack, loss, found):
        """Keep sums of one pack for the logs. found: {name of OF_A_SIDE: (completions,)}."""
        reward = found["reward"]
        sums = {"loss": loss, "pairs": loss.new_tensor(len(pack.chosen)),
                "right": (reward[pack.chosen] > reward[pack.rejected]).sum()}
        for side, places in zip(SIDES, (pack.chosen, pack.rejected)):
            sums |= {f"{side}_{name}": found[name][places].sum() for name in OF_A_SIDE}
        self._sums.append(torch.stack([sums[name].double() for name in SUMS]).cpu())

    def _log_sums(self, mode):
        """Means over pairs, or over their tokens, under TRL's names. Returns the sum of losses."""
        sums = torch.stack(self._sums).sum(0).to(self.accelerator.device)
        sums = dict(zip(SUMS, self.accelerator.reduce(sums).tolist()))
        pairs, logs = sums["pairs"], {}
        for side in SIDES:
            logs[f"rewards/{side}"] = sums[f"{side}_reward"] / pairs
            logs[f"logps/{side}"] = sums[f"{side}_logp"] / pairs
            logs[f"logits/{side}"] = sums[f"{side}_logits"] / sums[f"{side}_tokens"]
        tokens = sums["chosen_tokens"] + sums["rejected_tokens"]
        logs["rewards/accuracies"] = sums["right"] / pairs
        logs["rewards/margins"] = (sums["chosen_reward"] - sums["rejected_reward"]) / pairs
        logs["entropy"] = (sums["chosen_entropy"] + sums["rejected_entropy"]) / tokens
        logs["mean_token_accuracy"] = sums["chosen_first"] / sums["chosen_tokens"]
        logs["num_tokens"] = self._total_train_tokens
        for name, value in logs.items():
            self._metrics[mode][name].append(value)
        return sums["loss"]

    def evaluation_loop(self, dataloader: list[list[Tree]], description: str,
                        prediction_loss_only: Any = None, ignore_keys: Any = None,
                        metric_key_prefix: str = "eval") -> EvalLoopOutput:
        """Means over all pairs of the bundles in `dataloader`, which the processes share."""
        model = self.model_wrapped
        model.eval()
        trees = [tree for bundle in dataloader for tree in bundle]
        share, processes = step_share(trees), self.args.world_size
        self._sums = [torch.zeros(len(SUMS), dtype=torch.float64)]
        parts = [dataloader[rank::processes] for rank in range(processes)]
        with torch.no_grad():
            for bundle, counts in turns(parts, self.args.process_index):
                self.compute_loss(model, {"bundle": bundle, "share": share})
                if not counts:
                    self._sums.pop()
        metrics = {f"{metric_key_prefix}_loss": self._log_sums("eval")}
        return EvalLoopOutput(predictions=None, label_ids=None, metrics=metrics,
                              num_samples=sum(len(tree.pairs) for tree in trees))


def _by_completion(values, pack):
    """Sums (completions,) of (tokens,); not index_add, whose order on CUDA differs by run."""
    return torch.stack([part.sum() for part in values.split(pack.lengths)])


def step_share(trees: list[Tree]) -> tuple[float, float]:
    """The weight of one pair, and of one token of a chosen answer, in the means over some trees."""
    tokens = [len(tree.completions[chosen]) for tree in trees for chosen, _ in tree.pairs]
    return 1 / len(tokens), 1 / sum(tokens)


def check_start(logps: torch.Tensor, reference: torch.Tensor, tolerance: float) -> None:
    """Raise DataError unless policy and reference (completions,) agree to a relative tolerance.

    The reference was read by the model's own attention, one completion at a time, so this also
    checks the tree, in every run.
    """
    ratio = float((logps - reference).abs().mean())
    if not ratio <= tolerance * (1 + float(reference.abs().mean())):
        raise DataError(f"before the first step policy and reference differ by {ratio:.3g} nats "
                        "per completion; it must be near 0. The file of reference "
                        "log-probabilities may belong to another model: remove it.")


def refuse_what_differs(args: DPOConfig) -> None:
    """Raise DataError for arguments of TRL's that the tree would not follow."""
    for name, plain in FIXED.items():
        if (value := getattr(args, name)) != plain:
            raise DataError(f"the tree does not support DPOConfig.{name} = {value!r}; "
                            "set dpo.trainer to trl.")


def reference_key(model: "Model", args: DPOConfig) -> str:
    """What decides a log-probability besides the token ids: the model, and how it is computed."""
    return digest([identity.of_model(model), args.bf16, args.fp16, str(model.device.type),
                   torch.get_float32_matmul_precision(), torch.get_num_threads(), torch.__version__,
                   transformers_version])
