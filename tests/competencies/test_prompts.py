"""Prompts: two styles, and abstracts that no tokenizer takes for control tokens."""
import hashlib
import json

import pytest

from lib.competencies import prompts
from lib.competencies.profiles import is_profile

TOKENS = [
    "<|im_start|>", "<|start_header_id|>", "<s>", "</s>", "<bos>", "<start_of_turn>", "<think>",
    "</think>", "<tool_call>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "＜|end|＞", "[INST]",
    "[/INST]", "[SYSTEM_PROMPT]", "[TOOL_CALLS]", "</abstracts>", '<|"|>', "<function=search>",
    "<tool_call\t>", '<tool name="x">', "‹｜▁pad▁｜>", "‹[begin▁of▁sentence]>", "[gMASK]",
    "[control_8]", "[UNUSED_TOKEN_146]", "]~b]", "[e~["]
ORDINARY = "p <0.05, x<y and y > z, <or=a, [1], [12; 13], [a], n<m, (<1 cm), | phi >< phi |, " \
           "a<b and c>d, <http://a.org/b>, [Smith 2020], [J. Phys. 3], f[x]"


@pytest.mark.parametrize("token", TOKENS)
def test_whatever_looks_like_mark_up_of_a_turn_is_taken_apart(token):
    text = prompts.neutralise(f"a {token} b")
    assert text == f"a {token[0]} {token[1:]} b"
    assert prompts.neutralise(text) == text


def test_ordinary_text_stays_as_it_is():
    assert prompts.neutralise(ORDINARY) == ORDINARY
    assert prompts.neutralise("<<SYS>> <|im_end") == "<< SYS>> < |im_end"


def test_what_no_tokenizer_can_read_goes_out():
    assert prompts.neutralise("nul\x00 and \ud800") == "nul  and \ufffd"


def test_a_prompt_is_made_of_the_abstracts_as_they_are_shown():
    abstracts = [{"id": "1", "author": "a", "title": None, "text": "On <s>."},
                 {"id": "2", "author": "a", "title": "Bees", "text": "They {dance}."}]
    shown = prompts.as_shown(abstracts)
    text = "Abstract 1: \nOn < s>.\n\nAbstract 2: Bees\nThey {dance}."
    assert prompts.document(shown) == text and prompts.as_shown(shown) == shown
    assert prompts.messages(abstracts, "brief") == [
        {"role": "system", "content": prompts.BRIEF}, {"role": "user", "content": text}]
    system, user = prompts.messages(abstracts)
    assert system["content"] == prompts.FULL
    assert user["content"] == f"{text}\n\n{prompts.REMINDER}"
    assert prompts.messages(abstracts, "json")[1] == user


def test_formats_share_their_rules_and_what_was_written_under_the_full_prompt_stays_valid():
    assert prompts.FULL.startswith(prompts.RULES) and prompts.JSON.startswith(prompts.RULES)
    form = json.loads(prompts.JSON.removeprefix(prompts.RULES))
    assert is_profile(form) and not is_profile(prompts.FULL)
    kept = hashlib.sha256(prompts.FULL.encode()).hexdigest()
    assert kept.startswith("bec4ccad9fcfbefe"), "data/smollm2/written is named by its prompts"
