"""The grammar of profiles and the lenient reader."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.competencies.profiles import canonical, conforms, parse, problems, render

TEXT = st.text(max_size=40)
PROFILE = st.fixed_dictionaries({"domain": TEXT, "competencies": st.lists(
    st.fixed_dictionaries({"name": TEXT, "description": TEXT}), min_size=1, max_size=10)})
THREE = [{"name": "Machine Learning", "description": "Trains models."}, {"name": "NLP", "description": "Parses text."},
         {"name": "C", "description": "Writes compilers."}]


@given(PROFILE)
def test_what_is_rendered_is_read_back(profile):
    clean = canonical(profile)
    assert parse(render(profile)) == (clean if clean["competencies"] else None)


@given(PROFILE)
def test_canonical_changes_nothing_twice(profile):
    assert canonical(canonical(profile)) == canonical(profile)


@given(st.text(alphabet="Domain:Copet\n -*•1.{}\"ab", max_size=200))
def test_any_text_is_read_without_an_error(text):
    profile = parse(text)
    assert profile is None or profile["competencies"]


@pytest.mark.parametrize("text", [
    'Domain: "Data Science"\n\nCompetencies:\n- Machine Learning: Trains models.\n- NLP: Parses text.\n- C: Writes compilers.',
    "Domain: Data Science\nCompetencies:\n* Machine Learning: Trains models.\n* NLP: Parses text.\n* C: Writes compilers.",
    "**Domain:** Data Science\n\n**Competencies:**\n• **Machine Learning**: Trains models.\n• **NLP:** Parses text.\n• **C** - Writes compilers.",
    "Sure! Here is the profile you asked for:\n\nDomain: Data Science\n\nKey Competencies:\n1. Machine Learning: Trains\n   models.\n"
    "2. NLP: Parses text.\n3) C: Writes compilers.\n\nLet me know if you need anything else!",
    "# Domain: Data Science\n\n## Competencies\n1. **Machine Learning**\n   - Trains models.\n2. **NLP**\n   - Parses text.\n3. **C**\n   - Writes compilers.",
    'Here:\n```json\n{"domain": "Data Science", "competencies": [{"name": "Machine Learning", "description": "Trains models."}, '
    '{"name": "NLP", "description": "Parses text."}, {"name": "C", "description": "Writes compilers."}]}\n```\nDone.',
    "Domain: Data Science\n\nCompetencies:\n- Machine Learning – Trains models.\n- \"NLP\": Parses\ntext.\n- C: Writes compilers.",
])
def test_variants_that_models_write(text):
    assert parse(text) == {"domain": "Data Science", "competencies": THREE}


@pytest.mark.parametrize("text", ["", "   \n", "I cannot help with that.", "Domain: X", "Domain: X\n\nCompetencies:", None, "{}", "[" * 5000])
def test_no_profile(text):
    assert parse(text) is None


def test_wrong_counts_and_duplicates_are_kept_and_flagged():
    def profile(names):
        return {"domain": "D", "competencies": [{"name": name, "description": "Does it."} for name in names]}
    assert problems(profile("abc")) == []
    assert problems(profile("ab")) == ["too few competencies"]
    assert problems(profile("abcdefghi")) == ["too many competencies"]
    assert problems(profile(["a", "A", "b"])) == ["duplicate competencies"]
    assert len(parse(render(profile("abcdefghi")))["competencies"]) == 9
    assert problems({"domain": "", "competencies": [{"name": n, "description": ""} for n in "abc"]}) == ["no domain", "missing description"]


def test_conforming_means_exactly_the_grammar():
    text = render({"domain": "D", "competencies": THREE})
    assert conforms(text) and conforms(text + "\n")
    for changed in (text + "\n\nHope this helps!", text.replace("- NLP", "* NLP"), text.replace("Domain: D", 'Domain: "D"'),
                    text.replace("- NLP: Parses text.", "- NLP: Parses\ntext.")):
        assert parse(changed) is not None and not conforms(changed)
