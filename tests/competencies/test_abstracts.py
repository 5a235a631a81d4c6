"""Reading abstracts from files and from OpenAlex, and grouping them."""
import json
from urllib.parse import parse_qs, urlparse

import pytest
import requests
from requests.adapters import BaseAdapter

from lib.competencies import abstracts
from lib.competencies.files import PROFILES
from lib.core.records import DataError, write_jsonl
from lib.core.settings import ROOT

TEXT = "We study kernel clustering for sensor streams and report results."
REAL = ROOT.parent / "shared/data/abstracts/scitldr_a_dev.jsonl"


def pdf(text):
    """A one-page PDF, written by hand."""
    shown = " ".join(f"({line}) Tj 0 -14 Td" for line in text.split("\n"))
    stream = f"BT /F1 12 Tf 50 700 Td {shown} ET"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
               "/Resources << /Font << /F1 5 0 R >> >> >>",
               f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = f"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 6\n0000000000 65535 f \n{table}{end}".encode("latin-1")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text(f'id,author,title,text\n1,A,t,"{TEXT}\nOn two lines."\n2,A,t\n'
                                    f'3,A,t,\n4,A,"a ""q""",{TEXT}\n')
    (tmp_path / "b.jsonl").write_text(f'{{"id": 1, "text": ["{TEXT}", "More."]}}\nnot json\n[1]\n'
                                      f'{{"x": 1}}\n{{"id": 1, "text": "{TEXT}"}}\n')
    (tmp_path / "Jane").mkdir()
    (tmp_path / "Jane" / "c.txt").write_bytes(TEXT.encode() + b" na\xefve")
    (tmp_path / "d.pdf").write_bytes(pdf(f"A title\nAbstract\n{TEXT}\n1 Introduction\n"
                                         "This is not the abstract."))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing here")
    (tmp_path / "e.bib").write_text(f"@article{{k1, author={{Doe, Jane and Roe, R}}, "
                                    f"title={{A {{Big}} Thing}}, abstract={{{TEXT}}}}}\n"
                                    "@article{k2, title={No abstract}}\n"
                                    "@article{k3, author={Broken\n")
    (tmp_path / "ignored.docx").write_bytes(b"x")
    return tmp_path


def test_every_kind_of_file_mixed_with_bad_rows(folder):
    rows, rejected = abstracts.read(folder)
    assert {row["id"] for row in rows} == {"1", "4", "b.jsonl#1", "Jane/c.txt:1", "d.pdf:1", "k1"}
    by_id = {row["id"]: row for row in rows}
    assert by_id["1"]["text"].endswith("results. On two lines.")
    assert by_id["b.jsonl#1"]["text"].endswith("More.")
    jane, paper = by_id["Jane/c.txt:1"], by_id["d.pdf:1"]["text"]
    assert jane["author"] == "Jane" and jane["text"].endswith("naïve")
    assert "not the abstract" not in paper and "kernel clustering" in paper
    assert by_id["k1"]["author"] == "Doe, Jane" and by_id["k1"]["title"] == "A Big Thing"
    found = {(row["file"], row["line"]) for row in rejected}
    assert found >= {("a.csv", 4), ("a.csv", 5), ("broken.pdf", 1), ("e.bib", 2),
                     ("b.jsonl", 2), ("b.jsonl", 3), ("b.jsonl", 4), ("b.jsonl", 5)}
    assert all(row["reason"] for row in rejected) and len(rejected) == 9


def test_a_missing_column_names_what_there_is(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,abstract\n1,x\n")
    hint = r"\(found: id, abstract\); name it with data.columns.text"
    with pytest.raises(DataError, match=f"no column 'text' {hint}"):
        abstracts.read(path)
    (tmp_path / "a.jsonl").write_text('{"id": 1, "abstract": "x"}\n')
    with pytest.raises(DataError, match=f"line 1: no key 'text' {hint}"):
        abstracts.read(tmp_path / "a.jsonl")
    path.write_text(f"nr,abstract\n1,{TEXT}\n")
    columns = {"id": "nr", "author": "author", "title": "title", "text": "abstract"}
    (row,), _ = abstracts.read(path, columns)
    assert row == {"id": "1", "author": "", "title": "", "text": TEXT}


def test_an_id_that_occurs_twice_is_told_apart_by_its_file(tmp_path):
    for name in ("a", "b"):
        write_jsonl(tmp_path / f"{name}.jsonl", [
            {"id": 1, "text": f"{TEXT} {name} {number}"} for number in range(2)])
    rows, rejected = abstracts.read(tmp_path)
    assert [row["id"] for row in rows] == ["1", "b.jsonl#1"]
    assert [(row["file"], row["line"], row["reason"]) for row in rejected] == [
        (name, 2, "the id '1' has occurred before") for name in ("a.jsonl", "b.jsonl")]


def test_a_table_made_of_another_one_is_not_read_as_more_abstracts(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"id": 1, "text": TEXT}])
    write_jsonl(tmp_path / "labels.jsonl", [{"id": 1, "text": TEXT, "mood": "x", "sure": 0.5}])
    rows, (rejected,) = abstracts.read(tmp_path)
    assert [row["id"] for row in rows] == ["1"] and rejected["file"] == "labels.jsonl"
    assert "its text stand in another file" in rejected["reason"]


