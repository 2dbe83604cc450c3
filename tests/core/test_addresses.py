import pytest

from relayd.core.addresses import is_loopback, network_of


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a", False)],
)
def test_whether_only_this_machine_is_there(host: str, local: bool) -> None:
    """By address, or by the one name that stands for it; any other name may be anywhere."""
    assert local is is_loopback(host)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1::7", "20010db800000001::/64"),
        ("2001:db8:0:1:ffff::", "20010db800000001::/64"),
        ("2001:db8:0:2::7", "20010db800000002::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_what_one_customer_has(address: str, network: str) -> None:
    """All of an IPv6 network; what is no address stands for itself."""
    assert network == network_of(address)
