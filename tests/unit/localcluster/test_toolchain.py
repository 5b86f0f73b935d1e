"""What the cluster's own programs are, and which version they tell."""

import pytest

from localcluster import toolchain
from localcluster.errors import BuildFailed


def test_the_server_knows_its_version() -> None:
    """The version comes from go.mod; without these flags the server calls itself v0.0.0."""
    version = toolchain.kubernetes_version("require (\n\tk8s.io/api v0.35.4\n\tk8s.io/kubernetes v1.35.4\n)\n")
    assert version == "v1.35.4"
    flags = toolchain.linker_flags(version)
    assert "-X k8s.io/component-base/version.gitVersion=v1.35.4" in flags
    assert "-X k8s.io/component-base/version.gitMinor=35" in flags


def test_a_go_mod_without_a_release_is_told() -> None:
    """A pseudo-version has no minor number to tell the server."""
    with pytest.raises(BuildFailed, match="no release of"):
        toolchain.kubernetes_version("require k8s.io/kubernetes v1.36.0-alpha.0\n")


def test_the_real_module_names_its_programs() -> None:
    """Every program that is expected has its source."""
    commands = {folder.name for folder in (toolchain.MODULE / "cmd").iterdir()}
    assert commands == set(toolchain.PROGRAMS)
