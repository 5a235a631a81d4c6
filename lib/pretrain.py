"""Training the embedded models from scratch: a small Llama that reads abstracts and writes profiles.

Plain training on noisy profiles does not teach such a model to copy names from the page. Two things do: an induction
warm-up (repeat a random sequence) and a curriculum (clean profiles first, the model's own quality of profiles or the judging of
rivals after).
"""
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from multiprocessing import get_context

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lib import lessons, profiles, prompts, stats, verdicts, world
from lib.models import encode_chats
from lib.records import digest, read_json, write_json
from lib.sampling import complete_all

SPECIAL = {"pad_token": "<|pad|>", "eos_token": "<|end|>", "bos_token": "<|start|>"}
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


PROCEDURE = 1  # of training: how `train_role` starts, steps and ends; a change that changes weights takes the next number
SAMPLED = 4  # batches of each stage that tell one curriculum from another


def build_tokenizer(texts, pieces=640):
    """A tokenizer with one token for each word of `texts`; whatever else comes is spelt in pieces and bytes.

    pieces: size of the inventory for unknown words, all 256 bytes included, so any Unicode text encodes and decodes to
    itself. A segmentation with few tokens wins, because every token costs about the same log-probability.
    """
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = Counter(word for text in texts for word, _ in split.pre_tokenize_str(text))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = split
    bpe.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=pieces, initial_alphabet=sorted(split.alphabet()), show_progress=False))
    inventory = sorted(set(bpe.get_vocab()) | set(words))
    special = [*SPECIAL.values(), *ROLES]
    unigram = Tokenizer(models.Unigram([(piece, 0.0) for piece in special] + [(piece, -10.0) for piece in inventory]))
    unigram.pre_tokenizer = split
    unigram.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=unigram, clean_up_tokenization_spaces=False, padding_side="left",
                                        additional_special_tokens=ROLES, **SPECIAL)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def new_model(tokenizer, size, positions=4096):
    """A Llama-architecture model with random weights, tied embeddings and a wired induction circuit, in float32.

    size: settings with hidden, layers, heads, matched (see `wire_induction`) and seed.
    """
    torch.manual_seed(size.seed)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=size.hidden, intermediate_size=size.hidden * 8 // 3 // 16 * 16,
        num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.heads,
        max_position_embeddings=positions, tie_word_embeddings=True, initializer_range=0.05,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id))
    wire_induction(model, size.matched)
    return model


