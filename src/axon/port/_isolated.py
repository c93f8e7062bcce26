"""A server that lives in another process, and looks like itself here: a subclass whose handlers send what they get."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from typing import cast as cast_to

from ..errors import AxonError
from ..process import Exit, ExitReason, current, normal
from ..server import GenServer, Handler, ServerProcess, Stop, call, cast, checked_spec, stream
from ..wire import Interface, Method
from ._errors import CannotCross
from ._events import PortRefused
from ._limits import Limits
from ._options import Options, lodging
from ._port import Port
from ._spec import as_data, copy_as, interface_of
from ._surroundings import NO_LIMITS

if TYPE_CHECKING:
    from ..env import PythonEnv, PythonEnvManager

G = TypeVar("G", bound=GenServer[Any])


def isolated(
    server: G,
    *,
    env: PythonEnvManager | PythonEnv | None = None,
    python: str | Path | None = None,
    limits: Limits = NO_LIMITS,
    environ: Mapping[str, str] | None = None,
    inherit: Sequence[str] = (),
    cwd: str | Path | None = None,
    start_within: float = 30.0,
    hang: float | None = 10.0,
    grace: float = 3.0,
) -> G:
    """The same server, to live in an operating-system process of its own: a spec that any supervisor takes.

        sup.start_child(child(isolated(Parser(), limits=Limits(memory=512 * 2**20)), restart="transient"))

    Its handle is that of the server: calls, casts, streams, deadlines, declared errors and exit reasons are what they are in
    this process; docs/ports.md says what differs. The child process is started with the server and ends with it; if it
    ends by itself, or has to be killed, the server here ends with the reason, and its supervisor decides.

    env: the Python environment it lives in, with packages of its own: a manager of `axon.env`, which adds what Axon needs
    there and finds or builds it before the child is started, or a `PythonEnv` that `manager.with_axon().ensure_env()` has
    returned. python: the absolute path of an interpreter that has what Axon and the server need, default this one. In
    either the child runs the Axon of this program. limits: what the process may use, default no limits. environ,
    inherit: environment variables, by value and by name, besides the few that each child gets (`axon.port.INHERITED`);
    keys and other secrets go this way. cwd: its directory, default this one.

    start_within: seconds until its server has to run, default 30; to build its environment has the manager's `timeout`,
    and is not counted. hang: seconds it may give no sign of life, default 10;
    None is no limit. A thread of its own gives them, also while a handler computes, so that only a process that is stuck
    is taken for one. grace: seconds it has to end in order, before SIGTERM and SIGKILL, and its work to be over after its
    deadline or its cancellation, before the process is killed; default 3. A child's `shutdown` time should be longer.

    Raises `CannotCross` if another process cannot make the server again, `NotOnWire` for a handler whose arguments or
    answers JSON cannot carry, `InvalidOption`. At the start `StartFailed`, with a `PortStartFailed` as its reason, a
    `PythonEnvError` if its environment cannot be had, or with what the server's own `init` raised. Not for what fits in
    a thread, or has to be answered in microseconds: a call takes some 100 µs, and the process 50 MB.
    """
    checked_spec(server, "server")
    if type(server).__axon_supervises__:
        raise CannotCross(server, "a supervisor's children are code; isolate them one by one")
    manager, interpreter = lodging(env, python)
    options = Options(
        python=interpreter,
        env=manager,
        limits=limits,
        environ=dict(environ or {}),
        inherit=inherit,
        cwd=None if cwd is None else str(cwd),
        start_within=start_within,
        hang=hang,
        grace=grace,
    )
    as_data(server)
    return copy_as(_remote_class(type(server), interface_of(server), options), server)


def _remote_class(server: type[G], interface: Interface[Any], options: Options) -> type[G]:
    """A subclass that is the server to others, and a port to itself."""
    default: Callable[..., None] = vars(GenServer)["handle_info"]

    async def init(self: Any) -> Port:
        me = current()
        assert isinstance(me, ServerProcess)
        port = Port(me, await options.housed())
        await port.open(as_data(self, server))
        self.__axon_present__()
        return port

    async def terminate(self: Any, state: Port, reason: ExitReason) -> None:
        await state.stop(reason)

    def handle_info(self: Any, state: Port, message: object) -> None:
        if not isinstance(message, Exit):
            default(self, state, message)
        elif message.reason != normal:
            raise Stop(message.reason)

    members: dict[str, Any] = {
        "__module__": server.__module__,
        "__qualname__": server.__qualname__,
        "__doc__": server.__doc__,
        "init": init,
        "terminate": terminate,
        "handle_info": handle_info,
    }
    for name, method in interface.methods.items():
        members[name] = _forwarding(getattr(server, name), method, interface)
    remote: Any = type(server.__name__, (server,), members)
    remote.trap_exit = remote.__axon_isolated__ = True
    return cast_to("type[G]", remote)


def _forwarding(original: Any, method: Method, interface: Interface[Any]) -> Any:
    """The handler that sends what it gets to the child; to its callers it is the original."""
    found: Handler = original.__axon_handler__

    def encoded(args: Any, keywords: Any) -> Callable[[], bytes]:
        return partial(interface.encode, original, *args, **keywords)

    if method.kind == "stream":

        @functools.wraps(found.function)
        def items(self: Any, state: Port, /, *args: Any, **keywords: Any) -> Any:
            return state.requests.stream(method, encoded(args, keywords))

        return stream(timeout=found.timeout)(items)
    if method.kind == "call":

        @functools.wraps(found.function)
        def ask(self: Any, state: Port, /, *args: Any, **keywords: Any) -> Any:
            return state.requests.call(method, encoded(args, keywords))

        return call(timeout=found.timeout, raises=found.raises)(ask)

    @functools.wraps(found.function)
    def tell(self: Any, state: Port, /, *args: Any, **keywords: Any) -> Any:
        try:
            return state.requests.cast(encoded(args, keywords)())
        except AxonError as error:
            me = current()
            if me.runtime.bus.wants(PortRefused):
                me.runtime.bus.emit(PortRefused(path=me.path, text=method.name, error=error))
            return None

    send: Any = cast(tell)

    @functools.wraps(send)
    def checked(self: Any, /, *args: Any, **keywords: Any) -> None:
        encoded(args, keywords)()  # what cannot cross is seen before it is sent: later nobody could be told
        send(self, *args, **keywords)

    return checked
