"""Go's golang.org/x/mod/sumdb/note and tlog read what we write, and we read what they write."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from localcluster.gobuild import Recipe, compile_programs, ensure
from localcluster.stages import Stages
from marquee.audit.hashing import leaf_hash
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.notes import Checkpoint, read_checkpoint, require_log, sign
from marquee.audit.proofs import check_consistency, check_inclusion, consistency, inclusion, root_of
from marquee.audit.proving import prove
from marquee.audit.store.posix import FolderStore
from marquee.audit.tree import StoredTree
from tests.support import audit
from tests.support.audit.logs import LOG_KEY, NEXT_KEY, ORIGIN, WITNESSES, entries, filled, witnessed

RECIPE = Recipe("the reader of transparency logs", Path(audit.__path__[0]) / "interop", ("tlogcheck",))


@pytest.fixture(scope="module")
def program() -> Path:
    """Built once, from the module beside the tests."""
    stages = Stages(quiet=True)

    def build(go: str, folder: Path) -> None:
        compile_programs(go, RECIPE, ["-o", f"{folder}/", "./cmd/..."], stages)

    return ensure(RECIPE, build, stages) / "tlogcheck"


def run(program: Path, *arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("size", [2, 255, 256, 257, 600])
def test_go_reads_our_log_and_makes_the_same_proofs(program: Path, tmp_path: Path, size: int) -> None:
    """Checkpoint, cosignature, tiles, entries; its inclusion and consistency proofs are ours."""
    log = filled(FolderStore(tmp_path), size)
    witnessed(log, WITNESSES[:1])
    old = size - 1
    ended = run(program, "log", tmp_path, LOG_KEY.public.text, old, WITNESSES[0].public.text)
    assert ended.stderr == ""
    answer = json.loads(ended.stdout)
    tree, root = StoredTree(log.store, size), log.head.checkpoint.root
    assert (answer["size"], answer["entries"], answer["witnessed"]) == (size, size, True)
    assert _hashes([answer["root"]]) == [root]
    assert _hashes(answer["inclusion"]) == inclusion(tree, old, size)
    assert _hashes(answer["consistency"]) == consistency(tree, old, size)
    check_inclusion(leaf_hash(entries(size)[old]), old, size, _hashes(answer["inclusion"]), root)
    check_consistency(old, root_of(tree, old), size, root, _hashes(answer["consistency"]))


def test_go_accepts_our_proof(program: Path, tmp_path: Path) -> None:
    """And refuses it when it was altered, or when the key is another's."""
    log = filled(FolderStore(tmp_path / "log"), 300)
    text = next(prove(log.store, log.head, [77])).text
    (tmp_path / "proof").write_text(text, encoding="utf-8")
    assert run(program, "proof", tmp_path / "proof", LOG_KEY.public.text).returncode == 0
    assert run(program, "proof", tmp_path / "proof", NEXT_KEY.public.text).returncode == 1
    (tmp_path / "proof").write_text(text.replace("index 77", "index 78"), encoding="utf-8")
    assert run(program, "proof", tmp_path / "proof", LOG_KEY.public.text).returncode == 1


def test_we_read_what_go_signs_and_go_what_we_sign(program: Path) -> None:
    """With either one's keys, the same bytes."""
    checkpoint = Checkpoint(ORIGIN, 3, bytes(32))
    ours = sign(checkpoint, [LOG_KEY])
    theirs = run(program, "sign", LOG_KEY.text, text=checkpoint.text).stdout
    assert theirs == ours.text
    require_log(read_checkpoint(theirs.encode()), ORIGIN, [LOG_KEY.public])
    assert run(program, "open", LOG_KEY.public.text, text=ours.text).returncode == 0
    fresh = PrivateKey.generate(ORIGIN, Use.LOG)
    assert run(program, "open", fresh.public.text, text=sign(checkpoint, [fresh]).text).returncode == 0
    assert run(program, "open", LOG_KEY.public.text, text=sign(checkpoint, [fresh]).text).returncode == 1


def _hashes(texts: list[str]) -> list[bytes]:
    from base64 import b64decode

    return [b64decode(text) for text in texts or []]
