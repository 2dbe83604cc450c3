"""The table of attacks in docs/security.md is true: what it names is there, and nothing of the suite is left out."""

import ast
import re

from tests.house.tree import ROOT

ROW = re.compile(r"^\| (?P<attack>[^|`]+) \| (?P<tried>[^|]+) \| (?P<gets>[^|]+) \| (?P<tests>`tests/[^|]+`) \|$")
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


def rows() -> list[re.Match[str]]:
    """Return the rows of the table; raises AssertionError for one that can't be read."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    _, _, section = text.partition("\n## The attacks\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    found = [ROW.match(line) for line in lines[1:]]
    assert lines[0] == "| attack | what is tried | what the attacker gets | test |"
    assert None not in found, lines[1 + found.index(None)]
    return [row for row in found if row is not None]


def names_in(path: str) -> set[str]:
    """Return the names of the tests of a file, none for a file that is not there."""
    file = ROOT / path
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_attack_has_its_tests() -> None:
    """Who reads what an attacker gets can see it tried."""
    named = [test for row in rows() for test in TEST.findall(row["tests"])]
    assert 40 < len(rows())
    assert len(named) == sum(row["tests"].count("::") for row in rows())
    assert [] == [f"{path}::{name}" for path, name in named if name not in names_in(path)]


def test_the_suite_is_in_the_table() -> None:
    """A file of attacks that the table does not know is one that nobody is told of."""
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "hardening").glob("test_*.py")}
    assert files == {path for row in rows() for path, _ in TEST.findall(row["tests"]) if "/hardening/" in path}
