"""Which files of a folder are read, and which may be written."""
import os

import pytest

from lib.competencies.files import listed, spare
from lib.core.records import DataError


def test_what_a_folder_holds_is_read_or_left_out_by_name(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "outside"
    for place in (folder / "b", folder / ".git", outside):
        place.mkdir(parents=True)
        (place / "x.txt").write_text("x")
    for name in ("a.TXT", "._a.txt", "other.docx"):
        (folder / name).write_text("x")
    os.mkfifo(folder / "pipe.txt")
    links = {"out.txt": outside / "x.txt", "in.txt": folder / "a.TXT", "gone.txt": folder / "gone",
             "folder": outside}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    found, left_out = listed(folder, (".txt",))
    assert found == [folder / "a.TXT", folder / "b/x.txt"]
    assert {row["file"]: row["reason"].split(";")[0] for row in left_out} == {
        ".git": "a hidden folder", "folder": "a link to a folder", "._a.txt": "a hidden file",
        "out.txt": "a link out of this folder", "in.txt": "a link to another file of this folder",
        "gone.txt": "no file that can be read", "pipe.txt": "no file that can be read"}


def test_a_folder_that_cannot_be_opened_is_left_out_by_name(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def closed(place):
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)
    monkeypatch.setattr(os, "scandir", closed)
    assert listed(tmp_path, (".txt",)) == ([], [{
        "file": "closed", "line": 1, "reason": "the folder cannot be opened (Permission denied)"}])


@pytest.mark.parametrize("link", [os.symlink, os.link, lambda old, new: None])
def test_no_input_is_written_over_whatever_it_is_called(tmp_path, link):
    (tmp_path / "sub").mkdir()
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("x")
    link(path, other)
    output = other if other.exists() else tmp_path / "sub" / ".." / "a.csv"
    with pytest.raises(DataError, match="this is what is read"):
        spare(output, [tmp_path / "absent.csv", path])
    spare(tmp_path / "new.csv", [path])