@pytest.mark.parametrize(("text", "reason"), [
    (None, "no text"), (3, "the text is int, not a string"), (["a", 1], "the text is list"),
    (" \x00\n", "the text is empty"), ("too few words", "fewer than 5 words")])
def test_what_is_no_abstract_is_rejected_with_a_reason(tmp_path, text, reason):
    rows = [{"id": 1, "text": text}, {"id": 2, "text": TEXT}, {"id": 3, "text": "漢字" * 30}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    rows, (rejected,) = abstracts.read(tmp_path)
    assert [row["id"] for row in rows] == ["2", "3"] and rejected["reason"].startswith(
        reason if reason.startswith(("no", "the")) else "the text has")


@pytest.mark.parametrize(("name", "sentence"), [
    ("absent", "no such file"), ("x.docx", "unknown kind of file"), (".", "no usable abstract")])
def test_nothing_to_read(tmp_path, name, sentence):
    (tmp_path / "x.docx").write_bytes(b"")
    with pytest.raises(DataError, match=sentence):
        abstracts.read(tmp_path / name)


def test_grouping_by_author_or_by_neighbourhood():
    rows = [{"id": str(i), "author": author, "title": "", "text": TEXT}
            for i, author in enumerate(["A", "A", "A", "B", "", "", ""])]
    groups = abstracts.group(rows, 2)
    assert [(g["id"], g["author"], len(g["abstracts"])) for g in groups] == [
        ("A 1", "A", 2), ("A 2", "A", 1), ("B", "B", 1),
        ("group 1", "group 1", 2), ("group 2", "group 2", 1)]


def test_a_group_is_never_taken_for_another():
    def row(author, number):
        return {"id": f"{author} {number}".strip(), "author": author, "title": "", "text": TEXT}
    rows = [row("A", 1), row("A", 2), row("A", 3), row("", 1), row("", 2), row("", 3),
            row("group 1", 1), row("A 1", 1), row("A 4", 1), row("1", 1)]
    for size in (1, 2, 3, 5):
        for given in (rows, rows[::-1]):
            groups = abstracts.group(given, size)
            ids = [group["id"] for group in groups]
            assert len(set(ids)) == len(ids), ids
            authors = {group["author"] for group in groups}
            nobodys = [group for group in groups if not group["abstracts"][0]["author"]]
            assert len(authors) == 5 + len(nobodys), "nobody is an author that there is"
            assert all(group["id"] == group["author"] for group in nobodys)
            known = [group for group in groups if group["abstracts"][0]["author"] != "A"]
            assert all(group["id"] == group["author"] for group in known)
    assert [group["id"] for group in abstracts.group(rows[:3], 2, taken=["A 1", "B"])] == [
        "A 2", "A 3"]


@pytest.mark.skipif(not REAL.exists(), reason="the real abstracts are not here")
def test_real_abstracts():
    columns = {"id": "paper_id", "author": "author", "title": "title", "text": "source"}
    rows, rejected = abstracts.read(REAL, columns)
    assert len(rows) + len(rejected) == 619 and len(rows) > 600
    assert len(abstracts.group(rows, 4)) == -(-len(rows) // 4)


class OpenAlex(BaseAdapter):
    """Answers in place of OpenAlex, with responses made up here in its form."""

    def send(self, request, **options):
        query = parse_qs(urlparse(request.url).query)
        index = {word: [place] for place, word in enumerate(TEXT.split())}
        if "/authors" in request.url:
            results = [{"id": f"https://openalex.org/A{i}", "display_name": "Somebody"}
                       for i in (1, 2)]
        else:
            wanted = query["filter"][0]
            assert "language:en" in wanted and "has_abstract:true" in wanted
            author = wanted.split("author.id:A")[1][0]
            results = [{"id": f"https://openalex.org/W{author}{i}", "title": f"Work {i}",
                        "abstract_inverted_index": index if i else {"Short.": [0]}}
                       for i in range(3)]
            results.append({"id": "https://openalex.org/Wshared", "title": None,
                            "abstract_inverted_index": index})
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url, request
        meta = {"count": len(results), "next_cursor": None}
        response._content = json.dumps({"meta": meta, "results": results}).encode()
        return response

    def close(self):
        pass


def test_openalex_against_recorded_answers(monkeypatch):
    session = requests.Session()
    session.mount("https://", OpenAlex())
    monkeypatch.setattr("pyalex.api._get_requests_session", lambda: session)
    rows, rejected = abstracts.from_openalex("I1", 2, 4)
    assert [row["id"] for row in rows] == ["W11", "W12", "Wshared", "W21", "W22"]
    assert {row["author"] for row in rows} == {"A1", "A2"}
    assert all(row["text"] == TEXT for row in rows) and rows[2]["title"] == ""
    assert "Somebody" not in json.dumps(rows)
    assert {row["file"] for row in rejected} == {"OpenAlex A1", "OpenAlex A2"}
    assert any("stays with its first author" in row["reason"] for row in rejected)


def test_terms_that_people_gave_come_along(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [
        {"id": 1, "text": TEXT, "terms": ["kernel  clustering", "sensors", "sensors", ""]},
        {"id": 2, "text": TEXT, "terms": "kernels; streams"}, {"id": 3, "text": TEXT},
        {"id": 4, "text": TEXT, "terms": ["sensors", 7]}, {"id": 5, "text": TEXT, "terms": True}])
    columns = {**abstracts.COLUMNS, "references": "terms", "subjects": ""}
    rows, rejected = abstracts.read(tmp_path, columns)
    assert [row.get("references") for row in rows] == [["kernel clustering", "sensors"],
                                                       ["kernels", "streams"], None]
    assert [row["line"] for row in rejected] == [4, 5] and all(
        "the references are no list of terms" in row["reason"] for row in rejected)
    assert not any("subjects" in row for row in rows)


def test_a_single_abstract_without_an_author_is_known_by_its_id():
    rows = [{"id": name, "author": "", "title": "", "text": TEXT} for name in ("x", "y")]
    assert [group["id"] for group in abstracts.group(rows, 1)] == ["x", "y"]
    assert [group["id"] for group in abstracts.group(rows, 2, "test group")] == ["test group 1"]


def written(tmp_path, **files):
    for name, content in files.items():
        path = tmp_path / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def test_what_a_folder_leaves_out_is_listed(tmp_path):
    (tmp_path / "in").mkdir()
    folder = written(tmp_path / "in",
                     good_txt=TEXT, wide_csv=f"id,text\n1,{TEXT}\n".encode("utf-16"),
                     wide_bib=f"@article{{k, abstract={{{TEXT}}}}}".encode("utf-16"),
                     empty_jsonl="", blank_txt=" \n", none_bib="", head_csv="id,text\n")
    (folder / "._good.txt").write_bytes(b"\x00\x05\x16\x07 Mac OS X")
    (tmp_path / "secret.txt").write_text(TEXT)
    (folder / "secret.txt").symlink_to(tmp_path / "secret.txt")
    rows, rejected = abstracts.read(folder)
    assert [row["id"] for row in rows] == ["good.txt:1", "k", "1"]
    assert all(row["text"] == TEXT for row in rows)
    assert {row["file"]: row["reason"] for row in rejected} == {
        "._good.txt": "a hidden file", "secret.txt": "a link out of this folder",
        "blank.txt": "the text is empty",
        **dict.fromkeys(("empty.jsonl", "none.bib", "head.csv"), "there is nothing in this file")}


def test_rows_are_read_or_left_out_whatever_quotes_are_open(tmp_path):
    lines = [f"{i},{TEXT}" for i in range(29)]
    lines[2] = f'2,"{TEXT}'
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + "\n".join(lines))
    rows, (rejected,) = abstracts.read(path)
    assert len(rows) == 28 and rejected == {
        "file": "a.csv", "line": 4, "reason": "not CSV: a quote is not closed"}


def test_what_the_workbook_wrote_is_no_abstract(tmp_path):
    profile = {"id": "x", "author": "", "abstracts": ["1"], "profile": None, "problems": [],
               "text": TEXT, "unlike_training": None}
    folder = written(tmp_path, a_jsonl=json.dumps({"id": "1", "text": TEXT}),
                     p_jsonl=json.dumps(profile), p_csv=",".join(PROFILES) + "\n",
                     l_csv=f"id,text,label,confidence\n1,{TEXT},neutral,0.9\n")
    rows, rejected = abstracts.read(folder)
    assert [row["id"] for row in rows] == ["1"]
    assert {row["file"]: row["reason"].split(",")[0] for row in rejected} == {
        "p.jsonl": "profiles that `extract` wrote", "l.csv": "labels that `classify` wrote",
        "p.csv": "no column 'text' (found: id"}
    assert abstracts.read(folder / "l.csv")[0][0]["text"] == TEXT  # asked for by its name
    with pytest.raises(DataError, match="profiles that `extract` wrote, not abstracts"):
        abstracts.read(folder / "p.jsonl")
    abstracts.spare_inputs(folder, folder / "p.jsonl")
    abstracts.spare_inputs(folder, folder / "new.csv")
    for place, output in ((folder, "a.jsonl"), (folder, "l.csv"), (folder / "p.jsonl", "p.jsonl")):
        with pytest.raises(DataError, match="this is what is read"):
            abstracts.spare_inputs(place, folder / output)


def test_names_and_texts_can_be_written_whatever_they_hold(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "\ud800", "text": f"\udfff {TEXT}"}))
    (tmp_path / "b\udce9.txt").write_text(TEXT)
    (tmp_path / "c\udce9.txt").write_text("short")
    rows, rejected = abstracts.read(tmp_path)
    assert len(rows) == 2 and json.dumps([rows, rejected], ensure_ascii=False).encode()


def test_a_column_that_comes_twice_is_not_chosen_from(tmp_path):
    (tmp_path / "a.csv").write_text(f"id,text,text\n1,{TEXT},other\n")
    with pytest.raises(DataError, match="two columns are called 'text'"):
        abstracts.read(tmp_path / "a.csv")
