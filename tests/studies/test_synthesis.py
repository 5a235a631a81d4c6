"""From groups of abstracts to clean, split prompts and their candidates."""

import pytest

from lib.competencies import prompts
from lib.core import settings
from lib.core.records import DataError, write_jsonl
from lib.judging.judges import Truth
from lib.models.chats import encode_chats
from lib.studies import synthesis


def test_splits_are_by_author():
    data = settings.load("smoke")[1].data
    groups = [{"id": f"{author} {n}", "author": author, "abstracts": []}
              for author in "abcdefghij" for n in (1, 2)]
    split = {}
    for group in synthesis.split_by_author(groups, data):
        assert split.setdefault(group["author"], group["split"]) == group["split"]
    assert set(split.values()) == {"train", "validation", "test"}
    with pytest.raises(DataError, match="at least 3"):
        synthesis.split_by_author(groups[:4], data)


def test_synthetic_splits_share_no_author_and_hold_domains_out():
    data = settings.load("default")[1].data
    groups = synthesis.synthetic_groups(data)
    domains = {split: {group["domain"] for group in groups if group["split"] == split}
               for split in synthesis.SPLITS}
    assert not domains["held_out"] & (domains["train"] | domains["validation"] | domains["test"])
    assert len({group["author"] for group in groups}) == len(groups)
    kept, dropped = synthesis.clean(groups, data)
    assert not synthesis.leaking(kept, data.contamination_words)
    assert len(kept) + len(dropped) == len(groups)


def test_a_leak_and_a_duplicate_are_dropped():
    data = settings.load("default")[1].data
    words = [f"word{i}" for i in range(40)]

    def group(name, split, text):
        return {"id": name, "split": split, "abstracts": [{"text": text}]}
    kept, dropped = synthesis.clean([
        group("copy", "train", " ".join(words)),
        group("leak", "train", "new start " + " ".join(words[:15]) + " then other things"),
        group("fine", "train", "entirely different things are said in this one"),
        group("test", "test", " ".join(words))], data)
    assert [group["id"] for group in kept] == ["fine", "test"]
    reasons = {row["id"]: row["reason"].split()[0] for row in dropped}
    assert reasons == {"copy": "near-duplicate", "leak": "shares"}


def group_of(name, abstracts):
    return {"id": name, "author": "a", "split": "train", "domain": None, "truth": None,
            "abstracts": abstracts}


def test_long_prompts_are_shortened_and_counted(base):
    _, tokenizer = base
    models = settings.load("smoke")[1].models.model_copy(update={"max_prompt_tokens": 300})
    groups = [group_of(str(n), [{"title": "t", "text": "noise filtering " * n}] * 3)
              for n in (5, 500)]
    rows, shortened = synthesis.build_prompts(groups, tokenizer, models)
    assert shortened == ["500"]
    chats = encode_chats(tokenizer, [row["messages"] for row in rows])
    assert all(len(ids) <= 300 for ids in chats)


@pytest.mark.parametrize("row", [
    {"title": "t", "text": "x" * 50_000}, {"title": "語" * 5_000, "text": "A short text."},
    {"title": "t" * 100_000, "text": "noise " * 10_000}, {"title": "", "text": "<|end|>" * 2_000}])
def test_no_text_is_too_long_for_a_prompt(base, row):
    _, tokenizer = base
    models = settings.load("smoke")[1].models.model_copy(update={"max_prompt_tokens": 300})
    (prompt,), shortened = synthesis.build_prompts([group_of("g", [row])], tokenizer, models)
    ids, = encode_chats(tokenizer, [prompt["messages"]])
    assert 250 < len(ids) <= 300 and shortened == ["g"]


def test_abstracts_that_never_fit_are_refused(base):
    _, tokenizer = base
    models = settings.load("smoke")[1].models.model_copy(update={"max_prompt_tokens": 300})
    many = [{"title": "", "text": "noise"}] * 200
    with pytest.raises(DataError, match="200 abstracts do not fit in max_prompt_tokens"):
        synthesis.build_prompts([group_of("g", many)], tokenizer, models)


def test_a_prompt_keeps_its_abstracts_as_its_chat_shows_them(base):
    _, tokenizer = base
    models = settings.load("smoke")[1].models.model_copy(update={"max_prompt_tokens": 300})
    abstracts = [{"id": "1", "title": "A title", "text": "First line.\n\nSecond </s> paragraph."},
                 {"id": "2", "title": None, "text": "Abstract 7: not a heading " * 400}]
    for style in ("brief", "full"):
        given = models.model_copy(update={"prompt": style, "max_prompt_tokens": 600})
        rows, shortened = synthesis.build_prompts([group_of("g", abstracts)], tokenizer, given)
        shown = rows[0]["abstracts"]
        assert shortened == ["g"] and [row["title"] for row in shown] == ["A title", ""]
        assert "</s>" not in shown[0]["text"] and 0 < len(shown[1]["text"].split()) < 2000
        assert prompts.messages(shown, style) == rows[0]["messages"]


def test_a_candidates_status_says_what_it_is_worth():
    text = "Domain: physics\n\nCompetencies:\n" + "\n".join(
        f"- {name}: Explains it." for name in ("kernel clustering", "kelp mapping", "coral census"))
    written = [("nonsense", True), (text, True), (text, False), (text, True), ("", True)]
    completions = [{"text": words, "tokens": 3, "finished": end} for words, end in written]
    prompt = {"id": "p", "author": "a", "split": "train", "messages": [], "truth": None}
    row = synthesis.candidate_row(prompt, completions, "model", 0.9)
    assert row["status"] == ["unreadable", "ok", "unfinished", "duplicate", "unreadable"]
    assert row["tokens"] == [3] * 5 and "truth" not in row
    assert row["profiles"][1]["domain"] == "physics"
    assert synthesis.sound([row]) == {"p": [text]}


