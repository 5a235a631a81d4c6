"""What was measured and recorded, as rows for the tables and lines for the pictures of page 8."""
from typing import Any

from lib.benchmarks.dpo import METHODS
from lib.core.records import file_digest
from lib.core.settings import ROOT

Found = dict[str, Any] | None  # numbers of one part; None where it was never measured
# What each part measures: its rows are measured anew where one of these files is another.
CODE = {"endpoint": ("lib/benchmarks/endpoint.py", "lib/benchmarks/kills.py",
                     "lib/endpoint/*.py"),
        "dpo": ("lib/benchmarks/dpo.py", "lib/benchmarks/cases.py", "lib/training/tree*.py"),
        "sampling": ("lib/benchmarks/dpo.py", "lib/benchmarks/cases.py",
                     "lib/benchmarks/sampling.py", "lib/models/noise.py",
                     "lib/models/shared_prompt.py")}
WAYS = ("default", "precomputed", "tree")


def code(part: str) -> list[str]:
    """Digests of the files that a part measures."""
    return [file_digest(path) for pattern in CODE[part] for path in sorted(ROOT.glob(pattern))]


def tournaments(found: Found) -> list[dict[str, Any]]:
    """One row for each model, length of prompt and K. found: "dpo" of `cases.training`."""
    rows = []
    for family, by_size in (found or {}).items():
        for size, by_k in by_size.items():
            rows += [{"model": family, "prompt": int(size.split("x")[0]), "K": int(k[1:]), **one}
                     for k, one in by_k.items()]
    return sorted(rows, key=lambda row: (row["model"], row["prompt"], row["K"]))


def growing(found: Found) -> dict[str, list[dict[str, Any]]]:
    """{"k", "size", "batch"}: rows in the order in which things grow. found: of `cases.growth`."""
    found = found or {"k": {}, "size": {}, "batch": {}}
    return {"k": [{"K": k, **found["k"][str(k)]} for k in sorted(map(int, found["k"]))],
            "size": sorted(found["size"].values(), key=lambda row: row["width"]),
            "batch": [{"pairs in a step": pairs, "seconds per pair": found["batch"][str(pairs)]}
                      for pairs in sorted(map(int, found["batch"]))]}


def growth_lines(rows: list[dict[str, Any]],
                 grown: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, list[tuple]]]:
    """Seconds per pair over what grows, for `figures.curves`. rows: of `tournaments`.

    TRL's time per pair does not depend on K: it is measured once.
    """
    long = [row for row in rows if row["model"] == "llama" and row["K"] == 8]
    by_k = [(row["K"], row["tree"]["rate"]) for row in grown["k"]]
    flat = [(k, batch["seconds per pair"]["rate"]) for k, _ in by_k for batch in grown["batch"][:1]]
    return {
        "by tokens of the prompt": {way: [(row["prompt"], 1 / row["pairs_per_second"][way]["rate"])
                                          for row in long] for way in WAYS},
        "by candidates K": {"default": flat, "tree": by_k},
        "by width of the model": {way: [(row["width"], row[way]["rate"]) for row in grown["size"]]
                                  for way in WAYS}}


def memory(found: Found) -> list[dict[str, Any]]:
    """One row for each method, those that need least first. found: of `cases.memory`."""
    rows = [{"method": METHODS[name], **one} for name, one in (found or {}).items()]
    return sorted(rows, key=lambda row: row["training_mb"]["rate"])


def drawn(found: Found) -> list[dict[str, Any]]:
    """One row for each length of prompt and completion. found: of `cases.sampling`."""
    rows = [{"prompt": int(prompt), "new tokens": int(length), **one}
            for prompt, by_k in (found or {}).items()
            for length, one in by_k["k8"]["by_new_tokens"].items()]
    return sorted(rows, key=lambda row: (row["prompt"], row["new tokens"]))


def served(found: Found) -> list[dict[str, Any]]:
    """One row for each latency, number of requests and client. found: of `endpoint.summary`."""
    rows = []
    for latency, by_count in (found or {}).items():
        for count, by_client in by_count.items():
            rows += [{"latency": int(latency.removesuffix("ms")), "requests": int(count),
                      "client": client, **one} for client, one in by_client.items()]
    return sorted(rows, key=lambda row: (row["latency"], row["requests"], row["client"]))
