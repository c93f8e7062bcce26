"""Topics: whoever subscribes gets what is broadcast. The rules E19 to E26 are those of Phoenix.PubSub."""

from __future__ import annotations

import asyncio

import pytest
from workers import Start, Worker, end, process_of, seen, settle

import axon
from axon import PubSub


async def subscribed(news: PubSub, *workers: Worker, topic: str = "sports") -> None:
    """Have these subscribe."""
    for worker in workers:
        await worker.do(news.subscribe, topic)


async def test_e19_who_subscribes_gets_what_is_broadcast(start: Start) -> None:
    news, worker = PubSub(), await start(Worker())
    await subscribed(news, worker)
    news.broadcast("sports", "goal")
    assert await seen(worker) == ["goal"]
    assert news.subscribers("sports") == [process_of(worker)]


async def test_e19_who_subscribes_twice_gets_each_message_twice(start: Start) -> None:
    news, worker = PubSub(), await start(Worker())
    await subscribed(news, worker, worker)
    news.broadcast("sports", "goal")
    assert await seen(worker) == ["goal", "goal"]


async def test_e19_one_unsubscribe_ends_all_subscriptions_of_the_caller_to_that_topic(start: Start) -> None:
    news, one, two = PubSub(), await start(Worker()), await start(Worker())
    await subscribed(news, one, one, two)
    await subscribed(news, one, topic="weather")
    await one.do(news.unsubscribe, "sports")
    news.broadcast("sports", "goal")
    news.broadcast("weather", "rain")
    assert (await seen(one), await seen(two)) == (["rain"], ["goal"])


async def test_e20_a_broadcast_reaches_exactly_the_topics_subscribers_the_sender_too(start: Start) -> None:
    news, one, two, three = PubSub(), *[await start(Worker()) for _ in range(3)]
    await subscribed(news, one, two)
    await subscribed(news, three, topic="sports:tennis")
    await one.do(news.broadcast, "sports", "goal")
    assert [await seen(worker) for worker in (one, two, three)] == [["goal"], ["goal"], []]


async def test_e20_a_broadcast_that_nobody_wants_is_no_error(start: Start) -> None:
    PubSub().broadcast("sports", "goal")
    assert PubSub().subscribers("sports") == []


async def test_e21_broadcast_from_leaves_one_process_out(start: Start) -> None:
    news, one, two = PubSub(), await start(Worker()), await start(Worker(), name="two")
    await subscribed(news, one, two, one)
    await one.do(lambda: news.broadcast_from(axon.current(), "sports", 1))
    news.broadcast_from("two", "sports", 2)
    news.broadcast_from(one, "sports", 3)
    assert (await seen(one), await seen(two)) == ([2, 2], [1, 3])


async def test_e22_unsubscribing_without_a_subscription_is_no_error(start: Start) -> None:
    news, one, two = PubSub(), await start(Worker()), await start(Worker())
    await subscribed(news, one)
    await two.do(news.unsubscribe, "sports")
    assert news.subscribers("sports") == [process_of(one)]


async def test_e23_a_death_ends_the_subscriptions(start: Start) -> None:
    """In the same step, so that nothing is sent to the dead."""
    news, worker = PubSub(), await start(Worker())
    await subscribed(news, worker, worker)
    axon.exit(worker, axon.kill)
    assert news.subscribers("sports") == []
    news.broadcast("sports", "goal")
    assert axon.process.runtime().dead_letters == 0


async def test_e23_each_senders_messages_arrive_in_its_order(start: Start) -> None:
    news, worker = PubSub(), await start(Worker())
    await subscribed(news, worker)
    await subscribed(news, worker, topic="weather")

    async def sender(name: str) -> None:
        for number in range(20):
            news.broadcast("sports" if number % 3 else "weather", (name, number))
            axon.send(worker, (name, number + 0.5))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(sender(name))
    got: dict[str, list[float]] = {}
    for message in await seen(worker):
        match message:
            case (str() as name, int() | float() as number):
                got.setdefault(name, []).append(number)
            case _:
                pytest.fail(f"nobody sent {message}")
    assert got == {name: [half / 2 for half in range(40)] for name in "abc"}


async def test_e23_delivery_is_a_plain_send_whatever_the_mailboxs_limit() -> None:
    """A subscriber that does not keep up grows its mailbox; it slows nobody down."""
    news = PubSub()
    worker = await axon.start(Worker(), mailbox=1)
    await subscribed(news, worker)
    await axon.suspend(worker)
    for number in range(10):
        news.broadcast("sports", number)
    assert axon.statistics(worker).queued == 10
    await axon.resume(worker)
    assert await seen(worker) == list(range(10))
    await end(worker)


async def test_two_pubsubs_have_nothing_to_do_with_each_other(start: Start) -> None:
    news, other, worker = PubSub(), PubSub(), await start(Worker())
    await subscribed(news, worker)
    other.broadcast("sports", "goal")
    assert await seen(worker) == []


async def test_an_inbox_loop_subscribes_for_itself() -> None:
    news, messages = PubSub(), list[object]()

    async def reader() -> None:
        news.subscribe("sports")
        messages.append(await axon.process.receive())

    process = axon.process.spawn(reader)
    await settle()
    news.broadcast("sports", "goal")
    await axon.wait_down(process)
    assert (messages, news.subscribers("sports")) == (["goal"], [])


async def test_only_a_process_can_subscribe() -> None:
    with pytest.raises(axon.NotInProcess, match=r"PubSub\.subscribe\(\) acts for the calling process"):
        PubSub().subscribe("sports")
    with pytest.raises(axon.NotInProcess, match=r"PubSub\.unsubscribe\(\) acts for the calling process"):
        PubSub().unsubscribe("sports")


@pytest.mark.parametrize("wrong", ["", None, 3, ["sports"]])
async def test_a_wrong_topic_is_refused(wrong: str) -> None:
    news = PubSub()
    for use in (news.subscribe, news.unsubscribe, news.subscribers):
        with pytest.raises(axon.InvalidOption, match="topic must be a text that is not empty"):
            use(wrong)
    with pytest.raises(axon.InvalidOption, match="topic"):
        news.broadcast(wrong, "goal")
    with pytest.raises(axon.InvalidOption, match="target"):
        news.broadcast_from(3, "sports", "goal")  # type: ignore[arg-type]


async def test_from_a_thread_a_topic_is_refused_by_name(start: Start) -> None:
    news = PubSub()

    def use() -> None:
        with pytest.raises(axon.WrongLoop, match="PubSub"):
            news.broadcast("sports", "goal")

    await asyncio.to_thread(use)
