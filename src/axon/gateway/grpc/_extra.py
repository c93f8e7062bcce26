"""What the room needs besides the base dependencies: without it the import says how to get it."""

from __future__ import annotations

try:
    import google.rpc.status_pb2 as status_pb2
    import grpc as grpc
    import grpc_health.v1 as grpc_health
    import grpc_reflection.v1alpha as grpc_reflection
except ImportError as error:
    raise ImportError("axon.gateway.grpc needs the extra `grpc`: pip install 'axon-otp[grpc]'") from error