@torch.no_grad()
def wire_induction(model, matched=1, spread=0.3, position=0.5, quiet=0.1):
    """Start the first two layers as the induction circuit that small models take very long to find by themselves.

    Layer 0: each head looks some tokens back and copies a slice of what stands there. Layer 1: each head compares the
    current token with those copies, so it attends to what followed an earlier occurrence, and copies that token out.
    The circuit is the one of Olsson et al. 2022; to set it at the start is in the spirit of mimetic initialisation
    (Trockman & Kolter 2023). Training changes every weight afterwards.

    matched: 1, or 3 for a model that has to look up what is said under a name of two words: then half of the heads of layer 1
    attend to what followed the last three tokens, not only the last one; this takes four heads. spread: standard deviation of
    the embeddings. position: strength of attention by position. quiet: factor on the initial output of all other parts.
    """
    config = model.config
    width, heads = config.hidden_size, config.num_attention_heads
    dim = width // heads
    half = dim // 2
    frequency = config.rope_parameters["rope_theta"] ** (-torch.arange(half) / half)
    fast, slow = torch.arange(half // 2), torch.arange(half // 2, half)
    compared = torch.cat([slow, slow + half])  # slow rotations keep content comparable over a distance

    # A direction that all embeddings share gives the heads of layer 0 a constant: they can attend by position alone.
    embedding = model.model.embed_tokens.weight
    torch.nn.init.normal_(embedding, std=spread)
    shared = torch.nn.functional.normalize(torch.randn(width), dim=0)
    embedding += (spread * width**0.5 - embedding @ shared)[:, None] * shared
    content = torch.linalg.qr(torch.randn(width, width))[0]
    content -= shared[:, None] * (shared @ content)
    copied = torch.linalg.qr(torch.randn(width, width))[0]

    # What each head of layer 0 copies: from how far back, which slice of a token, and where it leaves it for layer 1.
    offsets, slices, size = ([1] * heads, range(heads), half) if matched == 1 else ([1, 2, 3, 1], [0, 0, 0, 1], dim)
    token = [content[:, number * size:(number + 1) * size] for number in slices]
    trace = [copied[:, head * size:(head + 1) * size] for head in range(heads)]
    # What each head of layer 1 compares: something about the current token with something about an earlier one.
    pairs = [[(token[head], trace[head])] for head in range(heads)]
    if matched == 3:
        third = -(-len(compared) // 3)
        for head in (1, 2):
            part = slice((head - 1) * third, head * third)
            pairs[head] = [(now[:, part], then[:, part]) for now, then in
                           [(trace[1], trace[2]), (trace[0], trace[1]), (token[0], trace[0])]]

    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.mul_(quiet)
        layer.mlp.down_proj.weight.mul_(quiet)
    back, match = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    for attention in (back, match):
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            projection.weight.zero_()
    for head in range(heads):
        rows = slice(head * dim, (head + 1) * dim)
        turn = offsets[head] * frequency[fast]
        back.k_proj.weight[rows][fast] = position * shared
        back.q_proj.weight[rows][fast] = position * torch.cos(turn)[:, None] * shared
        back.q_proj.weight[rows][fast + half] = -position * torch.sin(turn)[:, None] * shared
        back.v_proj.weight[rows][:size] = 1.5 * token[head].T
        back.o_proj.weight[:, rows][:, :size] = trace[head]
        asked, kept = (torch.cat(side, dim=1).T[:len(compared)] for side in zip(*pairs[head]))
        match.q_proj.weight[rows][compared] = (2.0 if matched == 3 else 1.0) * asked  # fewer dimensions each must speak louder
        match.k_proj.weight[rows][compared] = kept
        match.v_proj.weight[rows] = content[:, rows].T
        match.o_proj.weight[:, rows] = content[:, rows]


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


def world_tokenizer(embedded, judging=False):
    """The tokenizer of the embedded models: each word of the world is a token, whichever domain it belongs to.

    judging: whether the words of a judge's prompt and reply are tokens, too.
    """
    texts = [prompts.BRIEF, " ".join(["", *world.all_words(), *world.SOFT_SKILLS]), f"Domain: {world.VAGUE_DOMAIN}", *world.VAGUE]
    for index in range(embedded.tokenizer_authors):
        rows = world.author(f"tokenizer-{index}", "pretraining", world.seen_domains(), 0.5)
        texts += [prompts.messages(rows, "brief")[1]["content"], profiles.render(world.truth(rows))]
    if judging:
        chat, reply, _ = lessons.comparison("tokenizer", 0, world.seen_domains(), 0)
        words = f"Profile 1 has none in / - a again like / nothing. {' '.join(lessons.GRADES)}: 0 against, of"
        counts = "".join(f" {number}" for number in range(101))
        texts += [*(message["content"] for message in chat), reply, words, counts,
                  *(f'{{"winner": "{winner}"}}' for winner in verdicts.WINNERS)]
    return build_tokenizer(texts, embedded.tokenizer_pieces)


def train_all(embedded, work, destination):
    """Train every role, several at a time on one thread each, and publish it. Returns {role: learning curve}.

    destination: a folder; each role becomes a Hugging Face directory in it, beside training/<role>.json: its curve, and the key of
    all that decided the weights. A model that is there with the same key is not trained again, nor is one that an interrupted run
    has finished in `work`.
    """
    tokenizers = {judging: world_tokenizer(embedded, judging) for judging in (False, True)}
    keys = {role: training_key(role, recipe, tokenizers[recipe.judging_steps > 0]) for role, recipe in embedded.roles.items()}
    stale = [role for role, key in keys.items() if known_key(destination, role) != key]
    todo = [role for role in stale if known_key(work, role) != keys[role]]
    # The longest first, so that no core idles at the end.
    todo.sort(key=lambda role: (-embedded.roles[role].judging_steps, -embedded.roles[role].hidden))
    with ProcessPoolExecutor(max_workers=torch.get_num_threads(), mp_context=get_context("spawn")) as pool:
        runs = {pool.submit(train_role, role, recipe := embedded.roles[role], tokenizers[recipe.judging_steps > 0], work / role): role
                for role in todo}
        for run in tqdm(as_completed(runs), total=len(runs), desc="models", unit="model"):
            write_json(training_file(work, runs[run]), {"key": keys[runs[run]], "curve": run.result()})
    for role in stale:
        shutil.rmtree(destination / role, ignore_errors=True)
        shutil.copytree(work / role, destination / role, copy_function=shutil.copyfile)
        write_json(training_file(destination, role), read_json(training_file(work, role)))
    return {role: read_json(training_file(destination, role))["curve"] for role in embedded.roles}


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
