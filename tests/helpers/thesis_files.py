"""Submission files in the schema of the original study, made up."""

MODELS = {"1": ("tuned-4b", "finetuning"), "2": ("phi", "extract_from_abstracts_custom"),
          "3": ("mixtral", "extract_from_abstracts_custom"),
          "4": ("mixtral", "extract_from_summaries_custom"),
          "5": ("phi", "extract_from_full_texts_custom")}


def node(profiles, preferred=0, *children):
    match = {"profiles": profiles, "preferred_profile_index": preferred}
    return {"match": match, "children": list(children)}


def study_file(tournament, ids="12345", **changes):
    profiles = {}
    for name in ids:
        model, method = MODELS[name]
        profiles[name] = {"profile": {"domain": "d", "competencies": []}, "model": model,
                          "number_of_examples": 1, "extraction_function": method,
                          "extraction_time": 1.0}
    return {"author": "Prof. Secret", "titles": ["A secret title"], "feedback": "A secret wish",
            "tournament": tournament, "profiles": profiles} | changes


FOUR = node([1, 3], 0, node([1, 2]), node([4, 3], 1))
# Five entrants: (1, 2), (3, 4), bye 5; then (1, 3), bye 5; then (1, 5), which 5 or 1 wins.
FIVE = node([1, 3], 0, node([1, 2]), node([3, 4])), node([5], 0, node([5, 5]))
