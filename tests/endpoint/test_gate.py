"""How many calls may be in flight: as many as the servers take, and the budget pays."""
import random

from lib.endpoint.gate import Gate


def rounds(gate, takes, number, seed=0):
    """Play rounds of calls in flight against a server; the limits after each."""
    dice, limits = random.Random(seed), []
    for now in range(number):
        places = int(gate.limit)
        for place in range(places):
            gate.note(not takes(place, dice), started=now + 0.5, now=now + 1)
        limits.append(gate.limit)
    return limits


def test_a_server_that_takes_so_many_at_once_is_found():
    limits = rounds(Gate(200, None, 0.0), lambda place, _: place < 30, 60)
    assert round(limits[0]) == 30 and all(29 < limit < 42 for limit in limits)


def test_calls_that_are_refused_at_random_do_not_slow_the_others():
    gate = Gate(200, None, 0.0)
    limits = rounds(gate, lambda _, dice: dice.random() > 0.1, 500)
    assert min(limits) == 200
    assert rounds(gate, lambda *_: False, 5)[-1] == 1
    assert rounds(gate, lambda *_: True, 150)[-1] == 200, "it recovers"


def test_what_was_sent_before_a_cut_does_not_cut_again():
    gate = Gate(20, None, 0.0)
    for _ in range(20):
        gate.note(True, started=0, now=1)
    assert gate.limit == 1
    for _ in range(20):
        gate.note(False, started=0.5, now=2)
    assert gate.limit == 1
