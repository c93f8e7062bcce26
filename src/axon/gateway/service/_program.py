"""The program of an agent that stays a plain service: what it serves, and how it says so."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pydantic_ai
from pydantic_ai.agent import AbstractAgent

from ...agent import AgentServer
from ...errors import InvalidOption
from ...port import announce
from ...store import Store
from ...supervisor import run
from ...telemetry import configure_logging
from .._bind import bind
from .._create import model_of
from .._gateway import Gateway
from .._requests import AGENT_ID
from .._tokens import SCOPES, Token, Tokens
from ._arguments import STORE, TOKEN, Arguments, arguments
from ._serving import LAST_ANSWERS, ORIGINAL, Serving, store_of

if TYPE_CHECKING:
    from ..grpc import GRPCServer


def main(argv: Sequence[str]) -> int:
    """Serve an agent until a signal comes; returns the exit status, 2 if an option cannot be used."""
    pydantic_ai.BANNER_ENABLED = False
    try:
        return _serve(arguments(argv))
    except (InvalidOption, ImportError) as error:
        if isinstance(error.__cause__, Exception):  # in the agent's own module, where its author looks for it
            traceback.print_exception(error.__cause__)
        sys.stderr.write(f"python -m axon.port: {error}\n")
        return 2


def _serve(given: Arguments) -> int:
    if given.store is not None and "://" not in given.store and not Path(given.store).absolute().parent.is_dir():
        raise InvalidOption("--store", given.store, "the path of an SQLite file in a folder that exists")
    store = store_of(given.store)
    gateway = Gateway(tokens=_tokens(given.token), max_agents=1)
    for name in (TOKEN, STORE):  # what the agent starts has nothing to do with them
        os.environ.pop(name, None)
    runner: Any = given.runner
    with ExitStack() as stack:
        http = None
        if given.http is not None:
            from ..http import HTTPServer

            listener = stack.enter_context(closing(_bound("--http", given.host, given.http)))
            os.environ[f"{ORIGINAL}PORT"] = str(listener.getsockname()[1])
            http = HTTPServer(gateway, listener, behind_tls=given.behind_tls, drain=LAST_ANSWERS)
        grpc = None if given.grpc is None else _grpc(given, gateway, runner)
        agent = _agent(given, store)
        configure_logging()

        def tell(where: Mapping[str, Any]) -> None:
            if not announce(**where):
                sys.stderr.write(f"serving {given.name} on {_shown(where)}\n")

        serving = Serving(
            gateway=gateway,
            agent=agent,
            http=http,
            grpc=grpc,
            runner=runner,
            store=store,
            seconds=given.drain,
            tell=tell,
        )
        return run(serving.main, stop_within=given.drain + given.flush)


def _bound(option: str, host: str, port: int) -> Any:
    try:
        return bind(host, port)
    except InvalidOption as error:
        raise InvalidOption(option, f"{host}:{port}", error.expected) from None


def _grpc(given: Arguments, gateway: Gateway, runner: Any) -> GRPCServer:
    from ..grpc import GRPCServer

    port = 0 if given.grpc is None else given.grpc
    if port:  # its server binds it only once it runs
        _bound("--grpc", given.host, port).close()
    return GRPCServer(
        gateway, host=given.host, port=port, behind_tls=given.behind_tls, runner=runner, drain=LAST_ANSWERS
    )


def _tokens(secret: str | None) -> Tokens:
    if secret is None:
        return Tokens()
    try:
        return Tokens([Token(name="client", secret=secret, scopes=SCOPES - {"admin"})])
    except InvalidOption as error:
        raise InvalidOption(TOKEN, "<not shown>", error.expected) from None


def _agent(given: Arguments, store: Store | None) -> AgentServer[Any, Any]:
    """The agent that is to be served. Raises `InvalidOption`; what its module raised is the cause."""
    if re.fullmatch(AGENT_ID, given.name) is None:
        raise InvalidOption("--name", given.name, "1 to 64 letters, digits, '.', '_' and '-', the first no sign")
    if given.model is not None:
        os.environ[f"{ORIGINAL}MODEL"] = given.model  # where modules of the original design look for it
    try:
        module = importlib.import_module(given.module)
    except ModuleNotFoundError as error:
        is_its_own = error.name is not None and f"{given.module}.".startswith(f"{error.name}.")
        raise InvalidOption("MODULE", given.module, f"one that can be imported ({error})") from (
            None if is_its_own else error
        )
    except Exception as error:
        raise InvalidOption("MODULE", given.module, f"one that can be imported ({error!r})") from error
    found: Any = getattr(module, given.attribute, None)
    if not isinstance(cast("object", found), AbstractAgent):
        expected = f"one with an attribute {given.attribute!r} that is a pydantic_ai.Agent"
        raise InvalidOption("MODULE", given.module, expected)
    agent: AbstractAgent[Any, Any] = found
    if given.model is None and agent.model is None:
        raise InvalidOption("--model", None, "given, such as openai:gpt-5 or test: the module chooses none")
    try:
        model = None if given.model is None else model_of(given.model)
    except InvalidOption as error:
        raise InvalidOption("--model", error.value, error.expected) from None
    return AgentServer(agent, name=given.name, model=model, store=store)


def _shown(where: Mapping[str, Any]) -> str:
    host = f"[{where['host']}]" if ":" in where["host"] else where["host"]
    over = [f"http://{host}:{where['port']}"] if "port" in where else []
    return " and ".join([*over, *([f"gRPC {host}:{where['grpc_port']}"] if "grpc_port" in where else [])])
