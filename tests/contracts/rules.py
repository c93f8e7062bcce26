"""Holds docs/otp-rules.md against the tests: which rules of OTP hold in Axon, and which test shows it.

    uv run python tests/contracts/rules.py            what is wrong with the list; exit status 1 if anything is
    uv run python tests/contracts/rules.py --tests    for each rule the tests that are named after it
    uv run python tests/contracts/rules.py --write    put these tests into the list, and leave texts and reasons alone

An item of the list is one rule: its id, whether it is core, what it says in a line, and then what Axon does about it:

    - **A46** core: N restarts are allowed, the next one is not.
      `test_a46_so_many_restarts_are_allowed_and_the_next_one_is_not`
    - **A75** extra: Unknown options are ignored. *Different:* they are errors. `test_a75_unknown_options_are_refused`

A rule with tests and without one of the words *Different:*, *Not applicable:* and *No:* holds as it is. Each of the
words is followed by the reason. *Open.* is a rule that nobody has decided about: of a core rule that is an error.
A test is named after a rule as `test_a46_…`, or after several as `test_a46_a49_…`.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "otp-rules.md"

RULES = {"A": 92, "B": 63, "C": 24, "D": 18, "E": 26, "F": 37, "G": 19}
"""How many rules each section has."""
_CORE = """
A1 A2 A3 A5 A14 A15 A16 A18 A19 A20 A23 A25 A26 A29 A30 A31 A32 A33 A34 A36 A37 A38 A39 A40 A41 A42 A45 A46 A48
A49 A50 A51 A52 A54 A55 A57 A58 A59 A62 A63 A71 A72 A73 A78 A79 A80 A81 A83 A87
B1 B2 B4 B5 B6 B9 B14 B15 B16 B17 B18 B21 B22 B23 B24 B25 B28 B31 B32 B33 B34 B35 B37 B40 B43 B44 B46 B47 B48
B53 B58 B59
C1 C2 C3 C4 C6 C7 C8 C12 C13 C14 C16 C18 C21 C23 C24
D1 D2 D3 D5 D6 D7 D10 D11
E1 E2 E3 E7 E10 E19 E20 E21
F1 F3 F4 F5 F6 F8 F9 F11 F15 F19 F20 F22 F23 F24 F28 F29 F31 F32 F33
G3 G5 G14 G15 G17
"""
CORE = frozenset(_CORE.split())

_ITEM = re.compile(r"^- \*\*([A-H]\d+)\*\* (core|extra): (.+(?:\n  .+)*)", re.MULTILINE)
_STATE = re.compile(r" \*(?:(Different|Not applicable|No):|(Open)\.)\* ?")
_TEST = re.compile(r"`(test_\w+)`")
_NAMED_AFTER = re.compile(r"^test_((?:[a-h]\d+_)+)")


@dataclass(frozen=True)
class Rule:
    """One item of the list. `state` is empty if the rule holds as it is."""

    id: str
    weight: str
    text: str
    state: str
    reason: str
    tests: tuple[str, ...]

    @property
    def own_tests(self) -> list[str]:
        """Those that are named after it."""
        return [test for test in self.tests if self.id in ids_of(test)]

    def __str__(self) -> str:
        said = f"{self.text} *{self.state}:* {self.reason}" if self.reason else self.text
        said = f"{said} *Open.*" if self.state == "Open" else said
        lines = textwrap.wrap(f"**{self.id}** {self.weight}: {said}", 117, break_on_hyphens=False)
        lines += textwrap.wrap(" ".join(f"`{test}`" for test in self.tests), 117, break_on_hyphens=False)
        return "- " + "\n  ".join(lines)


def ids_of(test: str) -> list[str]:
    """The ids of the rules that a test is named after."""
    named = _NAMED_AFTER.match(test)
    return [] if named is None else named[1].upper().rstrip("_").split("_")


def parsed(text: str) -> Iterator[Rule]:
    """The rules of the page, in its order."""
    for id, weight, item in _ITEM.findall(text):
        tests = tuple(_TEST.findall(item))
        said, *state = _STATE.split(" ".join(_TEST.sub("", item).split()))
        word, opened, reason = state or ("", "", "")
        yield Rule(id, weight, said, word or opened or "", reason, tests)


@cache
def all_tests() -> frozenset[str]:
    """The names of all test functions of the suite."""
    return frozenset(
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@cache
def tests_by_rule() -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for test in sorted(all_tests()):
        for id in ids_of(test):
            found[id].append(test)
    return found


def problems(rules: list[Rule]) -> Iterator[str]:
    """What is wrong with the list itself: rules that are missing, tests that are not there or not listed."""
    expected = [f"{section}{number}" for section, count in RULES.items() for number in range(1, count + 1)]
    count = Counter(rule.id for rule in rules)
    yield from (f"{id}: missing from the list" for id in expected if not count[id])
    yield from (f"{id}: listed {count[id]} times" for id in count if count[id] > 1)
    yield from (
        f"{id}: there is no such rule, but {', '.join(tests_by_rule()[id])}" for id in tests_by_rule() if not count[id]
    )
    for rule in rules:
        if rule.id not in expected:
            yield f"{rule.id}: there is no such rule"
        if (rule.weight == "core") != (rule.id in CORE):
            yield f"{rule.id}: is {'core' if rule.id in CORE else 'extra'}, not {rule.weight}"
        yield from (f"{rule.id}: no test {test}" for test in rule.tests if test not in all_tests())
        unlisted = set(tests_by_rule().get(rule.id, ())) - set(rule.tests)
        yield from (f"{rule.id}: {test} is not listed; --write lists it" for test in sorted(unlisted))
        if rule.state in ("Different", "Not applicable", "No") and not rule.reason:
            yield f"{rule.id}: {rule.state.lower()}, but why?"
        if not rule.state and not rule.tests:
            yield f"{rule.id}: has neither a test nor a reason"


def undecided(rules: list[Rule]) -> Iterator[str]:
    """Core rules that have neither a test named after them nor a reason why they need none."""
    for rule in rules:
        if rule.weight != "core" or rule.own_tests or rule.state in ("Different", "Not applicable"):
            continue
        yield f"{rule.id}: core, and {'open' if rule.state == 'Open' else 'without a test named after it'}: {rule.text}"


def listed(rule: Rule) -> Rule:
    """The rule with all tests that are named after it, and those others that somebody has listed by hand."""
    by_hand = [test for test in rule.tests if rule.id not in ids_of(test)]
    tests = tuple(dict.fromkeys([*tests_by_rule().get(rule.id, ()), *by_hand]))
    state = "" if rule.state == "Open" and tests else "Open" if not rule.state and not tests else rule.state
    return replace(rule, tests=tests, state=state)


def write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    by_id = {rule.id: str(listed(rule)) for rule in parsed(text)}
    PAGE.write_text(_ITEM.sub(lambda item: by_id[item[1]], text), encoding="utf-8")


def summary(rules: list[Rule]) -> str:
    lines: list[str] = []
    for weight in ("core", "extra"):
        of_it = [rule for rule in rules if rule.weight == weight]
        states = Counter(rule.state.lower() or "as in OTP" for rule in of_it)
        lines.append(
            f"{len(of_it)} {weight}: " + ", ".join(f"{count} {state}" for state, count in states.most_common())
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        write()
    rules = list(parsed(PAGE.read_text(encoding="utf-8")))
    if options.tests:
        for rule in rules:
            print(rule.id, *tests_by_rule().get(rule.id, ["-"]))
        return 0
    wrong = [*problems(rules), *undecided(rules)]
    print(*wrong, summary(rules), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
