"""The command's options, and how their bad values are refused."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(  # noqa: PLR0917  # typer gives them by name
    module: Annotated[
        str | None,
        typer.Argument(help="The module of an agent, such as agents.example_agent; it has an attribute `agent`."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The id of that agent.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Its model, such as openai:gpt-5, or test, which needs no key; default the module's own."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[str | None, typer.Option(help="The port; 0 has the system choose one. Default 5000.")] = None,
    grpc_port: Annotated[str | None, typer.Option(help="The port for gRPC, 0 as above; default none.")] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Where conversations outlive a restart: an SQLite file, or postgresql://...; default nowhere."
        ),
    ] = None,
    app_dir: Annotated[
        str | None, typer.Option(help="The folder that modules are looked for in; default this one.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Modules that may be served, as patterns; may be given several times. Default agents.*"),
    ] = None,
    agent_type: Annotated[
        str | None,
        typer.Option(metavar="run_sync|run|run_stream", help="The only runner to be served; default all three."),
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(help="The JSON file of the API tokens; without it only this machine is served.")
    ] = None,
    tls_cert: Annotated[str | None, typer.Option(help="The file of the TLS certificate, with its chain.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="The file of its key.")] = None,
    behind_tls: Annotated[bool | None, typer.Option("--behind-tls", help="TLS ends in front of this program.")] = None,
    drain: Annotated[str | None, typer.Option(help="Seconds that runs have to end after SIGTERM; default 20.")] = None,
    flush: Annotated[
        str | None, typer.Option(help="Seconds after that in which the rest is kept for the next start; default 8.")
    ] = None,
) -> None:
    """Serve agents over HTTP, WebSockets and gRPC, until SIGTERM or Ctrl-C.

    Once it listens it prints one line of JSON with its ports. Options may come from the environment, too, and from a
    file .env: AXON_PORT for --port. More agents are added by POST /agents.

    The exit status is 0 after an end in order, 2 if an option cannot be used, 1 if it failed, 130 or 143 if a second
    signal had it end at once.
    """
    given = {
        "module": module,
        "name": name,
        "model": model,
        "host": host,
        "port": port,
        "grpc_port": grpc_port,
        "store": store,
        "app_dir": app_dir,
        "allow": allow or None,
        "agent_type": agent_type,
        "tokens": tokens,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "behind_tls": behind_tls,
        "drain": drain,
        "flush": flush,
    }
    import pydantic_ai  # takes a second: not for `axon --help`

    pydantic_ai.BANNER_ENABLED = False
    try:
        from . import _program
    except ImportError as error:
        typer.echo(f"axon serve: {error}", err=True)
        raise typer.Exit(2) from None
    try:
        status = _program.run(given)
    except ValueError as error:
        if not hasattr(error, "option"):
            raise
        typer.echo(f"axon serve: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(status)
