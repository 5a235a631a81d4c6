"""Which files of a user are read, which are left out and why, and which may be written to."""
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from lib.core.records import DataError
from lib.core.rows import Rejected

# The columns of what `extract` writes; such files are known by those after the first two.
PROFILES = ("id", "author", "domain", "competency", "description", "confidence", "problems",
            "unlike_training")
OURS = (({"abstracts", "profile", "problems"}, "profiles that `extract` wrote"),
        (set(PROFILES), "profiles that `extract` wrote"),
        ({"label", "confidence"}, "labels that `classify` wrote"))


def listed(folder: Path, kinds: Collection[str]) -> tuple[list[Path], list[Rejected]]:
    """The files of these kinds in a folder and its sub-folders, and what is left out of them.

    kinds: endings in small letters; other files are not what is looked for. Left out are hidden
    files and folders, links, which lead out of the folder or to what is read already, what is no
    file, and folders that cannot be opened.
    """
    found: list[Path] = []
    left_out: list[Rejected] = []

    def leave(path, reason):
        name = os.path.relpath(path, folder)
        left_out.append(Rejected(file=name, line=1, reason=reason))

    def unreadable(error):
        leave(error.filename, f"the folder cannot be opened ({error.strerror})")
    for place, folders, names in os.walk(folder, onerror=unreadable):
        for name in sorted(folders):
            if reason := _no_folder(Path(place, name)):
                folders.remove(name)
                leave(Path(place, name), reason)
        folders.sort()
        for path in (Path(place, name) for name in sorted(names)):
            if path.suffix.lower() in kinds:
                if reason := _no_file(path, folder):
                    leave(path, reason)
                else:
                    found.append(path)
    return sorted(found), left_out


def spare(output: Path, inputs: Iterable[str | Path]) -> None:
    """Raise DataError where writing the output would destroy one of the inputs."""
    if any(same(output, path) for path in inputs):
        raise DataError(f"{output}: this is what is read, and writing would destroy it; name "
                        "another file to write.")


def same(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, be it by links, hard links or another spelling."""
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def written_here(names: Collection[str]) -> str:
    """What the workbook wrote into a file with these columns or keys, "" if they are not its own.
    """
    return next((what for ours, what in OURS if ours <= set(names)), "")


def _no_folder(path):
    """Why a folder is not looked into, "" if it is."""
    if path.is_symlink():
        return "a link to a folder; name that folder itself to have it read"
    return "a hidden folder" if path.name.startswith(".") else ""


def _no_file(path, folder):
    """Why something with the name of a file is not read, "" if it is."""
    if path.name.startswith("."):
        return "a hidden file"
    if path.is_symlink() and path.exists():
        inside = path.resolve().is_relative_to(folder.resolve())
        return "a link to another file of this folder" if inside else "a link out of this folder"
    return "" if path.is_file() else "no file that can be read"
