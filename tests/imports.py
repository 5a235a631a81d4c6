"""Which modules of lib a notebook or module reaches through its imports."""
import ast
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Modules that carry a run but decide none of its results; a change of theirs need not train anything again.
INFRASTRUCTURE = {"lib/workbook.py", "lib/settings.py", "lib/sections.py", "lib/records.py"}
DATA = {"lib/world.py": {"lib/world.yaml"}, "lib/report.py": {"lib/report.css", "lib/claims.yaml"}, "lib/review.py": {"lib/review.html"}}


def source(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    return text


def direct(path):
    """Files of lib that one file imports."""
    found = set()
    for node in ast.walk(ast.parse(source(path))):
        if isinstance(node, ast.ImportFrom) and node.module == "lib":
            found |= {f"lib/{alias.name}.py" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib."):
            found.add(f"lib/{node.module.removeprefix('lib.')}.py")
    return found


def reached(path):
    """All files of lib that a file reaches, with the data that belongs to them, infrastructure apart."""
    seen, todo = set(), [path]
    while todo:
        for module in direct(todo.pop()) - seen:
            seen.add(module)
            todo.append(module)
    seen |= {data for module in {*seen, path} for data in DATA.get(module, ())}
    return seen - INFRASTRUCTURE
