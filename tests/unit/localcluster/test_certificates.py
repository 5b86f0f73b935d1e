"""Certificates made with openssl, and kubeconfigs."""

import base64
import json
import ssl
import subprocess
from pathlib import Path

import pytest

from localcluster.certificates import Authority, Subject, kubeconfig_text, leaf_config, write_kubeconfig


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("pki"))
    authority.issue(Subject("server", "server", "", ("127.0.0.1",), ("localhost",)))
    authority.issue(Subject("admin", "admin", "system:masters"))
    return authority


def text_of(certificate: Path) -> str:
    shown = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-text"], capture_output=True, text=True, check=True
    )
    return shown.stdout


def test_the_authority_says_what_its_key_is_for(authority: Authority) -> None:
    """Strict verification (Python 3.13) refuses a CA certificate without key usage."""
    text = text_of(authority.certificate)
    assert "X509v3 Key Usage: critical" in text
    assert "Certificate Sign" in text
    assert "CA:TRUE" in text


def test_leaves_verify_against_the_authority_strictly(authority: Authority) -> None:
    """Openssl accepts a leaf under the strictest rules."""
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", authority.certificate, authority.certificate_file("server")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_server_is_known_by_address_and_name(authority: Authority) -> None:
    """The addresses and names of the subject are in the certificate, which is no authority itself."""
    text = text_of(authority.certificate_file("server"))
    assert "IP Address:127.0.0.1" in text
    assert "DNS:localhost" in text
    assert "CA:FALSE" in text


def test_the_group_is_the_organisation(authority: Authority) -> None:
    """RBAC reads the group from O and the user from CN."""
    assert "O = system:masters, CN = admin" in text_of(authority.certificate_file("admin"))


def test_an_unchanged_subject_keeps_its_certificate(tmp_path: Path) -> None:
    """A restart does not make new identities; another address does."""
    authority = Authority(tmp_path)
    authority.issue(Subject("server", "server", "", ("127.0.0.1",), ("localhost",)))
    file = authority.certificate_file("server")
    before = file.read_bytes()
    authority.issue(Subject("server", "server", "", ("127.0.0.1",), ("localhost",)))
    assert file.read_bytes() == before
    authority.issue(Subject("server", "server", "", ("127.0.0.2",), ("localhost",)))
    assert file.read_bytes() != before


def test_a_subject_without_alternatives_has_no_such_line() -> None:
    """Openssl refuses an empty list of alternative names."""
    assert "subjectAltName" not in leaf_config(Subject("admin", "admin"))


def test_a_kubeconfig_is_complete_in_itself(authority: Authority) -> None:
    """Certificates are inlined, so the file can be copied anywhere."""
    content = json.loads(kubeconfig_text(authority, server="https://127.0.0.1:1", user="admin"))
    cluster = content["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:1"
    certificate = base64.b64decode(cluster["certificate-authority-data"]).decode()
    assert ssl.PEM_cert_to_DER_cert(certificate)
    assert content["contexts"][0]["context"] == {"cluster": "marquee", "user": "admin"}
    assert content["current-context"] == "marquee"


def test_a_kubeconfig_is_for_its_owner_only(authority: Authority, tmp_path: Path) -> None:
    """It holds the administrator's key."""
    file = tmp_path / "kubeconfig"
    write_kubeconfig(file, authority, server="https://x", user="admin")
    assert file.stat().st_mode & 0o077 == 0
