"""A preset: all sections of params.yaml, and what must hold between them."""
from collections.abc import Iterator
from itertools import product
from typing import Any, Self

from pydantic import model_validator

from lib.core.families import Origin, of_judge, of_judge_model
from lib.core.sections.data import Candidates, Data, Examples
from lib.core.sections.judging import Judging, Panelist, completed
from lib.core.sections.models import Models, Pretraining, Runtime
from lib.core.sections.reading import Reading
from lib.core.sections.section import Section
from lib.core.sections.servers import Connection, Servers
from lib.core.sections.studies import (
    Evaluation,
    Experts,
    Generalisation,
    Instruction,
    Prompts,
    Replication,
    Rounds,
)
from lib.core.sections.tuning import Dpo, Tuning, WarmStart


class Preset(Section):
    """All settings of a run."""
    runtime: Runtime
    models: Models
    pretraining: Pretraining
    data: Data
    examples: Examples
    reading: Reading
    candidates: Candidates
    judging: Judging
    servers: Servers
    dpo: Dpo
    sft: Tuning
    warm_start: WarmStart
    evaluation: Evaluation
    experts: Experts
    rounds: Rounds
    replication: Replication
    prompts: Prompts
    instruction: Instruction
    generalisation: Generalisation

    def evaluators(self) -> list[Panelist]:
        """The judges that measure, the headline's first: evaluation.panel and evaluation.judge.

        Of the panel without those whose role no model plays. evaluation.judge may also name a judge
        of judging.panel, and then does so where both panels have one of that name.
        """
        panel = [judge for judge in self.evaluation.panel
                 if judge.of(self.models) or judge.kind in ("lexical", "brevity", "standardised")]
        name = self.evaluation.judge or next((judge.name for judge in self.evaluation.panel), "")
        first = [judge for judge in (*self.judging.panel, *panel) if judge.name == name]
        if not self.evaluation.judge:
            first = [judge for judge in panel if judge.name == name]
        return first[:1] + [judge for judge in panel if judge.name != name]

    def families(self, judge: Panelist, origin: Origin = str) -> list[str]:
        """The families of a judge of either panel, see lib/core/families.py."""
        own = judge in self.judging.panel
        panel = self.judging.panel if own else self.evaluation.panel
        return of_judge(judge, panel, self.models, origin)

    def labellers(self) -> Iterator[Panelist]:
        """The judges of judging.panel that vote on preferences, in the first or a later round."""
        parts = {name for judge in self.judging.panel for name in judge.standardised or ()}
        for judge in self.judging.panel:
            if (judge.votes and judge.name not in parts) or judge.name in self.rounds.judges:
                yield judge

    def kinship(self, origin: Origin = str) -> str:
        """What forbids the headline's judge to measure, in a sentence; "" where nothing does."""
        judge, base = self.evaluators()[0], (self.models.base, self.warm_start.model)
        kin = [("the base, which is tuned",
                [of_judge_model(origin(name)) for name in base if name])]
        kin += [(f"the judge {one.name!r} of judging.panel, which labels",
                 self.families(one, origin)) for one in self.labellers()]
        for whom, theirs in kin:
            if shared := [family for family in self.families(judge, origin) if family in theirs]:
                return (f"the judge {judge.name!r}, whose measurements make the headline, is of "
                        f"one family ({shared[0]}) with {whom}; name a judge of another family in "
                        "evaluation.judge, or, where a model's name misleads, its `family` in the "
                        "judge's line")
        return ""

    @model_validator(mode="before")
    @classmethod
    def evaluators_have_what_is_usual(cls, given: Any) -> Any:
        """Each line of evaluation.panel, completed by judging.usual."""
        if isinstance(given, dict):
            evaluation, judging = given.get("evaluation"), given.get("judging")
            if isinstance(evaluation, dict) and isinstance(judging, dict):
                return {**given, "evaluation": completed(evaluation, judging.get("usual"))}
        return given

    @model_validator(mode="before")
    @classmethod
    def writers_have_what_is_usual(cls, given: Any) -> Any:
        """Each server of `servers`, completed by judging.usual.endpoint."""
        usual = given
        for key in ("judging", "usual", "endpoint"):
            usual = usual.get(key) if isinstance(usual, dict) else None
        if not (isinstance(usual, dict) and isinstance(given.get("servers"), dict)):
            return given
        known = {name: usual[name] for name in Connection.model_fields if name in usual}
        servers = {task: {**known, **server} if isinstance(server, dict) else server
                   for task, server in given["servers"].items()}
        return {**given, "servers": servers}

    @model_validator(mode="after")
    def who_writes_behind_a_server_has_a_name(self) -> Self:
        if self.servers.larger and not self.models.larger:
            raise ValueError("servers.larger is there and models.larger is empty; say there what "
                             "the server calls its model")
        return self

    @model_validator(mode="after")
    def who_measures_is_akin_to_nobody(self) -> Self:
        found, wanted = self.evaluators(), self.evaluation.judge
        known = [judge.name for judge in (*self.judging.panel, *self.evaluation.panel)]
        if wanted and wanted not in known:
            raise ValueError(f"evaluation.judge is {wanted!r}, which is a judge neither of "
                             f"evaluation.panel nor of judging.panel ({', '.join(known)})")
        first = self.evaluation.panel[0].name if self.evaluation.panel else ""
        if not found or found[0].name != (wanted or first):
            raise ValueError("nobody measures: the first judge of evaluation.panel has no model; "
                             "name one in models.evaluation_judge, or another judge in "
                             "evaluation.judge")
        if reason := self.kinship():
            raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def judges_of_the_rounds_exist(self) -> Self:
        known = [judge.name for judge in self.judging.panel]
        unknown = [name for name in self.rounds.judges if name not in known]
        if unknown:
            raise ValueError(f"rounds.judges names {unknown[0]!r}, which is no judge of "
                             f"judging.panel ({', '.join(known)})")
        return self

    @model_validator(mode="after")
    def what_is_near_takes_an_encoder(self) -> Self:
        if self.examples.k and self.examples.choose != "random" and not self.models.encoder:
            raise ValueError(f"examples.choose is {self.examples.choose}, which takes a sentence "
                             "encoder; name one in models.encoder, or choose at random")
        return self

    @model_validator(mode="after")
    def launch_suits_device_and_weights(self) -> Self:
        launch, device = self.dpo.launch, self.runtime.device
        if launch != "none" and (launch == "cpu_2") != (device == "cpu"):
            raise ValueError(f"dpo.launch is {launch} and runtime.device is {device}; cpu_2 is for "
                             "the cpu, the others for GPUs")
        if launch in ("fsdp2", "zero3") and self.models.quantisation != "none":
            raise ValueError(f"dpo.launch {launch} splits the weights over the GPUs, which "
                             "quantised ones do not stand; set models.quantisation to none, or "
                             "dpo.launch to ddp, where each GPU has the whole model")
        return self

    @model_validator(mode="after")
    def no_model_judges_its_own_output(self) -> Self:
        models = self.models.model_dump()
        writers = ("base", "larger")
        everybody = (*writers, "evaluation_judge")
        for panel, judges, roles in (("judging", self.judging.panel, everybody),
                                     ("evaluation", self.evaluation.panel, writers)):
            for judge, role in product(judges, roles):
                name = judge.of(self.models)
                if name and models[role] == name:  # some kinds of judge read no model
                    raise ValueError(f"the judge {judge.name!r} of {panel}.panel is also the "
                                     f"{role}; take another model for one of them")
        return self
