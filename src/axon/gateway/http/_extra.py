"""What the edge needs besides the base dependencies: without it the import says how to get it."""

from __future__ import annotations

try:
    import fastapi as fastapi
    import httptools as httptools
    import prometheus_client as prometheus_client
    import pydantic_settings as pydantic_settings
    import sse_starlette as sse_starlette
    import uvicorn as uvicorn
    import websockets as websockets
except ImportError as error:
    raise ImportError("axon.gateway.http needs the extra `http`: pip install 'axon-otp[http]'") from error
