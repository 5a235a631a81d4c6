"""What commands print never acts on a terminal, whatever names and texts hold."""
import ast
import io
import sys
import unicodedata

import pytest
from helpers.rooms import modules, source
from hypothesis import given
from hypothesis import strategies as st

from lib.core import terminal


@pytest.mark.parametrize(("text", "shown"), [
    ("plain – é 日本 😀\u00a0x", "plain – é 日本 😀\u00a0x"),
    ("\x1b[31mred\x07", r"\x1b[31mred\x07"), ("\x9b2J\x85", r"\x9b2J\x85"),
    ("a\u202eb\u2066", r"a\u202eb\u2066"), ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
    ("caf\udce9", r"caf\udce9"), ("\U000e0041", r"\U000e0041"), ("\u2028", r"\u2028")])
def test_what_acts_is_shown_as_its_escape(text, shown):
    assert terminal.line(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_a_line_is_one_line_that_only_shows(text):
    shown = terminal.line(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode()
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(("encoding", "shown"), [
    ("ascii", b"\\u2013 \\xe9\n"), ("latin-1", b"\\u2013 \xe9\n"),
    ("utf-8", "– é\n".encode())])
def test_what_the_stream_lacks_is_escaped(encoding, shown, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    terminal.say("– é")
    sys.stdout.flush()
    assert raw.getvalue() == shown


def test_errors_go_to_stderr(capsys):
    terminal.say("a", 1)
    terminal.say("b\x1b", error=True)
    assert capsys.readouterr() == ("a\n1\n", "b\\x1b\n")


OTHERWISE = {
    "lib/core/terminal.py": {"print"},
    "lib/benchmarks/scripted_server.py": {"print"},  # its port, to the process that started it
    # These hand on what processes of their own print, whose bars move about the line.
    "lib/training/launch.py": {"sys.stderr.write"}, "lib/workbook/runner.py": {"sys.stderr.write"},
}


@pytest.mark.parametrize("path", modules())
def test_nothing_is_printed_but_through_here(path):
    calls = [node.func for node in ast.walk(ast.parse(source(path))) if isinstance(node, ast.Call)]
    called = {ast.unparse(function) for function in calls}
    printing = {"print", "sys.stdout.write", "sys.stderr.write", "tqdm.write"}
    assert called & printing == OTHERWISE.get(path, set())