def test_sizes_count_authors_once():
    rows = [{"author": author, "split": split, "abstracts": [{}] * count}
            for author, split, count in (("a", "train", 2), ("a", "train", 1), ("b", "test", 4))]
    table = {row["split"]: row for row in synthesis.sizes(rows)}
    assert list(table) == ["train", "test"]  # in the order of SPLITS, without empty ones
    assert table["train"] == {"split": "train", "authors": 1, "prompts": 2, "abstracts": 3}
    assert table["test"]["abstracts"] == 4


def test_closeness_is_of_sound_candidates_with_a_known_truth():
    profile = {"domain": "d", "competencies": [{"name": "tides", "description": "Models them."}]}
    truth = Truth([{"id": "p", "truth": profile}, {"id": "q", "truth": None}])
    candidates = [{"id": name, "profiles": [profile, profile, None],
                   "status": ["ok", "duplicate", "unreadable"]} for name in "pq"]
    assert synthesis.closeness(truth, candidates) == [1.0]


def real_texts(tmp_path, train=10, test=4):
    """The settings of a study whose test has a file of its own; one text stands in both."""
    for part, count in (("train", train), ("test", test)):
        lines = [{"id": f"{part}-{n}", "text": f"the {part} text number {n} says word{part}{n}",
                  "terms": [f"term {n}"]} for n in range(count)]
        lines += [{"id": "both", "text": "this one stands in both files by mistake"}]
        write_jsonl(tmp_path / f"{part}.jsonl", lines)
    data = settings.load("smollm2")[1].data
    columns = data.columns.model_copy(update={"references": "terms"})
    authors = data.authors.model_copy(update={"warm_start": 3, "train": 5, "validation": 2,
                                              "test": 5})
    return data.model_copy(update={
        "path": str(tmp_path / "train.jsonl"), "test_path": str(tmp_path / "test.jsonl"),
        "columns": columns, "authors": authors})


def test_a_test_with_a_file_of_its_own_is_only_that_file(tmp_path):
    data = real_texts(tmp_path)
    groups, _ = synthesis.collect(data)
    sizes = {row["split"]: row["prompts"] for row in synthesis.sizes(groups)}
    assert sizes == {"warm_start": 3, "train": 5, "validation": 2, "test": 5}
    for group in groups:
        assert (group["split"] == "test") == (group["id"] == "both" or "test" in group["id"])
    assert groups == synthesis.collect(data)[0]
    known = {group["id"]: group.get("references") for group in groups}
    assert known["test-1"] == ["term 1"] and known["both"] is None


def test_too_few_texts_are_said(tmp_path):
    with pytest.raises(DataError, match=r"train.jsonl: 9 authors.*asks for 10"):
        synthesis.collect(real_texts(tmp_path, train=9))
    with pytest.raises(DataError, match=r"test.jsonl: 4 authors.*asks for 5"):
        synthesis.collect(real_texts(tmp_path, test=3))


def test_prompts_keep_references_and_pages_hide_texts_that_may_not_be_shown(base, tmp_path):
    _, tokenizer = base
    models = settings.load("smoke")[1].models
    groups, _ = synthesis.collect(real_texts(tmp_path))
    rows, _ = synthesis.build_prompts(groups, tokenizer, models)
    prompt = next(row for row in rows if row["id"] == "train-1")
    assert prompt["references"] == ["term 1"]
    hidden = synthesis.printable(prompt, shown=False)
    assert "wordtrain1" not in str(hidden) and "train-1" in hidden[1]["content"]
    assert synthesis.printable(prompt, shown=True) == prompt["messages"]
    other = next(row for row in rows if row["id"] == "train-2")
    chat = prompts.messages(prompt["abstracts"], "full", [(other["abstracts"], "Domain: secret")])
    hidden = synthesis.printable({**prompt, "messages": chat, "examples": ["train-2"]}, shown=False)
    assert [turn["role"] for turn in hidden] == [turn["role"] for turn in chat]
    assert "train-2" in hidden[1]["content"] and "train-1" in hidden[3]["content"]
    assert "wordtrain" not in str(hidden) and "secret" not in str(hidden)


def test_groups_of_the_test_are_never_taken_for_others(tmp_path):
    data = real_texts(tmp_path)
    for part, authors in (("train", ["test group 1", "A", "A", "A", "B 1", "C", "D"]),
                          ("test", ["B", "B", "B", "A 1", "", "", ""])):
        write_jsonl(tmp_path / f"{part}.jsonl", [
            {"id": f"{n}", "author": author, "terms": [], "text": f"{part} text {n} of a few words"}
            for n, author in enumerate(authors)])
    authors = data.authors.model_copy(update={"warm_start": 1, "train": 2, "validation": 2,
                                              "test": 4})
    data = data.model_copy(update={"group_size": 2, "authors": authors})
    groups, _ = synthesis.collect(data)
    ids = [group["id"] for group in groups]
    assert len(set(ids)) == len(ids) == 11 and sum(len(one["abstracts"]) for one in groups) == 14
    assert all((group["split"] == "test") == (group["abstracts"][0]["text"].startswith("test"))
               for group in groups)
