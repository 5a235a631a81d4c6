"""Every call to a judge in one sqlite file: answers never paid twice, failures, the ledger."""
import fcntl
import hashlib
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict

from lib.core.records import DataError
from lib.core.rows import Message

Status = Literal["ok", "cut", "refused", "empty", "failed"]
FORMAT = 1  # of keys and rows; a change of theirs makes every earlier answer unknown
WAIT = 60  # seconds for which a write waits while another process holds the file
TABLE = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL, status TEXT NOT NULL,
    error TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    cost REAL NOT NULL, time REAL NOT NULL,
    request TEXT NOT NULL, reply TEXT NOT NULL, raw TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS answered ON calls (key) WHERE status != 'failed';
"""
INSERT = f"INSERT OR IGNORE INTO calls VALUES ({', '.join('?' * 12)})"
LEDGER = """
SELECT name, model, COUNT(*) AS calls, SUM(status = 'failed') AS failed,
    SUM(prompt_tokens) AS prompt_tokens, SUM(completion_tokens) AS completion_tokens,
    SUM(cost) AS cost FROM calls GROUP BY name, model ORDER BY name, model
"""


class Reply(TypedDict):
    """What a call came to. All but failed ones are answers; cut means by max_tokens."""

    status: Status
    text: str
    finish: str | None
    error: str
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    cached: bool


# (key, request, reply, raw, cost, number of the row that it settles)
Row = tuple[str, dict, Reply, str, float, int | None]


def reply(status: Status, text: str = "", finish: str | None = None, error: str = "",
          prompt_tokens: int | None = 0, completion_tokens: int | None = 0,
          seconds: float = 0.0) -> Reply:
    """A reply that does not come from the store."""
    return {"status": status, "text": text, "finish": finish, "error": error,
            "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
            "seconds": seconds, "cached": False}


def call_key(identity: dict, messages: list[Message], repeat: int) -> str:
    """The content key of one call. repeat tells equal calls apart.

    identity: all that decides the answer besides the messages (name, model, parameters). No base
    URL belongs in it: replicas that share the load share their answers.
    """
    return hashlib.sha256(_dump([FORMAT, identity, messages, repeat]).encode()).hexdigest()


class Calls:
    """The store. It may be used by several threads; a second process that writes waits its turn.

    Whatever `put` returned from is on disk and outlives a killed process. Raises DataError where
    the file is no store, is held by another process for long, or cannot be written.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock, self.users, self.hits = threading.Lock(), 0, Counter[tuple[str, str]]()
        with self._errors_named():
            self.db = sqlite3.connect(self.path, timeout=WAIT, check_same_thread=False)
            self.db.execute("PRAGMA journal_mode=WAL")
            # An answer is paid for: it also outlives a power cut.
            self.db.execute("PRAGMA synchronous=FULL")
            self.db.executescript(TABLE)

    def __contains__(self, key: str) -> bool:
        return self._answer(key) is not None

    def get(self, key: str) -> Reply | None:
        """The answer to a call, "cached" set. None where there is none; a failure is none."""
        row = self._answer(key)
        if row is None:
            return None
        name, model, text = row
        self.hits[name, model] += 1
        return {**json.loads(text), "cached": True}  # type: ignore[return-value]  # put as a Reply

    def put(self, key: str, request: dict, reply: Reply, raw: str = "", cost: float = 0.0) -> None:
        """Keep one call. request: at least "name" and "model". raw: the body, without the key.

        cost: in the price's currency.
        """
        self.put_all([(key, request, reply, raw, cost, None)])

    def put_all(self, rows: Iterable[Row]) -> list[int]:
        """Keep several calls, as `put` does, at once. A first answer is never replaced.

        Each row may name another by its number, which it settles: that one goes. Returns the
        numbers of the rows.
        """
        values = [(held, (key, request["name"], request["model"], reply["status"], reply["error"],
                          reply["prompt_tokens"], reply["completion_tokens"], cost, time.time(),
                          _dump(request), _dump(reply), raw))
                  for key, request, reply, raw, cost, held in rows]
        numbers = list[Any]()  # lastrowid is no int only before the first row
        with self.lock, self._errors_named(), self.db:
            for held, row in values:
                if held is not None:
                    self.db.execute("DELETE FROM calls WHERE rowid = ?", (held,))
                numbers.append(self.db.execute(INSERT, row).lastrowid)
        return numbers

    def ledger(self) -> list[dict[str, Any]]:
        """One row per name and model, with the columns of LEDGER and "cached".

        calls: all that were made, the failed ones among them; cached: answers that this process
        took from the store instead.
        """
        with self.lock, self._errors_named():
            cursor = self.db.execute(LEDGER)
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row)) for row in cursor]
        return [{**row, "cached": self.hits[row["name"], row["model"]]} for row in rows]

    def spent(self, name: str) -> float:
        """The cost of every call ever made under a name, in the price's currency."""
        return self._select("SELECT TOTAL(cost) FROM calls WHERE name = ?", name)[0][0]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from paying for the same calls. Raises DataError where one does already."""
        with self.lock:
            if not self.users:
                place = self.path.with_name(f"{self.path.name}.lock")
                self.holder = open(place, "w")  # noqa: SIM115
                try:  # the system lets go of the lock when a process dies
                    fcntl.flock(self.holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    self.holder.close()
                    raise DataError(f"{self.path}: another run is asking with this store; "
                                    "wait for it to end, or stop it.") from None
            self.users += 1
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if not self.users:
                    self.holder.close()

    def close(self) -> None:
        self.db.close()

    def _answer(self, key):
        query = "SELECT name, model, reply FROM calls WHERE key = ? AND status != 'failed'"
        rows = self._select(query, key)
        return rows[0] if rows else None

    def _select(self, query, *values):
        with self.lock, self._errors_named():
            return self.db.execute(query, values).fetchall()

    @contextmanager
    def _errors_named(self):
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: the store of calls cannot be used ({error}); free the "
                            "disk, end the other process, or move a damaged file away.") from None


def _dump(value):
    """Canonical JSON in ASCII: unlike UTF-8 it can hold lone surrogates, which texts come with."""
    return json.dumps(value, sort_keys=True)
