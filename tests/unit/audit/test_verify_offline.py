"""The offline verifier as an auditor runs it: what it says is proven, and what it finds."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from marquee.audit import verify_offline
from marquee.audit.events import Stamp, SubjectErased
from marquee.audit.hashing import leaf_hash
from marquee.audit.log import AuditLog, LogKeys
from marquee.audit.proofs import inclusion
from marquee.audit.proving import Proof, prove
from marquee.audit.statements import Statement, write_entry
from marquee.audit.store.posix import FolderStore
from marquee.audit.verify_offline import NotProven, path_root, tile_path, tree_root, verify
from tests.support.audit import mutations
from tests.support.audit.logs import (
    BEGINNING,
    KEYS,
    LOG_KEY,
    NEXT_KEY,
    ORIGIN,
    SUBJECT,
    WITNESSES,
    entries,
    filled,
    policy_text,
    witnessed,
    write_policy,
)
from tests.support.audit.mutations import Bench
from tests.unit.audit.test_hashing import LEAVES, ROOTS

SCRIPT = Path(verify_offline.__file__)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """300 entries, cosigned by three."""
    log = filled(FolderStore(tmp_path / "log"), 300)
    witnessed(log)
    return log


def test_an_auditor_can_read_it() -> None:
    """At most 300 lines, and nothing of ours is imported."""
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    imported = set(re.findall(r"^(?:import|from) ([a-z0-9_]+)", text, re.MULTILINE))
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_it_runs_alone(log: AuditLog, tmp_path: Path) -> None:
    """As a file, with no path to the rest."""
    (tmp_path / "proof").write_text("".join(proof.text for proof in prove(log.store, log.head, [4])), encoding="utf-8")
    script = tmp_path / "verify_offline.py"
    script.write_bytes(SCRIPT.read_bytes())
    command = [sys.executable, "-I", str(script), "--trust", str(write_policy(tmp_path, 2)), str(tmp_path / "proof")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("PROVEN\nentry 4 of 300 in the log logs.example/marquee, by operator.example:\n")
    assert "    the witness witness.example/3 saw this tree at 2027-01-15 08:00:00 UTC\n" in ended.stdout
    (tmp_path / "proof").write_text("x", encoding="utf-8")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "NOT PROVEN: file: does not begin with c2sp.org/tlog-proof@v1\n"


def test_it_says_what_is_proven_of_a_log(log: AuditLog, tmp_path: Path) -> None:
    """And what is not."""
    seen = tmp_path / "seen"
    seen.write_text(log.head.text, encoding="utf-8")
    log.append(entries(303)[300:])
    log.checkpoint()
    witnessed(log, WITNESSES[:2])
    assert verify(tmp_path / "log", write_policy(tmp_path, 2), seen, signatures=True) == [
        "PROVEN",
        "the log logs.example/marquee has exactly these 303 entries, as its key signed them",
        "none was left out of the entries of its 3 models",
        "the witness witness.example/3 saw this tree at 2027-01-15 08:00:00 UTC",
        "the witness witness.example/4 saw this tree at 2027-01-15 08:00:00 UTC",
        "it has grown out of the checkpoint that you kept",
        "authors' signatures: each is good",
        "NOT PROVEN",
        "that what an entry says is true: only that it was said then, and not changed since",
        "what happened after the last entry that the checkpoint covers",
    ]


@pytest.mark.usefixtures("log")
def test_without_witnesses_it_says_so(tmp_path: Path) -> None:
    """A split view could not be seen."""
    words = verify(tmp_path / "log", write_policy(tmp_path))
    assert "that everybody is shown the same log: your policy demands no witness" in words
    assert "authors' signatures: not checked" in words


def test_a_copy_of_a_log_that_goes_on_is_good(log: AuditLog, tmp_path: Path) -> None:
    """Its checkpoint was copied first, so there are tiles that are ahead of it, and partial ones have gone."""
    older = (tmp_path / "log" / "checkpoint").read_bytes()
    log.append(entries(600)[300:])
    log.checkpoint()
    (tmp_path / "log" / "checkpoint").write_bytes(older)
    assert "exactly these 300 entries" in verify(tmp_path / "log", write_policy(tmp_path))[1]


def test_a_model_from_its_beginning(log: AuditLog, tmp_path: Path) -> None:
    """Several proofs in one file show that none was left out in between."""
    text = "".join(proof.text for proof in prove(log.store, log.head, [0, 3, 6]))
    (tmp_path / "bundle").write_text(text, encoding="utf-8")
    words = verify(tmp_path / "bundle", write_policy(tmp_path))
    assert "nothing was left out in between (growth/model-0 up to number 3)" in words[-5]
    text = "".join(proof.text for proof in prove(log.store, log.head, [0, 6]))
    (tmp_path / "bundle").write_text(text, encoding="utf-8")
    with pytest.raises(NotProven, match=r"proof 2: growth/model-0 has number 3 where 2 must be: an entry is missing"):
        verify(tmp_path / "bundle", write_policy(tmp_path))


def test_two_trees_of_one_size_are_a_split_view(log: AuditLog, tmp_path: Path) -> None:
    """Each signed by the log; in one file, or one of them kept from before."""
    other = filled(FolderStore(tmp_path / "other"), 300, models=2)
    texts = [proof.text for one in (log, other) for proof in prove(one.store, one.head, [4])]
    (tmp_path / "both").write_text("".join(texts), encoding="utf-8")
    with pytest.raises(NotProven, match=r"SPLIT VIEW: two trees of 300 entries"):
        verify(tmp_path / "both", write_policy(tmp_path))
    with pytest.raises(NotProven, match=r"SPLIT VIEW: not what was kept at 300 entries"):
        verify(tmp_path / "log", write_policy(tmp_path), tmp_path / "other" / "checkpoint")


def test_a_rotated_key(tmp_path: Path) -> None:
    """The retired one counts for the trees that it signed, and for no larger ones."""
    log = filled(FolderStore(tmp_path / "log"), 3)
    log.close()
    log = AuditLog(FolderStore(tmp_path / "log"), LogKeys(ORIGIN, [NEXT_KEY], [LOG_KEY.public]))
    log.append(entries(5)[3:])
    log.close()
    trust = tmp_path / "policy"
    trust.write_text(f"log {LOG_KEY.public.text} 0 3\nlog {NEXT_KEY.public.text} 4\n", encoding="utf-8")
    assert verify(tmp_path / "log", trust)[0] == "PROVEN"
    trust.write_text(f"log {LOG_KEY.public.text}\n", encoding="utf-8")
    with pytest.raises(NotProven, match=r"no key that is trusted for 5 entries has signed it"):
        verify(tmp_path / "log", trust)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("index 4", "index 04"), "'04' is no number"),
        (("index 4", "index 400"), "has an index or an inclusion proof of another tree"),
        (("index 4", "indices 4"), "has no entry or no index"),
        (("extra ", "extra !"), "has something that is no base64"),
        (("\n300\n", "\n301\n"), "did not sign this"),
        (("logs.example/marquee\n300", "logs.example/other\n300"), "is of another log: 'logs.example/other'"),
        (("— logs", "— logz"), "no key that is trusted for 300 entries has signed it"),
        (("witness.example/5 ", "witness.example/6 "), "2 of the 3 witnesses demanded have signed"),
    ],
)
def test_it_says_what_is_wrong_and_where(log: AuditLog, tmp_path: Path, change: tuple[str, str], words: str) -> None:
    """In one sentence, beginning with the place."""
    text = next(prove(log.store, log.head, [4])).text
    (tmp_path / "proof").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(NotProven, match=r"^proof 1: ") as caught:
        verify(tmp_path / "proof", write_policy(tmp_path, 3))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "quorum 1", "log x", policy_text(4), policy_text().replace("author", "log"), "a b"]
)
@pytest.mark.usefixtures("log")
def test_what_is_no_policy(text: str, tmp_path: Path) -> None:
    """Nothing is proven to somebody who trusts nobody."""
    (tmp_path / "policy").write_text(text, encoding="utf-8")
    with pytest.raises(NotProven, match=r"^policy"):
        verify(tmp_path / "log", tmp_path / "policy")


@pytest.mark.usefixtures("log")
def test_an_entry_by_an_author_who_is_not_trusted(tmp_path: Path) -> None:
    """The log took it; the reader need not."""
    policy = policy_text().replace("author", "# author") + f"author {NEXT_KEY.public.text}\n"
    (tmp_path / "policy").write_text(policy, encoding="utf-8")
    with pytest.raises(NotProven, match=r"entry 0: no author who is trusted has signed it"):
        verify(tmp_path / "log", tmp_path / "policy", signatures=True)


@pytest.mark.parametrize(("model", "is_believed"), [("*", True), ("growth/lead", False)])
def test_the_log_is_believed_about_itself_alone(tmp_path: Path, model: str, is_believed: bool) -> None:
    """Its key signs what the installation did, such as an erasure; a model's history takes its author's key."""
    log = AuditLog(FolderStore(tmp_path / "log"), KEYS)
    stamp = Stamp(model=model, sequence=1, time=BEGINNING)
    erased = SubjectErased(actor="key:dpo", commitment="hmac-sha256:" + "0" * 64, concerned="growth/lead")
    log.append([write_entry(Statement(stamp, erased, (SUBJECT,)), [LOG_KEY])])
    log.close()
    trust = write_policy(tmp_path)
    if is_believed:
        assert "authors' signatures: each is good" in verify(tmp_path / "log", trust, signatures=True)
    else:
        with pytest.raises(NotProven, match=r"entry 0: no author who is trusted has signed it"):
            verify(tmp_path / "log", trust, signatures=True)


def test_its_mathematics_agrees_with_ours(log: AuditLog) -> None:
    """Reference roots, paths of tiles, inclusion proofs of all entries of a tree that is no power of two."""
    assert [tree_root([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() for size in range(1, 9)] == ROOTS
    assert tile_path("entries", 1_234_067, 5) == "tile/entries/x001/x234/067.p/5"
    for proof in prove(log.store, log.head, range(0, 300, 7)):
        root = path_root(leaf_hash(proof.entry), proof.index, 300, list(proof.path), "x")
        assert root == log.head.checkpoint.root


def test_random_mutations_are_found(tmp_path: Path) -> None:
    """Bits, records, truncations, orders, replays, keys, split views. The benchmark tries 100,000."""
    bench = Bench(tmp_path)
    assert bench.holds()
    tried = bench.mutations(random.Random(7), 250)
    assert {"bit", "truncation", "record", "reorder", "replay", "roll back", "key swap", "split view", "proofs"} == {
        mutation.kind for mutation in tried
    }
    assert [(mutation.kind, mutation.what) for mutation in tried if not bench.is_found(mutation)] == []
    assert bench.holds()


def test_a_mutation_that_changes_nothing_is_not_found(tmp_path: Path) -> None:
    """So that the test above can fail."""
    assert not Bench(tmp_path).is_found(mutations.Mutation("none", "", mutations.original()))


def test_proofs_are_those_of_the_definition(log: AuditLog) -> None:
    """As the writer's own check sees them."""
    from marquee.audit.policy import read_policy
    from marquee.audit.proving import read_proofs
    from marquee.audit.tree import StoredTree

    (proof,) = prove(log.store, log.head, [299])
    assert proof == Proof(entries(300)[299], 299, tuple(inclusion(StoredTree(log.store, 300), 299, 300)), log.head)
    proof.require(read_policy(policy_text(3)))
    assert read_proofs(proof.text * 2) == [proof, proof]
    assert KEYS.public[0].text in policy_text()
