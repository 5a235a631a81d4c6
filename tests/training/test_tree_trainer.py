"""DPO on trees against TRL's own trainer on the same pairs: losses, logs, gradients, a trajectory;
and what surrounds it.
"""
import math

import pytest
import torch
import trl.trainer.utils
from helpers.trainers import awaken, new_model, new_trainer
from helpers.tunings import tokenizer_of_base, tournaments
from transformers import PrinterCallback
from transformers.models import llama, mistral, mixtral, qwen2
from trl import DPOTrainer

from lib.core.records import DataError
from lib.training import tree_trainer
from lib.training.tree import Steps
from lib.training.tree_attention import separate_logps
from lib.training.tree_trainer import TreeTrainer

NORMS = (llama.modeling_llama.LlamaRMSNorm, mistral.modeling_mistral.MistralRMSNorm,
         mixtral.modeling_mixtral.MixtralRMSNorm, qwen2.modeling_qwen2.Qwen2RMSNorm)


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of_base()


@pytest.fixture
def float64_scores(monkeypatch):
    """TRL scores tokens in float32, whatever the model's precision; for comparisons in float64 it
    gets plain log-softmax.
    """
    def apply(hidden, weight, bias, labels, *_):
        logits = hidden @ weight.T
        logp = logits.log_softmax(-1)
        entropy, mean = -(logp.exp() * logp).sum(-1).detach(), logits.mean(-1).detach()
        first = logits.argmax(-1) == labels
        return logp.gather(-1, labels[:, None])[:, 0], entropy, None, mean, first
    monkeypatch.setattr(trl.trainer.utils._ChunkedLogProbFunction, "apply", apply)


@pytest.fixture
def in_float64(float64_scores, monkeypatch):
    """transformers' RMSNorm, too, computes in float32: here in the model's precision, so that
    nothing but arithmetic order differs.
    """
    def norm(self, hidden):
        variance = hidden.pow(2).mean(-1, keepdim=True)
        return self.weight * hidden * torch.rsqrt(variance + self.variance_epsilon)
    for kind in NORMS:
        monkeypatch.setattr(kind, "forward", norm)


def one_step(kind, model, tokenizer, place, **changes):
    """Loss, logs and gradients of one step over all pairs, with an adapter that is no longer at its
    start.
    """
    trainer = new_trainer(kind, model, tokenizer, place, **changes)
    awaken(trainer.model)
    trainer.state.global_step = 1  # the check of the start would rightly complain
    trainer.current_gradient_accumulation_steps = 1
    if changes.get("gradient_checkpointing"):  # `train` does this
        trainer.model.activation_checkpointing_enable()
        assert trainer.model.get_base_model().is_activation_checkpointing
    loss = trainer.training_step(trainer.model, next(iter(trainer.get_train_dataloader())))
    logs = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    trained = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    return loss.item(), logs, torch.cat([weight.grad.flatten() for weight in trained])


def both_steps(model, tokenizer, place, **changes):
    """A step of TRL's trainer, and one of the tree's. model: makes one."""
    return [one_step(kind, model(), tokenizer, place, **changes)
            for kind in (DPOTrainer, TreeTrainer)]


def assert_equal_steps(theirs, ours, tolerance, of_rewards):
    (loss, logs, gradient), (our_loss, our_logs, our_gradient) = theirs, ours
    assert our_loss == pytest.approx(loss, rel=tolerance)
    assert our_logs.keys() == logs.keys()
    for name in set(logs) - {"num_tokens"}:  # TRL counts the prompt twice for each pair
        assert our_logs[name] == pytest.approx(logs[name], rel=of_rewards, abs=of_rewards), name
    assert (gradient - our_gradient).norm() <= tolerance * gradient.norm()


CASES = [
    ("llama", {}, {}), ("llama", {}, {"gradient_checkpointing": True}), ("mixtral", {}, {}),
    ("mixtral", {"sliding_window": 7}, {}),
    ("mixtral", {"sliding_window": 7}, {"gradient_checkpointing": True}),
    ("mistral", {"sliding_window": 20}, {}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}, {})]


