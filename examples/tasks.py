"""Tasks under a supervisor: two at a time, one fails and one takes too long, and whoever asked is told of each."""

import asyncio

from axon import Exited, Finished, TaskSupervisor, TaskTimeout

PAGES = ["news", "broken", "slow", "weather", "sports"]


async def fetch(page: str) -> str:
    if page == "broken":
        raise ConnectionError("nobody answers")
    await asyncio.sleep(60 if page == "slow" else 0.01)
    return f"<h1>{page}</h1>"


async def main() -> None:
    async with TaskSupervisor() as tasks:
        pages = tasks.async_stream_nolink(
            fetch, PAGES, max_concurrency=2, timeout=0.5, on_timeout="kill_task", zip_input_on_exit=True
        )
        async with pages:
            async for outcome in pages:
                match outcome:
                    case Finished(html):
                        print("fetched:", html)
                    case Exited(TaskTimeout(), page):
                        print(f"the page {page!r} took too long")
                    case Exited(reason, page):
                        print(f"the page {page!r} failed: {reason!r}")

        first, second = tasks.async_(fetch, "today"), tasks.async_(fetch, "tomorrow")
        print("awaited:", await first, await second)

        tasks.start_child(fetch, "slow")
        print("still running:", len(tasks.children()))
    print("the block was left, and nothing runs")


if __name__ == "__main__":
    asyncio.run(main())
