"""The endpoint client's speed, measured on a server with a known latency."""
import pytest

from lib.benchmarks import endpoint


def test_throughput_of_both_clients_is_summed_up():
    rows = [job() for job in endpoint.jobs([0.01], [20], 1).values()]
    found = endpoint.summary(rows)["10ms"]["20"]
    assert set(found) == {"endpoint", "sdk_alone"}
    ideal = 0.01 / rows[0]["seconds"]
    assert found["endpoint"]["ratio_to_ideal"]["rate"] == pytest.approx(ideal)
