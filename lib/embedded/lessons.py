"""What the embedded models learn from: endless batches about fresh authors of the world."""
import itertools
import json
import random
from collections.abc import Callable, Iterator

import torch
from transformers import PreTrainedTokenizerBase as Tokenizer

from lib.competencies import profiles, prompts, verdicts, world
from lib.core.rows import Message, Profile
from lib.metrics.competencies import pairs
from lib.metrics.words import word_f1
from lib.models.chats import encode_chats, encode_ended

Lesson = tuple[list[int], list[int]]  # the ids of a prompt and of its completion
GRADES = ("unsupported", "hardly", "vague", "partly", "supported")  # none to four quarters earned
# What a judge may be shown in place of a profile, beside nothing and the abstracts.
TWO_VERDICTS = verdicts.BRIEF + ' {"winner": "1"} {"winner": "2"}'
PADDED: Profile = {"domain": world.VAGUE_DOMAIN, "competencies": [
    {"name": name, "description": world.VAGUE[0]} for name in world.SOFT_SKILLS]}


def examples(tokenizer: Tokenizer, key: str, start: int, count: int, domains: list[str],
             invented: float, wording: str = "plain",
             faults: dict[str, float] | None = None) -> list[Lesson]:
    """Lessons about the authors `start` to `start + count`; with `faults`, in spoiled profiles.

    key: names the stream of authors, so that no two models see the same ones. wording: the world's.
    """
    chats, targets = [], []
    for index in range(start, start + count):
        rows = _author(key, index, domains, invented, wording)
        rng = random.Random(f"{key}/{index}")
        profile = world.spoil(rows, rng, faults, wording) if faults else world.truth(rows)
        chats.append(prompts.messages(rows, "brief"))
        targets.append(profiles.render(profile))
    return _lessons(tokenizer, chats, targets)


def comparisons(tokenizer: Tokenizer, key: str, start: int, count: int, domains: list[str],
                invented: float, wording: str = "plain") -> list[Lesson]:
    """Lessons of a judge that answers in words, see `comparison`."""
    rows = [comparison(key, index, domains, invented, wording)
            for index in range(start, start + count)]
    return _lessons(tokenizer, [chat for chat, _, _ in rows], [reply for _, reply, _ in rows])


def _author(key, index, domains, invented, wording):
    return world.author(f"{key}-{index}", "pretraining", domains, invented, wording)


def _lessons(tokenizer, chats, replies):
    return list(zip(encode_chats(tokenizer, chats), encode_ended(tokenizer, replies)))


def comparison(key: str, index: int, domains: list[str], invented: float,
               wording: str = "plain") -> tuple[list[Message], str, str]:
    """Two rivals, one now and then no profile at all, to learn from: (chat, reply, winner).

    The reply reviews both line by line beside the judge's own profile and ends with the verdict.
    """
    rng = random.Random(f"{key}/comparison/{index}")
    rows = _author(key, index, domains, invented, wording)
    abstracts, truth = prompts.messages(rows, "brief")[1]["content"], world.truth(rows)
    texts = [profiles.render(world.rival(rows, rng, wording)) for _ in range(2)]
    if rng.random() < 0.08:
        texts[rng.randrange(2)] = rng.choice(["", abstracts, TWO_VERDICTS, profiles.render(PADDED)])
    one, other = texts
    lines, score = review(1, one, truth)
    more, other_score = review(2, other, truth, f"{score} against ")
    winner = "tie" if score == other_score else "1" if score > other_score else "2"
    reply = "\n".join([*lines, *more, json.dumps({"winner": winner})])
    return verdicts.messages(abstracts, one, other, "brief", profiles.render(truth)), reply, winner


def review(number: int, text: str, own: Profile, against: str = "") -> tuple[list[str], int]:
    """The words of a judge about one profile, and its score: (lines, an integer from 0 to 100).

    Each line quotes a competency of the judge's own profile, what the other one says under that
    name or one like it, and a grade. It carries the points so far, out of how many competencies in
    both profiles, and the score that this makes: small models compare what stands side by side, and
    reckon one step at a time. The score is `similarity` of lib.metrics.competencies, in quarters of
    a competency. against: what stands before each score.
    """
    profile = profiles.parse(text)
    if profile is None:
        return [f"Profile {number} has none: {against}0"], 0
    given, expected = profile["competencies"], own["competencies"]
    marks, total = verdicts.marks(profile, number), len(given) + len(expected)
    found = {j: (i, earned) for i, j, earned in pairs(profile, own)}
    fits = word_f1(profile["domain"], own["domain"]) >= 0.9
    points, score = 0, 10 * fits
    lines = [f"Profile {number} has {len(given)} in {profile['domain']} / Profile 0 has "
             f"{len(expected)} in {own['domain']} {GRADES[4 * fits]}, 0 of {total}: "
             f"{against}{score}"]
    for j, item in enumerate(expected):
        i, earned = found.get(j, (None, 0.0))
        said = "nothing." if i is None else given[i]["description"]
        if i is not None and (given[i]["name"], marks[i]) != (item["name"], str(number)):
            said = f"like {given[i]['name']} {marks[i]} {said}"
        grade = round(4 * earned)
        points += grade
        score = round(90 * points / 2 / total) + 10 * fits
        lines.append(f"- {item['name']} 0 {item['description']} / {item['name']} {number} {said} "
                     f"{GRADES[grade]}, {points} of {total}: {against}{score}")
    return lines, score


def repeats(tokenizer: Tokenizer, count: int, generator: torch.Generator) -> list[Lesson]:
    """Induction warm-up: random tokens, then the same tokens again as the completion to predict."""
    length = int(torch.randint(8, 24, (1,), generator=generator))
    special = len(tokenizer.all_special_ids)
    rows = torch.randint(special, len(tokenizer), (count, length), generator=generator).tolist()
    return [(row, row) for row in rows]


def batches(make: Callable[[int, int], list[Lesson]], size: int) -> Iterator[list[Lesson]]:
    """An endless stream of batches of about equal lengths, from pools of 16: make(start, count)."""
    for pool in itertools.count():
        rows = make(pool * size * 16, size * 16)
        rows.sort(key=lambda lesson: len(lesson[0]) + len(lesson[1]))
        chunks = [rows[i:i + size] for i in range(0, len(rows), size)]
        random.Random(pool).shuffle(chunks)
        yield from chunks


def mixed(often: Iterator[list[Lesson]], seldom: Iterator[list[Lesson]],
          every: int = 3) -> Iterator[list[Lesson]]:
    """One stream whose every third batch is the other's, so that what was learnt is not lost."""
    for number in itertools.count(1):
        yield next(seldom if number % every == 0 else often)
