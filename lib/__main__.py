"""One door for all commands: `python -m lib`, or `competency` where the environment is active."""
import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lib.core.records import DataError
from lib.core.settings import ROOT, SettingsError

# Each command imports what it needs when it runs, so that --help answers at once.


class Parser(argparse.ArgumentParser):
    """Wrong use is answered by one sentence and exit status 2."""

    def error(self, message):
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments. Each sets `command`, the function that carries it out."""
    door = Parser(prog="python -m lib", description="The thesis workbook's commands.", epilog="Each has --help of its own.")
    commands = door.add_subparsers(dest="name", metavar="COMMAND", required=True, parser_class=Parser)

    def add(name: str, function: Callable, sentence: str, *examples: str) -> argparse.ArgumentParser:
        lines = "\n".join(f"  python -m lib {name} {example}".rstrip() for example in examples)
        one = commands.add_parser(name, help=sentence, description=sentence, epilog=f"examples:\n{lines}",
                                  formatter_class=WithDefaults)
        one.set_defaults(command=function)
        return one

    _extract(add("extract", extract, "Write competency profiles for your own abstracts.",
                 "--model data/models/embedded/base --adapter data/adapter abstracts.csv -o profiles.jsonl",
                 "--model HuggingFaceTB/SmolLM2-1.7B-Instruct papers/ -o profiles.html"))
    _experts(add("experts", experts, "Evaluate what experts answered, on our pages or in the original study.",
                 "data/reviews", "FOLDER --format thesis -o thesis_study.json"))
    one = add("costs", costs, "Say what judging the candidates would cost, calling nobody.", "", "--preset paper")
    _preset(one)
    one = add("memory", memory, "Estimate memory and time of a preset before anything is loaded.", "", "--preset paper")
    _preset(one)
    one = add("card", card, "Print the adapter's model card with its results, or upload both.",
              "", "-o CARD.md", "--push me/competency-adapter")
    one.add_argument("--adapter", type=Path, default=ROOT / "data" / "adapter", help="folder of the adapter")
    one.add_argument("-o", "--output", type=Path, help="write the card to this file instead of printing it")
    one.add_argument("--push", metavar="NAME", help="upload to this repository of the hub, with a token from HF_TOKEN")
    one = add("settings", settings, "Check params.yaml, and show the settings of a preset.", "", "--preset paper --show")
    _preset(one)
    one.add_argument("--show", action="store_true", help="print every setting of the preset")
    one = add("report", report, "Render the report from what the stages left behind.", "", "--runtime")
    one.add_argument("--runtime", action="store_true", help="render the page of run times only")
    one = add("run", run, "Run a notebook headless, as a stage.",
              "notebooks/03_dpo.ipynb", "notebooks/09_round.ipynb number=2")
    one.add_argument("notebook", type=Path, help="such as notebooks/03_dpo.ipynb")
    one.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the notebook's own")
    _preset(one)
    return door


class WithDefaults(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Examples as they are written, and every default."""

    def _get_help_string(self, action):
        if action.default in (None, "", False, argparse.SUPPRESS):
            return action.help
        return super()._get_help_string(action)


def _preset(one: argparse.ArgumentParser) -> None:
    one.add_argument("--preset", default="", help="a name under `presets` in params.yaml (default: the one selected there)")


def _extract(one: argparse.ArgumentParser) -> None:
    one.add_argument("input", help="file or folder with abstracts: .jsonl, .csv, .tsv, .txt, .pdf or .bib")
    one.add_argument("--model", required=True, help="a model's directory or hub name")
    one.add_argument("--adapter", help="directory of a PEFT adapter, such as data/adapter")
    one.add_argument("-o", "--output", required=True, type=Path, help="profiles.jsonl, .csv or .html")
    one.add_argument("--prompt", choices=("auto", "brief", "full"), default="auto",
                     help="auto: brief for embedded models, full for all others")
    one.add_argument("--group-size", type=int, default=4, help="abstracts per profile, at most")
    for name in ("id", "author", "title", "text"):
        one.add_argument(f"--{name}-column", default=name, metavar="NAME", help=f"column or key of the {name}")
    one.add_argument("--temperature", type=float, default=0.0, help="0 decodes greedily")
    one.add_argument("--top-p", type=float, default=1.0, help="share of the probability that is sampled from")
    one.add_argument("--seed", type=int, default=0, help="of the sampling")
    one.add_argument("--max-prompt-tokens", type=int, default=1536, help="longer prompts have their abstracts shortened")
    one.add_argument("--max-new-tokens", type=int, default=400, help="a longer profile is cut, and marked so")
    one.add_argument("--batch-size", type=int, default=8, help="prompts at once")
    one.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32", help="of the weights")
    one.add_argument("--quantisation", choices=("none", "8bit", "4bit"), default="none", help="of the weights")
    one.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the model runs")


def _experts(one: argparse.ArgumentParser) -> None:
    one.add_argument("folder", type=Path, help="folder with the submissions")
    one.add_argument("--format", choices=("review", "thesis"), default="review",
                     help="written by our review page, or in the original study")
    one.add_argument("--key", type=Path, default=Path("data/review/key.json"), help="review: the key written with the pages")
    one.add_argument("-o", "--output", type=Path, help="JSON file to write (default: experts.json or thesis_study.json)")
    one.add_argument("--seed", type=int, default=0, help="of the bootstrap")


def extract(given):
    from lib.report.extract import command
    command(given)


def experts(given):
    from lib.studies.experts.command import command
    command(given)


def costs(given):
    from lib.judging.costs import command
    command(given.preset)


def memory(given):
    from lib.training.memory import command
    command(given.preset)


def card(given):
    from lib.report.card import command
    command(given)


def settings(given):
    from lib.core.settings import flatten, load
    name, found = load(given.preset)
    print(f"params.yaml is sound; preset: {name}")
    if given.show:
        for key, value in flatten(found.model_dump()).items():
            print(f"{key}: {value}")


def report(given):
    from lib.report.site import command
    command(runtime_only=given.runtime)


def run(given):
    from lib.workbook.runner import execute
    pairs = []
    for word in given.parameters:
        name, equals, value = word.partition("=")
        if not equals:
            raise DataError(f"{word!r} is no parameter; write NAME=VALUE, such as number=2.")
        pairs.append((name, int(value) if value.isdigit() else value))
    execute(given.notebook, given.preset, pairs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out one command. Ends the process with status 1 and one sentence where the input is at fault, 2 for wrong use."""
    given = parser().parse_args(arguments if arguments is not None else sys.argv[1:] or ["--help"])
    try:
        given.command(given)
    except (DataError, SettingsError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; what was finished is kept, give the same command again to go on")


if __name__ == "__main__":
    main()
