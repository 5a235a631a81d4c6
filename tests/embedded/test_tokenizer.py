"""The tokenizer of the embedded models."""
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(max_size=60))
def test_any_text_encodes_and_decodes_to_itself(base, text):
    _, tokenizer = base
    text = text.encode("utf-8", "replace").decode()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text or "<|" in text
