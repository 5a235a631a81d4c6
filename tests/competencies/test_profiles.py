"""The grammar of profiles and the lenient reader."""
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.competencies.profiles import (
    as_json,
    canonical,
    conforms,
    conforms_json,
    parse,
    problems,
    render,
)

# What the grammar is made of, and what looks like it: colons, bullets, quotes, ends of lines.
MARKS = (":：-+‣–—*•◦▪_\"'“”„‘’«»`(){}[]1.2)#ab \t\n\r\x0b\x0c\x1c\x1f\x85\u2028\u2029"
         "\xa0\u200b\x00")
WORDS = ["Domain", "Domain:", "Competencies", "Competencies:", "Key competency", "**", "__", ": ",
         "1. ", "- ", "```json", '{"domain": "a", "competencies": []}',
         '{"domain": "a", "competencies": [{"name": "n", "description": "d"}]}']
PIECES = st.sampled_from([*MARKS, *WORDS])
TEXT = st.text(max_size=40) | st.lists(PIECES, max_size=8).map("".join)
PROFILE = st.fixed_dictionaries({"domain": TEXT, "competencies": st.lists(
    st.fixed_dictionaries({"name": TEXT, "description": TEXT}), min_size=1, max_size=5)})
THREE = [{"name": "Machine Learning", "description": "Trains models."},
         {"name": "NLP", "description": "Parses text."},
         {"name": "C", "description": "Writes compilers."}]


def profile(domain, *competencies):
    return {"domain": domain, "competencies": [{"name": name, "description": description}
                                               for name, description in competencies]}


@given(PROFILE)
@example(profile(":", ("a", "b")))
@example(profile("::", ("a", "b")))
@example(profile(": a", ("a", "b")))
@example(profile("：", ("a", "b")))
@example(profile("(: a", ("a", "b")))
@example(profile("\": 'a'", ("a", "b")))
@example(profile("Domain: Domain: a", ("Domain: a", "Domain: b")))
@example(profile("Competencies:", ("Competencies:", "Competencies:"), ("Key competencies", "")))
@example(profile("a\u2028Domain: b\x85c", ("a\u2029- b", "c\x85- d: e\r\n- f: g")))
@example(profile("a", (":: a", "b"), ("a::", ": b"), ("a:： b", "c"), ("a:: b: : c", "d：")))
@example(profile("a", ("- a", "- b"), ("1. a", "2) b"), ("•a", "•"), ("**a**: b", "__c__")))
@example(profile("a", ("a:b", ""), ("C++ – a — b - c", "")))
@example(profile(WORDS[-2], ("a", "b")))
@example(profile("a", ("b", f"Writes {WORDS[-1]} often.")))
def test_what_is_rendered_is_read_back(written):
    clean = canonical(written)
    expected = clean if clean["competencies"] else None
    assert parse(render(written)) == parse(as_json(written)) == expected
    assert conforms_json(as_json(written)) == (not problems(clean))


@given(PROFILE)
@example(profile("::a:", ("a: : : b:： c::", ": d :")))
def test_canonical_changes_nothing_twice(written):
    assert canonical(canonical(written)) == canonical(written)


def test_canonical_leaves_the_words_as_they_are():
    written = profile(' ::"Data: Science"\n', ("*C++: a :b::  language*", " Knows\n it: well: "),
                      (" : ", "x"))
    assert canonical(written) == profile("Data: Science", ("C++ a :b language", "Knows it: well"))


@given(st.lists(PIECES | st.sampled_from(["\n", "\n- "]), max_size=30).map("".join))
def test_what_was_read_can_be_written_and_read_again(text):
    found = parse(text)
    assert found is None or (canonical(found) == found and parse(render(found)) == found)


@given(st.text(alphabet="Domain:Copet\n -*•1.{}\"ab", max_size=200))
def test_any_text_is_read_without_an_error(text):
    found = parse(text)
    assert found is None or found["competencies"]


JSON = json.dumps({"domain": "Data Science", "competencies": THREE})


@pytest.mark.parametrize("text", [
    'Domain: "Data Science"\n\nCompetencies:\n- Machine Learning: Trains models.\n'
    "- NLP: Parses text.\n- C: Writes compilers.",
    "Domain: Data Science\nCompetencies:\n* Machine Learning: Trains models.\n"
    "* NLP: Parses text.\n* C: Writes compilers.",
    "**Domain:** Data Science\n\n**Competencies:**\n• **Machine Learning**: Trains models.\n"
    "• **NLP:** Parses text.\n• **C** - Writes compilers.",
    "Domain :: Data Science\n- Machine Learning:: Trains models.\n- NLP： Parses text.\n"
    "- C:Writes compilers.",
    "Sure! Here is the profile you asked for:\n\nDomain: Data Science\n\nKey Competencies:\n"
    "1. Machine Learning: Trains\n   models.\n2. NLP: Parses text.\n3) C: Writes compilers.\n\n"
    "Let me know if you need anything else!",
    "# Domain: Data Science\n\n## Competencies\n1. **Machine Learning**\n   - Trains models.\n"
    "2. **NLP**\n   - Parses text.\n3. **C**\n   - Writes compilers.",
    f"Here:\n```json\n{JSON}\n```\nDone.",
    "Domain: Data Science\n\nCompetencies:\n- Machine Learning – Trains models.\n"
    '- "NLP": Parses\ntext.\n- C: Writes compilers.',
])
def test_variants_that_models_write(text):
    assert parse(text) == {"domain": "Data Science", "competencies": THREE}


@pytest.mark.parametrize("text", [
    "", "   \n", "I cannot help with that.", "Domain: X", "Domain: X\n\nCompetencies:", None, "{}",
    "[" * 5000, "{" * 5000, '{"domain": "X", "competencies": ["a"]}',
    '{"domain": "X", "competencies": [{"name": "a"}]}'])
def test_no_profile(text):
    assert parse(text) is None


def test_wrong_counts_and_duplicates_are_kept_and_flagged():
    def named(names):
        return profile("D", *((name, "Does it.") for name in names))
    assert problems(named("abc")) == []
    assert problems(named("ab")) == ["too few competencies"]
    assert problems(named("abcdefghi")) == ["too many competencies"]
    assert problems(named(["a", "A", "b"])) == ["duplicate competencies"]
    assert len(parse(render(named("abcdefghi")))["competencies"]) == 9
    empty = profile("", ("a", ""), ("b", ""), ("c", ""))
    assert problems(empty) == ["no domain", "missing description"]


def test_conforming_means_exactly_the_grammar():
    text = render({"domain": "D", "competencies": THREE})
    assert conforms(text) and conforms(text + "\n")
    for changed in (text + "\n\nHope this helps!", text.replace("- NLP", "* NLP"),
                    text.replace("Domain: D", 'Domain: "D"'), text.replace("Domain:", "Domain::"),
                    text.replace("- NLP: Parses text.", "- NLP: Parses\ntext.")):
        assert parse(changed) is not None and not conforms(changed)


def test_conforming_json_is_a_complete_profile_and_nothing_else():
    text = as_json({"domain": "D", "competencies": THREE})
    assert "\n" not in text and conforms_json(text)
    assert conforms_json(json.dumps(json.loads(text), indent=2) + "\n")
    for changed in (f"```json\n{text}\n```", f"Here: {text}", text[:-1],
                    as_json({"domain": "D", "competencies": THREE[:2]}), "[" * 5000, "{}", "3"):
        assert not conforms_json(changed)
