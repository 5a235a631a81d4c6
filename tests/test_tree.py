"""DPO on trees against TRL's own trainer on the same pairs: losses, logs, gradients, a trajectory; and what surrounds it."""
import itertools
import math
import random
import shutil

import pytest
import torch
import trl.trainer.utils
from datasets import Dataset
from peft import LoraConfig
from test_dpo import small_settings
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, MixtralConfig, PrinterCallback, Qwen2Config
from transformers.models import llama, mistral, mixtral, qwen2
from trl import DPOConfig, DPOTrainer

from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.models import loading, lora
from lib.training import dpo, tree_trainer
from lib.training.losses import pair_losses
from lib.training.tree import Pack, Steps, Tree, bundles, grow, turns
from lib.training.tree_attention import plant, separate_logps
from lib.training.tree_trainer import TreeTrainer

WORDS = ["kernel", "clustering", "leadership", "physics", "models", "of", "the", "stars", "and", "data"]
FAMILIES = {"llama": LlamaConfig, "mistral": MistralConfig, "mixtral": MixtralConfig, "qwen2": Qwen2Config}


@pytest.fixture(scope="module")
def tokenizer():
    return loading.load_tokenizer(str(ROOT / "data/models/embedded/base"))


@pytest.fixture
def float64_scores(monkeypatch):
    """TRL scores tokens in float32, whatever the model's precision; for comparisons in float64 it gets plain log-softmax."""
    def apply(hidden, weight, bias, labels, *_):
        logits = hidden @ weight.T
        logp = logits.log_softmax(-1)
        entropy, mean = -(logp.exp() * logp).sum(-1).detach(), logits.mean(-1).detach()
        return logp.gather(-1, labels[:, None])[:, 0], entropy, None, mean, logits.argmax(-1) == labels
    monkeypatch.setattr(trl.trainer.utils._ChunkedLogProbFunction, "apply", apply)


@pytest.fixture
def in_float64(float64_scores, monkeypatch):
    """transformers' RMSNorm, too, computes in float32: here in the model's precision, so that nothing but arithmetic order differs."""
    def norm(self, hidden):
        return self.weight * hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
    for kind in (llama.modeling_llama.LlamaRMSNorm, mistral.modeling_mistral.MistralRMSNorm, mixtral.modeling_mixtral.MixtralRMSNorm,
                 qwen2.modeling_qwen2.Qwen2RMSNorm):
        monkeypatch.setattr(kind, "forward", norm)


def new_model(tokenizer, family="llama", dtype=torch.float32, **options):
    torch.manual_seed(0)
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2} if family == "mixtral" else {}
    model = AutoModelForCausalLM.from_config(FAMILIES[family](
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=512, initializer_range=0.1, **experts, **options), dtype=dtype, attn_implementation="sdpa")
    if family == "mixtral" and dtype == torch.float64:
        model.set_experts_implementation("eager")  # the grouped kernel has no float64
    return model.eval()


def tournaments(prompts=4, k=5, pairs=6, seed=0):
    """Pairs in TRL's conversational form: `pairs` of the pairs of k answers of unequal length for each prompt."""
    draw, rows = random.Random(seed), []
    for _ in range(prompts):
        prompt = [{"role": "user", "content": " ".join(draw.choices(WORDS, k=draw.randint(10, 40)))}]
        answers = [[{"role": "assistant", "content": " ".join(draw.choices(WORDS, k=draw.randint(3, 12)))}] for _ in range(k)]
        rows += [{"prompt": prompt, "chosen": answers[one], "rejected": answers[other]}
                 for one, other in draw.sample(list(itertools.permutations(range(k), 2)), pairs)]
    return rows


