"""What an app has besides the routes of all agents: the figures, and a choice among the runners."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Header, Response

from .._errors import RunnerNotServed
from .._metrics import Metrics
from .._settings import Runner
from ._route import JSONRequest, JSONRoute

RUNNERS: tuple[Runner, ...] = get_args(Runner)


def exposition_of(metrics: Metrics) -> APIRouter:
    """The route of the figures."""
    router = APIRouter(tags=["health"], route_class=JSONRoute)

    @router.get("/metrics", response_class=Response)
    async def read_metrics(asked: JSONRequest, accept: Annotated[str, Header()] = "") -> Response:
        """The figures of the program, for Prometheus. Needs the scope `read`."""
        asked.who.needs("read")
        body, content_type = metrics.exposition(accept)
        return Response(body, media_type=content_type)

    return router


def chosen(runner: Runner, begin: APIRouter) -> APIRouter:
    """The routes that begin runs, of which this one alone works."""
    router = APIRouter(tags=["runs"], route_class=JSONRoute)
    router.routes.extend(route for route in begin.routes if str(getattr(route, "path", "")).endswith(f"/{runner}"))
    for other in RUNNERS:
        if other != runner:
            path = f"/agents/{{agent_id}}/{other}"
            router.add_api_route(path, _refusing(other, runner), methods=["POST"], include_in_schema=False)
    return router


def _refusing(other: Runner, runner: Runner) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def refuse() -> Response:
        raise RunnerNotServed(other, runner)

    return refuse
