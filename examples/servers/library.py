"""An MCP server over standard input and output: a library with one tool, and one book that nobody should ask for."""

import os

from mcp.server import MCPServer

SHELVES = {"Frankenstein": "B2", "Dracula": "C7", "Emma": "A1"}
server = MCPServer("library", log_level="WARNING")


@server.tool()
def find(title: str) -> str:
    """On which shelf a book stands."""
    if title == "Necronomicon":
        os._exit(1)  # as a program with a bug does
    return f"{title} is on shelf {SHELVES.get(title, 'X')}"


if __name__ == "__main__":
    server.run("stdio")
