"""Records scenarios on the Erlang/OTP that is installed, and prints their canonical traces, one a line.

    uv run python tests/conformance/erlang.py tests/conformance/data/core.jsonl > traces.jsonl

The format is that of replay.py. `--disturb` records under random priorities and pauses, on several schedulers: what
differs then is not settled by OTP's rules. The programs in Erlang are in oracle/trees/.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canon import canonical_trace, is_dict, is_list
from replay import read

SOURCES = Path(__file__).parent / "oracle" / "trees"
SIDE_BY_SIDE = 128
"""Scenarios that one Erlang runs at a time; most of their time they wait."""

Answer = dict[str, Any]
"""`{"name", "trace"}`, or `{"name", "error"}` if the scenario could not be recorded."""


@dataclass(frozen=True)
class Erlang:
    """The programs in Erlang, compiled into a folder."""

    folder: str

    def record(self, scenarios: Sequence[Mapping[str, Any]], *, disturb: bool = False) -> list[Answer]:
        """What OTP does in each of these scenarios, in canonical order."""
        schedulers = 4 if disturb else 1
        with tempfile.NamedTemporaryFile("w", suffix=".terms") as file:
            file.writelines(f"{_term(_told(scenario))}.\n" for scenario in scenarios)
            file.flush()
            command = ["erl", "-noshell", "+S", f"4:{schedulers}", "+sbwt", "none", "-pa", self.folder]
            command += ["-run", "trees", "main", file.name, str(SIDE_BY_SIDE), str(disturb).lower()]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        answers: list[Answer] = [json.loads(line) for line in output.splitlines()]
        for scenario, answer in zip(scenarios, answers, strict=True):
            if "trace" in answer:
                answer["trace"] = canonical_trace(scenario, answer["trace"])
        return answers


@contextmanager
def erlang() -> Generator[Erlang]:
    """OTP, ready to record."""
    with tempfile.TemporaryDirectory(prefix="axon-otp-") as folder:
        subprocess.run(["erlc", "-o", folder, *sorted(map(str, SOURCES.glob("*.erl")))], check=True)
        yield Erlang(folder)


def _told(scenario: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a scenario the recording needs: not the texts for people, nor how to compare it."""
    return {key: value for key, value in scenario.items() if key in ("name", "tree", "links", "steps")}


def _term(value: object) -> str:
    """JSON as an Erlang term: objects as maps, texts as binaries."""
    if is_dict(value):
        return f"#{{{','.join(f'{_term(key)}=>{_term(part)}' for key, part in value.items())}}}"
    if is_list(value):
        return f"[{','.join(map(_term, value))}]"
    return f"<<{json.dumps(value)}>>" if isinstance(value, str) else json.dumps(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--disturb", action="store_true")
    options = parser.parse_args()
    scenarios = [scenario for path in options.files for scenario in read(path)]
    with erlang() as otp:
        answers = otp.record(scenarios, disturb=options.disturb)
    for answer in answers:
        print(json.dumps(answer, separators=(",", ":"), sort_keys=True))
    return 1 if any("error" in answer for answer in answers) else 0


if __name__ == "__main__":
    sys.exit(main())
