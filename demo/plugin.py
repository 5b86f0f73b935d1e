"""Runs `kubectl marquee ...` against the demo's cluster, as a person would."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from demo.errors import DemoError
from demo.target import Target
from localcluster import kubectl

_TIMEOUT_SECONDS: Final = 60
_PLUGIN: Final = "import sys; from marquee.cli.main import main; sys.argv[0] = 'kubectl-marquee'; sys.exit(main())"
"""Under its own name: ``retrain`` of the plugin asks for a run, and ``marquee retrain`` is one."""


def marquee(target: Target, *arguments: str) -> str:
    """What the plugin prints.

    Raises:
        DemoError: it ended with an error.

    """
    with tempfile.TemporaryDirectory() as folder:
        environment = kubectl.environment(target.kubeconfig)
        environment["PATH"] = f"{folder}:{environment.get('PATH', '')}"
        # the cluster's programs are one file, whose first argument says which
        program = Path(folder) / "kubectl"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(target.program))} kubectl "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", _PLUGIN, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise DemoError(f"kubectl marquee {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
