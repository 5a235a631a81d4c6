"""A key in a server's words: gone, in whatever way it is written, wherever the words go."""
import base64
import html
import json
import random
import re
import sqlite3
import urllib.parse

import pytest
from helpers.endpoints import ask
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.benchmarks.scripted_server import WRITTEN
from lib.core.records import DataError
from lib.endpoint.blotting import WITHHELD, Blot
from lib.judging.chat import Chat

KEY = r'sk-Ab/9+"q\Zk_x.01&23<45>~6789'
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


def decoded(text):
    """A text and what decoders make of it or of its parts."""
    yield text
    for _ in range(3):
        unescaped = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        text = html.unescape(urllib.parse.unquote(unescaped)).replace("\\/", "/")
        text = text.replace('\\"', '"').replace("\\\\", "\\")
        yield text
    for run in re.findall(r"[0-9a-fA-F:]{16,}", text):
        digits = run.replace(":", "")
        yield bytes.fromhex(digits[:len(digits) // 2 * 2]).decode("latin-1")
    for run in re.findall(r"[\w+/-]{8,}", text):
        for offset in range(4):
            part = run[offset:][:(len(run) - offset) // 4 * 4].replace("-", "+").replace("_", "/")
            if part.isascii():
                yield base64.b64decode(part).decode("latin-1")


def holds(text, key=KEY):
    return any(key in version for version in decoded(text))


def test_every_way_to_write_a_key_is_seen_by_the_decoders_of_these_tests():
    for way, write in WRITTEN.items():
        assert holds(write(KEY).decode()) or holds(json.loads(b'"' + write(KEY) + b'"')), way


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_an_echoed_key_is_nowhere(make, monkeypatch, tmp_path, capfd, caplog, status):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    caplog.set_level("DEBUG")
    endpoint = make(key_variable="JUDGE_KEY", retries=0, breaker=1000)
    shown, contents = [], [f"echo | echo {way}={status}" for way in WRITTEN]
    for batch in [[one] for one in contents] if status == 401 else [contents]:
        try:
            replies = ask(endpoint, *batch)
            assert all(("Verdict: A" in reply["text"]) == (status == 200) for reply in replies)
            shown += [*map(str, replies), *map(str, map(Chat.vote, replies)), *endpoint.notes]
        except DataError as error:
            assert status == 401
            shown.append(str(error))
    with sqlite3.connect(endpoint.calls.path) as db:
        rows = [str(row) for row in db.execute("SELECT error, reply, raw, request FROM calls")]
    db.close()
    assert len(rows) == len(WRITTEN) and all("[key]" in row for row in rows)
    endpoint.calls.close()
    stored = [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    assert not holds("\n".join([*shown, *rows, *stored, *capfd.readouterr(), caplog.text]))


@pytest.mark.parametrize("step", ["garbage", "redirect=http://127.0.0.1:1/elsewhere", "401"])
def test_headers_and_broken_replies_do_not_show_it_either(make, monkeypatch, capfd, caplog, step):
    monkeypatch.setenv("JUDGE_KEY", "sk-0123456789")
    caplog.set_level("DEBUG")
    endpoint = make(key_variable="JUDGE_KEY", retries=0)
    try:
        shown = str(ask(endpoint, f"key in {step} | {step}"))
    except DataError as error:
        shown = str(error)
    shown += "".join(capfd.readouterr()) + caplog.text
    assert "0123456789" not in shown
    assert ("BadStatusLine" if step == "garbage" else "[key]") in shown


@settings(max_examples=20)  # a search is built for each key
@given(PRINTABLE, st.text(), st.text(), st.integers())
def test_letters_may_be_escaped_one_by_one(key, before, after, seed):
    dice = random.Random(seed)

    def ways(letter):
        code = ord(letter)
        return [letter, f"\\{letter}", f"\\u{code:04x}", f"\\\\u{code:04X}", f"\\x{code:02x}",
                f"%{code:02X}", f"%25{code:02x}", f"&#{code};", f"&#x{code:x};", f"&#0{code};",
                f"&amp;#{code};", html.escape(letter)]
    written = "".join(dice.choice(ways(letter)) for letter in key)
    blot = Blot(key)
    clean = blot(f"{before} {written} {after}")
    assert clean.startswith(f"{blot(before)} [key]") and clean.endswith(f" {blot(after)}")


@settings(max_examples=30)
@given(PRINTABLE, st.binary(max_size=20), st.binary(max_size=20))
def test_in_base64_and_hexadecimal_it_may_stand_anywhere(key, before, after):
    whole = before + key.encode() + after
    for written in (base64.b64encode(whole), base64.urlsafe_b64encode(whole),
                    base64.encodebytes(whole), whole.hex().encode(), whole.hex(" ").encode()):
        assert "[key]" in Blot(key)(written.decode())


@settings(max_examples=50)
@given(st.recursive(st.none() | st.integers() | st.text(), lambda parts: st.lists(parts) |
                    st.dictionaries(st.text(), parts)))
def test_a_body_without_the_key_says_the_same(document):
    for body in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        raw = body.encode("utf-16" if "\ud800" not in body else "ascii", "surrogatepass")
        assert json.loads(Blot(KEY).body(raw)) == document


def test_a_dummy_is_no_secret_and_a_search_is_linear():
    assert Blot("EMPTY")("the slot is EMPTY") == "the slot is EMPTY"
    assert Blot("", KEY)(f"{KEY} EMPTY") == "[key] EMPTY"
    for hostile in ("\\", "&amp;", "%25", " ", "s", KEY[:-1]):
        Blot(KEY)(hostile * 20_000)


def test_a_body_in_another_encoding_is_read_as_what_it_is():
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        assert Blot(KEY).body(json.dumps({"x": KEY}).encode(encoding)) == '{"x": "[key]"}'
    assert Blot(KEY).body(f"<p>\xff{html.escape(KEY)}".encode("latin-1")) == "<p>\ufffd[key]"


HIDDEN = {
    "UTF-16 read as bytes": KEY.encode("utf-16-le").decode("latin-1"),
    "shown without its zeros": " ".join(KEY), "joined by nothing": "\u200b".join(KEY),
    "full width": "".join(chr(ord(letter) + 0xfee0) for letter in KEY),
    "octal": "".join(f"\\{ord(letter):03o}" for letter in KEY),
    "%u": "".join(f"%u{ord(letter):04x}" for letter in KEY),
    "stacked HTML": "".join(f"&#38;#{ord(letter)};" for letter in KEY),
    "stacked URL": "".join(f"%25{ord(letter):02x}" for letter in KEY),
    "base64 of UTF-16": base64.b64encode(b"aa" + KEY.encode("utf-16-le")).decode(),
    "base64 of base64": base64.b64encode(base64.b64encode(KEY.encode())).decode(),
    "in two halves": f"{KEY[:7]}: {KEY[7:]}"}


@pytest.mark.parametrize("way", HIDDEN)
def test_what_spells_the_key_when_decoded_is_withheld(way):
    said = Blot(KEY)(f"the key is {HIDDEN[way]} or so")
    assert said in (WITHHELD, "the key is [key] or so")


def test_other_words_stay():
    text = f"{KEY[:9]} and %41&amp; \\u0041 {base64.b64encode(bytes(300)).decode()} {KEY[9:]}x"
    assert Blot("sk-another-key-of-mine")(text) == text


def test_what_is_no_http_is_not_quoted(make, monkeypatch):
    key = "sk-proj-0123456789abcdefghij"
    monkeypatch.setenv("JUDGE_KEY", key)
    shown, = ask(make(key_variable="JUDGE_KEY", retries=0), "longline | longline")
    assert shown["error"] == "connection: LineTooLong"
