"""What was measured, as rows for the tables and lines for the pictures of page 8."""
from lib.benchmarks import results
from lib.core.settings import ROOT


def spread(value):
    return {"rate": value, "low": value, "high": value, "n": 1}


def test_tournaments_come_by_model_prompt_and_k():
    found = {"mixtral": {"500x300": {"k8": {"tree": 1}}},
             "llama": {"1500x300": {"k8": {"tree": 2}, "k16": {"tree": 3}, "k4": {"tree": 4}},
                       "500x300": {"k4": {"tree": 5}}}}
    rows = results.tournaments(found)
    assert [(row["model"], row["prompt"], row["K"], row["tree"]) for row in rows] == [
        ("llama", 500, 4, 5), ("llama", 1500, 4, 4), ("llama", 1500, 8, 2), ("llama", 1500, 16, 3),
        ("mixtral", 500, 8, 1)]


def test_what_grows_comes_in_order_and_trl_is_level_over_k():
    ways = {way: spread(number) for number, way in enumerate(results.WAYS, 1)}
    grown = results.growing({"k": {"16": {"tree": spread(0.1)}, "2": {"tree": spread(0.5)}},
                             "size": {"large": {"width": 512, **ways}, "small": {"width": 64,
                             **ways}},
                             "batch": {"10": spread(4.0), "2": spread(3.0)}})
    assert [row["K"] for row in grown["k"]] == [2, 16]
    assert [row["width"] for row in grown["size"]] == [64, 512]
    assert [row["pairs in a step"] for row in grown["batch"]] == [2, 10]
    rows = [{"model": model, "K": k, "prompt": 500,
             "pairs_per_second": {way: spread(4.0) for way in results.WAYS}}
            for model, k in (("llama", 8), ("llama", 4), ("mixtral", 8))]
    lines = results.growth_lines(rows, grown)
    assert lines["by tokens of the prompt"]["tree"] == [(500, 0.25)]
    assert lines["by candidates K"] == {"default": [(2, 3.0), (16, 3.0)],
                                        "tree": [(2, 0.5), (16, 0.1)]}
    assert lines["by width of the model"]["precomputed"] == [(64, 2), (512, 2)]


def test_memory_sampling_and_throughput_come_in_order():
    memory = {"default": {"training_mb": spread(9)}, "tree": {"training_mb": spread(1)}}
    assert [row["training_mb"]["rate"] for row in results.memory(memory)] == [1, 9]
    drawn = {"1500": {"k8": {"by_new_tokens": {"128": {"ratio": 1}}}},
             "500": {"k8": {"by_new_tokens": {"300": {"ratio": 2}, "32": {"ratio": 3}}}}}
    assert [row["ratio"] for row in results.drawn(drawn)] == [3, 2, 1]
    served = {"1000ms": {"200": {"endpoint": {"x": 1}}},
              "50ms": {"2000": {"sdk_alone": {"x": 2}, "endpoint": {"x": 3}}}}
    assert [(row["latency"], row["client"], row["x"]) for row in results.served(served)] == [
        (50, "endpoint", 3), (50, "sdk_alone", 2), (1000, "endpoint", 1)]


def test_what_was_never_measured_has_no_rows():
    grown = results.growing(None)
    lines = results.growth_lines(results.tournaments(None), grown)
    assert not any(points for series in lines.values() for points in series.values())
    assert results.memory(None) == results.drawn(None) == results.served(None) == []


def test_every_part_names_files_that_exist():
    for part, patterns in results.CODE.items():
        assert all(list(ROOT.glob(pattern)) for pattern in patterns)
        assert len(results.code(part)) >= len(patterns)