@pytest.mark.parametrize(("family", "options", "changes"), CASES)
def test_a_step_equals_trls_in_float64(tokenizer, in_float64, tmp_path, family, options, changes):
    """Mixtral's router still computes in float32, and TRL's logs are means in float32."""
    steps = both_steps(lambda: new_model(tokenizer, family, torch.float64, **options),
                       tokenizer, tmp_path, **changes)
    assert_equal_steps(*steps, tolerance=2e-8, of_rewards=1e-7)


@pytest.mark.parametrize(("family", "options", "changes"), [CASES[0], CASES[3]])
def test_with_rmsnorm_as_it_is_the_rounding_of_float32_remains(
        tokenizer, float64_scores, tmp_path, family, options, changes):
    steps = both_steps(lambda: new_model(tokenizer, family, torch.float64, **options),
                       tokenizer, tmp_path, **changes)
    assert_equal_steps(*steps, tolerance=1e-7, of_rewards=1e-7)


@pytest.mark.parametrize(("family", "options", "changes"), CASES[:4])
def test_a_step_equals_trls_in_float32(tokenizer, tmp_path, family, options, changes):
    steps = both_steps(lambda: new_model(tokenizer, family, **options),
                       tokenizer, tmp_path, **changes)
    assert_equal_steps(*steps, tolerance=1e-5, of_rewards=1e-5)


@pytest.mark.parametrize("losses", [["ipo"], ["hinge"], ["robust"], ["sigmoid", "sft"]])
@pytest.mark.parametrize("budget", [16384, 150])
def test_every_loss_is_trls_in_one_pack_or_in_several(
        tokenizer, in_float64, tmp_path, losses, budget):
    smoothing = 0.1 if losses == ["robust"] else 0.0
    steps = both_steps(
        lambda: new_model(tokenizer, dtype=torch.float64), tokenizer, tmp_path, beta=0.3,
        loss_type=losses, loss_weights=[0.7] * len(losses), label_smoothing=smoothing,
        trees={"token_budget": budget})
    assert_equal_steps(*steps, tolerance=1e-7, of_rewards=1e-7)


class Alike(DPOTrainer):
    """TRL's trainer with the tree's batches: six pairs a prompt, two prompts a step."""

    def _get_train_sampler(self, dataset=None):
        steps = Steps([6] * 8, 12, self.args.seed)

        class Order(torch.utils.data.Sampler):
            def __len__(self):
                return 48

            def __iter__(self):
                order = [6 * tree + pair for step in steps for tree in step for pair in range(6)]
                steps.set_epoch(steps.epoch + 1)
                return iter(order)
        return Order()


@pytest.mark.parametrize(("family", "dtype", "tolerance"), [
    ("llama", torch.float64, 1e-7), ("llama", torch.float32, 1e-5),
    ("mixtral", torch.float64, 1e-7)])
def test_twenty_steps_follow_trls(tokenizer, request, tmp_path, family, dtype, tolerance):
    """Loss, reward margin and gradient norm of 20 steps of AdamW, to 1e-7 in float64 and 1e-5 in
    float32.
    """
    if dtype == torch.float64:
        request.getfixturevalue("in_float64")
    shown, curves = ("loss", "rewards/margins", "grad_norm"), []
    of_evaluation = ("eval_loss", "eval_rewards/margins", "eval_rewards/accuracies")
    for kind in (Alike, TreeTrainer):
        trainer = new_trainer(
            kind, new_model(tokenizer, family, dtype), tokenizer, tmp_path, rows=tournaments(8),
            num_train_epochs=5, per_device_train_batch_size=12, per_device_eval_batch_size=12,
            learning_rate=5e-3, evaluation=tournaments(2, seed=5))
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        log = [row for row in trainer.state.log_history if "loss" in row]
        last = trainer.evaluate()
        curves.append([[row[key] for key in shown] for row in log])
        curves[-1].append([last[key] for key in of_evaluation])
    assert len(curves[0]) == 21 and curves[0][19][0] < curves[0][0][0] - 0.04
    for theirs, ours in zip(*curves, strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance)


