from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import Configuration

from marquee.control.cluster import access as access_module
from marquee.control.cluster.access import TOKEN_CHECK_SECONDS, Access, log_in
from marquee.control.cluster.errors import LoginFailed


@pytest.fixture(autouse=True)
def no_cluster_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever kubeconfig or pod the tests run in is invisible to them."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "tls.crt", folder / "tls.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def kubeconfig(folder: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None) -> Path:
    file = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster or {"server": "https://127.0.0.1:6443/"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "nobody", "context": {"cluster": "c", "user": "missing"}},
        ],
    }
    file.write_text(yaml.safe_dump(content))
    return file


async def test_kubeconfig_with_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kubeconfig gives address and token; TLS is verified."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {"token": "abc"})))

    access = await log_in()

    assert access.server == "https://127.0.0.1:6443"
    assert await access.authorization() == "Bearer abc"
    assert access.ssl_context is not None
    assert access.ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert access.verifies


async def test_kubeconfig_with_a_client_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    """A client certificate is an identity of its own: no token is sent."""
    user = {"client-certificate": str(certificate[0]), "client-key": str(certificate[1])}
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority": str(certificate[0])}
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, user, cluster)))

    access = await log_in()

    assert await access.authorization() is None
    assert access.certificate_path == str(certificate[0])
    assert access.private_key_path == str(certificate[1])
    assert access.ca_path == str(certificate[0])


async def test_kubeconfig_may_waive_verification(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """insecure-skip-tls-verify, tls-server-name and proxy-url are honoured."""
    cluster = {
        "server": "https://127.0.0.1:6443",
        "insecure-skip-tls-verify": True,
        "tls-server-name": "kubernetes",
        "proxy-url": "http://127.0.0.1:3128",
    }
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {"token": "abc"}, cluster)))

    access = await log_in()

    assert access.ssl_context is not None
    assert access.ssl_context.verify_mode is ssl.CERT_NONE
    assert (access.verifies, access.server_name, access.proxy) == (False, "kubernetes", "http://127.0.0.1:3128")


async def test_plain_http_needs_no_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Behind ``kubectl proxy`` there is neither TLS nor a token."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {}, {"server": "http://127.0.0.1:8001"})))

    access = await log_in()

    assert access.ssl_context is None
    assert await access.authorization() is None


async def test_a_context_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another context than the current one can be named; one that does not exist is an error that names it."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {"token": "abc"})))

    assert await (await log_in(context="here")).authorization() == "Bearer abc"
    with pytest.raises(LoginFailed, match="context elsewhere"):
        await log_in(context="elsewhere")


async def test_no_credentials_are_told_from_a_missing_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kubeconfig without identity, a missing and a broken one each say what is wrong and where."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {})))
    with pytest.raises(LoginFailed, match="neither a token nor a client certificate"):
        await log_in()

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(LoginFailed, match="absent: no such file"):
        await log_in()

    (tmp_path / "broken").write_text("a: [")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "broken"))
    with pytest.raises(LoginFailed, match="broken: cannot be used"):
        await log_in()


async def test_nothing_at_all_says_what_to_set() -> None:
    """Without kubeconfig and pod, the error says which of them to provide."""
    with pytest.raises(LoginFailed, match="set KUBECONFIG, or run in a pod"):
        await log_in()


async def test_the_default_kubeconfig_is_found(tmp_path: Path) -> None:
    """Without $KUBECONFIG the file in the home folder is read."""
    folder = tmp_path / "home" / ".kube"
    folder.mkdir(parents=True)
    kubeconfig(folder, {"token": "home"}).rename(folder / "config")

    assert await (await log_in()).authorization() == "Bearer home"


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: tuple[Path, Path]) -> Path:
    """The files and variables that a pod with a service account sees."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("first")
    (folder / "ca.crt").write_bytes(certificate[0].read_bytes())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "198.18.64.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    library = "kubernetes.aio.config.incluster_config"
    monkeypatch.setattr(f"{library}.SERVICE_TOKEN_FILENAME", str(folder / "token"))
    monkeypatch.setattr(f"{library}.SERVICE_CERT_FILENAME", str(folder / "ca.crt"))
    monkeypatch.setattr(access_module, "_SERVICE_ACCOUNT_FOLDER", folder)
    return folder


async def test_a_pod_uses_its_service_account(pod: Path) -> None:
    """In a pod the address comes from the environment and the token from the mounted file."""
    access = await log_in()

    assert access.server == "https://198.18.64.1:443"
    assert (await access.authorization() or "").lower() == "bearer first"
    assert access.ca_path == str(pod / "ca.crt")


@pytest.mark.usefixtures("pod")
async def test_a_kubeconfig_in_a_pod_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$KUBECONFIG in a pod means another cluster or identity, on purpose."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {"token": "abc"})))

    assert await (await log_in()).authorization() == "Bearer abc"


async def test_a_broken_service_account_is_named(pod: Path) -> None:
    """An empty token file is an error of the login, not of some later request."""
    (pod / "token").write_text("")

    with pytest.raises(LoginFailed, match="service account cannot be used"):
        await log_in()


async def test_a_token_file_that_changed_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A token that was replaced on disk is used within a minute, and at once after the server refused the old."""
    token = tmp_path / "token"
    token.write_text("old")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {"tokenFile": str(token)})))
    now = 0.0
    monkeypatch.setattr(access_module, "monotonic_seconds", lambda: now)
    access = await log_in()
    token.write_text("new")

    now = TOKEN_CHECK_SECONDS - 1
    assert await access.authorization() == "Bearer old"
    now = TOKEN_CHECK_SECONDS + 1
    assert await access.authorization() == "Bearer new"
    token.write_text("newest")
    assert await access.authorization() == "Bearer new"
    access.expire()
    assert await access.authorization() == "Bearer newest"


async def test_requests_at_once_renew_the_token_once() -> None:
    """While the token is being renewed, other requests go on with the one there is."""
    configuration: Any = Configuration(host="http://127.0.0.1:1")
    configuration.api_key["BearerToken"] = "Bearer old"
    renewals = 0

    async def renew() -> None:
        nonlocal renewals
        renewals += 1
        await asyncio.sleep(0.01)
        configuration.api_key["BearerToken"] = "Bearer new"

    access = Access(configuration, reload=renew)
    access.expire()

    first, second = await asyncio.gather(access.authorization(), access.authorization())

    assert (first, second) == ("Bearer new", "Bearer old")
    assert renewals == 1


async def test_a_token_that_cannot_be_renewed_is_a_failed_login() -> None:
    """The reason for which the source gave no token reaches the caller, and the next request asks again."""
    configuration: Any = Configuration(host="http://127.0.0.1:1")
    calls = 0

    async def renew() -> None:
        nonlocal calls
        calls += 1
        raise OSError("helper not found")

    access = Access(configuration, reload=renew)
    for _ in range(2):
        access.expire()
        with pytest.raises(LoginFailed, match="could not be renewed: helper not found"):
            await access.authorization()
    assert calls == 2


async def test_a_renewed_client_certificate_serves_new_connections(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login helper may hand out another certificate: it is loaded into the TLS context in use."""
    configuration: Any = Configuration(host="https://127.0.0.1:1")
    loaded: list[tuple[str, str]] = []

    async def renew() -> None:
        configuration.cert_file, configuration.key_file = map(str, certificate)

    access = Access(configuration, reload=renew)
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda _, file, keyfile: loaded.append((file, keyfile)))
    access.expire()
    await access.authorization()
    access.expire()
    await access.authorization()

    assert loaded == [(str(certificate[0]), str(certificate[1]))]
    assert access.certificate_path == str(certificate[0])
