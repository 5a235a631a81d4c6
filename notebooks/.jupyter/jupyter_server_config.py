"""JupyterLab as `make lab` starts it: saving a notebook saves what was typed, and nothing else."""
from pathlib import Path

from tornado.web import HTTPError

METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def leave_no_trace(model, path, **_):
    """Before a notebook is saved: take away what running it has added. Results are not saved."""
    if model["type"] != "notebook":
        return
    folder, _, name = path.strip("/").rpartition("/")
    if folder.startswith("reports"):
        raise HTTPError(403, f"{name} in {folder} is a result, which `make repro` writes; "
                             "explore in notebooks/ instead.")
    if folder not in ("notebooks", "notebooks/real"):
        return
    model["content"]["metadata"] = METADATA
    for cell in model["content"]["cells"]:
        tags = cell["metadata"].get("tags")
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None


c = get_config()  # noqa: F821
c.ServerApp.root_dir = str(Path(__file__).resolve().parents[2])  # params.yaml, data, reports too
c.ContentsManager.pre_save_hook = leave_no_trace
c.LabApp.default_url = "/lab/tree/reports/lab.md?factory=Markdown%20Preview"
c.LabApp.news_url = None
