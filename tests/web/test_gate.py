"""Gate: who may come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers

from console.web.gate import Gate, is_loopback

PORT = 8765
HERE = "127.0.0.1:8765"


def headers(**values: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in values.items()})


def gate(host: str = "127.0.0.1", **options) -> Gate:
    return Gate(host, PORT, **options)


def cookie_of(found: Gate) -> str:
    return found.set_cookie().partition(";")[0]


def test_a_token_lets_in_once():
    found = gate()
    token = found.token
    assert found.use_token(token)
    assert not found.use_token(token)
    assert found.use_token(found.token)


def test_a_token_has_192_bits_and_is_in_the_address():
    found = gate()
    assert len(found.token) == 32
    assert found.address("127.0.0.1") == f"http://127.0.0.1:{PORT}/?token={found.token}"


@given(st.text(max_size=100, alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_no_other_token_lets_in(token):
    found = gate()
    assert not found.use_token(token)
    assert not found.has_cookie(Headers({"Cookie": f"{found.cookie_name}={token}"}))


def test_the_cookie_is_kept_from_scripts_other_sites_and_other_ports():
    found = gate()
    text = found.set_cookie()
    assert "HttpOnly" in text and "SameSite=Strict" in text and f"_{PORT}=" in text
    assert "Secure" not in text
    assert "Secure" in gate(secure=True).set_cookie()
    assert found.token not in text


def test_the_cookie_of_another_server_does_not_let_in():
    mine, other = gate(), Gate("127.0.0.1", PORT + 1)
    assert mine.has_cookie(headers(Cookie=cookie_of(mine)))
    assert not mine.has_cookie(headers(Cookie=cookie_of(other)))
    assert not mine.has_cookie(headers())


def test_the_cookie_is_found_among_those_of_other_programs():
    found = gate()
    many = f'a=1; bad[]=x; {cookie_of(found)}; b="2'
    assert found.has_cookie(headers(Cookie=many))
    assert not found.has_cookie(headers(Cookie=f"{'x' * 5000}; {cookie_of(found)}"))


def test_names_of_this_machine_may_come_in_and_no_others():
    found = gate()
    for host in (HERE, f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"):
        assert found.refuse(headers(Host=host), socket=False) is None
    for host in (
        "",
        "127.0.0.1",
        "127.0.0.1:1",
        "evil.example",
        f"evil.example:{PORT}",
        f"127.0.0.1.evil:{PORT}",
        f"10.0.0.1:{PORT}",
    ):
        assert found.refuse(headers(Host=host), socket=False).status == 403


def test_two_host_headers_do_not_come_in():
    doubled = Headers([("Host", HERE), ("Host", HERE)])
    assert gate().refuse(doubled, socket=False).status == 403


def test_a_websocket_needs_the_exact_origin():
    found = gate()
    assert found.refuse(headers(Host=HERE, Origin=f"http://{HERE}"), socket=True) is None
    for origin in (
        "",
        "null",
        "http://127.0.0.1",
        f"https://{HERE}",
        f"http://localhost:{PORT}",
        "http://evil.example",
        f"http://{HERE}.evil",
        f"http://{HERE}/",
    ):
        assert found.refuse(headers(Host=HERE, Origin=origin), socket=True).status == 403


def test_a_request_from_another_site_does_not_come_in_unless_a_person_follows_a_link():
    found = gate()
    foreign = {"Host": HERE, "Sec_Fetch_Site": "cross-site"}
    assert found.refuse(headers(**foreign, Sec_Fetch_Mode="no-cors"), socket=False).status == 403
    assert found.refuse(headers(**foreign, Sec_Fetch_Mode="navigate"), socket=False) is None
    assert found.refuse(headers(Host=HERE, Sec_Fetch_Site="same-site"), socket=False).status == 403


def test_another_origin_can_be_allowed_for_a_tunnel():
    found = gate(origins=("http://localhost:9000",))
    assert found.refuse(headers(Host="localhost:9000", Origin="http://localhost:9000"), socket=True) is None
    assert found.refuse(headers(Host="localhost:9000", Origin=f"http://{HERE}"), socket=True).status == 403


def test_on_all_addresses_a_number_may_come_in_and_a_name_may_not():
    found = gate("0.0.0.0")
    assert found.refuse(headers(Host=f"192.168.1.7:{PORT}"), socket=False) is None
    assert found.refuse(headers(Host=f"rebound.example:{PORT}"), socket=False).status == 403
    assert found.refuse(headers(Host="192.168.1.7:1"), socket=False).status == 403


def test_with_tls_the_origin_is_https():
    found = gate(secure=True)
    assert found.refuse(headers(Host=HERE, Origin=f"https://{HERE}"), socket=True) is None
    assert found.refuse(headers(Host=HERE, Origin=f"http://{HERE}"), socket=True).status == 403


def test_only_addresses_of_this_machine_are_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.1", "box", "")))
