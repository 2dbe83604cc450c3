"""The source tree as the house rules look at it."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["ROOT", "Module", "modules", "tracked"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One Python file of relayd."""

    path: Path
    """Relative to the repository."""

    @property
    def name(self) -> str:
        """The dotted name."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_package(self) -> bool:
        """Whether it is the door of a room."""
        return self.path.name == "__init__.py"

    @cached_property
    def text(self) -> str:
        """What stands in it."""
        return (ROOT / self.path).read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """What Python reads in it."""
        return ast.parse(self.text, str(self.path))

    @property
    def all_names(self) -> list[str] | None:
        """Its `__all__`, None when it has none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
                names: list[str] = ast.literal_eval(node.value)
                return names
        return None

    @property
    def behaves(self) -> bool:
        """Whether it holds code that can be wrong: a function that does more than bear its docstring."""
        return any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_does_something, node.body))
            for node in ast.walk(self.tree)
        )

    def imports(self) -> Iterator[tuple[str, str | None]]:
        """Yield (module, name) for each import anywhere in it; name is None for `import module`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, None) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.module or "", alias.name) for alias in node.names)


def modules() -> list[Module]:
    """Return all modules of relayd, by path."""
    return [Module(path.relative_to(ROOT)) for path in sorted((ROOT / "relayd").rglob("*.py"))]


def tracked() -> list[Path]:
    """Return the files that git keeps, relative to the repository."""
    # A checkout may belong to somebody else than who runs the tests; reading names in it is harmless.
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def _does_something(statement: ast.stmt) -> bool:
    """A docstring or `...` does not."""
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
