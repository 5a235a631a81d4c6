"""Personal data: what is left out and counted, and what only looks like it."""
import time

import pytest

from lib.competencies import personal


@pytest.mark.parametrize(("text", "left", "kind"), [
    ("ask jane.doe+x@cs.example.org.", "ask (mail address).", "mail address"),
    ("see https://a.example/b?c=d.", "see (web address).", "web address"),
    ("call +49 (0)721 608-0 now", "call (phone number) now", "phone number"),
    ("call (555) 123-4567", "call (phone number)", "phone number"),
    ("at 12 Old Mill Road, Leeds", "at (postal address), Leeds", "postal address"),
    ("in der Hauptstraße 7a", "in der (postal address)", "postal address"),
    ("Dear Dr. Jane Roe, hello", "Dear (name), hello", "name")])
def test_each_kind_is_left_out_and_counted(text, left, kind):
    assert personal.without(text) == (left, {kind: 1})


@pytest.mark.parametrize("text", [
    "On 2021-04-22 we fit 1000 models of 0.123 and 0.456.", "version 1.2.3-45 of C++",
    "pages 100-200, ISBN aside", "12 models drive streets", "a@b", "The Drive to improve"])
def test_what_only_looks_like_personal_data_stays(text):
    assert personal.without(text) == (text, {})


def test_the_author_s_name_is_left_out_wherever_it_stands():
    document = {"id": "a", "author": "Jane Doe <jane.doe@x.org>", "title": "From Jane",
                "abstract": "", "parts": [{"place": "message", "text":
                                           "Jane Doe, jane.doe@x.org, writes; Doe signs. Janet?"}]}
    cleaned, counts = personal.left_out(document)
    assert (cleaned["author"], cleaned["title"]) == ("", "From (name)")
    assert cleaned["parts"][0]["text"] == "(name), (mail address), writes; (name) signs. Janet?"
    assert counts == {"name": 3, "mail address": 1}


@pytest.mark.parametrize("text", ["a" * 30000, "1 " * 15000, "+1" * 15000, "Aa " * 10000,
                                  "a@" * 15000, "Dr " * 10000, "http://" * 4000, "." * 30000])
def test_it_takes_linear_time(text):
    begun = time.process_time()
    personal.without(text, ["Jane Doe"])
    assert time.process_time() - begun < 2
