"""A user logs in as kubectl does: credential plugins, token files, certificates, and acting as another."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from certificates import SERVER_NAME, Authority
from fake_api import ApiServer
from sametag.errors import ClusterError
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Json = dict[str, Any]

PODS = "/api/v1/namespaces/apps/pods"
V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.server()


@pytest.fixture
def api(tmp_path: Path, tls: ssl.SSLContext) -> Iterator[ApiServer]:
    """An API server that speaks TLS."""
    with ApiServer(tmp_path / "kubeconfig", tls) as server:
        server.answers[PODS] = (200, {"metadata": {}, "items": []})
        yield server


class Kubeconfig:
    """The kubeconfig of an API server, to be changed."""

    def __init__(self, api: ApiServer, authority: Authority) -> None:
        self._path = api.kubeconfig
        self.document = json.loads(self._path.read_text())
        self.cluster: Json = self.document["clusters"][0]["cluster"]
        self.user: Json = self.document["users"][0]["user"]
        self.cluster["certificate-authority"] = str(authority.pair.certificate)
        self.user.clear()

    @property
    def target(self) -> Target:
        self._path.write_text(json.dumps(self.document))
        return Target(str(self._path))

    def plugin(self, folder: Path, body: str, version: str = V1, **settings: Any) -> None:
        """Log in with a plugin that runs this Python; `print_login` prints an ExecCredential."""
        program = folder / "plugin"
        status = "'kind': 'ExecCredential', 'status': status"
        program.write_text(
            f"#!{sys.executable}\nimport json, os, sys, time\ndef print_login(**status):\n"
            f"    print(json.dumps({{'apiVersion': {version!r}, {status}}}))\n{textwrap.dedent(body)}\n"
        )
        program.chmod(0o755)
        mode = {"interactiveMode": "Never"} if version == V1 else {}
        self.user["exec"] = {"apiVersion": version, "command": "./plugin", **mode, **settings}


@pytest.fixture
def config(api: ApiServer, authority: Authority) -> Kubeconfig:
    return Kubeconfig(api, authority)


def ask(target: Target, times: int = 1, pause: float = 0) -> None:
    async def main() -> None:
        async with connect(target) as client:
            for _ in range(times):
                assert [pod async for pod in client.list(Pod)] == []
                await asyncio.sleep(pause)

    asyncio.run(main())


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_plugin_beside_the_kubeconfig_logs_in_and_is_asked_once(
    version: str, config: Kubeconfig, api: ApiServer, tmp_path: Path
) -> None:
    config.plugin(tmp_path, "open(sys.argv[1], 'a').write('x'); print_login(token=os.environ['TOKEN'])", version)
    config.user["exec"] |= {"args": [str(tmp_path / "asked")], "env": [{"name": "TOKEN", "value": "good"}]}
    api.tokens = {"good"}

    ask(config.target, times=3)

    assert (tmp_path / "asked").read_text() == "x"


def test_our_plain_client_logs_in_too(config: Kubeconfig, api: ApiServer, tmp_path: Path) -> None:
    config.plugin(tmp_path, "print_login(token='good')")
    api.tokens = {"good"}

    async def main() -> int:
        async with connect(config.target) as client:
            return int((await client.http.get(PODS)).status_code)

    assert asyncio.run(main()) == 200


def test_a_login_is_renewed_when_it_expires(config: Kubeconfig, api: ApiServer, tmp_path: Path) -> None:
    expires = (datetime.now(UTC) + timedelta(seconds=3)).isoformat().replace("+00:00", "Z")
    config.plugin(
        tmp_path,
        f"""
        first = not os.path.exists({str(tmp_path / "asked")!r})
        open({str(tmp_path / "asked")!r}, "w")
        print_login(token="first" if first else "second", expirationTimestamp={expires!r} if first else None)
        """,
    )
    api.tokens = {"first", "second"}

    ask(config.target, times=2, pause=4)

    assert [headers["Authorization"] for headers in api.headers] == ["Bearer first", "Bearer second"]


def test_a_login_that_is_refused_in_the_middle_is_renewed_and_the_request_sent_again(
    config: Kubeconfig, api: ApiServer, tmp_path: Path
) -> None:
    counted = tmp_path / "asked"
    config.plugin(
        tmp_path,
        f"open({str(counted)!r}, 'a').write('x'); print_login(token=str(len(open({str(counted)!r}).read())))",
    )
    api.tokens = {"1"}
    api.answers[f"POST {PODS}"] = (200, {"metadata": {"name": "x"}})

    async def main() -> None:
        async with connect(config.target) as client:
            assert [pod async for pod in client.list(Pod)] == []
            api.tokens = {"2"}
            await client.create(Pod(metadata=ObjectMeta(name="x")))

    asyncio.run(main())
    assert [headers["Authorization"] for headers in api.headers] == ["Bearer 1", "Bearer 1", "Bearer 2"]


def test_many_requests_at_once_ask_the_plugin_once_and_one_that_is_cancelled_ends_it_for_nobody(
    config: Kubeconfig, api: ApiServer, tmp_path: Path
) -> None:
    counted = tmp_path / "asked"
    config.plugin(
        tmp_path,
        f"""
        with open({str(counted)!r}, "a") as file:
            file.write("x")
        time.sleep(0.5 if len(open({str(counted)!r}).read()) > 1 else 0)
        print_login(token=str(len(open({str(counted)!r}).read())))
        """,
    )
    api.tokens = {"1"}

    async def main() -> None:
        async with connect(config.target) as client:

            async def listed() -> int:
                return len([pod async for pod in client.list(Pod)])

            await listed()
            api.tokens = {"2"}
            asked = [asyncio.create_task(listed()) for _ in range(5)]
            await asyncio.sleep(0.2)
            asked[0].cancel()
            assert await asyncio.gather(*asked[1:]) == [0] * 4

    asyncio.run(main())
    assert counted.read_text() == "xx"


def test_a_plugin_is_told_of_the_cluster_where_it_asks_for_that(
    config: Kubeconfig, api: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    body = f"open({str(told)!r}, 'w').write(os.environ['KUBERNETES_EXEC_INFO']); print_login(token='t')"
    config.plugin(tmp_path, body, provideClusterInfo=True)
    config.cluster["extensions"] = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": 5}}]

    ask(config.target)

    info = json.loads(told.read_text())
    assert (info["apiVersion"], info["kind"], info["spec"]["interactive"]) == (V1, "ExecCredential", False)
    assert info["spec"]["cluster"] == {
        "server": api.url,
        "certificate-authority-data": base64.b64encode(authority.pair.certificate.read_bytes()).decode(),
        "config": {"audience": 5},
    }


def test_a_plugin_may_give_a_client_certificate(
    config: Kubeconfig, api: ApiServer, authority: Authority, tmp_path: Path
) -> None:
    pair = authority.client("of-the-plugin")
    config.plugin(
        tmp_path,
        f"print_login(clientCertificateData=open({str(pair.certificate)!r}).read(), "
        f"clientKeyData=open({str(pair.key)!r}).read())",
    )
    ask(config.target)

    assert api.clients == ["of-the-plugin"]


@pytest.mark.parametrize("kind", ["files", "data"])
def test_a_client_certificate_of_the_kubeconfig_is_presented(
    kind: str, config: Kubeconfig, api: ApiServer, authority: Authority
) -> None:
    pair = authority.client("of-the-user")
    for key, file in (("client-certificate", pair.certificate), ("client-key", pair.key)):
        data = base64.b64encode(file.read_bytes()).decode()
        config.user |= {key: str(file)} if kind == "files" else {f"{key}-data": data}
    ask(config.target)

    assert api.clients == ["of-the-user"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('the session has expired: log in again')", "failed with exit code 1: the session has expired"),
        ("os.kill(os.getpid(), 9)", "was killed"),
        ("print('<html>')", "did not print JSON"),
        ("print('[' * 100000)", "did not print JSON"),
        ("print([])", "did not print an ExecCredential"),
        ("print_login()", "printed neither a token nor a certificate"),
        ("print_login(token=5)", "is not ASCII text"),
        ("print_login(token='a\\nb')", "a token with control characters"),
        ("print_login(token='t', expirationTimestamp='soon')", "not RFC 3339"),
        ("print_login(clientCertificateData='x')", "printed neither a token nor a certificate"),
        ("print_login(clientCertificateData='x', clientKeyData='y')", "client certificate or key cannot be used"),
        ("print(json.dumps({'kind': 'ExecCredential', 'apiVersion': 'v2', 'status': {}}))", "printed another version"),
    ],
)
def test_a_plugin_that_fails_is_one_line_before_anything_is_asked(
    body: str, message: str, config: Kubeconfig, api: ApiServer, tmp_path: Path
) -> None:
    config.plugin(tmp_path, body, installHint="see\nhttps://example.com \x1b[31m")

    with pytest.raises(ClusterError, match=message) as caught:
        ask(config.target)
    assert "\n" not in caught.value.message
    assert caught.value.remedy in (None, "see https://example.com ?[31m")
    assert api.requests == []


@pytest.mark.parametrize(
    ("settings", "message", "remedy"),
    [
        ({"command": "aws-not-there", "installHint": "install it"}, "aws-not-there was not found", "install it"),
        ({"command": "./missing"}, "missing was not found", None),
        ({"command": "./folder"}, "folder cannot be run: Permission denied", None),
        ({"command": "./text"}, "text cannot be run: Permission denied", None),
        ({"command": "./binary"}, "binary cannot be run: Exec format error", None),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1", "a newer plugin"),
        ({"apiVersion": V1}, "has no interactiveMode", "set it to Never"),
        ({"interactiveMode": "Always"}, "there is no terminal", "log in first"),
    ],
)
def test_a_plugin_that_cannot_be_run_is_said_with_what_to_do(
    settings: Json, message: str, remedy: str | None, config: Kubeconfig, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("x")
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "binary").chmod(0o755)
    config.plugin(tmp_path, "print_login(token='t')", V1BETA1)
    config.user["exec"] |= settings

    with pytest.raises(ClusterError, match=message) as caught:
        ask(config.target)
    assert remedy is None or remedy in (caught.value.remedy or "")


@pytest.mark.parametrize("mode", ["Always", "IfAvailable"])
def test_an_interactive_plugin_asks_the_person_at_the_terminal(
    mode: str, config: Kubeconfig, api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
    assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']['interactive'] and os.isatty(0)
    print_login(token=input())
    """
    config.plugin(tmp_path, body, interactiveMode=mode)
    api.tokens = {"typed"}
    keyboard, terminal = os.openpty()
    with os.fdopen(keyboard, "wb", buffering=0) as keys, os.fdopen(terminal) as screen:
        monkeypatch.setattr("sys.stdin", screen)
        saved = os.dup(0)
        os.dup2(terminal, 0)
        try:
            keys.write(b"typed\n")
            ask(config.target)
        finally:
            os.dup2(saved, 0)
            os.close(saved)


