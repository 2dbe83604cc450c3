import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayd import plugins
from relayd.identity.authorizers import ClaimsAuthorizer
from relayd.identity.settings import ClaimsSettings


def install(folder: Path, package: str, entry_points: str) -> None:
    """Put what an installer writes into a folder of the path."""
    info = folder / f"{package}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """Give a folder that packages are found in."""
    sys.path.insert(0, str(tmp_path))
    try:
        yield tmp_path
    finally:
        sys.path.remove(str(tmp_path))


def test_a_built_in_comes_through_the_same_door() -> None:
    """The name of the entry point is all that is known of it."""
    assert ClaimsAuthorizer is plugins.find(plugins.AUTHORIZERS, "claims")
    assert ClaimsSettings is plugins.settings_of(plugins.AUTHORIZERS, "claims")
    assert {"claims", "http", "ownership"} <= set(plugins.names(plugins.AUTHORIZERS))


def test_a_stranger_s_plug_in(site: Path) -> None:
    """Any installed package may bring one; without `Settings` it has no table."""
    install(site, "stranger", "[relayd.sources]\nstrange = collections:OrderedDict\n")

    assert "strange" in plugins.names(plugins.SOURCES)
    assert "OrderedDict" == plugins.find(plugins.SOURCES, "strange").__name__
    assert None is plugins.settings_of(plugins.SOURCES, "strange")


def test_a_name_that_nobody_has() -> None:
    """The error lists what there is, or says that there is nothing."""
    with pytest.raises(
        plugins.PluginError, match='there is no authorizer "claim"; installed are: claims, http, ownership'
    ):
        plugins.find(plugins.AUTHORIZERS, "claim")
    with pytest.raises(plugins.PluginError, match='there is no nothing "x"; installed are: none'):
        plugins.find("relayd.nothings", "x")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module:X", "can't be loaded from no_such_module:X: No module named 'no_such_module'"),
        ("collections:NoSuch", "can't be loaded from collections:NoSuch: "),
        ("math:pi", "names math:pi, which is not a class"),
    ],
)
def test_a_plug_in_that_can_t_be_loaded(site: Path, value: str, said: str) -> None:
    """Broken packages are told with the name and the place that they gave."""
    install(site, "broken", f"[relayd.sources]\nbroken = {value}\n")

    with pytest.raises(plugins.PluginError) as caught:
        plugins.find(plugins.SOURCES, "broken")

    assert said in str(caught.value)


def test_two_packages_with_one_name(site: Path) -> None:
    """Which one would be used were chance, so neither is."""
    install(site, "one", "[relayd.sources]\ntwice = collections:OrderedDict\n")
    install(site, "two", "[relayd.sources]\ntwice = collections:Counter\n")

    with pytest.raises(
        plugins.PluginError, match="collections:Counter and collections:OrderedDict; uninstall all but one"
    ):
        plugins.find(plugins.SOURCES, "twice")


def test_one_package_that_is_seen_twice(site: Path) -> None:
    """An installed checkout shows up beside its own build; both mean the same class."""
    install(site, "one", "[relayd.sources]\nsame = collections:Counter\n")
    install(site, "two", "[relayd.sources]\nsame = collections:Counter\n")

    assert "Counter" == plugins.find(plugins.SOURCES, "same").__name__
