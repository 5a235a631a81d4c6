"""Texts unlike those that a model was trained on, by a sentence encoder.

What is kept of the training texts are their vectors alone: the texts may not be passed on. The
measure is the mean cosine to the nearest of them, after Ramaswamy et al. 2000, "Efficient
Algorithms for Mining Outliers from Large Data Sets", and Sun et al. 2022, "Out-of-Distribution
Detection with Deep Nearest Neighbors".
"""
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lib.core.records import DataError
from lib.core.rows import Example, Prompt
from lib.models import identity
from lib.models.encoder import Encoder

FILE = "training_texts.npz"  # in a preset's folder of data
NEAREST = 5
QUANTILE = 0.01  # of the training texts themselves; below it a text is unlike them
SPLITS = ("warm_start", "train")


def remember(prompts: list[Prompt], encoder: str, place: Path, device: str = "auto",
             ) -> dict[str, Any]:
    """Write the vectors of the training texts, and how near to the others nearly all of them are.

    prompts: of all splits; those of SPLITS count. encoder: a directory or a hub name. The vectors
    are rounded to 16 bits. Returns {"texts", "threshold", "bytes"}. Raises DataError for too few.
    """
    texts = [text for prompt in prompts if prompt["split"] in SPLITS for text in texts_of(prompt)]
    if len(texts) <= NEAREST:
        raise DataError(f"{place}: {len(texts)} training texts; to know what is unlike them takes "
                        f"more than {NEAREST}.")
    reader = Encoder(encoder, device)
    vectors = reader.encode(texts).astype(np.float16)
    own = nearness(vectors, vectors, leave_one_out=True)
    threshold = float(np.quantile(own, QUANTILE))
    file = io.BytesIO()
    np.savez(file, vectors=vectors, threshold=np.float64(threshold), encoder=np.str_(encoder),
             made_by=np.str_(identity.of_model(reader.model, reader.tokenizer)))
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}")
    beside.write_bytes(file.getvalue())
    os.replace(beside, place)
    return {"texts": len(texts), "threshold": threshold, "bytes": len(file.getvalue())}


def unlike_training(prompts: list[Prompt], place: Path | None, device: str = "auto",
                    ) -> list[bool | None]:
    """Whether a text of each prompt is unlike all training texts that `remember` wrote.

    None where nobody can tell, for want of the file, of its encoder, or of a word on which encoder
    it was. Raises DataError for a file that is something else, or another encoder's.
    """
    if place is None or not place.exists():
        return [None] * len(prompts)
    try:
        with np.load(place, allow_pickle=False) as file:
            vectors, threshold, name = (file[key] for key in ("vectors", "threshold", "encoder"))
            made_by = str(file["made_by"]) if "made_by" in file else ""
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{place}: no vectors of training texts ({error}); restore it from git, or "
                        "remove it.") from None
    try:
        encoder = Encoder(str(name), device)
    except DataError:
        return [None] * len(prompts)
    if not made_by:
        return [None] * len(prompts)
    if made_by != identity.of_model(encoder.model, encoder.tokenizer):
        raise DataError(f"{place}: its vectors are of another encoder than what {str(name)!r} is "
                        "now; restore that, or have 00_warm_start write the file anew.")
    encoder.encode([text for prompt in prompts for text in texts_of(prompt)])  # in large batches
    found = [nearness(encoder.encode(texts_of(prompt)), vectors) for prompt in prompts]
    return [bool((near < threshold).any()) for near in found]


def nearness(vectors: np.ndarray, training: np.ndarray, leave_one_out: bool = False) -> np.ndarray:
    """(n,) mean cosine of each text with the NEAREST of the training texts.

    vectors: (n, width), training: (m, width), of length 1. leave_one_out: both are the same texts,
    and none counts as near to itself.
    """
    cosines = vectors.astype(np.float32) @ training.astype(np.float32).T
    if leave_one_out:
        np.fill_diagonal(cosines, -np.inf)
    return np.sort(cosines, axis=1)[:, -NEAREST:].mean(1)


def texts_of(prompt: Prompt | Example) -> list[str]:
    """The texts of a prompt, each with its title."""
    return [f"{row['title']}\n{row['text']}".strip() for row in prompt["abstracts"]]
