"""Who is let in: Host, Origin and token of requests, on headers alone and on a real server by raw sockets."""

import asyncio
import http.client
import ipaddress
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pages.ui.access import guard, requests, start
from pages.ui.access.requests import Netloc, Rules
from pages.ui.shared import audio
from tests import fork_server
from tests.browser import app as server
from tests.waiting import PATIENCE
from trainer.system import access_token
from trainer.system.workspace import PROJECT_ROOT, Workspace

FAMILIES = (socket.AF_INET, socket.AF_INET6)
HERE = Netloc("127.0.0.1", 8501)


def headers(**sent: str | list[str]) -> list[tuple[bytes, bytes]]:
    """ASGI headers; a list sends one of them several times."""
    pairs = [(name, value) for name, given in sent.items() for value in ([given] if isinstance(given, str) else given)]
    return [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in pairs]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8501", "localhost:9000", "LOCALHOST.", "[::1]:8501", "[::ffff:127.0.0.1]:8501", "127.0.0.1"]
)
def test_names_of_this_machine_are_its_host_at_any_port(host):
    assert requests.host_of(headers(host=host), None, Rules("t")) is not None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example#127.0.0.1", "127.0.0.1:8501/x", "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:", "", " ", "127.1",
        "2130706433", "0.0.0.0",
        "[::1", "::1", "[fe80::1%eth0]", "localhost,evil.example", "192.168.1.7", "wächter",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(host):
    assert requests.host_of(headers(host=host), "127.0.0.1", Rules("t")) is None


def test_a_host_must_be_sent_once():
    assert requests.host_of(headers(), "127.0.0.1", Rules("t")) is None
    assert requests.host_of(headers(host=["127.0.0.1", "127.0.0.1"]), "127.0.0.1", Rules("t")) is None


def test_the_address_that_a_connection_came_to_and_given_names_are_hosts():
    assert requests.host_of(headers(host="192.168.1.7:8501"), "192.168.1.7", Rules("t"))
    assert requests.host_of(headers(host="192.168.1.7:8501"), "::ffff:192.168.1.7", Rules("t"))
    assert not requests.host_of(headers(host="192.168.1.8:8501"), "192.168.1.7", Rules("t"))
    assert requests.host_of(headers(host="studio.lan"), "192.168.1.7", Rules("t", frozenset({"studio.lan"})))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8501", HERE), ("HTTP://127.0.0.1:8501", HERE),
        ("http://localhost", Netloc("localhost", None)),
        ("http://localhost", Netloc("localhost", 80)), ("https://studio.lan", Netloc("studio.lan", None)),
        ("https://studio.lan", Netloc("studio.lan", 443)), ("http://[::1]:8501", Netloc("::1", 8501)),
    ],
)  # fmt: skip
def test_the_own_origin_is_not_foreign(origin, host):
    assert not requests.is_foreign(headers(origin=origin), host, secure=False)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8502", "http://127.0.0.1", "http://localhost:8501", "http://evil.example:8501", "null", "",
        "file://", "chrome-extension://abc", "http://127.0.0.1:8501.evil.example", "http://127.0.0.1:8501@evil.example",
        "http://u@127.0.0.1:8501", "http://127.0.0.1:8501/", "http://[::1", "127.0.0.1:8501", "https://127.0.0.1",
        ["http://127.0.0.1:8501", "http://127.0.0.1:8501"],
    ],
)  # fmt: skip
def test_another_host_port_or_none_is_foreign(origin):
    assert requests.is_foreign(headers(origin=origin), HERE, secure=False)


def test_no_origin_is_no_browser_of_elsewhere_and_tls_wants_https():
    assert not requests.is_foreign(headers(), HERE, secure=False)
    assert requests.is_foreign(headers(origin="http://127.0.0.1:8501"), HERE, secure=True)
    assert not requests.is_foreign(headers(origin="https://127.0.0.1:8501"), HERE, secure=True)


