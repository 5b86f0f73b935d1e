"""A small program called kubectl: it answers what the test says, and notes how it was called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!/bin/sh
cd '{folder}'
IFS=$(printf '\\037')
printf '%s\\n' "$*" >> calls
number=$(wc -l < calls)
unset IFS
number=$((number))
last=$(cat last)
[ $number -le $last ] || number=$last
echo $$ > pid
cat complaint.$number >&2
cat output.$number
. ./ending.$number
"""
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class StubKubectl:
    """The program's folder, which the test puts on PATH. A shell script: Python would take longer to start."""

    folder: Path

    def install(self) -> None:
        """Write the program."""
        program = self.folder / "kubectl"
        program.write_text(_PROGRAM.format(folder=self.folder))
        program.chmod(0o755)

    def answers(self, *answers: dict[str, Any]) -> None:
        """One answer for each call; the last one for all that follow."""
        for number, given in enumerate(answers, start=1):
            (self.folder / f"complaint.{number}").write_text(given["complaint"])
            (self.folder / f"output.{number}").write_text(given["output"])
            stay = f"exec sleep {given['seconds']}" if given["seconds"] else f"exit {given['code']}"
            (self.folder / f"ending.{number}").write_text(stay + "\n")
        (self.folder / "last").write_text(str(len(answers)))

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call."""
        path = self.folder / "calls"
        return [line.split(_SEPARATOR) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def pid(self) -> int:
        """Of the last call; written before the answer, so that who has seen the answer can read it."""
        return int((self.folder / "pid").read_text())


def answer(output: Any = "", *, complaint: str = "", code: int = 0, seconds: int = 0) -> dict[str, Any]:
    """What kubectl does: complain, print, and end with a code or stay for some seconds."""
    text = output if isinstance(output, str) else json.dumps(output)
    return {"output": text, "complaint": complaint, "code": code, "seconds": seconds}


def refusal(reason: str, message: str) -> dict[str, Any]:
    """An API server's refusal as kubectl tells it."""
    return answer(complaint=f"Error from server ({reason}): {message}\n", code=1)


def event(body: dict[str, Any], kind: str = "MODIFIED") -> str:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": body}) + "\n"
