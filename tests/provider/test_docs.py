"""What docs/agents.md shows of accounts runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from axon.provider import Account

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "agents.md").read_text()


def test_the_blocks_of_the_page_run() -> None:
    section = PAGE.split("## Provider accounts")[1].split("\n## ")[0]
    blocks = re.findall(r"^```python\n(.+?)^```", section, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block, names)
        assert isinstance(names["openai"], Account)
        assert names["writer"].account is names["clerk"].account
