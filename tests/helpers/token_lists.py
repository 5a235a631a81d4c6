"""Pairs of token lists, for tests that compare a fast way of counting with a slow one."""


def random_pair(rng):
    """Two lists of up to thirty tokens, of few or many different ones."""
    size = rng.choice([2, 4, 12, 60])
    return tuple([str(rng.randrange(size)) for _ in range(rng.randint(0, 30))] for _ in range(2))
