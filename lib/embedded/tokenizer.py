"""The tokenizer of the embedded models: one token for each word of the synthetic world."""
from collections import Counter

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lib.competencies import open_wording, profiles, prompts, verdicts, world
from lib.core.sections.models import Pretraining
from lib.embedded import lessons

SPECIAL = {"pad_token": "<|pad|>", "eos_token": "<|end|>", "bos_token": "<|start|>"}
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


def build_tokenizer(texts: list[str], pieces: int) -> PreTrainedTokenizerFast:
    """A tokenizer with one token for each word of `texts`; the rest is spelt in pieces and bytes.

    pieces: how many, all 256 bytes included, so any Unicode text encodes and decodes to itself. A
    segmentation with few tokens wins: every token costs about the same log-probability.
    """
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = Counter(word for text in texts for word, _ in split.pre_tokenize_str(text))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = split
    bpe.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=pieces, initial_alphabet=sorted(split.alphabet()), show_progress=False))
    inventory = sorted(set(bpe.get_vocab()) | set(words))
    special = [(piece, 0.0) for piece in (*SPECIAL.values(), *ROLES)]
    unigram = Tokenizer(models.Unigram([*special, *((piece, -10.0) for piece in inventory)]))
    unigram.pre_tokenizer = split
    unigram.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=unigram, clean_up_tokenization_spaces=False, padding_side="left",
        additional_special_tokens=ROLES, **SPECIAL)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def world_tokenizer(settings: Pretraining, judging: bool = False,
                    wording: str = "plain") -> PreTrainedTokenizerFast:
    """One token for each word of the world and, if `judging`, of a judge's prompt and reply.

    Abbreviations and inflections of the open wording have two: a letter or a word, and its rest.
    """
    words = " ".join(["", *world.all_words(), *world.SOFT_SKILLS])
    texts = [prompts.BRIEF, words, f"Domain: {world.VAGUE_DOMAIN}", *world.VAGUE]
    for index in range(settings.tokenizer_authors):
        rows = world.author(f"tokenizer-{index}", "pretraining", world.seen_domains(), 0.5)
        chat, profile = prompts.messages(rows, "brief"), world.truth(rows)
        texts += [chat[1]["content"], profiles.render(profile)]
    if wording == "open":
        texts += open_wording.texts()
    if judging:
        chat, reply, _ = lessons.comparison("tokenizer", 0, world.seen_domains(), 0)
        grades = " ".join(lessons.GRADES)
        texts += [*(message["content"] for message in chat), reply,
                  f"Profile 1 has none in / - a again like / nothing. {grades}: 0 against, of",
                  "".join(f" {number}" for number in range(101)),
                  *(f'{{"winner": "{winner}"}}' for winner in verdicts.WINNERS)]
    return build_tokenizer(texts, settings.tokenizer_pieces)
