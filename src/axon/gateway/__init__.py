"""A tree of agents as a service, over HTTP, WebSocket and gRPC."""
