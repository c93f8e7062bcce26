"""The commands, and how their bad input is refused."""

from __future__ import annotations

import importlib.metadata
import io
import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from ._doctor import doctor
from ._env import env
from .serve import serve

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Axon: OTP for Python's AI agents.",
    pretty_exceptions_enable=False,
)
app.add_typer(env, name="env")
app.command()(doctor)


class _Console(Console):
    """A console that ends the program as the shell expects when nobody reads its output any more."""

    def on_broken_pipe(self) -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"axon {importlib.metadata.version('axon-otp')}")
        raise typer.Exit


@app.callback()
def _commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """OTP for Python's AI agents."""


@app.command()
def demo(  # noqa: PLR0917  # typer gives them by name
    context: typer.Context,
    ask: Annotated[list[str] | None, typer.Option(help="A question; may be given several times.")] = None,
    over: Annotated[str | None, typer.Option(help="The folder to search; default: Axon's own docs.")] = None,
    model: Annotated[
        str, typer.Option(help="A pydantic-ai model, such as openai:gpt-5; default: a local one, without any key.")
    ] = "local",
    faults: Annotated[
        bool, typer.Option(help="Whether a tool raises, an agent is killed and another hangs meanwhile.")
    ] = True,
    store: Annotated[
        str | None,
        typer.Option(help="The SQLite file of the agents' journal; default: one that is removed at the end."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a demo that was killed, from where it was.")
    ] = False,
    kill_at: Annotated[
        str | None,
        typer.Option(
            metavar="STEP", help="kill -9 itself after so many steps, such as 12, or at one, such as tool_done."
        ),
    ] = None,
) -> None:
    """Supervised research agents answer questions over a folder while some crash, hang and are killed.

    They survive that, and also a kill -9 of the whole program: with --resume another one goes on, and nothing that is
    finished is asked or done again.

    The last line is JSON: the answers, and the faults as the runtime saw them. The exit status is 0 only if every
    question was answered and every citation checks out, 2 if an option cannot be used, 3 if there is nothing to resume,
    130 or 143 after a signal.
    """
    import pydantic_ai  # takes a second: not for `axon --help`

    pydantic_ai.BANNER_ENABLED = False
    from .demo import _program

    try:
        _refuse_with_resume(context, resume=resume)
        status = _program.run(
            ask=ask,
            over=over,
            model=model,
            faults=faults,
            store=store,
            resume=resume,
            kill_at=kill_at,
            console=_Console(),
        )
    except ValueError as error:
        if not hasattr(error, "option"):
            raise
        typer.echo(f"axon demo: {error}", err=True)
        raise typer.Exit(getattr(error, "status", 2)) from None
    raise typer.Exit(status)


app.command()(serve)


class _NotWithResume(ValueError):
    """An option that says what to do, beside `--resume`, which goes on with what was to be done."""

    def __init__(self, option: str) -> None:
        super().__init__(f"{option} cannot be given with --resume, which goes on with what was asked")
        self.option = option


def _refuse_with_resume(context: typer.Context, *, resume: bool) -> None:
    for name in ("ask", "over", "model", "faults"):
        source = context.get_parameter_source(name)
        if resume and source is not None and source.name == "COMMANDLINE":
            raise _NotWithResume(f"--{name}")


def main() -> None:
    """The entry point of the `axon` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode gets escapes instead of an error
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="axon", args=sys.argv[1:])
