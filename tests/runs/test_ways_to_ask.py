"""The notebook of the real study that compares ways to ask, on a tiny model and made-up texts."""
import json

import torch
from helpers import smoke
from helpers.checkpoints import write_encoder
from helpers.smoke import in_one_process
from peft import get_peft_model

from lib.core.records import read_jsonl, write_jsonl
from lib.core.settings import load
from lib.models import loading, lora
from lib.report.answers import answer
from lib.studies import synthesis

BASE = "data/models/embedded/base"


def with_models_and_prompts(project):
    """What the stages before it leave: prompts with terms, an adapter; and a sentence encoder."""
    settings = load("smoke")[1]
    groups = synthesis.synthetic_groups(settings.data)
    for group in groups:
        group["references"] = [one["name"] for one in group["truth"]["competencies"]]
    model, tokenizer = loading.load(project / BASE)
    prompts, _ = synthesis.build_prompts(groups, tokenizer, settings.models)
    write_jsonl(project / "data/prompts.jsonl", prompts)
    adapted = get_peft_model(model, lora.lora_config(settings.dpo.lora))
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.02)
    lora.save_adapter(adapted, project / "data/adapter", BASE, "A card.")
    place = project / "data/models/encoder"
    place.mkdir()
    write_encoder(place, [word.lower() for row in prompts[:40]
                          for word in row["abstracts"][0]["text"].split()])
    params = project / "params.yaml"
    before, preset = params.read_text().split("\n  smoke:\n")
    for old, new in (("models: {}", "models: {encoder: data/models/encoder, max_new_tokens: 40}"),
                     ("warm_start: {}", f"warm_start: {{model: {BASE}}}"),
                     ("prompts: {texts: 4, k: [1]}", "prompts: {texts: 4, k: [2]}")):
        assert preset.count(old) >= 1
        preset = preset.replace(old, new, 1)
    params.write_text(f"{before}\n  smoke:\n{preset}")


def test_the_page_of_ways_to_ask(tmp_path):
    project = smoke.project(tmp_path)
    with_models_and_prompts(project)
    in_one_process(project, "real/13_prompts")
    found = json.loads((project / "reports/metrics/13_prompts.json").read_text())
    assert found["pool"] == 16 and set(found["examples"]) == {"as_it_comes", "tuned"}
    for model in ("as_it_comes", "tuned"):
        kinds = found["examples"][model]
        assert set(kinds) == {"random", "nearest", "diverse"} == set(found["passed_over"])
        assert len({json.dumps(kinds[kind]["k0"]) for kind in kinds}) == 1, "asked once"
        for kind, cells in kinds.items():
            assert set(cells) == {"k0", "k2"} and cells["k2"]["examples"] == 2
            assert cells["k2"]["n"] == cells["k2"]["f1"]["n"] == 4 and cells["k2"]["lost"] == 0
            assert cells["k2"]["difference"]["f1"]["n"] == 4
            assert cells["k0"]["prompt_tokens"] < cells["k2"]["prompt_tokens"]
            assert kind == "random" or set(found["choice"][model][kind]) == {"k2"}
        for form in ("text", "json"):
            assert set(found["format"][form][model]) == {"k0", "k1"}
            assert found["format"][form][model]["k1"]["parsed"]["n"] == 4
        assert set(found["json_less_text"][model]["k1"]) == {"f1", "compliant", "tokens"}
    rows = read_jsonl(project / "data/ways.jsonl", ("model", "format", "choose", "k", "text"))
    ways = {(row["format"], row["choose"], row["k"]) for row in rows}
    assert len(rows) == 2 * 4 * len(ways) and ("json", "nearest", 1) in ways
    train = {row["id"] for row in read_jsonl(project / "data/prompts.jsonl", ("id", "split"))
             if row["split"] == "train"}
    assert {name for row in rows for name in row["examples"]} <= train
    assert answer("13_prompts", found, True).endswith(".")
    assert not (project / "data/.work").exists() or not list((project / "data/.work").iterdir())
