"""One server a user session: started when the user comes, restarted by itself, gone when nobody has spoken for a while."""

import asyncio

import axon
from axon import DynamicSupervisor, GenServer, IdleTimeout, NoProcess, ServerDied, Stop, call, child


class Session(GenServer[list[str]]):
    user: str
    patience: float = 60.0  # seconds

    def init(self) -> list[str]:
        print(f"  a session begins for {self.user}")
        return []

    @call
    def say(self, state: list[str], text: str) -> str:
        axon.idle_after(self.patience)
        if text == "":
            raise ValueError("nothing was said")
        state.append(text)
        return f"{self.user} said {', '.join(state)}"

    def handle_info(self, state: list[str], message: object) -> None:
        if isinstance(message, IdleTimeout):
            print(f"  {self.user} has been silent: the session ends")
            raise Stop


async def session(sessions: DynamicSupervisor, user: str) -> Session:
    """The session of this user, a new one if there is none."""
    try:
        return axon.lookup(Session, user)
    except NoProcess:  # transient: restarted after a crash, and forgotten when it ends by itself
        return await sessions.start_child(child(Session(user), id=user, name=user, restart="transient"))


async def main() -> None:
    async with DynamicSupervisor(max_children=10_000, extra_arguments={"patience": 0.5}) as sessions:
        for user, text in (("ann", "hello"), ("bob", "hi"), ("ann", "how are you")):
            print(await (await session(sessions, user)).say(text))
        ann = await session(sessions, "ann")
        try:
            await ann.say("")
        except ServerDied as died:
            print("the session of ann died of", repr(died.reason))
        await sessions.count_children()  # it takes its messages in order: the restart comes before this answer
        print(await ann.say("hello again"))
        print(await (await session(sessions, "bob")).say("still here"))
        await axon.wait_down("ann")
        await axon.wait_down("bob")
        print("sessions left:", (await sessions.count_children()).specs)


if __name__ == "__main__":
    asyncio.run(main())