def scope(path: str = "/", query: str = "", kind: str = "http", **sent: str) -> dict:
    found = {"type": kind, "scheme": "http" if kind == "http" else "ws", "path": path, "server": ("127.0.0.1", 8501)}
    found |= {"query_string": query.encode(), "headers": headers(**{"host": "127.0.0.1:8501"} | sent)}
    return found | ({"method": "GET"} if kind == "http" else {})


def cookie(value: str, port: int = 8501) -> str:
    return f"other=1; wakeword-{port}={value}; wakeword-{port}x=2"


RULES = Rules("secret-token")
RIGHT = cookie(requests.cookie_value("secret-token"))


def test_the_token_becomes_a_cookie_and_the_address_is_cleaned():
    answer = guard.decide(scope("/Runs", "run=a%20b&token=secret-token&x=%26&tok%65n=secret-token"), RULES)
    assert answer.status == 303
    told = dict(answer.headers)
    assert told[b"location"] == b"/Runs?run=a%20b&x=%26"
    name, *attributes = told[b"set-cookie"].decode().split("; ")
    assert name == f"wakeword-8501={requests.cookie_value('secret-token')}" and "secret-token" not in name
    assert {"Path=/", "HttpOnly", "SameSite=Strict"} <= set(attributes) and "Secure" not in attributes
    assert guard.decide(scope("/Runs", cookie=RIGHT), RULES) is None


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/\\/evil.example", "///evil.example//x"])
def test_the_redirect_stays_on_this_server(path):
    told = dict(guard.decide(scope(path, "token=secret-token"), RULES).headers)
    assert re.match(rb"/[^/\\]", told[b"location"])


@pytest.mark.parametrize(
    "sent",
    ["", "wakeword-8501=", "wakeword-8501=secret-token", cookie("0" * 64), cookie("é"), RIGHT.replace("8501", "8502")],
)
def test_no_cookie_but_the_right_one_lets_in(sent):
    for kind in ("http", "websocket"):
        assert guard.decide(scope("/_stcore/stream", kind=kind, cookie=sent), RULES).status == 403


def test_a_planted_cookie_of_the_same_name_keeps_nobody_out():
    assert guard.decide(scope(cookie=f"wakeword-8501=planted; {RIGHT}"), RULES) is None


def test_a_websocket_is_not_opened_by_a_token_in_its_address():
    assert guard.decide(scope("/_stcore/stream", "token=secret-token", kind="websocket"), RULES).status == 403


def test_health_and_a_server_without_token_check_host_and_origin_all_the_same():
    for rules, path in ((RULES, "/_stcore/health"), (Rules(None), "/")):
        assert guard.decide(scope(path), rules) is None
        assert guard.decide(scope(path, host="evil.example"), rules).status == 403
        assert guard.decide(scope(path, origin="http://127.0.0.1:8502"), rules).status == 403
    for path in ("/_stcore/health/", "/_stcore/healthz", "/x/_stcore/health", "/_stcore/host-config", "/media/x.wav"):
        assert guard.decide(scope(path), RULES).status == 403


def test_the_page_that_asks_keeps_the_rest_of_the_address_and_runs_nothing_of_it():
    hostile = 'run=%22%3E%3Cscript%3E&token=wr"ong'
    answer = guard.decide(scope("/Runs", hostile, accept="text/html"), RULES)
    page = answer.body.decode()
    assert answer.status == 403 and "The token is not valid" in page and "python -m trainer token" in page
    assert 'name="run" value="&quot;&gt;&lt;script&gt;"' in page and "<script" not in page and "ong" not in page
    assert "http-equiv" not in page
    elsewhere = guard.decide(scope("/Runs", accept="text/html", sec_fetch_site="cross-site"), RULES)
    assert b'http-equiv="refresh"' in elsewhere.body


def test_tokens_of_the_environment(monkeypatch):
    for text, token in (
        ("", None),
        ("  ", None),
        ("off", "off"),
        (" OFF ", "off"),
        ("longer than eight", "longer than eight"),
    ):
        monkeypatch.setenv(access_token.VARIABLE, text)
        assert access_token.from_environment() == token
    for text in ("0", "false", "none", "no"):
        monkeypatch.setenv(access_token.VARIABLE, text)
        with pytest.raises(ValueError, match="at least 8 characters"):
            access_token.from_environment()
    for text in ("bytes of no text: \udcff", "two\nlines of text"):
        monkeypatch.setenv(access_token.VARIABLE, text)
        with pytest.raises(ValueError, match="letters and digits"):
            access_token.from_environment()


