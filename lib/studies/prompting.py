"""Examples: texts of others with their profiles, shown as turns of the chat before the question.

Brown et al. 2020, "Language Models are Few-Shot Learners". For each text the nearest by a sentence
encoder: Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?"; near, but unlike each
other: Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based Reranking for Reordering
Documents and Producing Summaries".
"""
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import prompts
from lib.competencies.profiles import as_json, render
from lib.core.records import DataError
from lib.core.rows import Example, Group, Profile, Prompt
from lib.core.sections.data import Data, Examples
from lib.core.sections.preset import Preset
from lib.metrics.overlap import contaminated, near_duplicates
from lib.models.chats import encode_chats
from lib.models.encoder import Encoder
from lib.studies import novelty, warm_start

Encode = Callable[[list[str]], np.ndarray]  # from n texts to (n, width) vectors of length 1


Chosen = dict[str, list[Example]]  # of each prompt's id, the one that was chosen first in front


def pool(groups: Iterable[Group], split: str) -> list[Example]:
    """What a split has to show: its groups with the truth, or with people's terms for a profile.

    Raises DataError where it has none.
    """
    found: list[Example] = []
    for group in groups:
        if group["split"] == split and (profile := group["truth"] or warm_start.profile_of(group)):
            found.append({"id": group["id"], "author": group["author"], "profile": profile,
                          "abstracts": prompts.as_shown(group["abstracts"])})
    if not found:
        raise DataError(f"examples.source is {split}: no text of that split has a profile to show; "
                        "name a split with terms by people (data.columns.references), or set "
                        "examples.k to 0.")
    return found


def choose(asked: Sequence[Prompt], known: Sequence[Example], wanted: Examples, data: Data,
           encode: Encode | None = None) -> tuple[Chosen, Counter[str]]:
    """wanted.k examples for each prompt, fewer where no more are left.

    random: by a draw of the prompt's own, from wanted.seed and its id. nearest: by cosine. diverse:
    by maximal marginal relevance, relevance x cosine to the text - (1 - relevance) x the largest
    cosine to an example chosen before. encode: for the last two. Never an example of the same
    author, nor one that repeats a text as `synthesis.clean` counts it, by data.near_duplicate or
    data.contamination_words. Fewer examples of the same kind are the first of more. Returns also
    how many examples were passed over because of their "author", or as "repeats".
    """
    passed_over = Counter[str](author=0, repeats=0)
    rows: list[Prompt | Example] = [*asked, *known]
    vectors = vectors_of(rows, encode) if encode else np.zeros((len(rows), 1))
    questions, shown = vectors[:len(asked)], vectors[len(asked):]
    chosen: Chosen = {}
    for prompt, question in zip(asked, questions, strict=True):
        left = [place for place, one in enumerate(known) if one["author"] != prompt["author"]
                and one["id"] != prompt["id"]]
        passed_over["author"] += len(known) - len(left)
        places = range(len(known))
        drawn = random.Random(f"{wanted.seed} {prompt['id']}").sample(places, len(known))
        taken: list[int] = []
        while left and len(taken) < wanted.k:
            value = np.array(drawn, float) if wanted.choose == "random" else shown @ question
            if wanted.choose == "diverse" and taken:
                near = (shown @ shown[taken].T).max(1)
                value = wanted.relevance * value - (1 - wanted.relevance) * near
            best = max(left, key=lambda place: value[place])
            left.remove(best)
            if repeats(prompt, known[best], data):
                passed_over["repeats"] += 1
            else:
                taken.append(best)
        chosen[prompt["id"]] = [known[place] for place in taken]
    return chosen, passed_over


def vectors_of(rows: Sequence[Prompt | Example], encode: Encode) -> np.ndarray:
    """(n, width) vectors of length 1: of each row, the mean direction of its abstracts."""
    texts = [novelty.texts_of(row) for row in rows]
    every = iter(encode([text for own in texts for text in own]))
    means = np.array([np.mean([next(every) for _ in own], axis=0) for own in texts])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def repeats(prompt: Prompt, example: Example, data: Data) -> bool:
    """Whether an example is nearly the prompt's own text, or shares a run of words with it."""
    one, other = ([row["text"] for row in side["abstracts"]] for side in (prompt, example))
    return bool(near_duplicates([" ".join(one), " ".join(other)], data.near_duplicate)
                or contaminated([other], [one], data.contamination_words))


def with_examples(asked: Iterable[Prompt], chosen: Chosen, style: str, tokenizer: Tokenizer,
                  limit: int) -> tuple[list[Prompt], list[str]]:
    """Prompts with their examples before the question, the one that was chosen first next to it.

    limit: tokens of a prompt; beyond it, examples go from the far end. Each row has the ids of
    those that it shows, as "examples", nearest last; one that shows none stays as it is. Returns
    also the ids of the prompts that lost some.
    """
    rows, lost = [], []
    for prompt in asked:
        own, row = chosen[prompt["id"]], prompt
        for count in range(len(own), 0, -1):
            before = [(one["abstracts"], answer(one["profile"], style)) for one in own[:count]]
            chat = prompts.messages(prompt["abstracts"], style, before[::-1])
            if len(encode_chats(tokenizer, [chat])[0]) <= limit:
                row = {**prompt, "messages": chat,
                       "examples": [one["id"] for one in reversed(own[:count])]}
                break
        rows.append(row)
        if len(row.get("examples", [])) < len(own):
            lost.append(prompt["id"])
    return rows, lost


def answer(profile: Profile, style: str) -> str:
    """A profile as a prompt of this style asks for it."""
    return as_json(profile) if style == "json" else render(profile)


def of_preset(asked: list[Prompt], groups: list[Group], settings: Preset, tokenizer: Tokenizer,
              style: str = "") -> tuple[list[Prompt], dict[str, int]]:
    """Prompts with the examples that a preset wants before them; as they are where it wants none.

    groups: of all splits, after cleaning. style: "" for the preset's. Returns also counts: prompts
    "with examples", those that "lost some" to the limit, examples "passed over" as `repeats`.
    """
    wanted, models = settings.examples, settings.models
    if not wanted.k:
        return asked, {}
    encode = None if wanted.choose == "random" else Encoder(models.encoder,
                                                            settings.runtime.device).encode
    chosen, passed_over = choose(asked, pool(groups, wanted.source), wanted, settings.data, encode)
    rows, lost = with_examples(asked, chosen, style or models.prompt, tokenizer,
                               max(wanted.max_prompt_tokens, models.max_prompt_tokens))
    return rows, {"with examples": sum("examples" in row for row in rows), "lost some": len(lost),
                  "passed over": passed_over["repeats"]}
