"""How servers are asked that other programs run, and which models stand behind them."""
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from lib.core.sections.section import Section


class Connection(Section):
    """How a server is reached and paid, apart from where it is."""
    key_variable: str
    concurrency: int = Field(ge=1, le=1000)
    timeout: float = Field(gt=0)
    retries: int = Field(ge=0, le=20)
    deadline: float = Field(gt=0)
    breaker: int = Field(ge=1)
    price_in: float = Field(ge=0)
    price_out: float = Field(ge=0)
    budget: float | None = Field(gt=0)


class Server(Connection):
    """How a server is asked, apart from where it is."""
    temperature: float = Field(ge=0, le=2)
    max_tokens: int = Field(ge=1)
    structured: Literal["auto", "json_schema", "json_object", "text"]


class Placed(Connection):
    """One or several servers of the same model, which share the load."""
    urls: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def no_secret_is_written_down(self) -> Self:
        name = self.key_variable
        if name and not (name.isidentifier() and name.isupper()):
            raise ValueError("key_variable must be the name of an environment variable in "
                             "capitals; the key itself belongs in that variable")
        for url in self.urls:
            if not plain(url):
                raise ValueError("each of urls must look like http://host:8000/v1, without user, "
                                 "password or query")
        return self


def plain(url: str) -> bool:
    """Whether a URL is just a place on a host that is asked by HTTP."""
    parts = urlsplit(url)
    try:
        parts.port  # noqa: B018  # a ValueError where it is none
    except ValueError:
        return False
    more = "@" in parts.netloc or parts.query or parts.fragment
    return bool(parts.scheme in ("http", "https") and parts.hostname and not more)


class Endpoint(Placed, Server):
    """Servers that are asked as `Server` says."""


class Servers(Section):
    """Who writes behind a server, in place of a model loaded here. The models' names: `models`."""
    candidates: Placed | None = None
    larger: Placed | None = None
