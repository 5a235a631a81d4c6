"""What every section is: strict, frozen; and the ranges that recur."""
from pydantic import BaseModel, ConfigDict, Field

Share = Field(ge=0, le=1)
Count = Field(ge=0)
Positive = Field(gt=0)
Seed = Field(ge=0, lt=2**32)  # what every library takes


class Section(BaseModel):
    """Some settings that belong together: unknown names and infinite numbers are errors."""
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
