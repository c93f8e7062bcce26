"""Escalation: a supervisor that cannot help gives up, its own supervisor restarts the branch, and then gives up, too."""

import asyncio

from axon import GenServer, Supervisor, SupervisorDied, child, continue_with
from axon.telemetry import ChildRestarted, SupervisorGaveUp, attach


class Flaky(GenServer[None]):
    """Starts well, and crashes as soon as it looks around."""

    def init(self) -> None:
        continue_with("look around")

    def handle_continue(self, state: None, continuation: object) -> None:
        raise ConnectionError("nobody answers")


def gave_up(event: SupervisorGaveUp) -> None:
    print(f"{event.path} gives up: more than {event.max_restarts} restarts in {event.period:g} s")


async def main() -> None:
    attach(gave_up, SupervisorGaveUp)
    attach(lambda event: print(f"{event.path} was started again"), ChildRestarted)
    branch = Supervisor([Flaky()], max_restarts=2, name="branch")
    try:
        async with Supervisor([child(branch, id="branch")], max_restarts=1, name="root"):
            await asyncio.sleep(60)
    except SupervisorDied as died:
        print("the program ends:", died)


if __name__ == "__main__":
    asyncio.run(main())
