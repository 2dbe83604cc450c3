"""Whether what is written can be read: the contrasts of WCAG 2.2, in the light and in the dark."""

import re
from importlib.resources import files

import pytest

SHEET = files("relayd.web").joinpath("static", "elements.css").read_text()


def themes() -> list[dict[str, tuple[float, float, float]]]:
    """Return the colours of each block that sets them, by name."""
    blocks = re.findall(r"\{([^{}]*--paper:[^{}]*)\}", SHEET)
    return [
        {name: rgb(code) for name, code in re.findall(r"--(\w+): #([0-9a-f]{6}|[0-9a-f]{3});", block)}
        for block in blocks
    ]


def rgb(code: str) -> tuple[float, float, float]:
    """Return red, green and blue from 0 to 1."""
    whole = code if len(code) == 6 else "".join(digit * 2 for digit in code)
    return (int(whole[:2], 16) / 255, int(whole[2:4], 16) / 255, int(whole[4:], 16) / 255)


def luminance(colour: tuple[float, float, float]) -> float:
    """Return the relative luminance (WCAG 2.2, definition of that name)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Return the contrast of two colours, 1 to 21."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_the_dark_is_the_same_however_it_was_chosen() -> None:
    """By the system or by hand."""
    _, by_system, by_hand = themes()
    assert by_system == by_hand


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark by system", "dark by hand"])
@pytest.mark.parametrize("ground", ["paper", "card"])
@pytest.mark.parametrize("ink", ["ink", "soft", "green", "yellow", "red", "blue"])
def test_text_can_be_read(theme: dict[str, tuple[float, float, float]], ground: str, ink: str) -> None:
    """4.5 to 1, level AA for text of any size."""
    assert contrast(theme[ink], theme[ground]) >= 4.5


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark by system", "dark by hand"])
def test_signals_can_be_seen(theme: dict[str, tuple[float, float, float]]) -> None:
    """3 to 1, level AA for what is no text."""
    assert all(contrast(theme[name], theme["card"]) >= 3 for name in ("grey", "green", "yellow", "red"))
