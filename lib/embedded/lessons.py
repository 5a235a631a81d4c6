"""What the embedded models learn from: endless streams of (prompt ids, completion ids) pairs about fresh authors of the world."""
import itertools
import json
import random

import torch

from lib.competencies import profiles, prompts, verdicts, world
from lib.metrics.competencies import pairs
from lib.metrics.words import word_f1
from lib.models.chats import encode_chats

GRADES = ("unsupported", "hardly", "vague", "partly", "supported")  # none to all four quarters of what a competency can earn


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

    The reply reviews both profiles line by line beside the judge's own and ends with the verdict.
    """
    rng = random.Random(f"{key}/comparison/{index}")
    rows = world.author(f"{key}-{index}", "pretraining", domains, invented)
    abstracts, truth = prompts.messages(rows, "brief")[1]["content"], world.truth(rows)
    texts = [profiles.render(world.rival(rows, rng)) for _ in range(2)]
    if rng.random() < 0.08:
        texts[rng.randrange(2)] = rng.choice(["", abstracts, verdicts.BRIEF + ' {"winner": "1"} {"winner": "2"}', profiles.render(
            {"domain": world.VAGUE_DOMAIN, "competencies": [{"name": name, "description": world.VAGUE[0]} for name in world.SOFT_SKILLS]})])
    lines, score = review(1, texts[0], truth)
    more, other = review(2, texts[1], truth, f"{score} against ")
    winner = "tie" if score == other else "1" if score > other else "2"
    reply = [*lines, *more, json.dumps({"winner": winner})]
    return verdicts.messages(abstracts, *texts, "brief", profiles.render(truth)), "\n".join(reply), winner


def review(number, text, own, against=""):
    """The words of a judge about one profile, and its score: (lines, an integer from 0 to 100).

    Each line quotes a competency of the judge's own profile and what the other one says under that name, or under one like it, and
    grades it. It carries the points so far, out of how many competencies in both profiles, and the score that this makes. Small
    models compare what stands side by side, and reckon one step at a time. The score is `metrics.similarity`, in quarters of a
    competency. against: what stands before each score.
    """
    profile = profiles.parse(text)
    if profile is None:
        return [f"Profile {number} has none: {against}0"], 0
    marks, found = verdicts.marks(profile, number), {j: (i, value) for i, j, value in pairs(profile, own)}
    fits = word_f1(profile["domain"], own["domain"]) >= 0.9
    points, total, score = 0, len(profile["competencies"]) + len(own["competencies"]), 10 * fits
    lines = [f"Profile {number} has {len(profile['competencies'])} in {profile['domain']} / Profile 0 has {len(own['competencies'])} in "
             f"{own['domain']} {GRADES[4 * fits]}, 0 of {total}: {against}{score}"]
    for j, item in enumerate(own["competencies"]):
        i, value = found.get(j, (None, 0.0))
        said = "nothing." if i is None else profile["competencies"][i]["description"]
        if i is not None and (profile["competencies"][i]["name"], marks[i]) != (item["name"], str(number)):
            said = f"like {profile['competencies'][i]['name']} {marks[i]} {said}"
        grade = round(4 * value)
        points += grade
        score = round(90 * points / 2 / total) + 10 * fits
        lines.append(f"- {item['name']} 0 {item['description']} / {item['name']} {number} {said} "
                     f"{GRADES[grade]}, {points} of {total}: {against}{score}")
    return lines, score


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


def mixed(often, seldom, every=3):
    """One stream in which each third batch comes from the other, so that what was learnt before is not forgotten."""
    for number in itertools.count(1):
        yield next(seldom if number % every == 0 else often)
