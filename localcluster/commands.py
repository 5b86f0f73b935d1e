"""Calling programs: output captured, failures told with the last lines that the program printed."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcluster.errors import CommandFailed


def run(
    argv: Sequence[str | Path],
    *,
    input: str | None = None,  # noqa: A002 - the name that subprocess gives it
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float | None = None,
) -> str:
    """Return what the program prints on stdout; raise `CommandFailed` when it fails or is missing."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words, input=input, env=env, cwd=cwd, timeout=timeout_seconds, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as missing:
        raise CommandFailed(f"{words[0]} is not installed", fix=f"install the package that has {words[0]}") from missing
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(f"{' '.join(words[:4])} ... took longer than {timeout_seconds} s") from late
    if done.returncode != 0:
        raise CommandFailed(
            f"{' '.join(words[:6])} failed with exit status {done.returncode}", why=tail(done.stderr or done.stdout)
        )
    return done.stdout


def tail(text: str, *, lines: int = 12) -> str:
    """The last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-lines:])
