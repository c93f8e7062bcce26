"""What the room needs besides the base dependencies: without it the import says how to get it."""

from __future__ import annotations

try:
    from grpc import aio as aio
    from grpc_health.v1 import health as health
    from grpc_reflection.v1alpha import reflection as reflection
    from grpc_status import rpc_status as rpc_status
except ImportError as error:
    raise ImportError("axon.gateway.grpc needs the extra `grpc`: pip install 'axon-otp[grpc]'") from error