def new_trainer(kind, model, tokenizer, place, rows=None, evaluation=None, trees=None, **changes):
    arguments = {"per_device_train_batch_size": 24, "max_length": None, "router_aux_loss_coef": 0.0, "gradient_checkpointing": False,
                 "save_strategy": "no", "logging_steps": 1, "max_grad_norm": 0.0, "learning_rate": 1e-3, "seed": 1}
    trainer = kind(
        model=model, args=DPOConfig(str(place), use_cpu=True, bf16=False, report_to="none", disable_tqdm=True, **arguments | changes),
        processing_class=tokenizer, train_dataset=Dataset.from_list(rows or tournaments()),
        eval_dataset=Dataset.from_list(evaluation) if evaluation else None,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"]),
        **({"references": place / "references.jsonl", **(trees or {})} if issubclass(kind, TreeTrainer) else {}))
    for parameter in trainer.model.parameters():
        parameter.data = parameter.data.to(model.dtype)
    return trainer


def one_step(kind, model, tokenizer, place, **changes):
    """Loss, logs and gradients of one step over all pairs, with an adapter that is no longer at its start."""
    trainer = new_trainer(kind, model, tokenizer, place, **changes)
    noise = torch.Generator().manual_seed(1)
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            parameter.data = (0.1 * torch.randn(parameter.shape, generator=noise, dtype=torch.float64)).to(parameter.dtype)
    trainer.state.global_step = 1  # the check of the start would rightly complain
    trainer.current_gradient_accumulation_steps = 1
    if changes.get("gradient_checkpointing"):  # `train` does this
        trainer.model.activation_checkpointing_enable()
        assert trainer.model.get_base_model().is_activation_checkpointing
    loss = trainer.training_step(trainer.model, next(iter(trainer.get_train_dataloader())))
    return (loss.item(), {name: values[-1] for name, values in trainer._metrics["train"].items()},
            {name: parameter.grad for name, parameter in trainer.model.named_parameters() if parameter.requires_grad})


def assert_equal_steps(theirs, ours, tolerance, of_rewards):
    assert ours[0] == pytest.approx(theirs[0], rel=tolerance)
    assert ours[1].keys() == theirs[1].keys()
    for name in set(ours[1]) - {"num_tokens"}:  # TRL counts the prompt twice for each pair
        assert ours[1][name] == pytest.approx(theirs[1][name], rel=of_rewards, abs=of_rewards), name
    theirs, ours = (torch.cat([gradient.flatten() for gradient in step[2].values()]) for step in (theirs, ours))
    assert (theirs - ours).norm() <= tolerance * theirs.norm()


CASES = [("llama", {}, {}), ("llama", {}, {"gradient_checkpointing": True}), ("mixtral", {}, {}), ("mixtral", {"sliding_window": 7}, {}),
         ("mixtral", {"sliding_window": 7}, {"gradient_checkpointing": True}), ("mistral", {"sliding_window": 20}, {}),
         ("qwen2", {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}, {})]


@pytest.mark.parametrize(("family", "options", "changes"), CASES)
def test_a_step_equals_trls_in_float64(tokenizer, in_float64, tmp_path, family, options, changes):
    """Mixtral's router still computes in float32, and TRL's logs are means in float32."""
    steps = [one_step(kind, new_model(tokenizer, family, torch.float64, **options), tokenizer, tmp_path, **changes)
             for kind in (DPOTrainer, TreeTrainer)]
    assert_equal_steps(*steps, tolerance=2e-8, of_rewards=1e-7)


@pytest.mark.parametrize(("family", "options", "changes"), [CASES[0], CASES[3]])
def test_with_rmsnorm_as_it_is_the_rounding_of_float32_remains(tokenizer, float64_scores, tmp_path, family, options, changes):
    steps = [one_step(kind, new_model(tokenizer, family, torch.float64, **options), tokenizer, tmp_path, **changes)
             for kind in (DPOTrainer, TreeTrainer)]
    assert_equal_steps(*steps, tolerance=1e-7, of_rewards=1e-7)


@pytest.mark.parametrize(("family", "options", "changes"), CASES[:4])
def test_a_step_equals_trls_in_float32(tokenizer, tmp_path, family, options, changes):
    steps = [one_step(kind, new_model(tokenizer, family, **options), tokenizer, tmp_path, **changes) for kind in (DPOTrainer, TreeTrainer)]
    assert_equal_steps(*steps, tolerance=1e-5, of_rewards=1e-5)


