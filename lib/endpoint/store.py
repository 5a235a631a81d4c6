"""Every call to a judge, kept in one sqlite file: answers that are never paid twice, failures with a status, and the ledger."""
import fcntl
import hashlib
import json
import sqlite3
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from lib.core.records import DataError

FORMAT = 1  # of keys and rows; a change of theirs makes every earlier answer unknown
WAIT = 60  # seconds for which a write waits while another process holds the file
TABLE = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost REAL NOT NULL, time REAL NOT NULL,
    request TEXT NOT NULL, reply TEXT NOT NULL, raw TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS answered ON calls (key) WHERE status != 'failed';
"""


def call_key(identity, messages, repeat):
    """The content key of one call. identity: all that decides the answer besides the messages (name, model, parameters).

    No base URL belongs in it: replicas that share the load share their answers. repeat tells equal calls apart.
    """
    return hashlib.sha256(_dump([FORMAT, identity, messages, repeat]).encode()).hexdigest()


def reply(status, text="", finish=None, error="", prompt_tokens=0, completion_tokens=0, seconds=0.0):
    """What a call came to. status: ok | cut (by max_tokens) | refused | empty | failed; all but failed are answers."""
    return {"status": status, "text": text, "finish": finish, "error": error, "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens, "seconds": seconds, "cached": False}


class Calls:
    """The store. It may be used by several threads; a second process that writes waits its turn.

    Whatever `put` returned from is on disk and outlives a killed process. Raises DataError where the file is no store, is
    held by another process for long, or cannot be written.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock, self.users, self.hits = threading.Lock(), 0, Counter()
        with self._errors_named():
            self.db = sqlite3.connect(self.path, timeout=WAIT, check_same_thread=False)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")  # an answer is paid for: it also outlives a power cut
            self.db.executescript(TABLE)

    def __contains__(self, key):
        return self._answer(key) is not None

    def get(self, key):
        """The answer to a call as a reply with "cached" set, or None where it was never answered (failures do not count)."""
        row = self._answer(key)
        if row is None:
            return None
        name, model, text = row
        self.hits[name, model] += 1
        return {**json.loads(text), "cached": True}

    def put(self, key, request, reply, raw="", cost=0.0):
        """Keep one call. request: a dict with at least "name" and "model". raw: the body as it came. cost: in the price's currency."""
        self.put_all([(key, request, reply, raw, cost)])

    def put_all(self, rows):
        """Keep several calls, (key, request, reply, raw, cost) each, in one transaction. A first answer is never replaced."""
        values = [(key, request["name"], request["model"], reply["status"], reply["error"], reply["prompt_tokens"],
                   reply["completion_tokens"], cost, time.time(), _dump(request), _dump(reply), raw)
                  for key, request, reply, raw, cost in rows]
        with self.lock, self._errors_named(), self.db:
            self.db.executemany(f"INSERT OR IGNORE INTO calls VALUES ({', '.join('?' * 12)})", values)

    def ledger(self):
        """Rows {"name", "model", "calls", "failed", "cached", "prompt_tokens", "completion_tokens", "cost"}, one per model.

        calls: all that were made, the failed ones among them; cached: answers that this process took from the store instead.
        """
        rows = self._select("SELECT name, model, COUNT(*), SUM(status = 'failed'), SUM(prompt_tokens), SUM(completion_tokens), "
                            "SUM(cost) FROM calls GROUP BY name, model ORDER BY name, model")
        return [{"name": name, "model": model, "calls": calls, "failed": failed, "cached": self.hits[name, model],
                 "prompt_tokens": prompt, "completion_tokens": completion, "cost": cost}
                for name, model, calls, failed, prompt, completion, cost in rows]

    def spent(self, name):
        """The cost of every call ever made under a name, in the price's currency."""
        return self._select("SELECT TOTAL(cost) FROM calls WHERE name = ?", name)[0][0]

    @contextmanager
    def alone(self):
        """Keep other processes from paying for the same calls meanwhile. Raises DataError where one is at it already."""
        with self.lock:
            if not self.users:
                self.holder = open(self.path.with_name(f"{self.path.name}.lock"), "w")  # noqa: SIM115
                try:
                    fcntl.flock(self.holder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it when a process dies
                except OSError:
                    self.holder.close()
                    raise DataError(f"{self.path}: another run is asking with this store; wait for it to end, or stop it.") from None
            self.users += 1
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if not self.users:
                    self.holder.close()

    def close(self):
        self.db.close()

    def _answer(self, key):
        rows = self._select("SELECT name, model, reply FROM calls WHERE key = ? AND status != 'failed'", key)
        return rows[0] if rows else None

    def _select(self, query, *values):
        with self.lock, self._errors_named():
            return self.db.execute(query, values).fetchall()

    @contextmanager
    def _errors_named(self):
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: the store of calls cannot be used ({error}); free the disk, end the other process, "
                            "or move a damaged file away.") from None


def _dump(value):
    """Canonical JSON in ASCII: unlike UTF-8 it can hold the lone surrogates that a text may come with."""
    return json.dumps(value, sort_keys=True)
