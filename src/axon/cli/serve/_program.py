"""The program: what the options say is to be served."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from pydantic import ValidationError

from ...agent import AgentServer
from ...errors import InvalidOption
from ...gateway import CreateAgent, Gateway, GatewayError, Modules, http, server_of, service
from ...port import announce
from ...store import Store
from ...supervisor import run as run_program
from ...telemetry import configure_logging


def run(given: Mapping[str, Any]) -> int:
    """Serve until a signal comes; returns the exit status. Raises `InvalidOption` before anything is served."""
    options = http.settings(**given)
    if options.module is not None and options.name is None:
        raise InvalidOption("--name", None, "given with a module: the id of its agent")
    store = service.store_of(options.store)
    allowed = options.allow if options.module is None else (*options.allow, options.module)
    modules = Modules(options.app_dir, allowed=allowed)
    gateway = Gateway(modules=modules, tokens=http.tokens_of(options.tokens), store=store)
    with closing(http.bind(options.host, options.port)) as listener:
        if options.model is not None:
            os.environ[f"{service.ORIGINAL}MODEL"] = options.model
        os.environ[f"{service.ORIGINAL}PORT"] = str(listener.getsockname()[1])
        tls, behind_tls = options.tls, options.behind_tls
        edge = http.HTTPServer(gateway, listener, tls=tls, behind_tls=behind_tls, drain=service.LAST_ANSWERS)
        agent = _agent(options, modules, store)
        serving = service.Serving(
            gateway=gateway,
            agent=agent,
            http=edge,
            grpc=_grpc(options, gateway),
            runner=options.agent_type,
            store=store,
            seconds=options.drain,
            tell=_tell,
        )
        configure_logging()
        return run_program(serving.main, stop_within=options.drain + options.flush)


def _agent(options: http.Settings, modules: Modules, store: Store | None) -> AgentServer[Any, Any] | None:
    """The agent that is served from the start."""
    if options.module is None or options.name is None:
        return None
    try:
        wanted = CreateAgent(agent_id=options.name, agent_module=options.module, model=options.model)
    except ValidationError as error:
        raise InvalidOption("--name", options.name, str(error.errors()[0]["msg"])) from None
    try:
        return server_of(wanted, modules, {}, store)
    except InvalidOption as error:
        if error.option != "model":
            raise
        raise InvalidOption("--model", error.value, error.expected) from error
    except GatewayError as error:
        raise InvalidOption("the module", options.module, f"one with an agent ({error})") from error


def _grpc(options: http.Settings, gateway: Gateway) -> Any:
    """The server for gRPC, None without; looks whether its port is free, which it binds only once it runs."""
    if options.grpc_port is None:
        return None
    try:
        from ...gateway import grpc
    except ImportError as error:
        raise InvalidOption("--grpc-port", options.grpc_port, f"left out ({error})") from None
    try:
        http.bind(options.host, options.grpc_port).close()
    except InvalidOption as error:
        raise InvalidOption("--grpc-port", options.grpc_port, f"a free port: {error.expected}") from None
    return grpc.GRPCServer(
        gateway,
        host=options.host,
        port=options.grpc_port,
        tls=None if options.tls is None else grpc.TLS(*options.tls),
        behind_tls=options.behind_tls,
        runner=options.agent_type,
        drain=service.LAST_ANSWERS,
    )


def _tell(where: Mapping[str, Any]) -> None:
    """Say where it serves: whoever reads its output, and whoever has started it as an `axon.port.Program`."""
    print(json.dumps({"event": "serving", "pid": os.getpid(), **where}), flush=True)
    announce(**where)