@pytest.mark.parametrize("losses", [["ipo"], ["hinge"], ["robust"], ["sigmoid", "sft"]])
@pytest.mark.parametrize("budget", [16384, 150])
def test_every_loss_is_trls_in_one_pack_or_in_several(tokenizer, in_float64, tmp_path, losses, budget):
    changes = {"loss_type": losses, "loss_weights": [0.7] * len(losses), "label_smoothing": 0.1 if losses == ["robust"] else 0.0, "beta": 0.3}
    theirs, ours = (one_step(kind, new_model(tokenizer, dtype=torch.float64), tokenizer, tmp_path, **changes, trees={"token_budget": budget})
                    for kind in (DPOTrainer, TreeTrainer))
    assert_equal_steps(theirs, ours, tolerance=1e-7, of_rewards=1e-7)


class Alike(DPOTrainer):
    """TRL's trainer with the batches that the tree's steps hold: six pairs a prompt, two prompts a step."""

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


@pytest.mark.parametrize(("family", "dtype", "tolerance"), [("llama", torch.float64, 1e-7), ("llama", torch.float32, 1e-5),
                                                            ("mixtral", torch.float64, 1e-7)])
def test_twenty_steps_follow_trls(tokenizer, request, tmp_path, family, dtype, tolerance):
    """Loss, reward margin and gradient norm of 20 steps of AdamW, to 1e-7 in float64 and 1e-5 in float32."""
    if dtype == torch.float64:
        request.getfixturevalue("in_float64")
    curves = []
    for kind in (Alike, TreeTrainer):
        trainer = new_trainer(kind, new_model(tokenizer, family, dtype), tokenizer, tmp_path, rows=tournaments(8), num_train_epochs=5,
                              per_device_train_batch_size=12, per_device_eval_batch_size=12, learning_rate=5e-3,
                              evaluation=tournaments(2, seed=5))
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        curves.append([[row[key] for key in ("loss", "rewards/margins", "grad_norm")] for row in trainer.state.log_history if "loss" in row])
        curves[-1].append([trainer.evaluate()[key] for key in ("eval_loss", "eval_rewards/margins", "eval_rewards/accuracies")])
    assert len(curves[0]) == 21 and curves[0][19][0] < curves[0][0][0] - 0.04
    for theirs, ours in zip(*curves, strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("window", [None, 3, 7, 64])
def test_branches_see_their_prompt_and_themselves(tokenizer, window):
    """Log-probabilities against separate sequences, for trees of all shapes in one pack: one-token prompts, answers and branches."""
    model = plant(new_model(tokenizer, "mistral", torch.float64, sliding_window=window))
    draw = random.Random(0)
    trees = [Tree([draw.randrange(5, 99) for _ in range(prompt)], [[draw.randrange(5, 99) for _ in range(n)] for n in lengths], [(0, 0)],
                  [0.0] * len(lengths)) for prompt, lengths in ((1, [4, 2]), (12, [1]), (9, [5, 5, 5]), (40, [1, 30, 8]))]
    pack = Pack(trees)
    with torch.no_grad():
        mine = [part.sum().item() for part in model(tree=pack)[0].split(pack.lengths)]
    alone = [value for tree in trees for value in separate_logps(model, tree.prompt, tree.completions)]
    plain = []
    for tree in trees:
        for completion in tree.completions:
            with torch.no_grad():
                logp = model(torch.tensor([tree.prompt + completion])).logits[0].log_softmax(-1)
            plain.append(sum(logp[len(tree.prompt) + i - 1, token].item() for i, token in enumerate(completion)))
    assert mine == pytest.approx(plain, rel=1e-9) and alone == pytest.approx(plain, rel=1e-9)
    assert pack.ids.shape[1] == sum(tree.tokens for tree in trees)  # no padding


def test_trees_hold_each_prompt_and_completion_once():
    rows = [{"prompt_ids": [1, 2], "chosen_ids": c, "rejected_ids": r} for c, r in (([5], [6, 7]), ([6, 7], [8]), ([5], [6, 7]))]
    rows.insert(1, {"prompt_ids": [3], "chosen_ids": [5], "rejected_ids": [6, 7]})
    one, other = grow(rows)
    assert one.completions == [[5], [6, 7], [8]] and one.pairs == [(0, 1), (1, 2), (0, 1)] and other.pairs == [(0, 1)]
    assert one.tokens == 1 + 1 + 2 + 1 and one.tokens_as_pairs == (2 * 2 + 3) * 3
    with pytest.raises(DataError, match="empty prompt or answer"):
        grow([{"prompt_ids": [1], "chosen_ids": [], "rejected_ids": [2]}])


def test_bundles_keep_to_the_budget_and_never_split_a_tree():
    trees = [Tree([0] * n, [[1] * n], [(0, 0)], [0.0]) for n in (10, 10, 40, 5)]
    assert [[len(tree.prompt) for tree in bundle] for bundle in bundles(trees, 40)] == [[10, 10], [40], [5]]


@pytest.mark.parametrize(("sizes", "pairs_per_step"), [([6] * 8, 12), ([1, 30, 2, 9, 9, 1, 4], 8), ([5], 100), ([3] * 10, 1)])
def test_steps_deal_every_prompt_once(sizes, pairs_per_step):
    steps = Steps(sizes, pairs_per_step, seed=3)
    epochs = []
    for epoch in (0, 1, 0):
        steps.set_epoch(epoch)
        epochs.append(list(steps))
        assert sorted(sum(epochs[-1], [])) == list(range(len(sizes))) and len(epochs[-1]) == len(steps) and all(epochs[-1])
    assert epochs[0] == epochs[2] and (epochs[0] != epochs[1] or len(sizes) == 1)
    if len(sizes) > 1:
        shared = list(Steps(sizes, pairs_per_step, 3, processes=2))
        assert sorted(sum(shared, [])) == list(range(len(sizes))) and all(len(step) >= 2 for step in shared)
    with pytest.raises(DataError, match="too few for 99 processes"):
        Steps(sizes, pairs_per_step, 3, 99)


def test_turns_are_equally_many_for_each_process():
    long, short = (Tree([0] * n, [[1]], [(0, 0)], [0.0]) for n in (9, 3))
    parts = [[[long], [short], [long]], [[long]], []]
    assert turns(parts, 0) == [([long], True), ([short], True), ([long], True)]
    assert turns(parts, 1) == [([long], True), ([short], False), ([short], False)]  # the cheapest there is, to no effect
    assert turns(parts, 2) == [([short], False)] * 3


def test_losses_by_hand():
    two, ratio = torch.tensor([-3.0, -3.0]), torch.tensor([2.0, -1.0])
    margin = [0.5 * 2.0, 0.5 * -1.0]

    def losses(kind, **options):
        return pair_losses(kind, two + ratio, two, two, two, 0.5, **options).tolist()
    sigmoid = [math.log1p(math.exp(-m)) for m in margin]
    flipped = [math.log1p(math.exp(m)) for m in margin]
    assert losses("sigmoid") == pytest.approx(sigmoid)
    assert losses("sigmoid", label_smoothing=0.1) == pytest.approx([0.9 * s + 0.1 * f for s, f in zip(sigmoid, flipped)])
    assert losses("robust", label_smoothing=0.1) == pytest.approx([(0.9 * s - 0.1 * f) / 0.8 for s, f in zip(sigmoid, flipped)])
    assert losses("hinge") == [0.0, 1.5] and losses("ipo") == [1.0, 4.0]
    assert pair_losses("sigmoid", two, two, two, two, 0.1).tolist() == pytest.approx([math.log(2)] * 2)
    chosen, rejected = two.clone().requires_grad_(), two.clone().requires_grad_()
    pair_losses("sigmoid", chosen, rejected, two, two, 0.1).sum().backward()
    assert chosen.grad.tolist() == pytest.approx([-0.05] * 2) and rejected.grad.tolist() == pytest.approx([0.05] * 2)
    with pytest.raises(DataError, match="no loss 'nca_pair'"):
        losses("nca_pair")


def test_references_outlive_lr_seed_beta_and_pairs(tokenizer, tmp_path, monkeypatch):
    first = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path)
    calls = []

    def counted(model, prompt, completions):
        calls.append(len(completions))
        return separate_logps(model, prompt, completions)
    monkeypatch.setattr(tree_trainer, "separate_logps", counted)
    rows = tournaments()[::-2]
    again = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, rows=rows, seed=7, learning_rate=1e-5, beta=0.5)
    assert calls == []
    known = {(*tree.prompt, *ids): value for tree in first.train_trees for ids, value in zip(tree.completions, tree.reference)}
    assert all(known[(*tree.prompt, *ids)] == value for tree in again.train_trees for ids, value in zip(tree.completions, tree.reference))
    with torch.no_grad():
        tree, plain = first.train_trees[0], new_model(tokenizer)
        logp = plain(torch.tensor([tree.prompt + tree.completions[1]])).logits[0].log_softmax(-1)[len(tree.prompt) - 1:-1]
    assert tree.reference[1] == pytest.approx(logp.gather(-1, torch.tensor(tree.completions[1])[:, None]).sum().item(), rel=1e-5)
    new_trainer(TreeTrainer, new_model(tokenizer, rms_norm_eps=1e-5), tokenizer, tmp_path)
    assert sum(calls) == sum(len(tree.completions) for tree in first.train_trees)  # another model: everything anew


