"""Reading abstracts from files and from OpenAlex, and turning them into clean, split prompts."""
import json
from urllib.parse import parse_qs, urlparse

import pytest
import requests
from requests.adapters import BaseAdapter

from lib.competencies import abstracts
from lib.core import settings
from lib.core.records import DataError
from lib.core.settings import ROOT
from lib.studies import synthesis

TEXT = "We study kernel clustering for sensor streams and report results."
REAL = ROOT.parent / "shared/data/abstracts/scitldr_a_dev.jsonl"


def pdf(text):
    """A one-page PDF, written by hand."""
    stream = "BT /F1 12 Tf 50 700 Td " + " ".join(f"({line}) Tj 0 -14 Td" for line in text.split("\n")) + " ET"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
               f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    return (out + f"xref\n0 6\n0000000000 65535 f \n{table}trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n").encode("latin-1")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text(f'id,author,title,text\n1,A,t,"{TEXT}\nOn two lines."\n2,A,t\n3,A,t,\n4,A,"a ""q""",{TEXT}\n')
    (tmp_path / "b.jsonl").write_text(f'{{"id": 1, "text": ["{TEXT}", "More."]}}\nnot json\n[1]\n{{"x": 1}}\n{{"id": 1, "text": "{TEXT}"}}\n')
    (tmp_path / "Jane").mkdir()
    (tmp_path / "Jane" / "c.txt").write_bytes(TEXT.encode() + b" na\xefve")
    (tmp_path / "d.pdf").write_bytes(pdf(f"A title\nAbstract\n{TEXT}\n1 Introduction\nThis is not the abstract."))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing here")
    (tmp_path / "e.bib").write_text(f"@article{{k1, author={{Doe, Jane and Roe, R}}, title={{A {{Big}} Thing}}, abstract={{{TEXT}}}}}\n"
                                    "@article{k2, title={No abstract}}\n@article{k3, author={Broken\n")
    (tmp_path / "ignored.docx").write_bytes(b"x")
    return tmp_path


def test_every_kind_of_file_mixed_with_bad_rows(folder):
    rows, rejected = abstracts.read(folder)
    assert {row["id"] for row in rows} == {"1", "4", "b.jsonl#1", "Jane/c.txt:1", "d.pdf:1", "k1"}
    by_id = {row["id"]: row for row in rows}
    assert by_id["1"]["text"].endswith("results. On two lines.") and by_id["b.jsonl#1"]["text"].endswith("More.")
    assert by_id["Jane/c.txt:1"]["author"] == "Jane" and by_id["Jane/c.txt:1"]["text"].endswith("naïve")
    assert "not the abstract" not in by_id["d.pdf:1"]["text"] and "kernel clustering" in by_id["d.pdf:1"]["text"]
    assert by_id["k1"]["author"] == "Doe, Jane" and by_id["k1"]["title"] == "A Big Thing"
    found = {(row["file"], row["line"]) for row in rejected}
    assert found >= {("a.csv", 4), ("a.csv", 5), ("b.jsonl", 2), ("b.jsonl", 3), ("b.jsonl", 4), ("b.jsonl", 5), ("broken.pdf", 1), ("e.bib", 2)}
    assert all(row["reason"] for row in rejected) and len(rejected) == 9


