"""The model card of the tuned adapter with what the evaluation found, and the way to a hub.

python -m lib card                  print the card
python -m lib card -o CARD.md       write it to a file
python -m lib card --push ME/NAME   upload adapter, curves and card (private; token from HF_TOKEN)
python -m lib card --adapter data/smollm2/adapter    the real study's, with its results
"""
import os
import shutil
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from lib.core.records import DataError, read_json, write_text
from lib.core.settings import ROOT
from lib.core.terminal import say
from lib.report.claims import World, measured, results_markdown, world
from lib.workbook.book import DIGITS

FILES = ("adapter_config.json", "adapter_model.safetensors", "curves.json")  # beside the card


def full_card(adapter: Path, run: World) -> str:
    """The card that training wrote, with the results of the evaluation.

    run: the numbers of the run it comes from, see `claims.world`. Raises DataError where a part is
    missing or the numbers are another adapter's.
    """
    again = "run make real" if run.folder else "run dvc repro"
    metrics = Path("reports", "metrics", run.folder)
    if not (adapter / "README.md").exists() or not (adapter / "curves.json").exists():
        raise DataError(f"{adapter}: no adapter with a card and curves; {again}, which makes "
                        f"{Path('data', run.folder, 'adapter')}.")
    if missing := [name for name in ("03_dpo", "04_evaluation") if name not in run.metrics]:
        raise DataError(f"{metrics / missing[0]}.json is missing; {again}.")
    training, evaluated = run.metrics["03_dpo"], run.metrics["04_evaluation"]
    curves = read_json(adapter / "curves.json")
    last = curves["validation"][-1]["margin"] if curves["validation"] else None
    trained = curves["steps"], last and round(last, DIGITS)
    if trained != (training["steps"], training["reward_margin"]):
        raise DataError(f"{metrics / '03_dpo.json'} is not about {adapter}; {again}.")
    if training["preset"] != evaluated["preset"]:
        raise DataError(f"04_evaluation was run with the preset {evaluated['preset']!r}, "
                        f"03_dpo with {training['preset']!r}; {again}.")
    readme = (adapter / "README.md").read_text(encoding="utf-8")
    before, limits, after = readme.partition("## Limits")
    return f"{before}{evaluation(training, run)}\n{limits}{after}"


def evaluation(training: dict[str, Any], run: World) -> str:
    """The section on results, in words of lib/report/claims.yaml. training: the numbers of 03."""
    pairs = training["pairs"]
    place = [run._replace(metrics={"04_evaluation": run.metrics["04_evaluation"]})]
    rows = [row for row in measured(place)
            if (found := row["findings"][0]) and found["value"] is not None]
    tested = "On texts that nothing was chosen on" if run.folder else (
        "On authors that no training has seen")
    return f"""## Evaluation

Preset: {training["preset"]}. Trained on {pairs["train"]} pairs, validated on {pairs["validation"]}.
{tested}:

{results_markdown(rows, place)}
"""


def folder_of(adapter: Path) -> str:
    """The folder of its preset where an adapter lies in data/FOLDER, such as "smollm2", or ""."""
    place = adapter.resolve().parent
    return place.name if place.parent == ROOT / "data" else ""


def push(name: str, adapter: Path, card: str) -> str:
    """Upload adapter, curves and card to the repository `name` of the hub, private where it is new.

    Returns its address. Raises DataError where there is no token.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise DataError("uploading needs a token: set the environment variable HF_TOKEN.")
    hub = HfApi(token=token)
    with TemporaryDirectory() as folder:
        for file in FILES:
            shutil.copy(adapter / file, folder)
        write_text(Path(folder) / "README.md", card)
        address = hub.create_repo(name, private=True, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder,
                          commit_message="Adapter, curves and model card")
    return str(address)


def command(given: Namespace) -> None:
    """Print the card, write it to given.output, or upload it with the adapter to given.push."""
    adapter = given.adapter if given.adapter.exists() else ROOT / given.adapter
    card = full_card(adapter, world(folder_of(adapter)))
    try:
        address = push(given.push, adapter, card) if given.push else None
    except (HfHubHTTPError, OSError) as error:
        raise DataError(str(error)) from None
    if given.output:
        write_text(given.output, card)
    if address:
        say(f"uploaded to {address}")
    elif not given.output:
        say(*card.split("\n"))
