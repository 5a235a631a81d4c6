"""One profile of many: what is one, what goes first, where it was found."""
import numpy as np

from lib.studies import merging


def profile(*names, domain="physics"):
    return {"domain": domain, "competencies": [
        {"name": name, "description": f"{name} described"} for name in names]}


def names(found):
    return [item["name"] for item in found["competencies"]]


def test_what_more_chunks_name_goes_first_and_keeps_its_first_wording_and_all_places():
    found = merging.merge([
        ("page 1", profile("kernel methods", "streams")), ("page 2", None),
        ("page 3", profile("graphs", "Kernel method", "stream", domain="")),
        ("page 4", profile("kernel-methods", domain="biology"))], same=1.0)
    assert names(found) == ["kernel methods", "streams", "graphs"]
    first = found["competencies"][0]
    assert first["places"] == ["page 1", "page 3", "page 4"]
    assert first["description"] == "kernel methods described"


def test_a_name_that_one_chunk_repeats_counts_once():
    found = merging.merge([("a", profile("graphs", "graph", "graphs")), ("b", profile("x", "y")),
                           ("c", profile("y"))], same=1.0)
    assert names(found) == ["y", "graphs", "x"]


def test_there_are_at_most_eight():
    found = merging.merge([("a", profile(*"abcde")), ("b", profile(*"fghij"))], same=1.0)
    assert names(found) == list("abcdefgh")


def test_the_domain_is_the_most_frequent_of_equals_the_first():
    domains = ["", "optics", "Biology", "biology"]
    found = [(str(i), profile("a", domain=domain)) for i, domain in enumerate(domains)]
    assert merging.merge(found, 1.0)["domain"] == "Biology"
    assert merging.merge(found[:3], 1.0)["domain"] == "optics"
    assert merging.merge(found[:1], 1.0)["domain"] == ""


def test_without_any_profile_there_is_none():
    assert merging.merge([("a", None)], 1.0) is None and merging.merge([], 1.0) is None


def test_names_that_are_near_in_meaning_are_one_from_the_cosine_on():
    vectors = {"car": [1.0, 0.0], "automobile": [0.8, 0.6], "boat": [0.0, 1.0]}

    def encode(some):
        return np.array([vectors[name] for name in some])
    assert merging.grouped(["car", "boat", "automobile"], 0.8, encode) == [[0, 2], [1]]
    assert merging.grouped(["car", "boat", "automobile"], 0.81, encode) == [[0], [1], [2]]
    assert merging.grouped([], 0.8, encode) == []


def test_an_answer_that_was_cut_off_loses_what_may_be_half_a_competency():
    row = {"id": "a", "text": "", "tokens": 1, "finished": False, "profile": profile("a", "b")}
    assert names(merging.whole(row)) == ["a"]
    assert merging.whole({**row, "profile": profile("a")}) is None
    assert names(merging.whole({**row, "finished": True})) == ["a", "b"]


def test_a_name_stands_in_a_text_by_its_stems_in_a_row():
    assert merging.holds("We cluster by kernel-methods.", "Kernel method")
    assert not merging.holds("A kernel is no method.", "kernel method")
    assert not merging.holds("anything", "--")


def test_pointers_are_checked_against_the_chunk_and_the_others():
    parts = [{"place": "a", "text": "graphs"}, {"place": "b", "text": "graphs and kernels"},
             {"place": "c", "text": "nothing"}]
    found = merging.located(profile("graph", "kernel", "rings"), parts)
    assert [item["places"] for item in found["competencies"]] == [["a", "b"], ["b"], []]
    wrong = {"domain": "", "competencies": [{"name": "graph", "description": "",
                                             "places": ["c"]}]}
    assert merging.pointed(found, parts) == [(1.0, 0.0), (1.0, 0.0)]
    assert merging.pointed(wrong, parts) == [(0.0, 1.0)]
    assert merging.pointed(None, parts) == [] and merging.located(None, parts) is None