def test_references_outlive_lr_seed_beta_and_pairs(tokenizer, tmp_path, monkeypatch):
    first = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path)
    calls = []

    def counted(model, prompt, completions):
        calls.append(len(completions))
        return separate_logps(model, prompt, completions)

    def references(trainer):
        return {(*tree.prompt, *ids): value for tree in trainer.train_trees
                for ids, value in zip(tree.completions, tree.reference)}
    monkeypatch.setattr(tree_trainer, "separate_logps", counted)
    again = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path,
                        rows=tournaments()[::-2], seed=7, learning_rate=1e-5, beta=0.5)
    assert calls == []
    assert references(again).items() <= references(first).items()
    tree, plain = first.train_trees[0], new_model(tokenizer)
    answer = torch.tensor(tree.completions[1])
    with torch.no_grad():
        logits = plain(torch.tensor([[*tree.prompt, *answer]])).logits[0]
    logp = logits.log_softmax(-1)[len(tree.prompt) - 1:-1].gather(-1, answer[:, None])
    assert tree.reference[1] == pytest.approx(logp.sum().item(), rel=1e-5)
    # Of another model everything is read anew.
    new_trainer(TreeTrainer, new_model(tokenizer, rms_norm_eps=1e-5), tokenizer, tmp_path)
    assert sum(calls) == sum(len(tree.completions) for tree in first.train_trees)


def test_policy_and_reference_must_agree_at_the_start(tokenizer, tmp_path):
    def fresh():
        return new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path,
                           num_train_epochs=1)
    trainer = fresh()
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    trainer = fresh()
    trainer.train_trees[0].reference[0] += 1.0
    with pytest.raises(DataError, match="before the first step policy and reference differ"):
        trainer.train()


def test_what_is_too_long_is_refused_or_cut_as_trl_cuts_it(tokenizer, in_float64, tmp_path):
    def fresh(**changes):
        return new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, **changes)
    longest = max(len(tree.prompt) for tree in fresh().train_trees)
    limit, cut = longest + 4, {"too_long": "truncate"}
    with pytest.raises(DataError, match=(
            f"of 24 train pairs exceed max_length \\({limit} tokens\\), 0 by their prompt alone")):
        fresh(max_length=limit)
    with pytest.raises(DataError, match="6 by their prompt alone"):
        fresh(max_length=longest, trees=cut)
    assert 0 < fresh(max_length=limit, trees=cut).truncated["train"] < 24
    steps = both_steps(lambda: new_model(tokenizer, dtype=torch.float64), tokenizer, tmp_path,
                       max_length=limit, trees=cut)
    assert_equal_steps(*steps, tolerance=1e-7, of_rewards=1e-7)


def test_adapters_stay_in_float32_on_a_bfloat16_base(tokenizer, tmp_path):
    trainer = new_trainer(TreeTrainer, new_model(tokenizer, dtype=torch.bfloat16), tokenizer,
                          tmp_path, num_train_epochs=1, evaluation=tournaments(1, seed=5))
    for name, parameter in trainer.model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    trainer.train()
    moved = []
    for name, parameter in trainer.model.named_parameters():
        assert parameter.dtype == (torch.float32 if "lora_" in name else torch.bfloat16), name
        moved.append("lora_B" in name and parameter.abs().max() > 0)
    assert any(moved)
    assert math.isfinite(trainer.evaluate()["eval_loss"])


@pytest.mark.parametrize(("family", "changes", "sentence"), [
    ("llama", {"use_weighting": True}, "use_weighting = True"),
    ("llama", {"disable_dropout": False}, "disable_dropout"),
    ("llama", {"f_divergence_type": "js_divergence"}, "f_divergence_type"),
    ("mixtral", {"router_aux_loss_coef": 0.01}, "router_aux_loss_coef")])
def test_what_the_tree_would_do_differently_is_refused(
        tokenizer, tmp_path, family, changes, sentence):
    with pytest.raises(DataError, match=sentence):
        new_trainer(TreeTrainer, new_model(tokenizer, family), tokenizer, tmp_path, **changes)
