"""A program of two applications: the web needs the database, so it starts after it and is stopped before it.

SIGTERM or Ctrl-C end it in order, and so does the web when its work is done: its exit status says which it was.
"""

import asyncio
import sys

from axon import Application, ExitReason, GenServer, Supervisor, call, child, lookup, run, stop_self


class Database(GenServer[dict[str, str]]):
    trap_exit = True  # so that terminate runs on shutdown

    def init(self) -> dict[str, str]:
        print("the database opens")
        return {"greeting": "hello"}

    @call
    def get(self, state: dict[str, str], key: str) -> str:
        return state[key]

    def terminate(self, state: dict[str, str], reason: ExitReason) -> None:
        print("the database closes")


class Web(GenServer[None]):
    trap_exit = True

    async def init(self) -> None:
        database = lookup(Database, "database")
        print("the web says", await database.get("greeting"))
        stop_self()  # a real one would serve until it is stopped

    def terminate(self, state: None, reason: ExitReason) -> None:
        print("the web closes")


async def disconnect() -> None:
    await asyncio.sleep(0.01)
    print("all connections are gone")


web = Supervisor([child(Web(), restart="transient", significant=True)], auto_shutdown="any_significant")
applications = [
    Application("web", web, requires=["storage"], stop=disconnect),
    Application("storage", Supervisor([child(Database(), name="database")]), prep_stop=lambda: print("last backup")),
]

if __name__ == "__main__":
    status = run(applications, stop_within=5)
    print("exit status", status)
    sys.exit(status)
