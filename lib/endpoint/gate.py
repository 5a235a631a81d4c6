"""The gate before the servers: how many calls are in flight, and what they may cost together."""
import asyncio
import math

TOLERATED = 0.2  # share of busy answers that is no reason to ask less; they are tried again
FEWEST = 10  # answers from which a share is taken


class Gate:
    """So many calls in flight, and so much money at risk.

    The number is taken anew after each round of as many answers: where more than TOLERATED of them
    said that the server is busy, it becomes the number of those that did not; else it grows by a
    tenth. A server that takes so many at once is thus found from above, and one that refuses some
    calls at random is asked no less. The worst case of every call in flight is reserved from the
    budget.
    """

    def __init__(self, most: int, budget: float | None, spent: float):
        self.most, self.limit, self.in_flight, self.cut_at = most, float(most), 0, -math.inf
        self.answers, self.refused = 0, 0
        self.budget = math.inf if budget is None else budget
        self.spent, self.reserved = spent, 0.0
        self.changed = asyncio.Condition()

    def fits(self, worst: float) -> bool:
        return self.spent + self.reserved + worst <= self.budget

    async def enter(self, worst: float) -> bool:
        """Wait for a place. False where the budget cannot pay, whatever those in flight cost."""
        def ready():
            free = self.in_flight < math.floor(self.limit)
            return free and (self.fits(worst) or not self.in_flight)

        async with self.changed:
            await self.changed.wait_for(ready)
            if not self.fits(worst):
                return False
            self.in_flight, self.reserved = self.in_flight + 1, self.reserved + worst
            return True

    async def leave(self, worst: float, cost: float) -> None:
        self.in_flight, self.reserved = self.in_flight - 1, self.reserved - worst
        self.spent += cost
        async with self.changed:
            self.changed.notify(2)  # for this place, and for one that growth may have added

    def note(self, busy: bool, started: float, now: float) -> None:
        """Take note of an answer to a call sent at `started`: after a cut, only of later ones."""
        if started <= self.cut_at:
            return
        self.answers, self.refused = self.answers + 1, self.refused + busy
        if self.answers < max(FEWEST, math.floor(self.limit)):
            return
        share, self.answers, self.refused = self.refused / self.answers, 0, 0
        if share > TOLERATED:
            self.limit, self.cut_at = max(1.0, self.limit * (1 - share)), now
        else:
            self.limit = min(self.most, self.limit + max(1.0, self.limit / 10))
