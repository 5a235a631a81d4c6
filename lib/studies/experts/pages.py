"""The experts' review: blind pairs of profiles, one self-contained page per reviewer, and the reading of what comes back.

The pages name neither models nor authors. The key, which stays with the researcher, says what was shown to whom.
"""
import base64
import hashlib
import json
import math
import random
import re
import zlib
from collections import Counter
from pathlib import Path

from lib.competencies.profiles import canonical
from lib.competencies.prompts import REMINDER
from lib.core.records import DataError, read_json

FORMAT = "competency-review/1"
PAIRS = (("tuned", "base"), ("tuned", "larger"), ("larger", "base"))
CHOICES = ("left", "right", "tie", "cannot_judge")
TEMPLATE = Path(__file__).with_name("review.html")


def draw_items(prompts, written, count, seed):
    """Pairs of profiles to review: as many of each pair of models as of the others, authors repeated as little as possible.

    prompts: rows with "id" and "messages". written: {model: {prompt id: profile or None}} for the models in PAIRS.
    Returns (items, left_out). An item is {"item", "prompt", "pair", "abstracts", "profiles"}; its profiles are keyed by an
    opaque id, in an order that tells nothing, and hold {"model", "profile"}. left_out counts the pairs that cannot be
    compared: {"unreadable", "identical"}. There are fewer items than `count` where the data have no more.
    """
    rng = random.Random(f"items/{seed}")
    left_out, pools = {"unreadable": 0, "identical": 0}, {}
    for pair in PAIRS:
        usable = []
        for prompt in prompts:
            one, other = (written[model].get(prompt["id"]) for model in pair)
            if not one or not other:
                left_out["unreadable"] += 1
            elif canonical(one) == canonical(other):
                left_out["identical"] += 1
            else:
                usable.append(prompt)
        pools[pair] = rng.sample(usable, len(usable))
    drawn, used = [], Counter()
    while len(drawn) < count and any(pools.values()):
        for pair in [pair for pair in PAIRS if pools[pair]][:count - len(drawn)]:
            prompt = min(pools[pair], key=lambda row: used[row["id"]])
            pools[pair].remove(prompt)
            used[prompt["id"]] += 1
            drawn.append((prompt, pair))
    rng.shuffle(drawn)  # so that an item's number does not tell its pair of models
    items = []
    for number, (prompt, pair) in enumerate(drawn, 1):
        profiles = {f"{rng.getrandbits(40):010x}": {"model": model, "profile": written[model][prompt["id"]]}
                    for model in rng.sample(pair, 2)}
        items.append({"item": f"item-{number:03d}", "prompt": prompt["id"], "pair": list(pair),
                      "abstracts": abstracts(prompt["messages"][-1]["content"]), "profiles": profiles})
    return items, left_out


def abstracts(text):
    """The abstracts in a prompt's text (see lib.prompts.messages) as [{"title", "text"}]."""
    parts = re.split(r"\n\n(?=Abstract \d+: )", text.removesuffix(f"\n\n{REMINDER}"))
    found = [re.fullmatch(r"(?:Abstract \d+: )?([^\n]*)\n?(.*)", part, re.DOTALL).groups() for part in parts]
    return [{"title": title, "text": body} for title, body in found]


def assign(items, experts):
    """Who sees what, in which order and on which side: {reviewer: [{"item", "left", "right"}]}, left and right profile ids.

    experts: the settings. Each item goes to `ratings_per_item` reviewers, those who have the fewest items so far, and among
    them the fewest of this pair of models. Order and sides are random for each reviewer. `repeated` items of a
    reviewer's first half come again in the second, with sides swapped.
    """
    rng = random.Random(f"reviewers/{experts.seed}")
    reviewers = [f"R{number}" for number in range(1, experts.reviewers + 1)]
    load, questions = Counter(), {reviewer: [] for reviewer in reviewers}
    for item in items:
        pair = tuple(item["pair"])
        ranked = sorted(rng.sample(reviewers, len(reviewers)), key=lambda name: (load[name], load[name, pair]))
        for reviewer in ranked[:experts.ratings_per_item]:
            load.update([reviewer, (reviewer, pair)])
            left, right = rng.sample(list(item["profiles"]), 2)
            questions[reviewer].append({"item": item["item"], "left": left, "right": right})
    for reviewer, asked in questions.items():
        rng.shuffle(asked)
        half = (len(asked) + 1) // 2
        again = [{"item": row["item"], "left": row["right"], "right": row["left"]}
                 for row in rng.sample(asked[:half], min(experts.repeated, half))]
        late = asked[half:] + again
        rng.shuffle(late)
        questions[reviewer] = asked[:half] + late
    return {reviewer: asked for reviewer, asked in questions.items() if asked}


def make_pages(items, questions):
    """The pages and their key: ({reviewer: HTML}, key). Equal input gives equal bytes."""
    content = {item["item"]: {"abstracts": item["abstracts"], "profiles": {
        name: value["profile"] for name, value in item["profiles"].items()}} for item in items}
    key = {"format": FORMAT, "set": fingerprint(content), "pages": {}, "items": {
        item["item"]: {"prompt": item["prompt"], "pair": item["pair"], "profiles": {
            name: value["model"] for name, value in item["profiles"].items()}} for item in items}}
    pages = {}
    for reviewer, asked in questions.items():
        data = {"format": FORMAT, "set": key["set"], "reviewer": reviewer, "questions": asked,
                "items": {row["item"]: content[row["item"]] for row in asked}}
        data["page"] = fingerprint(data)
        key["pages"][reviewer] = {"page": data["page"], "questions": asked}
        pages[reviewer] = fill(TEMPLATE.read_text(encoding="utf-8"), data)
    return pages, key


