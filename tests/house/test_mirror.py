"""Tests mirror the house: each module has its own file of tests, where anybody would look for it."""

from pathlib import Path

from tests.house.tree import ROOT, Module, modules

ELSEWHERE = {
    "relayd.__main__": "one line that calls the command line, run by its tests",
    "relayd.ports": "contracts; the classes that keep them run the contract tests",
}
"""Modules without tests of their own, and why."""


def is_told_elsewhere(module: Module) -> bool:
    """Return whether a module needs no tests of its own."""
    return (
        module.is_package  # The door of a room shows what its modules hold.
        or module.path.stem == "settings"  # A table of values; who reads them tests them.
        or module.path.stem.endswith("_contract")  # Tests already, run by each adapter's own.
        or module.name in ELSEWHERE
        or any(module.name.startswith(f"{name}.") for name in ELSEWHERE)
        or not module.behaves
    )


def places(module: Module) -> list[Path]:
    """Return where its tests may stand: for a module without a room, in the open or in a folder of its own."""
    room = Path("tests", *module.path.parts[1:-1])
    file = f"test_{module.path.stem}.py"
    return [room / file] if len(module.path.parts) > 2 else [room / file, room / module.path.stem / file]


def test_each_module_has_its_tests() -> None:
    """Whoever changes a module finds its tests at once."""
    assert [] == [
        f"{module.path} needs {places(module)[0]}"
        for module in modules()
        if not is_told_elsewhere(module) and not any((ROOT / place).is_file() for place in places(module))
    ]


def test_the_exemptions_are_still_needed() -> None:
    """A list of exceptions does not outlive its reasons."""
    names = {module.name for module in modules()}
    assert set() == {name for name in ELSEWHERE if name not in names}
