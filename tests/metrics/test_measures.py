"""Each measure says what it counts and where it misleads."""
from lib.metrics import measures


def test_each_measure_is_explained():
    assert all(row.keys() == {"measure", "measures", "misleads"} and all(row.values())
               for row in measures.EXPLAINED)
    told = " ".join(row["measure"] for row in measures.EXPLAINED)
    for name in ("exact", "stem-exact", "soft", "macro", "micro", "weighted", "ROUGE-1", "ROUGE-2",
                 "ROUGE-L", "ROUGE-Lsum", "ROUGE-W", "ROUGE-S", "ROUGE-SU", "BLEU"):
        assert name in told
