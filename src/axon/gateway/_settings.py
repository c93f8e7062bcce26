"""How a gateway is served, from options, the environment and a file `.env`, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, cast

from dotenv import load_dotenv
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..errors import InvalidOption
from ._create import MODELS
from ._modules import NAME
from ._tokens import Token, Tokens

Runner: TypeAlias = Literal["run_sync", "run", "run_stream"]
"""The three ways to run an agent."""

PREFIX = "AXON_"
"""What the names of the variables begin with."""
_TOKENS = TypeAdapter(list[Token])
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class Settings(BaseSettings):
    """How a gateway is served; each is an option of `axon serve`, too (`app_dir` is `--app-dir`, and `AXON_APP_DIR`)."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, use_attribute_docstrings=True, extra="forbid"
    )

    module: str | None = None
    """The module of an agent that is served from the start, such as `agents.example_agent`; default none."""
    name: str | None = None
    """The id of that agent."""
    model: str | None = None
    """Its model, default the module's own."""
    host: str = "127.0.0.1"
    """The address to listen on. Any but the loopback needs tokens, and TLS or `behind_tls`."""
    port: Port = 5000
    """The port for HTTP and WebSockets; 0 has the system choose one."""
    grpc_port: Port | None = None
    """The port for gRPC; 0 has the system choose one, default none."""
    store: str | None = Field(default=None, repr=False)
    """What outlives a restart: the path of an SQLite file, or a `postgresql://` address. Default nothing."""
    app_dir: Path = Path()
    """The folder that modules of agents are looked for in."""
    allow: Annotated[tuple[str, ...], NoDecode] = ("agents.*",)
    """Modules that may be served, as names or patterns, separated by commas."""
    agent_type: Runner | None = None
    """The only runner that is served, default all three."""
    tokens: str | None = Field(default=None, repr=False)
    """API tokens: the path of a JSON file, or the JSON itself. Default none, which is for the loopback only."""
    tls_cert: Path | None = None
    """The file of the TLS certificate, with its chain."""
    tls_key: Path | None = None
    """The file of its key."""
    behind_tls: bool = False
    """TLS ends in front of this program, which may speak plain HTTP on any address then."""
    drain: Seconds = 20.0
    """Seconds that runs under way have to end after SIGTERM."""
    flush: Seconds = 8.0
    """Seconds after that in which what is left is kept for the next start, and written out."""

    @field_validator("allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str | list | tuple):
            return value
        items = [value] if isinstance(value, str) else cast("Sequence[object]", value)
        names = [part.strip() for item in items for part in str(item).split(",")]
        return tuple(name for name in names if name)

    @field_validator("module")
    @classmethod
    def _is_name(cls, value: str | None) -> str | None:
        if value is not None and NAME.fullmatch(value) is None:
            raise ValueError("a name with dots, such as agents.example_agent for the file agents/example_agent.py")
        return value

    @field_validator("store")
    @classmethod
    def _can_be_opened(cls, value: str | None) -> str | None:
        if value is None or value.startswith(("postgresql://", "postgres://")):
            return value
        if "://" in value or Path(value).is_dir() or not Path(value).absolute().parent.is_dir():
            raise ValueError("the path of an SQLite file in a folder that exists, or a postgresql:// address")
        return value

    @field_validator("model")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return None if value is None else MODELS.get(value, value)

    @field_validator("app_dir")
    @classmethod
    def _is_folder(cls, value: Path) -> Path:
        if not value.is_dir():
            raise ValueError("a folder that exists")
        return value

    @field_validator("tls_cert", "tls_key")
    @classmethod
    def _is_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("a file that exists")
        return value

    @model_validator(mode="after")
    def _has_both(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("given together")
        return self

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of TLS, None without."""
        return None if self.tls_cert is None or self.tls_key is None else (self.tls_cert, self.tls_key)


def tokens_of(given: str | None) -> Tokens:
    """The API tokens of a setting: a JSON list of objects with the fields of `Token`, or the path of a file with one.

        [{"name": "shop", "secret": "a long one ...", "scopes": ["read", "run"], "requests_per_minute": 600}]

    Raises `InvalidOption`, which shows no secret.
    """
    if given is None:
        return Tokens()
    is_json = given.lstrip().startswith(("[", "{", '"'))
    try:
        text = given if is_json else Path(given).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        shown = given if given.endswith(".json") else "<not shown>"  # since it may be a secret, by mistake
        problem = getattr(error, "strerror", None) or "its name or its text is none"
        raise InvalidOption("--tokens", shown, f"a file that can be read ({problem})") from None
    try:
        tokens = _TOKENS.validate_json(text)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, found["loc"]))
        raise InvalidOption("--tokens", "<not shown>", f"a JSON list of tokens ({where}: {found['msg']})") from None
    if not tokens:
        raise InvalidOption("--tokens", given, "a list of at least one token")
    return Tokens(tokens)


def settings(**given: Any) -> Settings:
    """The settings with what is given and not None, then the environment, then the file `.env` of this folder.

    The variables of that file are put into the environment, where those that are set stay as they are: agents find
    their keys there. Raises `InvalidOption`, which names the option or variable, and shows its value.
    """
    load_dotenv(Path(".env"))
    options = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**options)
    except ValidationError as error:
        raise _refused(error, options) from None


def _refused(error: ValidationError, options: dict[str, Any]) -> InvalidOption:
    first = error.errors()[0]
    problem = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if not first["loc"]:
        return InvalidOption("--tls-cert and --tls-key", "one of them", problem)
    name = str(first["loc"][0])
    called = f"--{name.replace('_', '-')}" if name in options else f"{PREFIX}{name.upper()}"
    if called == "--module":
        called = "the module"
    is_secret = name == "tokens" or (name == "store" and "://" in str(first["input"]))  # which may have a password
    return InvalidOption(called, "<not shown>" if is_secret else first["input"], problem)
