"""What a person would call the things that files and settings name by keys: in one place.

Tables and figures ask here, so that notebooks and metrics can keep the keys.
"""
import re
from collections.abc import Mapping
from typing import Any

NAMES = {
    # settings of decoding
    "temperature_0.2": "thesis's setting, T = 0.2",
    # controls, and what they are compared with
    "shuffled": "DPO on shuffled labels", "sft": "imitation of the chosen answers (SFT)",
    "best_of_label": "untuned, best by the label judge",
    "best_of_blacklist": "untuned, best by a blacklist",
    "first_try": "DPO, first try of the labels",
    "best_of_8": "untuned, best of 8 by the label judge",
    "all_pairs_at_once": "DPO on all pairs at once",
    "as_it_comes": "as it comes", "as_it_comes_1": "as it comes, with one example",
    "round_1": "DPO, round 1", "round_2": "DPO, round 2", "round_3": "DPO, round 3",
    # models of instruction tuning
    "tuned_single": "tuned on one set", "tuned_all": "tuned on all sets",
    "dpo": "DPO", "lora": "LoRA", "json": "JSON", "qlora": "QLoRA",
    "8bit": "LoRA on 8 bits",
    "full": "all weights", "multi_task": "all tasks at once", "replay": "all weights, with replay",
    # what is read of a paper
    "full_text": "full text", "abstracts_merged": "abstracts, merged",
    "another_paper": "another paper's terms",
    # columns
    "weighted_f1": "weighted F1", "macro_f1": "macro F1", "f1": "F1", "soft_f1": "soft F1",
}
JUDGES = {"judge": "by the evaluation judge", "truth": "by the truth", "names": "by names alone",
          "descriptions": "by descriptions alone", "people": "by indexers' terms"}
# Keys that hold a number, and what they are called.
COUNTED = ((re.compile(r"temperature_(\d+(?:\.\d+)?)"), "T = {}"),
           (re.compile(r"noise[_ ](\d+(?:\.\d+)?)"), "DPO, a share of {} of the labels turned"))


def said(key: Any) -> str:
    """A key as a person would say it: by its name, else without underscores."""
    return known(key).replace("_", " ") if isinstance(key, str) else str(key)


def known(text: str) -> str:
    """A key by its name; any other text as it is, so that it suits cells of a table."""
    for pattern, words in COUNTED:
        if text not in NAMES and (found := pattern.fullmatch(text)):
            return words.format(found[1])
    return NAMES.get(text, text)


def by_whom(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a judge's key replaced by words, such as "by the truth"."""
    return {JUDGES.get(key, key): value for key, value in found.items()}
