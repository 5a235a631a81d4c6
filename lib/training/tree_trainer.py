"""TRL's DPOTrainer on trees: the same arguments, logs, checkpoints and adapters; one forward pass per prompt instead of two per pair."""
import contextlib
import copy

import torch
from accelerate.data_loader import prepare_data_loader
from accelerate.utils import broadcast_object_list, gather_object
from peft import PeftModel
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import __version__ as transformers_version
from transformers.trainer_utils import EvalLoopOutput
from trl import DPOTrainer
from trl.trainer.utils import use_adapter

from lib.core.records import DataError, Journal, digest
from lib.models.loading import sharded
from lib.models.parts import fingerprint
from lib.training.losses import pair_losses
from lib.training.tree import Pack, Steps, bundles, grow, longest, shorten, turns
from lib.training.tree_attention import plant, separate_logps

# What a pack adds up; a step's or an evaluation's logs are ratios of these sums.
SUMS = ("loss", "pairs", "chosen_reward", "rejected_reward", "right", "chosen_logp", "rejected_logp", "chosen_tokens", "rejected_tokens",
        "entropy", "chosen_logits", "rejected_logits", "chosen_first")


class TreeTrainer(DPOTrainer):
    """DPO whose unit is the prompt with all of its pairs (see lib.tree); equal to TRL's trainer on the same pairs.

    Takes TRL's arguments, with these differences. A step holds whole prompts with about per_device_train_batch_size x
    gradient_accumulation_steps pairs, and its loss is the mean over them. token_budget: tokens in memory at once; one prompt's tree may be
    larger, it is never split. too_long: "refuse" raises DataError where a sequence exceeds max_length, "truncate" cuts completions as
    TRL does and counts them in `truncated`; a prompt that fills max_length on its own is always refused. references: a file that
    keeps reference log-probabilities from run to run. Logs of an evaluation are means over its pairs, where TRL's are means over batches;
    `num_tokens` counts the tokens of trees.
    In several processes a step holds the pairs of all of them together, each reads a part of its prompts, and the loss is still the mean
    over all pairs. Where the processes share the weights, too (FSDP, DeepSpeed), none has a model to read references with before
    training: they are then read in each step, with the adapter switched off, and not kept.
    model: a loaded model, with `peft_config` or without.
    """

    def __init__(self, model, args, *, references, token_budget=16384, too_long="refuse", ref_model=None, **kwargs):
        refuse_what_differs(args)
        args = copy.copy(args)
        self.pairs_per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
        args.gradient_accumulation_steps, args.precompute_ref_log_probs = 1, not sharded()
        self.token_budget, self.too_long, self.truncated = token_budget, too_long, {}
        self.references_path = references
        self.reference_key = None if sharded() else reference_key(ref_model or model, args)
        rounded = args.bf16 or args.fp16 or getattr(model, "is_loaded_in_8bit", False)  # 8-bit activations depend on what shares their batch
        self.tolerance = 1e-4 if model.dtype in (torch.float32, torch.float64) and not rounded else 5e-2
        super().__init__(model, ref_model, args, **kwargs)
        if self.aux_loss_enabled:
            raise DataError("router_aux_loss_coef must be 0: the auxiliary loss of a tree counts a prompt's tokens once, TRL's once per pair.")
        self.train_trees = grow(self.train_dataset)
        plant(self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model)

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        """TRL's tokenisation, without its silent dropping; then what exceeds max_length is refused or cut."""
        limit, args = args.max_length, copy.copy(args)
        args.max_length = None
        dataset = super()._prepare_dataset(dataset, processing_class, args, dataset_name)
        rows = dataset.select_columns(["prompt_ids", "chosen_ids", "rejected_ids"])
        long = [row for row in rows if limit and longest(row) > limit]
        hopeless = [row for row in long if len(row["prompt_ids"]) >= limit]
        self.truncated[dataset_name] = len(long)
        if hopeless or (long and self.too_long == "refuse"):
            raise DataError(f"{len(long)} of {len(rows)} {dataset_name} pairs exceed max_length ({limit} tokens), {len(hopeless)} by their "
                            "prompt alone; leave them out, raise dpo.max_length, or set dpo.too_long to truncate.")
        return rows.map(shorten, fn_kwargs={"max_length": limit}) if long else rows

    def _precompute_ref_logps(self, dataset, name, batch_size):
        """Reference log-probabilities from the file, or computed now: once per completion, whatever pairs it is in.

        The processes share the work prompt by prompt, all know what comes out, and the first keeps the file.
        """
        rows, model = list(dataset), self.ref_model or self.model
        model.eval()
        journal = Journal(self.references_path) if self.accelerator.is_main_process else None
        known, = broadcast_object_list([journal and journal.items])
        trees = [tree for tree in grow(rows) if any(self._reference(tree.prompt, ids) not in known for ids in tree.completions)]
        rank, processes = self.args.process_index, self.args.world_size
        bar = tqdm(total=len(trees), desc=f"reference ({name})", unit="prompt", mininterval=2)
        with self._adapter_off(), self.accelerator.autocast(), bar:
            for start in range(0, len(trees), processes):
                found = []
                for tree in trees[start + rank:start + rank + 1]:
                    new = [ids for ids in tree.completions if self._reference(tree.prompt, ids) not in known]
                    found += zip([self._reference(tree.prompt, ids) for ids in new], separate_logps(model, tree.prompt, new))
                found = gather_object(found)
                known.update(found)
                if journal:
                    journal.add(found)
                bar.update(min(processes, len(trees) - start))
        for side in ("chosen", "rejected"):
            dataset = dataset.add_column(f"ref_{side}_logps", [
                known[self._reference(row["prompt_ids"], row[f"{side}_ids"])] for row in rows])
        return dataset

    def _adapter_off(self):
        """A context in which the model is the reference: without its adapter, or with the one that a new round starts from."""
        if self.ref_model is not None or not isinstance(self.model, PeftModel):
            return contextlib.nullcontext()
        return use_adapter(self.model, adapter_name="ref" if "ref" in self.model.peft_config else None)

    def _reference(self, prompt, completion):
        return digest([self.reference_key, prompt, completion])

    def get_train_dataloader(self):
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        processes = self.args.world_size
        steps = Steps([len(tree.pairs) for tree in self.train_trees], self.pairs_per_step * processes, seed, processes)
        loader = DataLoader(self.train_trees, batch_sampler=steps, collate_fn=lambda trees: {"trees": trees})
        return prepare_data_loader(loader, num_processes=1, process_index=0)  # every process sees whole steps and takes its part of each

    def get_eval_dataloader(self, eval_dataset=None):
        if isinstance(eval_dataset, str):
            eval_dataset = self.eval_dataset[eval_dataset]
        return list(bundles(grow(self.eval_dataset if eval_dataset is None else eval_dataset), self.token_budget))

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Forward and backward of one step, pack by pack; the gradient is that of the mean over all of its pairs, of all processes."""
        trees, processes = inputs["trees"], self.args.world_size
        share = [part * processes for part in step_share(trees)]  # gradients and losses of the processes are averaged
        parts = [list(bundles(trees[rank::processes], self.token_budget)) for rank in range(processes)]
        packs, self._sums, loss = turns(parts, self.args.process_index), [], 0.0
        for number, (bundle, counts) in enumerate(packs, 1):
            last = number == len(packs)
            self.accelerator.gradient_state._set_sync_gradients(last)  # DeepSpeed steps after every pass where this is True
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                loss += super().training_step(model, {"bundle": bundle, "share": share if counts else (0.0, 0.0)})
            if not counts:
                self._sums.pop()
        self._total_train_tokens += sum(tree.tokens for tree in trees)
        self._log_sums("train")
        return loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The share of one bundle of trees in the loss of its step. inputs: {"bundle": [Tree], "share": (per pair, per chosen token)}."""
        pack = Pack(inputs["bundle"], self.accelerator.device)
        with self.accelerator.autocast():
            tokens = model(tree=pack)
        # Sums by completion; not index_add, whose order on CUDA differs from run to run.
        logps, entropy, logits, first = (torch.stack([part.sum() for part in column.split(pack.lengths)]) for column in tokens)
        lengths = torch.tensor(pack.lengths, device=logps.device)
        reference = self._reference_now(model, pack) if self.reference_key is None else pack.reference.to(logps)
        per_pair, per_chosen_token = inputs["share"]
        loss = torch.zeros((), dtype=logps.dtype, device=logps.device)
        for kind, weight in zip(self.loss_types, self.loss_weights, strict=True):
            if kind == "sft":
                loss = loss - weight * per_chosen_token * logps[pack.chosen].sum()
                continue
            policy, base = (logps / lengths, reference / lengths) if kind == "ipo" else (logps, reference)
            losses = pair_losses(kind, policy[pack.chosen], policy[pack.rejected], base[pack.chosen], base[pack.rejected],
                                 self.beta, self.label_smoothing)
            loss = loss + weight * per_pair * losses.sum()
        self._add_up(pack, loss.detach(), logps.detach(), reference, lengths, entropy, logits, first)
        return loss

    def _reference_now(self, model, pack):
        """Reference log-probabilities of a pack's completions, (completions,), by the model that the processes share."""
        with torch.no_grad(), self._adapter_off(), self.accelerator.autocast():
            logps = (self.ref_model or model)(tree=pack)[0]
        return torch.stack([part.sum() for part in logps.split(pack.lengths)])

    def _add_up(self, pack, loss, logps, reference, lengths, entropy, logits, first):
        """Keep what the logs need of one pack, as sums. All but loss: (completions,)."""
        if self.state.global_step == 0 and self.ref_model is None:
            check_start(logps, reference, self.tolerance)
        rewards, (one, other) = self.beta * (logps - reference), (pack.chosen, pack.rejected)
        self._sums.append(torch.stack([value.double() for value in (
            loss, logps.new_tensor(len(one)), rewards[one].sum(), rewards[other].sum(), (rewards[one] > rewards[other]).sum(),
            logps[one].sum(), logps[other].sum(), lengths[one].sum(), lengths[other].sum(), entropy[one].sum() + entropy[other].sum(),
            logits[one].sum(), logits[other].sum(), first[one].sum())]).cpu())

    def _log_sums(self, mode):
        """Means over pairs, or over their tokens, under TRL's names. Returns the sum of the losses."""
        sums = dict(zip(SUMS, self.accelerator.reduce(torch.stack(self._sums).sum(0).to(self.accelerator.device)).tolist()))
        pairs, tokens = sums["pairs"], sums["chosen_tokens"] + sums["rejected_tokens"]
        for name, value in {
                "rewards/chosen": sums["chosen_reward"] / pairs, "rewards/rejected": sums["rejected_reward"] / pairs,
                "rewards/accuracies": sums["right"] / pairs, "rewards/margins": (sums["chosen_reward"] - sums["rejected_reward"]) / pairs,
                "logps/chosen": sums["chosen_logp"] / pairs, "logps/rejected": sums["rejected_logp"] / pairs,
                "logits/chosen": sums["chosen_logits"] / sums["chosen_tokens"],
                "logits/rejected": sums["rejected_logits"] / sums["rejected_tokens"], "entropy": sums["entropy"] / tokens,
                "mean_token_accuracy": sums["chosen_first"] / sums["chosen_tokens"], "num_tokens": self._total_train_tokens}.items():
            self._metrics[mode][name].append(value)
        return sums["loss"]

    def evaluation_loop(self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"):
        """Means over all pairs of the bundles in `dataloader`, which the processes share."""
        model = self.model_wrapped
        model.eval()
        share = step_share([tree for bundle in dataloader for tree in bundle])
        self._sums = [torch.zeros(len(SUMS), dtype=torch.float64)]
        parts = [dataloader[rank::self.args.world_size] for rank in range(self.args.world_size)]
        with torch.no_grad():
            for bundle, counts in turns(parts, self.args.process_index):
                self.compute_loss(model, {"bundle": bundle, "share": share})
                if not counts:
                    self._sums.pop()
        loss = self._log_sums("eval")
        pairs = sum(len(tree.pairs) for bundle in dataloader for tree in bundle)
        return EvalLoopOutput(predictions=None, label_ids=None, metrics={f"{metric_key_prefix}_loss": loss}, num_samples=pairs)


def step_share(trees):
    """The weight of one pair, and of one token of a chosen answer, in the means over some trees."""
    return (1 / sum(len(tree.pairs) for tree in trees),
            1 / sum(len(tree.completions[chosen]) for tree in trees for chosen, _ in tree.pairs))


def check_start(logps, reference, tolerance):
    """Raise DataError unless policy and reference agree before the first step. Both (completions,); tolerance: relative.

    The reference was read by the model's own attention, one completion at a time, so this also checks the tree, in every run.
    """
    ratio = float((logps - reference).abs().mean())
    if not ratio <= tolerance * (1 + float(reference.abs().mean())):
        raise DataError(f"before the first step policy and reference differ by {ratio:.3g} nats per completion; it must be near 0. The "
                        "file of reference log-probabilities may belong to another model: remove it.")


def refuse_what_differs(args):
    """Raise DataError for arguments of TRL's that the tree would not follow."""
    wrong = [name for name, plain in (("ld_alpha", None), ("f_divergence_type", "reverse_kl"), ("use_weighting", False),
                                      ("disable_dropout", True), ("truncation_mode", "keep_start"), ("sync_ref_model", False))
             if getattr(args, name) != plain]
    if wrong:
        raise DataError(f"the tree does not support DPOConfig.{wrong[0]} = {getattr(args, wrong[0])!r}; set dpo.trainer to trl.")


def reference_key(model, args):
    """What decides a reference log-probability besides the token ids: weights, configuration, precision, and the machine's arithmetic."""
    aside = ("_name_or_path", "transformers_version", "pad_token_id", "use_cache")
    config = {name: str(value) for name, value in model.config.to_dict().items() if name not in aside}
    return digest([fingerprint(model), config, str(model.dtype), args.bf16, args.fp16, str(model.device.type), torch.get_num_threads(),
                   torch.__version__, transformers_version])
