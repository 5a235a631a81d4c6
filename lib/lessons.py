"""What the embedded models learn from: endless streams of (prompt ids, completion ids) pairs about fresh authors of the world."""
import itertools
import json
import random

import torch

from lib import profiles, prompts, verdicts, world
from lib.metrics import earnings, similarity, word_f1
from lib.models import encode_chats


def examples(tokenizer, key, start, count, domains, invented, faults=None):
    """Training pairs (prompt ids, completion ids) of `count` fresh authors; with `faults`, of spoiled profiles.

    key: names the stream of authors, so that no two models see the same ones.
    """
    chats, targets = [], []
    for index in range(start, start + count):
        rows = world.author(f"{key}-{index}", "pretraining", domains, invented)
        profile = world.spoil(rows, random.Random(f"{key}/{index}"), faults) if faults else world.truth(rows)
        chats.append(prompts.messages(rows, "brief"))
        targets.append(profiles.render(profile) + tokenizer.eos_token)
    return list(zip(encode_chats(tokenizer, chats), tokenizer(targets, add_special_tokens=False)["input_ids"]))


def comparison(key, index, domains, invented):
    """One comparison to learn from: (chat, reply, winner). Two rivals, or now and then one that is no profile at all.

    The reply grades every competency of both profiles by what the abstracts support and ends with the verdict.
    """
    rng = random.Random(f"{key}/comparison/{index}")
    rows = world.author(f"{key}-{index}", "pretraining", domains, invented)
    abstracts, truth = prompts.messages(rows, "brief")[1]["content"], world.truth(rows)
    texts = [profiles.render(world.rival(rows, rng)) for _ in range(2)]
    if rng.random() < 0.08:
        texts[rng.randrange(2)] = rng.choice(["", abstracts, verdicts.BRIEF + ' {"winner": "1"} {"winner": "2"}', profiles.render(
            {"domain": world.VAGUE_DOMAIN, "competencies": [{"name": name, "description": world.VAGUE[0]} for name in world.SOFT_SKILLS]})])
    one, other = (similarity(profiles.parse(text), truth) for text in texts)
    winner = "tie" if abs(one - other) < 0.01 else "1" if one > other else "2"
    reviews = [review(number, text, truth) for number, text in enumerate(texts, 1)]
    reply = [*(line for lines, _ in reviews for line in lines), *(total for _, total in reviews), json.dumps({"winner": winner})]
    return verdicts.messages(abstracts, *texts, "brief", profiles.render(truth)), "\n".join(reply), winner


def review(number, text, truth):
    """The words of a judge about one profile: (a line for the domain and for each of the first twelve competencies, their count)."""
    profile = profiles.parse(text)
    if profile is None:
        return [f"Profile {number}:", "- no profile"], f"Profile {number}: none"
    grades = ["supported" if value >= 0.9 else "vague" if value >= 0.5 else "unsupported" for value in earnings(profile, truth)]
    names = [item["name"] for item in profile["competencies"]]
    grades = ["repeated" if name in names[:place] else grade for place, (name, grade) in enumerate(zip(names, grades))]
    domain = "supported" if word_f1(profile["domain"], truth["domain"]) >= 0.9 else "unsupported"
    named = [f"- {name}: {grade}" for name, grade in list(zip(names, grades))[:12]]
    total = ", ".join(f"{grades.count(grade)} {grade}" for grade in ("supported", "vague", "unsupported", "repeated"))
    return [f"Profile {number}: domain {domain}", *named], f"Profile {number}: {total}"


def comparisons(tokenizer, key, start, count, domains, invented):
    """Training pairs (prompt ids, reply ids) of a judge that answers in words."""
    rows = [comparison(key, index, domains, invented) for index in range(start, start + count)]
    replies = tokenizer([reply + tokenizer.eos_token for _, reply, _ in rows], add_special_tokens=False)["input_ids"]
    return list(zip(encode_chats(tokenizer, [chat for chat, _, _ in rows]), replies))


def repeats(tokenizer, count, generator):
    """Induction warm-up: random tokens, then the same tokens again as the completion to predict."""
    length = int(torch.randint(8, 24, (1,), generator=generator))
    rows = torch.randint(len(tokenizer.all_special_ids), len(tokenizer), (count, length), generator=generator).tolist()
    return [(row, row) for row in rows]


def batches(make, size):
    """An endless stream of batches of about equal lengths, from pools of 16 batches. make(start, count) -> training pairs."""
    for pool in itertools.count():
        rows = sorted(make(pool * size * 16, size * 16), key=lambda pair: len(pair[0]) + len(pair[1]))
        chunks = [rows[i:i + size] for i in range(0, len(rows), size)]
        random.Random(pool).shuffle(chunks)
        yield from chunks


def mixed(often, seldom, every=4):
    """One stream in which each fourth batch comes from the other, so that what was learnt before is not forgotten."""
    for number in itertools.count(1):
        yield next(seldom if number % every == 0 else often)
