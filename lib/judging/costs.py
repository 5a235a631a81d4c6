"""What judging would cost, before it costs anything.

python -m lib costs [--preset NAME] reads the candidates and prints calls, tokens and money for each judge.
"""
from itertools import permutations

from lib.core.records import read_jsonl
from lib.core.settings import ROOT, load
from lib.endpoint.store import Calls
from lib.judging.chat import abstracts_of
from lib.judging.panel import endpoint_judge
from lib.judging.ranking import play


def dry_run(settings, prompts, texts, entrants, calls):
    """What judging these candidates would take, at most, as rows {"judge", "kind", "calls", "cached", "prompt_tokens",
    "completion_tokens", "cost"}; nobody is called.

    The scheme is played with a judge who prefers the smaller index: other verdicts lead to other comparisons, but hardly to more.
    Only endpoints know tokens and prices. calls: the store that says which calls have been answered.
    """
    asked = {True: [], False: []}

    def note(batch, screening):
        asked[screening].extend(batch)
        return [1 if left < right else -1 for _, left, right in batch]

    play(entrants, settings.judging.scheme, note, settings.judging)
    studied = list(entrants.items())[:settings.judging.study.prompts]
    asked[False] += [(key, *pair) for key, players in studied for pair in permutations(players, 2)]
    extra = settings.judging.study.repeated + 10 * settings.judging.study.canaries  # five null models, both orders
    abstracts, rows = {prompt["id"]: abstracts_of(prompt) for prompt in prompts}, []
    for member in settings.judging.panel:
        once = asked[False] + (asked[True] if member.screens else [])
        batch = [(one, 0) for one in dict.fromkeys(once)] + [(one, 1) for one in once[:extra]]
        row = {"judge": member.name, "kind": member.kind, "calls": len(batch)} | dict.fromkeys(
            ("cached", "prompt_tokens", "completion_tokens", "cost"), 0)
        if member.kind == "endpoint":
            open_to_all = member.endpoint.model_copy(update={"key_variable": ""})  # nobody is called, so nobody needs a key
            model = getattr(settings.models, member.model, member.model)
            judge = endpoint_judge(member, model, open_to_all, prompts, calls)
            judge.references = {key: candidates[0] for key, candidates in texts.items()} if member.guided else {}  # about as long
            costs = [judge.backend.estimate(judge.requests([
                {"id": key, "abstracts": abstracts[key], "left": texts[key][left], "right": texts[key][right], "repeat": repeat}
                for (key, left, right), repeat in batch]))]
            costs += [judge.writer.estimate([{"messages": prompt["messages"]} for prompt in prompts])] if member.guided else []
            row |= {name: sum(cost[name] for cost in costs) for name in costs[0]}
        rows.append(row)
    return rows


def command(preset=""):
    """Print what judging the candidates of data/ would take; call nobody."""
    _, settings = load(preset)
    prompts = {row["id"]: row for row in read_jsonl(ROOT / "data" / "prompts.jsonl", ("id", "messages"))}
    candidates = read_jsonl(ROOT / "data" / "candidates.jsonl", ("id", "completions", "status"))
    entrants = {row["id"]: [i for i, status in enumerate(row["status"]) if status == "ok"] for row in candidates}
    rows = dry_run(settings, [prompts[row["id"]] for row in candidates], {row["id"]: row["completions"] for row in candidates}, entrants,
                   Calls(ROOT / "data" / "calls.sqlite"))
    print(f"{'judge':16} {'kind':12} {'calls':>8} {'cached':>8} {'prompt tokens':>14} {'reply tokens':>13} {'cost':>10}")
    for row in rows:
        print(f"{row['judge']:16} {row['kind']:12} {row['calls']:8} {row['cached']:8} {row['prompt_tokens']:14} {row['completion_tokens']:13} "
              f"{row['cost']:10.2f}")
    print(f"At most {sum(row['calls'] for row in rows)} calls, {sum(row['cost'] for row in rows):.2f} in the currency of the price table. "
          "Nobody was called.")
