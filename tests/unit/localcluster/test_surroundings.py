"""What is taken from the machine: mirrors, pip settings, mounts, ports; and what is said."""

import io
import socket
import struct
from pathlib import Path

import pytest

from localcluster import dns, hostaccess, mirrors
from localcluster.bases import BASES, bootstrap_command, recipe_hash
from localcluster.commands import run
from localcluster.errors import CannotRunHere, CommandFailed, LocalClusterError
from localcluster.mounts import mount_points
from localcluster.paths import Layout
from localcluster.ports import PortLocks
from localcluster.stages import Stages
from localcluster.supervision import part_log

TARGETS = [
    "Debian|bookworm|main|http://mirror.example/debian/",
    "Debian|bookworm|contrib|http://other.example/debian/",
    "Debian|bookworm-security|main|http://mirror.example/debian-security/",
    "Node Source|nodistro|main|https://elsewhere.example/",
]


def test_a_base_comes_from_the_machines_mirror_whatever_its_release() -> None:
    """The mirror of the installed release serves the wanted one, with its security archive."""
    assert [source.line() for source in mirrors.for_release("trixie", TARGETS)] == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/debian-security trixie-security main",
    ]


def test_a_machine_that_is_no_debian_is_told_what_is_missing() -> None:
    """Other distributions' archives are never asked for Debian packages."""
    with pytest.raises(CannotRunHere, match="no Debian mirror"):
        mirrors.for_release("bookworm", ["Ubuntu|noble|main|http://archive.example/ubuntu/"])


def test_no_mirror_of_the_machine_stays_in_a_base() -> None:
    """The image has no sources of its own, and licences stay while documentation goes."""
    sources = mirrors.for_release("bookworm", TARGETS)
    command = bootstrap_command(BASES["python"], Path("/out.tar"), sources, ['Acquire::http::Proxy "http://p:1";'])
    assert '--customize-hook=: > "$1"/etc/apt/sources.list' in command
    assert command[-3] == "deb http://mirror.example/debian bookworm main"
    assert "--dpkgopt=path-include=/usr/share/doc/*/copyright" in command
    assert '--aptopt=Acquire::http::Proxy "http://p:1";' in command


def test_bases_differ_by_their_recipe() -> None:
    """The cache tells the bases apart by what is in them."""
    assert recipe_hash(BASES["python"]) != recipe_hash(BASES["trainer"])


def test_pip_settings_keep_the_way_to_the_registry_only() -> None:
    """Index, proxy and time limits are taken over; local folders and the host's certificate path are not."""
    file = "[global]\nindex-url = https://one.example/simple\ncert = /host/ca.pem\nfind-links = /wheels\n"
    text = hostaccess.pip_settings(
        [file], {"PIP_INDEX_URL": "https://two.example/simple", "PIP_TIMEOUT": "9", "HOME": "/x"}
    )
    assert text.splitlines() == [
        "[global]",
        "cert = /etc/ssl/certs/ca-certificates.crt",
        "disable-pip-version-check = true",
        "index-url = https://two.example/simple",
        "timeout = 9",
    ]


def test_a_dockerfile_that_asks_for_the_certificate_gets_it() -> None:
    """Only a declared argument is given: others would be a warning."""
    assert hostaccess.declared_arguments("FROM x\nARG PIP_CERT=\nRUN y\n") == {"PIP_CERT": hostaccess.BUNDLE_IN_IMAGE}
    assert hostaccess.declared_arguments("FROM x\n# ARG PIP_CERT\n") == {}


def test_blanks_in_mount_points_are_read() -> None:
    """The kernel writes them as octal escapes."""
    assert mount_points("1 2 0:1 / /a\\040b rw - tmpfs t rw\n") == ["/a b"]


def test_a_held_port_is_nobody_elses(tmp_path: Path) -> None:
    """Two instances never choose the same port; a released one is free again."""
    first, second = PortLocks(tmp_path), PortLocks(tmp_path)
    port = first.take()
    assert second.take(preferred=port) != port
    first.close()
    second.close()
    assert second.take(preferred=port) == port
    second.close()


def test_a_port_in_use_is_not_taken(tmp_path: Path) -> None:
    """A preferred port on which somebody listens gives another one."""
    locks = PortLocks(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert locks.take(preferred=port) != port
    locks.close()


def test_a_question_is_wire_format() -> None:
    """Header, labels with their lengths, type A, class IN (RFC 1035)."""
    query = dns.question("a.bc", 7)
    assert query == struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x01a\x02bc\x00" + struct.pack(">HH", 1, 1)


def test_nobody_answering_is_no_error() -> None:
    """Before cluster DNS runs, the question is simply not answered."""
    assert dns.answers("127.0.0.1", "a.b", timeout_seconds=0.05) is False


def test_stages_tell_the_time() -> None:
    """A line starts with the seconds since the start."""
    out = io.StringIO()
    Stages(out).say("control plane: ready")
    assert out.getvalue() == "[   0.0 s] control plane: ready\n"
    Stages(out, quiet=True).say("unheard")
    assert "unheard" not in out.getvalue()


def test_errors_say_what_why_and_what_to_do() -> None:
    """The message reads as three answers."""
    assert str(LocalClusterError("it broke", why="a reason", fix="do this")) == (
        "it broke\nwhy: a reason\nwhat to do: do this"
    )


def test_a_failing_command_tells_its_last_words() -> None:
    """Exit status and the end of what the program printed are in the error."""
    with pytest.raises(CommandFailed, match="exit status 3") as failure:
        run(["sh", "-c", "echo one; echo two >&2; exit 3"])
    assert failure.value.why == "two"
    with pytest.raises(CommandFailed, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_each_part_has_its_log(tmp_path: Path) -> None:
    """Logs are named after their part."""
    assert part_log(Layout(tmp_path), "kubelet") == tmp_path / "logs" / "kubelet.log"
