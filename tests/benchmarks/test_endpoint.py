"""The endpoint client's speed, measured on a server with a known latency."""
import pytest

from lib.benchmarks import endpoint


def test_throughput_of_both_clients_is_summed_up():
    rows = [job() for job in endpoint.jobs([0.01], [20], 1).values()]
    found = endpoint.summary(rows)["10ms"]["20"]
    assert set(found) == {"endpoint", "sdk_alone"}
    ideal = 0.01 / rows[0]["seconds"]
    assert found["endpoint"]["ratio_to_ideal"]["rate"] == pytest.approx(ideal)


def test_under_load_every_comparison_is_answered_and_the_attempts_are_counted():
    row = endpoint.under_load(60, in_flight=20, latency=0.05)
    assert row["attempts"] > 60 and 0 < row["share"] <= 1
    assert row["share"] == pytest.approx(row["attempts"] * 0.05 / 20 / row["seconds"])
    assert 20 < row["peak_memory_mb"] < 300 and row["growth_mb"] < 30