def test_policy_and_reference_must_agree_at_the_start(tokenizer, tmp_path):
    trainer = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, num_train_epochs=1)
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    trainer = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, num_train_epochs=1)
    trainer.train_trees[0].reference[0] += 1.0
    with pytest.raises(DataError, match="before the first step policy and reference differ"):
        trainer.train()


def test_what_is_too_long_is_refused_or_cut_as_trl_cuts_it(tokenizer, in_float64, tmp_path):
    long = [len(tree.prompt) for tree in new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path).train_trees]
    limit = max(long) + 4
    with pytest.raises(DataError, match=f"of 24 train pairs exceed max_length \\({limit} tokens\\), 0 by their prompt alone"):
        new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, max_length=limit)
    with pytest.raises(DataError, match="6 by their prompt alone"):
        new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, max_length=max(long), trees={"too_long": "truncate"})
    cut = new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, max_length=limit, trees={"too_long": "truncate"})
    assert 0 < cut.truncated["train"] < 24
    theirs, ours = (one_step(kind, new_model(tokenizer, dtype=torch.float64), tokenizer, tmp_path, max_length=limit,
                             trees={"too_long": "truncate"}) for kind in (DPOTrainer, TreeTrainer))
    assert_equal_steps(theirs, ours, tolerance=1e-7, of_rewards=1e-7)


