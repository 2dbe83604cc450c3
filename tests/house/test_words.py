"""The small print: what a module offers, what the package promises, and what no file may say."""

import re
import tomllib
from importlib import import_module

import pytest

from tests.house.tree import ROOT, modules, tracked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PROMISES = PROJECT["scripts"] | {
    f"{group} {name}": target for group, table in PROJECT["entry-points"].items() for name, target in table.items()
}

# The brackets keep each pattern from finding itself.
MACHINE = re.compile(r"(?<!\w)/(?:wor[k]|roo[t]|far[m]|hom[e]/\w+|User[s]/\w+)/|\.pyen[v]\b")
REGISTRY = re.compile(
    r"py[p]i\.org|python[h]osted\.org|registry\.np[m]js|deb\.debia[n]\.org|proxy\.golan[g]|crates\.i[o]"
)
BINARY = {".png", ".ico", ".woff2", ".gz"}


def in_order(name: str) -> tuple[int, str]:
    """Return what `__all__` is sorted by: CONSTANTS, then Classes, then functions."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


def test_what_a_module_offers_is_sorted() -> None:
    """`__all__` reads as a table of contents."""
    offers = {str(module.path): module.all_names or [] for module in modules()}
    assert {path: sorted(names, key=in_order) for path, names in offers.items()} == offers


def test_what_a_module_offers_is_there() -> None:
    """`__all__` is true."""
    assert [] == [
        f"{module.path} offers {name}"
        for module in modules()
        for name in module.all_names or ()
        if not hasattr(import_module(module.name), name)
    ]


def test_what_others_import_is_offered() -> None:
    """`__all__` is whole: a name that another module needs is listed by the one that has it, and no `_name` travels."""
    offered = {module.name: set(module.all_names or ()) for module in modules()}
    packages = {module.name for module in modules() if module.is_package}
    assert set() == {
        f"{module.path} imports {name} from {source}, whose __all__ does not offer it"
        for module in modules()
        for source, name in module.imports()
        if source in offered
        and name is not None
        and not name.startswith("__")
        and name not in offered[source]
        and not (source in packages and f"{source}.{name}" in offered)
    }


def test_every_module_says_what_it_offers() -> None:
    """A module with anything in it has an `__all__`; `__main__` and doors that only bear a docstring have none."""
    assert [] == [
        str(module.path)
        for module in modules()
        if module.all_names is None and len(module.tree.body) > 1 and module.name not in {"relayd", "relayd.__main__"}
    ]


@pytest.mark.parametrize("promise", PROMISES)
def test_what_the_package_promises_is_there(promise: str) -> None:
    """Each command and each built-in plug-in of pyproject.toml can be imported."""
    name, _, attribute = PROMISES[promise].partition(":")
    assert callable(getattr(import_module(name), attribute))


def test_no_file_knows_a_machine_or_a_registry() -> None:
    """The project builds anywhere: no path of somebody's machine, no host of a package registry."""
    found = set()
    for path in tracked():
        if path.suffix in BINARY:
            continue
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            if MACHINE.search(line) or REGISTRY.search(line):
                found.add(f"{path}:{number}: {line.strip()[:100]}")
    assert set() == found


@pytest.mark.parametrize("lock", ["run.lock", "dev.lock"])
def test_locks_hold_versions_and_hashes_only(lock: str) -> None:
    """No index, host or path: where packages come from is the business of the machine that installs them."""
    lines = (ROOT / "requirements" / lock).read_text(encoding="utf-8").splitlines()
    allowed = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [] == [line for line in lines if not allowed.fullmatch(line)]


@pytest.mark.parametrize(
    ("lock", "extras"), [("run.lock", ("redis", "rules")), ("dev.lock", ("dev", "redis", "rules"))]
)
def test_locks_hold_every_dependency(lock: str, extras: tuple[str, ...]) -> None:
    """Who adds a dependency runs `make lock`."""
    wanted = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    names = {re.split(r"[\[<>=;! ]", line)[0].lower() for line in wanted}
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    assert set() == names - set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))
