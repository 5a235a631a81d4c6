"""The committed label judge, on authors whose profile is known."""
from lib.competencies import world
from lib.core.settings import ROOT
from lib.embedded import pretraining
from lib.judging import judges
from lib.metrics import stats
from lib.models import loading


def test_judges_know_the_better_profile():
    probes = pretraining.probe_prompts(24, world.seen_domains())
    model, tokenizer = loading.load(ROOT / "data/models/embedded/label_judge", device="cpu")
    judge = judges.ReferenceGuided("label judge", model, tokenizer, probes, 24, 200)
    truth = judges.Truth(probes)
    outcomes = []
    for probe in probes:
        key, good = probe["id"], probe["truth"]
        spoiled = {**good, "competencies": good["competencies"][1:]}
        outcomes.append(judges.compare(judge, key, good, spoiled))
        assert judges.compare(truth, key, good, spoiled) == 1
        assert judges.compare(truth, key, spoiled, good) == -1
        assert judges.compare(truth, key, None, spoiled) == -1
        assert judges.compare(truth, key, None, None) == 0
    assert stats.rate(outcomes.count(1), len(outcomes))["rate"] > 0.85
    assert judges.compare(truth, "unknown", {}, {}) is None
