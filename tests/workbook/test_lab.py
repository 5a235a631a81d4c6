"""Exploring in JupyterLab, as `make lab` starts it: what is committed stays as it is."""
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from jupyter_client.manager import start_new_kernel

from lib.core.settings import ROOT
from lib.workbook.book import HEADLESS

NAME = "05_expert_review.ipynb"


SCRATCH = ("__pycache__", "home")  # of Python and of Jupyter


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Code and notebooks in a folder of their own, without data; one executed copy as a result."""
    place, skip = tmp_path_factory.mktemp("project"), ("__pycache__", ".ipynb_checkpoints")
    for name in ("lib", "notebooks"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns(*skip))
    shutil.copy(ROOT / "params.yaml", place)
    (place / "reports" / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / NAME, place / "reports" / "notebooks")
    return place


def code_cells(path):
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def files(project):
    return {path for path in project.rglob("*") if not set(SCRATCH) & set(path.parts)}


class Server:
    """A running JupyterLab, asked through its API."""

    def __init__(self, project):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.token = f"http://127.0.0.1:{port}", secrets.token_hex()
        home = dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
                             str(project / "home"))
        config = {"JUPYTER_CONFIG_PATH": str(project / "notebooks" / ".jupyter")}
        command = ["jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=project, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **home, **config, "JUPYTER_TOKEN": self.token})

    def ask(self, path, body=None):
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers,
                                         method="PUT" if data else "GET")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            return answer.read().decode()

    def open(self, path):
        return json.loads(self.ask(f"/api/contents/{path}"))

    def save(self, path, model):
        self.ask(f"/api/contents/{path}", model)

    def wait(self):
        for _ in range(300):
            try:
                return self.ask("/api/status")
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, "the server has ended"
                time.sleep(0.1)
        raise AssertionError("the server does not answer")


@pytest.fixture(scope="module")
def server(project):
    server = Server(project)
    try:
        server.wait()
        yield server
    finally:
        server.process.terminate()
        server.process.wait(60)  # a busy machine takes its time


def executed(model):
    """A notebook as JupyterLab sends it after Run All: outputs, counts, times, the kernel."""
    notebook = model["content"]
    notebook["metadata"] |= {
        "kernelspec": {"name": "python3", "display_name": "Python 3 (x)", "language": "python"},
        "language_info": {"name": "python", "version": "3.11.2", "file_extension": ".py"}}
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] |= {"execution": {"iopub.execute_input": "a time"}, "trusted": True}
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "4\n"}]
    return {"type": "notebook", "format": "json", "content": notebook}


def test_saving_after_run_all_changes_no_byte_of_any_notebook(project, server):
    for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
        copy = str(path.relative_to(ROOT))
        before = (project / copy).read_bytes()
        server.save(copy, executed(server.open(copy)))
        assert (project / copy).read_bytes() == before


def test_what_was_typed_is_saved(project, server):
    model = server.open(f"notebooks/{NAME}")
    model["content"]["cells"][0]["source"] += "\nA thought."
    server.save(f"notebooks/{NAME}", executed(model))
    cells = json.loads((project / "notebooks" / NAME).read_text())["cells"]
    assert "\nA thought." in "".join(cells[0]["source"])


def test_an_executed_copy_is_a_result_and_is_not_saved(project, server):
    path = f"reports/notebooks/{NAME}"
    copy, model = project / path, server.open(path)
    before = copy.read_bytes()
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.save(path, executed(model))
    assert refused.value.code == 403
    assert "explore in notebooks/" in refused.value.read().decode()
    assert copy.read_bytes() == before and [one.name for one in copy.parent.iterdir()] == [NAME]


def test_the_whole_project_is_in_sight_and_nothing_asks_for_news(server):
    names = {item["name"] for item in server.open("")["content"]}
    assert {"params.yaml", "reports", "notebooks"} <= names
    start, end = 'id="jupyter-config-data" type="application/json">', "</script>"
    settings = json.loads(server.ask("/lab").partition(start)[2].partition(end)[0])
    opened = (ROOT / "notebooks/.jupyter/jupyter_server_config.py").read_text()
    place = opened.partition('default_url = "/lab/tree/')[2].partition("?")[0]
    assert (ROOT / place).exists()
    assert settings["news"] == {"disabled": True}
    assert "@jupyterlab/apputils-extension:announcements" in settings["disabledExtensions"]


EXPLORE = """
from tqdm.auto import tqdm
from lib.workbook.figures import bars
book.figure(bars({"ours": 0.5}, xlabel="share"), "f", "A caption.")
book.record({"rate": 0.123456789})
(book.results / "mine.txt").write_text("x")
print(list(tqdm([7])))
"""


class Kernel:
    """A real kernel in the folder of the notebooks, as JupyterLab starts it, and what it says."""

    def __init__(self, project):
        environment = {name: value for name, value in os.environ.items() if name != HEADLESS}
        self.manager, self.client = start_new_kernel(
            cwd=str(project / "notebooks"), env={**environment, "PYTHONPATH": str(project)})
        self.said = []

    def run(self, code):
        self.said.clear()
        reply = self.client.execute_interactive(code, timeout=60, output_hook=self.said.append)
        return reply["content"]["status"]

    def kinds(self):
        return [one["msg_type"] for one in self.said if one["msg_type"] in ("stream", "error")]

    def text(self):
        return "".join(one["content"]["text"] for one in self.said if one["msg_type"] == "stream")

    def end(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def test_exploring_does_no_harm_and_names_what_is_missing(project):
    """The first cells of a notebook, and what later ones do: figures, files, numbers, bars."""
    before, cells = files(project), code_cells(ROOT / "notebooks" / NAME)
    reads = next(number for number, cell in enumerate(cells) if "read_jsonl(" in cell)
    kernel = Kernel(project)
    try:
        assert [kernel.run(cell) for cell in cells[:reads]] == ["ok"] * reads
        assert kernel.run(cells[reads]) == "error", "so that Run All ends here"
        assert kernel.kinds() == ["stream"], "without a traceback"
        assert kernel.text() == "data/prompts.jsonl is missing: run `make repro` first.\n"
        assert kernel.run(EXPLORE) == "ok", kernel.said
        text = kernel.text()
        assert "Exploring, so nothing is recorded" in text and "0.123457" in text
        assert "ipywidgets" not in text
        assert kernel.run("settings.data.nothing") == "error"
        assert "error" in kernel.kinds(), "a mistake in code is shown whole"
    finally:
        kernel.end()
    new = {path for path in files(project) - before if ".work" not in path.parts}
    assert new <= {project / "data"}
    place = project / "data" / ".work" / "explore" / NAME.removesuffix(".ipynb")
    assert (place / "mine.txt").exists()