def test_a_plugin_that_hangs_ends_with_the_command(
    config: Kubeconfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sametag.kube.credentials._PLUGIN_SECONDS", 1.0)
    config.plugin(tmp_path, "time.sleep(60)")

    with pytest.raises(ClusterError, match="did not end within 1 s"):
        ask(config.target)


def test_a_token_file_is_read_again_when_its_token_is_refused(
    config: Kubeconfig, api: ApiServer, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("old\n")
    config.user["tokenFile"] = "token"
    api.tokens = {"old"}

    async def main() -> None:
        async with connect(config.target) as client:
            assert [pod async for pod in client.list(Pod)] == []
            (tmp_path / "token").write_text("new\n")
            api.tokens = {"new"}
            assert [pod async for pod in client.list(Pod)] == []

    asyncio.run(main())


def test_a_token_that_is_refused_is_said(config: Kubeconfig, api: ApiServer) -> None:
    config.user |= {"token": "bad"}
    api.tokens = {"good"}
    with pytest.raises(ClusterError, match="the cluster rejected the request: Unauthorized") as caught:
        ask(config.target)
    assert caught.value.remedy == "the credentials in the kubeconfig are not accepted: renew them"


def test_a_user_acts_as_another(config: Kubeconfig, api: ApiServer) -> None:
    extra = {"example.com/scopes": ["a", "b"]}
    config.user |= {"as": "jane", "as-uid": "7", "as-groups": ["devs", "ops"], "as-user-extra": extra}
    ask(config.target)

    headers = api.headers[0]
    assert (headers["Impersonate-User"], headers["Impersonate-Uid"]) == ("jane", "7")
    assert headers.get_all("Impersonate-Group") == ["devs", "ops"]
    assert headers.get_all("Impersonate-Extra-example.com%2Fscopes") == ["a", "b"]


def test_the_server_is_verified_by_its_tls_server_name(config: Kubeconfig, api: ApiServer) -> None:
    config.cluster["tls-server-name"] = SERVER_NAME
    ask(config.target)
    assert len(api.requests) == 1

    config.cluster["tls-server-name"] = "other.example.com"
    with pytest.raises(ClusterError, match=r"certificate is not valid for 'other\.example\.com'"):
        ask(config.target)


def test_an_authority_that_nobody_knows_is_refused_unless_verification_is_off(
    config: Kubeconfig, api: ApiServer
) -> None:
    del config.cluster["certificate-authority"]
    with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED"):
        ask(config.target)
    config.cluster["insecure-skip-tls-verify"] = True
    ask(config.target)
    assert len(api.requests) == 1


def test_strict_verification_of_newer_pythons_is_off() -> None:
    """From 3.13 on a default context refuses what Go accepts: an authority without key identifiers."""
    from sametag.kube.transport import _context

    assert not _context({}).verify_flags & ssl.VERIFY_X509_STRICT


def test_nothing_secret_is_sent_in_the_clear(tmp_path: Path) -> None:
    with ApiServer(tmp_path / "plain") as server:
        server.answers[PODS] = (200, {"metadata": {}, "items": []})
        ask(Target(str(server.kubeconfig)))
        assert "Authorization" not in server.headers[0]


def test_requests_go_through_the_proxy_of_the_kubeconfig(config: Kubeconfig) -> None:
    asked: list[bytes] = []

    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readline())
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            writer.close()

        proxy = await asyncio.start_server(answer, "127.0.0.1", 0)
        config.cluster["proxy-url"] = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with proxy, connect(config.target) as client:
            assert [pod async for pod in client.list(Pod)] == []

    with pytest.raises(ClusterError, match=r"cannot reach the cluster at https://127.*403 Forbidden"):
        asyncio.run(main())
    server = config.cluster["server"].removeprefix("https://")
    assert asked == [f"CONNECT {server} HTTP/1.1\r\n".encode()]


def test_requests_go_through_a_socks_proxy_of_the_kubeconfig(config: Kubeconfig, api: ApiServer) -> None:
    """The proxy gets the address of the API server, and passes bytes on. Source: RFC 1928."""
    asked: list[bytes] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        length = (await reader.readexactly(1))[0] if kind == 3 else 4
        host = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2), "big")
        asked.append(host)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async def main() -> None:
        proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
        config.cluster["proxy-url"] = f"socks5://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with proxy, connect(config.target) as client:
            assert [pod async for pod in client.list(Pod)] == []

    asyncio.run(main())
    assert len(asked) == 1
    assert len(api.requests) == 1