def test_a_missing_column_names_what_there_is(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,abstract\n1,x\n")
    with pytest.raises(DataError, match=r"no column 'text' \(found: id, abstract\); name it with data.columns.text"):
        abstracts.read(path)
    path.write_text(f"nr,abstract\n1,{TEXT}\n")
    assert abstracts.read(path, {"id": "nr", "author": "author", "title": "title", "text": "abstract"})[0][0]["text"] == TEXT


@pytest.mark.parametrize(("name", "sentence"), [("absent", "no such file"), ("x.docx", "unknown kind of file"), (".", "no usable abstract")])
def test_nothing_to_read(tmp_path, name, sentence):
    (tmp_path / "x.docx").write_bytes(b"")
    with pytest.raises(DataError, match=sentence):
        abstracts.read(tmp_path / name)


def test_grouping_by_author_or_by_neighbourhood():
    rows = [{"id": str(i), "author": author, "title": "", "text": TEXT} for i, author in enumerate(["A", "A", "A", "B", "", "", ""])]
    groups = abstracts.group(rows, 2)
    assert [(g["id"], g["author"], len(g["abstracts"])) for g in groups] == [
        ("A 1", "A", 2), ("A 2", "A", 1), ("B", "B", 1), ("group 1", "group 1", 2), ("group 2", "group 2", 1)]


def test_splits_are_by_author():
    data = settings.load("smoke")[1].data
    groups = [{"id": f"{a} {n}", "author": a, "abstracts": []} for a in "abcdefghij" for n in (1, 2)]
    split = {}
    for group in synthesis.split_by_author(groups, data):
        assert split.setdefault(group["author"], group["split"]) == group["split"]
    assert set(split.values()) == {"train", "validation", "test"}
    with pytest.raises(DataError, match="at least 3"):
        synthesis.split_by_author(groups[:4], data)


def test_synthetic_splits_share_no_author_and_hold_domains_out():
    data = settings.load("default")[1].data
    groups = synthesis.synthetic_groups(data)
    domains = {split: {g["domain"] for g in groups if g["split"] == split} for split in synthesis.SPLITS}
    assert not domains["held_out"] & (domains["train"] | domains["validation"] | domains["test"])
    assert len({g["author"] for g in groups}) == len(groups)
    kept, dropped = synthesis.clean(groups, data)
    assert not synthesis.leaking(kept, data.contamination_words) and len(kept) + len(dropped) == len(groups)


def test_a_leak_and_a_duplicate_are_dropped():
    data = settings.load("default")[1].data
    words = [f"word{i}" for i in range(40)]

    def group(name, split, text):
        return {"id": name, "split": split, "abstracts": [{"text": text}]}
    kept, dropped = synthesis.clean([
        group("copy", "train", " ".join(words)), group("leak", "train", "new start " + " ".join(words[:15]) + " then other things"),
        group("fine", "train", "entirely different things are said in this one"), group("test", "test", " ".join(words))], data)
    assert [g["id"] for g in kept] == ["fine", "test"]
    assert {row["id"]: row["reason"].split()[0] for row in dropped} == {"copy": "near-duplicate", "leak": "shares"}


def test_long_prompts_are_shortened_and_counted(base):
    _, tokenizer = base
    models = settings.load("smoke")[1].models.model_copy(update={"max_prompt_tokens": 300})
    groups = [{"id": str(n), "author": "a", "split": "train", "domain": None, "truth": None,
               "abstracts": [{"title": "t", "text": "noise filtering " * n}] * 3} for n in (5, 500)]
    rows, shortened = synthesis.build_prompts(groups, tokenizer, models)
    assert shortened == ["1"] or shortened == ["500"]
    from lib.models.chats import encode_chats
    assert all(len(ids) <= 300 for ids in encode_chats(tokenizer, [row["messages"] for row in rows]))


@pytest.mark.skipif(not REAL.exists(), reason="the real abstracts are not beside this checkout")
def test_real_abstracts():
    rows, rejected = abstracts.read(REAL, {"id": "paper_id", "author": "author", "title": "title", "text": "source"})
    assert len(rows) + len(rejected) == 619 and len(rows) > 600
    assert len(abstracts.group(rows, 4)) == -(-len(rows) // 4)


class OpenAlex(BaseAdapter):
    """Answers in place of OpenAlex, with responses made up here in its form."""

    def send(self, request, **options):
        query = parse_qs(urlparse(request.url).query)
        index = {word: [place] for place, word in enumerate(TEXT.split())}
        if "/authors" in request.url:
            results = [{"id": f"https://openalex.org/A{i}", "display_name": "Somebody"} for i in (1, 2)]
        else:
            assert "language:en" in query["filter"][0] and "has_abstract:true" in query["filter"][0]
            author = query["filter"][0].split("author.id:A")[1][0]
            results = [{"id": f"https://openalex.org/W{author}{i}", "title": f"Work {i}",
                        "abstract_inverted_index": index if i else {"Short.": [0]}} for i in range(3)]
            results.append({"id": "https://openalex.org/Wshared", "title": "Shared", "abstract_inverted_index": index})
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url, request
        response._content = json.dumps({"meta": {"count": len(results), "next_cursor": None}, "results": results}).encode()
        return response

    def close(self):
        pass


def test_openalex_against_recorded_answers(monkeypatch):
    session = requests.Session()
    session.mount("https://", OpenAlex())
    monkeypatch.setattr("pyalex.api._get_requests_session", lambda: session)
    rows, rejected = abstracts.from_openalex("I1", 2, 4)
    assert [row["id"] for row in rows] == ["W11", "W12", "Wshared", "W21", "W22"]
    assert {row["author"] for row in rows} == {"A1", "A2"} and all(row["text"] == TEXT for row in rows)
    assert "Somebody" not in json.dumps(rows)
    assert [row["file"] for row in rejected] == ["OpenAlex A1", "OpenAlex A2"]