def fingerprint(value):
    """16 hexadecimal digits of the content of a JSON value; lone surrogates are allowed in it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("ascii")).hexdigest()[:16]


def fill(template, data):
    """The page: data as JSON that no parser of HTML can mistake for markup, and a policy that lets only our own code run."""
    hashes = {tag: base64.b64encode(hashlib.sha256(re.search(rf"<{tag}>(.*?)</{tag}>", template, re.DOTALL).group(1).encode()).digest())
              for tag in ("script", "style")}
    policy = "; ".join(["default-src 'none'", *(f"{tag}-src 'sha256-{value.decode()}'" for tag, value in hashes.items()),
                        "form-action 'none'"])
    text = json.dumps(data, sort_keys=True)  # ASCII only: U+2028 and surrogates become escapes
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return template.replace("{{policy}}", policy, 1).replace("{{data}}", text, 1)


def read_submissions(folder, key):
    """Submissions in a folder (.json, or .txt for copied text) that fit the key: ({reviewer: answers}, set aside).

    A submission that is partial, edited, of other pages or not understood is set aside, as {"file", "reason"}. Of two equal
    ones of a reviewer one is read, a complete one replaces the partial one that it continues, and of two that contradict
    each other neither is read.
    """
    found, aside = {}, []
    for path in sorted(path for path in Path(folder).glob("*") if path.is_file() and path.suffix.lower() in (".json", ".txt")):
        try:
            value = check_submission(path, key)
            found.setdefault(value["reviewer"], []).append((path.name, value["answers"]))
        except DataError as error:
            aside.append({"file": path.name, "reason": str(error)})
    read = {}
    for reviewer, files in found.items():
        longest_name, longest = max(files, key=lambda file: len(file[1]))
        others = [(name, answers) for name, answers in files if name != longest_name]
        total = len(key["pages"][reviewer]["questions"])
        if any(answers != longest[:len(answers)] for _, answers in others):
            aside += [{"file": name, "reason": f"contradicts another file of {reviewer}; ask which one counts, and remove the others"}
                      for name, _ in files]
            continue
        if len(longest) == total:
            read[reviewer] = longest
        else:
            aside.append({"file": longest_name, "reason": f"partial: {len(longest)} of {total} answered; ask {reviewer} to finish"})
        aside += [{"file": name, "reason": f"{'the same as' if len(answers) == len(longest) else 'continued in'} {longest_name}"}
                  for name, answers in others]
    order = sorted(read, key=lambda reviewer: list(key["pages"]).index(reviewer))
    return {reviewer: read[reviewer] for reviewer in order}, sorted(aside, key=lambda row: row["file"])


def check_submission(path, key):
    """One submission, checked against the key. Raises DataError with what is wrong, without the file's name."""
    try:
        value = read_json(path)
    except DataError:
        raise DataError("not UTF-8; ask for the file as it was downloaded") from None
    except (ValueError, RecursionError):
        raise DataError("not JSON; ask for the file as it was downloaded") from None
    if not isinstance(value, dict) or not str(value.get("format")).startswith("competency-review/"):
        raise DataError("not a submission of the review page")
    if value["format"] != FORMAT:
        raise DataError(f"format {value['format']!r}, but this workbook reads {FORMAT!r}")
    page = key["pages"].get(value.get("reviewer")) if isinstance(value.get("reviewer"), str) else None
    if value.get("set") != key["set"]:
        raise DataError("made for another set of items: the pages were drawn anew since; go back to the version that was sent out")
    if page is None or value.get("page") != page["page"]:
        raise DataError("its reviewer and page do not belong together in the key")
    answers, asked = value.get("answers"), page["questions"]
    if not isinstance(answers, list) or not all(map(_is_answer, answers)) or not isinstance(value.get("partial"), bool):
        raise DataError("its answers do not have the form that the page writes")
    if value.get("checksum") != checksum(value):
        raise DataError("edited: the checksum does not fit the answers; ask for the file as it was downloaded")
    shown = [{name: answer[name] for name in ("item", "left", "right")} for answer in answers]
    if shown != asked[:len(answers)] or [answer["question"] for answer in answers] != list(range(1, len(answers) + 1)):
        raise DataError("its questions are not those of the page")
    if value["partial"] != (len(answers) < len(asked)):
        raise DataError("edited: it does not say rightly whether it is partial")
    return value


def _is_answer(answer):
    return (isinstance(answer, dict) and type(answer.get("question")) is int and answer.get("choice") in CHOICES
            and all(isinstance(answer.get(name), str) for name in ("item", "left", "right", "choice"))
            and type(answer.get("seconds")) in (int, float) and math.isfinite(answer["seconds"]) and answer["seconds"] >= 0)


def checksum(value):
    """CRC-32 over the answers as the page computes it: finds careless edits; whoever means to deceive can compute it too."""
    lines = [value["format"], value["set"], value["page"], value["reviewer"], str(value["partial"]).lower()]
    lines += [f"{row['question']} {row['item']} {row['left']} {row['right']} {row['choice']} {row['seconds']:.1f}"
              for row in value["answers"]]
    return f"{zlib.crc32(chr(10).join(lines).encode('utf-8', 'surrogatepass')):08x}"
