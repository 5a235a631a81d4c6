"""Mutated files of every format, read apart: nothing uncaught, nothing stalled, nothing lost."""
import operator

import pytest

from lib.benchmarks import hostile
from lib.competencies.worker import Worker


def test_a_handful_of_hostile_files_is_read_or_refused():
    found = hostile.measure(66, seed=1)
    assert found.pop("failures") == []
    assert found == {"tried": 66, "uncaught": 0, "stalled": 0, "stopped": 0, "lost": 0}


@pytest.mark.parametrize("kind", hostile.SOUND)
def test_a_sound_file_is_read_whole(kind, tmp_path):
    reader, ending = kind
    path, content = tmp_path / f"{reader}{ending}", hostile.SOUND[kind]()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = hostile.read(reader, str(path))
    assert all(isinstance(record, dict) for _, record in found)
    single = ending == ".pdf" or kind == ("abstracts", ".txt")
    assert len(found) == (1 if single else hostile.RECORDS) and hostile.lost(path, found) == []


def test_what_is_lost_or_uncaught_is_seen(tmp_path, monkeypatch):
    path = tmp_path / "abstracts.csv"
    path.write_text('id,text\nmark00,a\nmark01,"b\nmark02,c"\nmark03,d\n')
    found = hostile.read("abstracts", str(path))
    assert len(found) == 3 and hostile.lost(path, found) == ["line 4"]
    assert hostile.lost(path, found[:1] + found[2:]) == ["line 3", "line 4"]
    assert hostile.lost(path, [(1, "refused as a whole")]) == [] != hostile.lost(path, [])
    path = tmp_path / "abstracts.bib"
    path.write_text(hostile.bib())
    found = hostile.read("abstracts", str(path))
    assert hostile.lost(path, found[:3] + found[5:]) == ["mark03", "mark04"]
    assert hostile.lost(path, [*found[:3], (found[3][0], "refused"), *found[5:]]) == []

    def raising(reader, path):
        return operator.truediv(1, 0)
    monkeypatch.setattr(hostile, "read", raising)
    assert hostile.outcome("abstracts", "a.csv")["uncaught"].startswith("ZeroDivisionError")
    assert hostile.outcome("abstracts", "a.pdf")["uncaught"] == ""  # a worker makes it a reason
    monkeypatch.setattr(Worker, "call", lambda self, function, *given: function(*given))
    assert hostile.measure(11)["uncaught"] == 8
