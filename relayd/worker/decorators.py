"""
Functions that are stages of the project around them, or agents at work in it.

    @stage("testing")
    async def run_tests() -> None: ...

Who raises has failed: viewers read the error's text, and the exception goes on.  Outside of any project such a function
is called as it is, so that it can be tested and used by itself.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from relayd.worker.scopes import PROJECT, ProjectScope, Scope

__all__ = ["agent", "stage"]

P = ParamSpec("P")
R = TypeVar("R")

Open = Callable[[ProjectScope], Scope]
"""Makes the block of one call."""


def stage(name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return what makes a function a stage, by default of the function's own name."""
    checked(name, "stage")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return inside(function, lambda project: project.stage(name or function.__name__))

    return decorate


def agent(name: str | None = None, *, task: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return what makes a function an agent at a task, by default of the function's own name."""
    checked(name, "agent")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return inside(function, lambda project: project.agent(name or function.__name__, task=task))

    return decorate


def checked(name: object, decorator: str) -> None:
    """Raise TypeError for a decorator without its brackets, which would be given the function."""
    if callable(name):
        raise TypeError(f'write @{decorator}() or @{decorator}("a name") with brackets')


def inside(function: Callable[P, R], open_: Open) -> Callable[P, R]:
    """Return the function with a block around each call; raises TypeError for a generator."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        # It would have ended before its first value is asked for.
        raise TypeError(f"{function.__name__} is a generator; use a block of the project in it instead of a decorator")

    @wraps(function)
    async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401  # what the function returns
        project = PROJECT.get()
        if project is None:
            return await cast("Any", function(*args, **kwargs))
        async with open_(project):
            return await cast("Any", function(*args, **kwargs))

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        project = PROJECT.get()
        if project is None:
            return function(*args, **kwargs)
        with open_(project):
            return function(*args, **kwargs)

    return cast("Callable[P, R]", awaited) if inspect.iscoroutinefunction(function) else called
