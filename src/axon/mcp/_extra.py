"""What the room needs besides the base dependencies: without it the import says how to get it."""

from __future__ import annotations

try:
    from pydantic_ai.mcp import MCPToolset as MCPToolset
except ImportError as error:
    raise ImportError("axon.mcp needs the extra `mcp`: pip install 'axon-otp[mcp]'") from error
