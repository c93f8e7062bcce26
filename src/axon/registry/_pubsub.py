"""Topics: whoever subscribes gets what is broadcast.

https://hexdocs.pm/phoenix_pubsub/Phoenix.PubSub.html
"""

from __future__ import annotations

from ..process import Process, Target, acting, find
from ._here import checked_text, refuse_zombie
from ._registry import Registry


class PubSub:
    """Messages by topic, to any number of processes of one event loop: `news = PubSub()`.

    Delivery is a plain send: at most once, without answer, in the order of each sender, and a slow subscriber's
    mailbox grows. A subscriber's death ends its subscriptions. A server gets the messages in `handle_info`.

    Not for requests, nor for one receiver each: those are calls, and a `group` to pick from. For values with the
    subscriptions, or deliveries of another kind, use `Registry(keys="duplicate")` and its `dispatch`.
    https://hexdocs.pm/phoenix_pubsub/Phoenix.PubSub.html
    """

    def __init__(self) -> None:
        self._subscriptions = Registry[str, None]("PubSub", keys="duplicate")

    def subscribe(self, topic: str) -> None:
        """Subscribe the calling process; twice, and each message comes twice. Raises `NotInProcess` in a plain
        coroutine.
        """
        self._subscriptions._checked(checked_text(topic, "topic"))
        self._subscriptions._add(topic, acting("PubSub.subscribe"), None)

    def unsubscribe(self, topic: str) -> None:
        """End all subscriptions of the calling process to a topic; having none is no error."""
        self._subscriptions._checked(checked_text(topic, "topic"))
        self._subscriptions._remove(topic, acting("PubSub.unsubscribe"), lambda _: True)

    def broadcast(self, topic: str, message: object) -> None:
        """Send a message to every subscriber of exactly this topic, the sender too if it is one."""
        self._send(topic, message, None)

    def broadcast_from(self, target: Target, topic: str, message: object) -> None:
        """As `broadcast`, but not to this process."""
        self._send(topic, message, find(target, self._subscriptions._here()))

    def subscribers(self, topic: str) -> list[Process]:
        """The subscribers of a topic in the order they subscribed, each as often as it did."""
        return [entry.process for entry in self._subscriptions.lookup(checked_text(topic, "topic"))]

    def _send(self, topic: str, message: object, omitted: Process | None) -> None:
        subscribers = self.subscribers(topic)
        refuse_zombie()
        for process in subscribers:
            if process is not omitted:
                process.deliver(message)
