"""What judging would cost, before it costs anything: python -m lib costs [--preset NAME]."""
from itertools import permutations
from typing import Any

from lib.core.records import read_jsonl
from lib.core.rows import Comparison, Prompt
from lib.core.sections.judging import Judging
from lib.core.sections.models import Models
from lib.core.settings import ROOT, load
from lib.core.terminal import say
from lib.endpoint.store import Calls
from lib.judging.audit import CANARIES
from lib.judging.chat import abstracts_of
from lib.judging.panel import endpoint_judge
from lib.judging.ranking import Asked, entrants
from lib.judging.schemes import play

COUNTED = ("calls", "cached", "prompt_tokens", "completion_tokens", "cost")


def dry_run(judging: Judging, models: Models, prompts: list[Prompt], texts: dict[str, list[str]],
            players: dict[str, list[int]], calls: Calls) -> list[dict[str, Any]]:
    """What judging would take, at most, as rows {"judge", "kind", *COUNTED}; nobody is called.

    The scheme is played with a judge who prefers the smaller index: other verdicts lead to other
    comparisons, but hardly to more. Only endpoints know tokens and prices. players: by prompt id.
    """
    asked: dict[bool, list[Asked]] = {True: [], False: []}

    def note(batch, screening):
        asked[screening].extend(batch)
        return [1 if left < right else -1 for _, left, right in batch]

    play(players, judging.scheme, note, judging)
    for key, found in list(players.items())[:judging.study.prompts]:
        asked[False] += [(key, *pair) for pair in permutations(found, 2)]
    # Each null model meets a candidate in both orders.
    extra = judging.study.repeated + 2 * len(CANARIES) * judging.study.canaries
    abstracts, rows = {prompt["id"]: abstracts_of(prompt) for prompt in prompts}, []
    for member in judging.panel:
        once = asked[False] + (asked[True] if member.screens else [])
        batch = [(one, 0) for one in dict.fromkeys(once)] + [(one, 1) for one in once[:extra]]
        row = {"judge": member.name, "kind": member.kind, **dict.fromkeys(COUNTED, 0)}
        row["calls"] = len(batch)
        if member.kind == "endpoint":
            # Nobody is called, so nobody needs a key.
            server = member.endpoint.model_copy(  # type: ignore[union-attr]  # by its kind
                update={"key_variable": ""})
            model = getattr(models, member.model, member.model)
            judge = endpoint_judge(member, model, server, prompts, calls)
            if member.guided:  # by a profile about as long as a candidate
                judge.references = {key: candidates[0] for key, candidates in texts.items()}
            comparisons: list[Comparison] = [
                {"id": key, "abstracts": abstracts[key], "left": texts[key][left],
                 "right": texts[key][right], "repeat": repeat}
                for (key, left, right), repeat in batch]
            costs = [judge.backend.estimate(judge.requests(comparisons))]
            if member.guided:
                writing = [{"messages": prompt["messages"]} for prompt in prompts]
                costs.append(judge.writer.estimate(writing))
            row |= {name: sum(cost[name] for cost in costs) for name in COUNTED}
        rows.append(row)
    return rows


def command(preset: str = "") -> None:
    """Print what judging the candidates of data/ would take; call nobody."""
    _, settings = load(preset)
    known: Any = read_jsonl(ROOT / "data" / "prompts.jsonl", ("id", "abstracts", "messages"))
    prompts = {row["id"]: row for row in known}
    candidates: Any = read_jsonl(ROOT / "data" / "candidates.jsonl",
                                 ("id", "completions", "status"))
    asked = [prompts[row["id"]] for row in candidates]
    texts = {row["id"]: row["completions"] for row in candidates}
    store = Calls(ROOT / "data" / "calls.sqlite")
    rows = dry_run(settings.judging, settings.models, asked, texts, entrants(candidates), store)
    line = "{:16} {:12} {:>8} {:>8} {:>14} {:>13} {:>10}".format
    say(line("judge", "kind", "calls", "cached", "prompt tokens", "reply tokens", "cost"))
    for row in rows:
        say(line(*list(row.values())[:-1], f"{row['cost']:.2f}"))
    calls, cost = (sum(row[name] for row in rows) for name in ("calls", "cost"))
    say(f"At most {calls} calls, {cost:.2f} in the currency of the price table. "
        "Nobody was called.")
