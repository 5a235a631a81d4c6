"""Which rooms of lib a notebook or module reaches through its imports, by the syntax tree."""

import ast
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# From the roof to the ground: a room imports only rooms on lower floors.
FLOORS = (
    ("report",),
    ("workbook", "benchmarks"),
    ("studies",),
    ("judging", "tasks", "embedded"),
    ("training", "metrics"),
    ("models", "endpoint", "competencies"),
    ("core",),
)
ROOMS = [room for floor in FLOORS for room in floor]


def source(path):
    """The code of a module, or of a notebook's cells."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return text


def modules():
    """All modules of lib, as paths from the root."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "lib").rglob("*.py"))


def direct(path):
    """Modules of lib that one file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(source(path))):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lib":
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "lib"]
        found |= {place for name in names if (place := file_of(name))}
    return found


def file_of(name):
    """The file of a module's or package's dotted name, None where the name is something inside
    one.
    """
    place = name.replace(".", "/")
    for path in (f"{place}.py", f"{place}/__init__.py"):
        if (ROOT / path).exists():
            return path
    return None


def reached(path):
    """All modules of lib that a file reaches through its imports."""
    seen, todo = set(), [path]
    while todo:
        for module in direct(todo.pop()) - seen:
            seen.add(module)
            todo.append(module)
    return seen


def room(path):
    """The room that a module lives in; "" for what stands in lib itself."""
    parts = Path(path).parts
    return parts[1] if len(parts) > 2 else ""


def dependencies(path):
    """What a stage depends on that runs a file: rooms as folders, of the studies only those that
    it reaches.
    """
    found = set()
    for module in reached(path):
        parts = Path(module).parts
        if room(module) == "studies":
            if len(parts) > 3:
                found.add("/".join(parts[:3]))
            elif parts[2] != "__init__.py":
                found.add(module)
        elif room(module):
            found.add(f"lib/{room(module)}")
    return found
