"""How servers are asked that other programs run, and which models stand behind them."""
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from lib.core.sections.section import Section


class Server(Section):
    """How a server is asked, apart from where it is."""
    key_variable: str
    temperature: float = Field(ge=0, le=2)
    max_tokens: int = Field(ge=1)
    concurrency: int = Field(ge=1, le=1000)
    timeout: float = Field(gt=0)
    retries: int = Field(ge=0, le=20)
    deadline: float = Field(gt=0)
    breaker: int = Field(ge=1)
    price_in: float = Field(ge=0)
    price_out: float = Field(ge=0)
    budget: float | None = Field(gt=0)
    structured: Literal["auto", "json_schema", "json_object", "text"]


class Endpoint(Server):
    """One or several servers of the same model, which share the load."""
    urls: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def no_secret_is_written_down(self) -> Self:
        name = self.key_variable
        if name and not (name.isidentifier() and name.isupper()):
            raise ValueError("key_variable must be the name of an environment variable in "
                             "capitals; the key itself belongs in that variable")
        for url in self.urls:
            parts = urlsplit(url)
            is_plain = parts.hostname and "@" not in parts.netloc and not parts.query
            if parts.scheme not in ("http", "https") or not is_plain:
                raise ValueError("each of urls must look like http://host:8000/v1, without user, "
                                 "password or query")
        return self


class Servers(Section):
    """Who writes behind a server, in place of a model loaded here. The models' names: `models`."""
    candidates: Endpoint | None = None
    larger: Endpoint | None = None
