import pytest

from tests.config.conftest import Loads, Problems


@pytest.mark.parametrize("origin", ["https://a.example", "http://localhost:3000", "https://[::1]:8443"])
def test_an_origin_as_browsers_send_it(loads: Loads, origin: str) -> None:
    """Scheme, name, and the port where it is not the usual one."""
    assert (origin,) == loads(f"[server]\norigins = ['{origin}']\n").server.origins


@pytest.mark.parametrize(
    "origin", ["a.example", "https://a.example/", "https://A.example", "*", "null", "ftp://a", "https://"]
)
def test_an_origin_that_no_browser_sends(problems: Problems, origin: str) -> None:
    """It would match nothing, and its owner would wonder why."""
    assert [
        'server.origins[0]: must be an origin as browsers send it, "https://name" or "https://name:port" in lower case'
    ] == problems(f"[server]\norigins = ['{origin}']\n")


@pytest.mark.parametrize("network", ["127.0.0.1", "10.0.0.0/8", "fd00::/8"])
def test_an_address_or_a_network(loads: Loads, network: str) -> None:
    """Both versions of IP, single or many."""
    assert (network,) == loads(f"[server]\ntrusted_proxies = ['{network}']\n").server.trusted_proxies


@pytest.mark.parametrize("network", ["localhost", "10.0.0.1/8", ""])
def test_what_is_no_network(problems: Problems, network: str) -> None:
    """A name could change its meaning, a network with host bits is a slip."""
    assert ['server.trusted_proxies[0]: must be an address or a network, like "127.0.0.1" or "10.0.0.0/8"'] == problems(
        f"[server]\ntrusted_proxies = ['{network}']\n"
    )
