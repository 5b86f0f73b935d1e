"""Gives builds the machine's way to the package registries without leaving it in the image.

Certificate bundle and pip settings are mounted over while a step runs. pip reads /etc/pip.conf by
itself, so Dockerfiles need to know nothing of it and build unchanged elsewhere.
"""

import configparser
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

BUNDLE_IN_IMAGE = "/etc/ssl/certs/ca-certificates.crt"
PIP_CONF_IN_IMAGE = "/etc/pip.conf"
_KEPT_KEYS = frozenset(
    {"index-url", "extra-index-url", "trusted-host", "timeout", "default-timeout", "retries", "proxy", "no-index"}
)


def host_bundle() -> Path | None:
    """The certificate bundle that this machine trusts: what the environment names, else the system's."""
    candidates = [
        *(os.environ.get(name, "") for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")),
        BUNDLE_IN_IMAGE,
        ssl.get_default_verify_paths().cafile or "",
    ]
    return next((Path(c) for c in candidates if c and Path(c).is_file()), None)


def pip_settings(files: Sequence[str], environment: Mapping[str, str]) -> str:
    """A pip.conf with what configuration files and PIP_ variables say about the way to the registry."""
    merged: dict[str, str] = {}
    for text in files:
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        for section in ("global", "install"):
            if parser.has_section(section):
                merged.update(parser.items(section))
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            merged[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    kept = {key: value for key, value in merged.items() if key in _KEPT_KEYS}
    lines = [f"{key} = {value}" for key, value in sorted(kept.items())]
    return "\n".join(["[global]", f"cert = {BUNDLE_IN_IMAGE}", "disable-pip-version-check = true", *lines]) + "\n"


def mounts(folder: Path) -> list[str]:
    """Options for the builder, HOST:IMAGE:ro each; `folder` takes the generated file."""
    bundle = host_bundle()
    sources = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf")
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "pip.conf"
    settings.write_text(pip_settings([f.read_text() for f in sources if f.exists()], os.environ))
    certificates = [f"{bundle}:{BUNDLE_IN_IMAGE}:ro"] if bundle else []
    return [*certificates, f"{settings}:{PIP_CONF_IN_IMAGE}:ro"]


def declared_arguments(dockerfile: str) -> dict[str, str]:
    """Values for build arguments that a Dockerfile declares to learn about certificates."""
    declares = re.search(r"^\s*ARG\s+PIP_CERT\b", dockerfile, re.MULTILINE)
    return {"PIP_CERT": BUNDLE_IN_IMAGE} if declares else {}
