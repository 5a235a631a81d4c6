"""A preset: all sections of params.yaml, and what must hold between them."""
from typing import Self

from pydantic import model_validator

from lib.core.sections.data import Candidates, Data
from lib.core.sections.judging import Judging
from lib.core.sections.models import Models, Pretraining, Runtime
from lib.core.sections.section import Section
from lib.core.sections.studies import (
    Evaluation,
    Experts,
    Generalisation,
    Instruction,
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
    candidates: Candidates
    judging: Judging
    dpo: Dpo
    sft: Tuning
    warm_start: WarmStart
    evaluation: Evaluation
    experts: Experts
    rounds: Rounds
    replication: Replication
    instruction: Instruction
    generalisation: Generalisation

    @model_validator(mode="after")
    def judges_of_the_rounds_exist(self) -> Self:
        known = [judge.name for judge in self.judging.panel]
        unknown = [name for name in self.rounds.judges if name not in known]
        if unknown:
            raise ValueError(f"rounds.judges names {unknown[0]!r}, which is no judge of "
                             f"judging.panel ({', '.join(known)})")
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
        for judge in self.judging.panel:
            name = models.get(judge.model, judge.model)
            for role in ("base", "larger", "evaluation_judge"):
                if name and models[role] == name:  # some kinds of judge read no model
                    raise ValueError(f"the judge {judge.name!r} of judging.panel is also the "
                                     f"{role}; take another model for one of them")
        return self