def test_a_prompt_of_seven_thousand_tokens_is_read_whole(tokenizer):
    model = plant(new_model(tokenizer, "mistral", sliding_window=512))
    tree = Tree([5 + i % 90 for i in range(7000)], [[7, 8, 9], [8, 7]], [(0, 1)], [0.0, 0.0])
    pack = Pack([tree])
    with torch.no_grad():
        logps = [part.sum().item() for part in model(tree=pack)[0].split(pack.lengths)]
    assert logps == pytest.approx(separate_logps(model, tree.prompt, tree.completions), rel=1e-4)
    assert max(queries * keys for queries, keys, *_ in pack._masks) <= 512 * 1023


def test_adapters_stay_in_float32_on_a_bfloat16_base(tokenizer, tmp_path):
    arguments = {"num_train_epochs": 1, "evaluation": tournaments(1, seed=5)}
    trainer = new_trainer(TreeTrainer, new_model(tokenizer, dtype=torch.bfloat16), tokenizer, tmp_path, **arguments)
    for name, parameter in trainer.model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    trainer.train()
    assert all(p.dtype == (torch.float32 if "lora_" in name else torch.bfloat16) for name, p in trainer.model.named_parameters())
    assert any(p.abs().max() > 0 for name, p in trainer.model.named_parameters() if "lora_B" in name)
    assert math.isfinite(trainer.evaluate()["eval_loss"])