def test_the_token_outlives_the_server_and_is_its_owners_alone(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(FileNotFoundError, match="make app"):
        access_token.read(workspace)
    token, file = access_token.of(workspace), access_token.file_of(workspace)
    assert token == access_token.of(workspace) == access_token.read(workspace) and len(token) >= 32
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert (second := access_token.of(workspace)) != token, "one that others could read is none"
    file.unlink()
    (tmp_path / "planted").write_text("a-token-of-a-stranger")
    (tmp_path / "planted").chmod(0o600)
    file.symlink_to(tmp_path / "planted")
    assert access_token.of(workspace) not in (second, "a-token-of-a-stranger") and not file.is_symlink()
    file.unlink()
    os.mkfifo(file, 0o600)
    assert len(access_token.of(workspace)) >= 32


def exchange(port: int, request: str) -> str:
    """Send raw bytes, return the answer until the server closes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as wire:
        wire.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        data = b""
        while piece := wire.recv(65536):
            data += piece
    return data.decode("latin-1")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with server.running(Workspace(tmp_path_factory.mktemp("served"))) as running:
        yield running


def port_of(app) -> int:
    return int(app.address.rpartition(":")[2])


def test_a_real_server_checks_every_request(app):
    port = port_of(app)
    host = f"Host: 127.0.0.1:{port}\nConnection: close\nCookie: {app.cookie}\n"
    for path in ("/", "/_stcore/health", "/_stcore/host-config", "/static/x.js", "/media/0.wav"):
        for wrong in (
            "Host: evil.example",
            f"Host: 127.0.0.1:{port}\nHost: evil.example",
            f"Host: 127.0.0.1:{port}\nOrigin: http://127.0.0.1:{port + 1}",
        ):
            answer = exchange(port, f"GET {path} HTTP/1.1\n{wrong}\nConnection: close\nCookie: {app.cookie}\n\n")
            assert re.match(r"HTTP/1.1 40[03]", answer), (path, wrong, answer[:200])
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        for origin in (f"http://127.0.0.1:{port + 1}", "null", "http://evil.example"):
            answer = exchange(
                port, f"{method} /_stcore/upload_file/a/b HTTP/1.1\n{host}Origin: {origin}\nContent-Length: 0\n\n"
            )
            assert answer.startswith("HTTP/1.1 403") and "Access-Control-Allow" not in answer
    answer = exchange(port, f"GET / HTTP/1.1\n{host}\n")
    assert answer.startswith("HTTP/1.1 200")
    answer = answer.lower()
    for line in (
        "content-security-policy: frame-ancestors 'none'",
        "x-frame-options: deny",
        "x-content-type-options: nosniff",
    ):
        assert answer.count(line) == 1
    answer = exchange(port, f"GET / HTTP/1.1\nHost: 127.0.0.1:{port}\nAccept: text/html\nConnection: close\n\n")
    assert (
        answer.startswith("HTTP/1.1 403") and "needs an access token" in answer and "frame-ancestors 'none'" in answer
    )
    assert "streamlit" not in answer.lower().partition("\r\n\r\n")[2]
    assert exchange(port, f"GET /_stcore/health HTTP/1.0\nHost: localhost:{port}\n\n").endswith("ok")


def test_a_real_server_opens_its_websocket_to_its_own_pages_alone(app):
    address, own = f"ws://127.0.0.1:{port_of(app)}/_stcore/stream", {"Cookie": app.cookie}

    def status(origin: str | None, extra: dict[str, str]) -> int:
        try:
            with connect(address, subprotocols=["streamlit"], origin=origin, additional_headers=extra):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    assert status(app.address, own) == status(None, own) == 101
    assert status(app.address, {}) == status(None, {}) == 403
    for origin in (
        f"http://127.0.0.1:{port_of(app) + 1}",
        f"http://localhost:{port_of(app)}",
        "http://evil.example",
        "null",
    ):
        assert status(origin, own) == 403, origin


def test_the_terminal_tells_the_address_once_and_the_log_nothing_more(app):
    told = (app.workspace.root / "server.log").read_text()
    assert app.entrance in told and told.count(access_token.read(app.workspace)) == 1
    done = fork_server.command("token", "--root", app.workspace.root)
    assert done.returncode == 0 and done.stdout.strip() == access_token.read(app.workspace)


def test_the_network_is_served_at_the_addresses_of_this_machine_alone(tmp_path):
    """By IPv6 as by IPv4, with the token; other names are let in only when the user names them."""
    workspace, port = Workspace(tmp_path), server.free_port()
    own = network_addresses()
    app = server.start(
        workspace, port, "::" if any(":" in each for each in own) else "0.0.0.0", WAKEWORD_HOSTS="studio.lan"
    )
    try:
        told, token = (tmp_path / "server.log").read_text(), access_token.read(workspace)
        for address in ("127.0.0.1", *own):
            shown = f"[{address}]" if ":" in address else address
            assert f"  http://{shown}:{port}/?token={token}" in told
            for host, code in (
                (f"{shown}:{port}", 303),
                ("studio.lan", 303),
                (f"evil.example:{port}", 403),
                ("192.0.2.99", 403),
            ):
                with closing(http.client.HTTPConnection(address, port, timeout=PATIENCE)) as connection:
                    connection.request("GET", f"/?token={token}", headers={"Host": host})
                    assert connection.getresponse().status == code, (address, host)
        assert "block the microphone on http addresses" in told
        assert "external" not in told.lower(), "nobody on the internet is asked for our address"
    finally:
        app.end(signal.SIGKILL)


def network_addresses() -> list[str]:
    """Those of IPv4, and the first of IPv6: a machine has many of them."""
    found = [each.address for links in psutil.net_if_addrs().values() for each in links if each.family in FAMILIES]
    kept = [each for each in found if "%" not in each and not ipaddress.ip_address(each).is_loopback]
    v4, v6 = ([each for each in kept if (":" in each) is wide] for wide in (False, True))
    return [*v4, *v6[:1]] or pytest.skip("this machine has no address on a network")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("http://127.0.0.1:8501/Dataset", True), ("http://localhost:8501", True), ("http://[::1]:8501", True),
        ("https://studio.lan", True), ("http://a.localhost", True), ("http://192.168.1.7:8501", False),
        ("http://studio.lan", False), ("http://localhost.evil.example", False), ("http://[fd00::2]:8501", False),
    ],
)  # fmt: skip
def test_where_browsers_give_a_microphone(address, allowed):
    assert audio.is_allowed(address) is allowed


def refused_start(root, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.address=0.0.0.0",
         f"--server.port={server.free_port()}"],
        cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=PATIENCE,
        env=os.environ | {"WAKEWORD_ROOT": str(root)} | environment,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def test_further_names_are_hosts_with_or_without_port():
    assert start.named_hosts(" Studio.LAN., 192.0.2.7:8443,[fd00::2]:80 ,") == {"studio.lan", "192.0.2.7", "fd00::2"}
    assert start.named_hosts("") == frozenset()
    for wrong in ("https://studio.lan", "studio.lan/x", "*", "a b"):
        with pytest.raises(ValueError, match="which is not a host name"):
            start.named_hosts(f"studio.lan,{wrong}")


def test_the_network_is_not_served_without_a_token(tmp_path):
    assert "would let everyone on the network run programs as you" in refused_start(tmp_path, WAKEWORD_TOKEN="off")
    assert "WAKEWORD_TOKEN has 5 of at least 8 characters" in refused_start(tmp_path, WAKEWORD_TOKEN="false")


def test_what_the_terminal_prints(monkeypatch):
    options = {"server.port": 8501, "server.address": "127.0.0.1", "server.sslCertFile": None}
    monkeypatch.setattr(start.st, "get_option", options.get)
    told = start.greeting("a b&c")
    assert "  http://127.0.0.1:8501/?token=a%20b%26c\n" in told and "ssh" not in told
    assert "No token is required" in start.greeting(None)
    options["server.address"] = "::1"
    assert "  http://[::1]:8501/?token=t\n" in start.greeting("t") and "ssh" not in start.greeting("t")
    for address in ("0.0.0.0", "::", None, "192.0.2.7"):
        options["server.address"] = address
        told = start.greeting("t")
        assert not start.is_local() and "block the microphone on http addresses" in told
        listening = address if address == "192.0.2.7" else "127.0.0.1"
        assert f"ssh -N -L 8501:{listening}:8501 " in told and "and open http://127.0.0.1:8501/?token=t there" in told
    assert "  http://192.0.2.7:8501/?token=t\n" in told
    options["server.address"] = "fd00::2"
    assert re.search(r"ssh -N -L 8501:\[fd00::2\]:8501 \S+@fd00::2\n", start.greeting("t"))


@pytest.mark.parametrize(("given", "host"), [("studio.lan", "studio.lan"), ("Studio.LAN.", "studio.lan:8501")])
def test_the_name_that_the_server_is_told_to_listen_at_is_its_host(given, host, tmp_path, monkeypatch):
    """Its address is printed with that name, so a browser must be able to open it."""
    monkeypatch.setenv("WAKEWORD_ROOT", str(tmp_path))
    monkeypatch.setenv(start.GUARDED, "")
    for name in (access_token.VARIABLE, start.HOSTS):
        monkeypatch.delenv(name, raising=False)
    options = {"server.port": 8501, "server.address": given}
    monkeypatch.setattr(start.st, "get_option", options.get)
    monkeypatch.setattr(start.config, "set_option", options.__setitem__)
    rules = start.rules()
    assert f"  http://{given}:8501/?token={rules.token}\n" in start.greeting(rules.token)
    assert requests.host_of(headers(host=host), "192.0.2.7", rules)
    for other in ("evil.example", "0.0.0.0", "192.0.2.8"):
        assert requests.host_of(headers(host=other), "192.0.2.7", rules) is None


def test_a_disk_that_takes_nothing_keeps_no_server_from_its_start(tmp_path, monkeypatch, capsys):
    """The page that a browser is opened with cannot be written; the address is printed all the same."""
    (tmp_path / "data").write_text("no folder")
    monkeypatch.setenv("WAKEWORD_ROOT", str(tmp_path))
    options = {"server.port": 8501, "server.address": "127.0.0.1", "server.headless": False}
    monkeypatch.setattr(start.st, "get_option", options.get)

    async def run() -> None:
        async with start.lifespan("t")(None):
            pass

    with ThreadPoolExecutor(1) as thread:  # this thread has an event loop already once a browser was driven from it
        thread.submit(asyncio.run, run()).result()
    assert "  http://127.0.0.1:8501/?token=t\n" in capsys.readouterr().out


def test_without_its_entry_the_network_is_shown_nothing(tmp_path):
    """`streamlit run Home.py` has no guard: it draws its pages on this machine, and none for a network."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    def drawn(address: str) -> str:
        port = server.free_port()
        with open(tmp_path / "log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", f"--server.port={port}",
                 f"--server.address={address}"],
                cwd=PROJECT_ROOT, stdout=log, stderr=log, env=os.environ | {"WAKEWORD_ROOT": str(tmp_path)},
            )  # fmt: skip
        try:
            server.wait_until_it_answers(f"http://127.0.0.1:{port}", tmp_path / "log")
            told, asked = b"", BackMsg()
            asked.rerun_script.query_string = ""
            with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as session:
                session.send(asked.SerializeToString())
                message = ForwardMsg()
                while message.WhichOneof("type") != "script_finished":
                    message.ParseFromString(session.recv(timeout=PATIENCE))
                    told += message.SerializeToString()
            return told.decode(errors="replace")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    local, network = drawn("127.0.0.1"), drawn("0.0.0.0")
    assert "requires no access token, so every user of this machine" in local and "Create detector" in local
    assert "so pages are disabled" in network and "Create detector" not in network
