"""Several notebooks of a project in one process: `python one_process.py 03_dpo 09_round:number=2`,
in its root.

Libraries are imported once instead of once a notebook. What the cells display is kept in
reports/notebooks, as the runner
keeps it, so that the report can be rendered.
"""

import json
import os
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lib.core.settings import load
from lib.workbook.book import HEADLESS, environment


def execute(shell, name, parameter=""):
    """Run the cells of one notebook in a fresh namespace, its parameter set; end with what a cell
    says that fails.
    """
    notebook = json.loads(Path(f"notebooks/{name}.ipynb").read_text())
    shell.reset(new_session=False)
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            with capture_output() as captured:
                tagged = "parameters" in cell["metadata"].get("tags", ())
                code = "".join(cell["source"]) + f"\n{parameter}" * tagged
                result = shell.run_cell(code, store_history=False)
            if not result.success:
                sys.exit(f"{name}: {captured.stdout}{captured.stderr}")
            cell["outputs"] = [
                {"output_type": "display_data", "data": shown.data, "metadata": {}}
                for shown in captured.outputs
            ]
            if captured.stdout:
                cell["outputs"].append(
                    {"output_type": "stream", "name": "stdout", "text": captured.stdout}
                )
    number = parameter.partition("=")[2]
    target = Path(f"reports/notebooks/{name}{'_' * bool(number)}{number}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(notebook))


if __name__ == "__main__":
    os.environ.update({**environment(load()[1]), HEADLESS: "1"})
    sys.path.insert(0, os.getcwd())
    one = InteractiveShell.instance(colors="nocolor")
    for argument in sys.argv[1:]:
        execute(one, *argument.split(":"))
