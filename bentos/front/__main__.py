"""The command of the predictor container: ``python -m bentos.front``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from bentos.front import logs
from bentos.front.failures import CannotServeError, write_termination_message
from bentos.front.server import run
from bentos.front.settings import Settings, variable
from marquee.contract.pod import EXIT_CODE_FAILURE, TERMINATION_MESSAGE_PATH

log = logging.getLogger("bentos.front")


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Serve, and return the exit code: 0 after a drain, `EXIT_CODE_FAILURE` with a termination message."""
    logs.configure()
    try:
        settings = Settings.from_environment(environ)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except CannotServeError as error:
        log.error("cannot serve: %s", error)
        path = environ.get(variable("termination_message_path")) or TERMINATION_MESSAGE_PATH
        write_termination_message(error.to_failure(), Path(path))
        return EXIT_CODE_FAILURE
    return 0


if __name__ == "__main__":
    sys.exit(main())