def test_what_the_tree_would_do_differently_is_refused(tokenizer, tmp_path):
    for changes, sentence in (({"use_weighting": True}, "use_weighting = True"), ({"disable_dropout": False}, "disable_dropout"),
                              ({"f_divergence_type": "js_divergence"}, "f_divergence_type")):
        with pytest.raises(DataError, match=sentence):
            new_trainer(TreeTrainer, new_model(tokenizer), tokenizer, tmp_path, **changes)
    with pytest.raises(DataError, match="router_aux_loss_coef"):
        new_trainer(TreeTrainer, new_model(tokenizer, "mixtral"), tokenizer, tmp_path, router_aux_loss_coef=0.01)
    with pytest.raises(DataError, match="attention_dropout is above 0"):
        plant(new_model(tokenizer, attention_dropout=0.1))
    model = new_model(tokenizer)
    model.config.model_type = "gemma2"
    with pytest.raises(DataError, match="not gemma2; set dpo"):
        plant(model)


def test_a_planted_model_still_generates_and_reads_padded_rows(tokenizer):
    plain, planted = new_model(tokenizer), plant(new_model(tokenizer))
    ids, mask = torch.arange(5, 25).view(2, 10), torch.tensor([[0] * 4 + [1] * 6, [1] * 10])
    with torch.no_grad():
        one, other = (model(ids, attention_mask=mask).logits for model in (plain, planted))
        assert torch.equal(one, other)
        one, other = (model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=5, pad_token_id=0) for model in (plain, planted))
    assert torch.equal(one, other)


def test_the_settings_choose_the_trainer(tokenizer, tmp_path):
    """Both trainers learn the same thing from the same pairs, resume to the same bits, and leave the same kind of adapter."""
    histories, rows = {}, [{**row, "id": str(i)} for i, row in enumerate(tournaments(6))]
    for name in ("trl", "tree"):
        settings = small_settings(trainer=name, batch_size=6, epochs=4, learning_rate=1e-3)
        tuned, histories[name] = dpo.train(new_model(tokenizer), tokenizer, rows, rows[:6], settings, tmp_path / name)
        lora.save_adapter(tuned, tmp_path / name / "adapter", "base", "card")
        shutil.rmtree(max(tmp_path.glob(f"{name}/checkpoint-*"), key=lambda path: int(path.name.split("-")[1])))
        resumed, history = dpo.train(new_model(tokenizer), tokenizer, rows, rows[:6], settings, tmp_path / name)  # from the one before
        assert history == histories[name]
        assert all(torch.equal(one, other) for one, other in zip(tuned.parameters(), resumed.parameters()))
    assert histories["trl"]["tokens"] is None and histories["tree"]["tokens"]["tree"] < histories["tree"]["tokens"]["pairs"] / 3
    assert histories["trl"]["steps"] == histories["tree"]["steps"] == 24
    first, last = (histories["tree"]["validation"][i] for i in (0, -1))
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert last["loss"] == pytest.approx(histories["trl"]["validation"][-1]["loss"], abs=0.1) and last["loss"] < first["loss"] - 0.05
    sizes = {name: (tmp_path / name / "adapter/adapter_model.safetensors").stat().st_size for name in histories}
    assert sizes["trl"] == sizes["tree"]
    with pytest.raises(DataError, match="TRL's own trainer ignores it"):
        dpo.new_trainer(small_settings(trainer="trl", label_smoothing=0.1), None)
    with pytest.raises(DataError, match="cuts answers without counting"):
        dpo.new_trainer(small_settings(trainer="trl", too_long="truncate"), None)


def test_fitting_counts_the_very_tokens(tokenizer):
    rows = tournaments(1, pairs=2)
    lengths = [len(tokenizer.apply_chat_template([*row["prompt"], *row[side]])["input_ids"]) for row in rows for side in ("chosen", "rejected")]
    assert dpo.fitting(rows, tokenizer, max(lengths)) == (rows, [])
    assert len(dpo.fitting(rows, tokenizer, max(lengths) - 1)[1]) >= 1
    assert dpo.fitting(rows, tokenizer, max(lengths) - 1, "truncate") == (rows, [])
    assert dpo.fitting(rows, tokenizer, 5, "truncate") == ([], rows)
