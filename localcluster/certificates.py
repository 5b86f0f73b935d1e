"""Certificates and kubeconfigs: an own certificate authority, made with the openssl program.

Elliptic-curve keys, because making a dozen RSA keys would take longer than starting etcd.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from localcluster.commands import run

_VALID_DAYS = "3650"
_CA_SECTION = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\n"


@dataclass(frozen=True)
class Subject:
    """Whom a certificate is for; `group` is what RBAC sees as the group."""

    name: str
    common_name: str
    group: str = ""
    addresses: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()


def leaf_config(subject: Subject) -> str:
    """OpenSSL configuration of one leaf certificate."""
    alternatives = [f"IP:{address}" for address in subject.addresses] + [f"DNS:{dns}" for dns in subject.dns_names]
    lines = [
        "[req]",
        "distinguished_name=dn",
        "prompt=no",
        "x509_extensions=ext",
        "[dn]",
        *([f"O={subject.group}"] if subject.group else []),
        f"CN={subject.common_name}",
        "[ext]",
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid",
        *([f"subjectAltName={','.join(alternatives)}"] if alternatives else []),
    ]
    return "\n".join(lines) + "\n"


class Authority:
    """A certificate authority in a folder; what exists already is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if not self.certificate.exists():
            # Python 3.13 verifies strictly and refuses a CA certificate without keyUsage.
            config = "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN=marquee-local\n[ext]\n"
            self._openssl_req(config + _CA_SECTION + "subjectKeyIdentifier=hash\n", self.certificate, self.key)

    def certificate_file(self, name: str) -> Path:
        """Where the certificate of this subject is."""
        return self.folder / f"{name}.crt"

    def key_file(self, name: str) -> Path:
        """Where the key of this subject is."""
        return self.folder / f"{name}.key"

    def issue(self, subject: Subject) -> None:
        """Make the certificate unless one with the same contents exists."""
        config = leaf_config(subject)
        remembered = self.folder / f"{subject.name}.cnf"
        certificate = self.certificate_file(subject.name)
        if certificate.exists() and remembered.exists() and remembered.read_text() == config:
            return
        self._openssl_req(config, certificate, self.key_file(subject.name), signer=True)
        remembered.write_text(config)

    def service_account_key(self) -> Path:
        """Key that signs service-account tokens."""
        key = self.folder / "sa.key"
        if not key.exists():
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key])
        return key

    def _openssl_req(self, config: str, certificate: Path, key: Path, *, signer: bool = False) -> None:
        config_file = certificate.with_suffix(".tmp")
        config_file.write_text(config)
        run(
            [
                *("openssl", "req", "-x509", "-config", config_file, "-days", _VALID_DAYS),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-keyout", key, "-out", certificate),
                *(("-CA", self.certificate, "-CAkey", self.key) if signer else ()),
            ]
        )
        config_file.unlink()


def kubeconfig_text(authority: Authority, *, server: str, user: str) -> str:
    """A self-contained kubeconfig; JSON, which is YAML too."""

    def inline(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": inline(authority.certificate)}
    identity = {
        "client-certificate-data": inline(authority.certificate_file(user)),
        "client-key-data": inline(authority.key_file(user)),
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "marquee",
            "clusters": [{"name": "marquee", "cluster": cluster}],
            "users": [{"name": user, "user": identity}],
            "contexts": [{"name": "marquee", "context": {"cluster": "marquee", "user": user}}],
        },
        indent=2,
    )


def write_kubeconfig(path: Path, authority: Authority, *, server: str, user: str) -> None:
    """Write the kubeconfig for its owner only."""
    path.touch(mode=0o600)
    path.write_text(kubeconfig_text(authority, server=server, user=user) + "\n")
