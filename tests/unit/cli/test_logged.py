"""``why``, ``audit tail`` and ``audit prove`` against a real ledger with the entries of a whole rollout."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from marquee.audit.events import RolloutStepped
from marquee.audit.proving import read_proofs
from marquee.audit.statements import read_entry, write_entry
from marquee.audit.verify_offline import main as verify_offline
from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH, AUDIT_POLICY_PATH
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.support.plainhttp import http_client
from tests.support.stub_kubectl import StubKubectl, answer, refusal
from tests.unit.control.decide.test_logged_histories import play
from tests.unit.control.decide.test_ramp_histories import ENDS
from tests.unit.control.logged_worlds import AUTHOR, Logged, LoggedRampWorld

Run = Callable[..., int]


@pytest.fixture(scope="module")
def world() -> Logged:
    """A revision that was promoted through both of its steps."""
    return play(ENDS["promoted"][0], LoggedRampWorld())


@pytest.fixture(scope="module")
def ledger(world: Logged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """The ledger that has the entries."""
    folder = tmp_path_factory.mktemp("ledger")
    with Ledger(settings_of(folder, **keeping_a_log(folder))) as running:
        with http_client(running.url) as http:
            for entry in world.log.raw:
                assert http.post(AUDIT_ENTRIES_PATH, content=entry).status_code == 200
        yield running


@pytest.fixture
def run(ledger: Ledger) -> Run:
    """A command, with the model's namespace and the ledger's address."""

    def call(*words: str) -> int:
        return main([*words, "-n", "crm", "--ledger-url", ledger.url])

    return call


def test_why_now(run: Run, world: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """One screen: who serves, since when, the verdict and its evidence, by whom and by which rule."""
    assert run("why", "churn") == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "crm/churn now: churn-2 100 %"
    text = "\n".join(lines)
    for words in (
        "before: churn-1 50 %, churn-2 50 %",
        "verdict   Promote: Switching: revision churn-2 takes over from churn-1",
        f"rollout   {world.log.events[-1].rollout}, step 2, Promoted",
        "rule      proven (docs/states.md)",
        "decided   by operator test/test-0, Marquee 0.0.0",
        "revision  churn-2 sha256:",
        "evidence  Promote (NonInferior)",
        "proof     entry 3, number 4 of the model",
    ):
        assert words in text, text
    assert "e-value of harm" in text
    assert "may not have been acted upon" not in text


def test_why_then(run: Run, world: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """At a time between two entries the earlier one is the reason; as JSON it is the whole statement."""
    start, step = world.log.statements[1].stamp.time, world.log.statements[2].stamp.time
    between = (step - timedelta(milliseconds=1)).isoformat()
    assert run("why", "churn", "--at", between, "-o", "json") == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["index"], told["followed"]) == (1, True)
    assert told["statement"]["predicate"]["verdict"] == "Start"
    assert told["statement"]["predicate"]["shares"][1] == {"revision": "churn-2", "permille": 100}
    assert run("why", "churn", "--at", start.isoformat()) == Exit.DONE
    assert capsys.readouterr().out.startswith(
        f"crm/churn at {start:%Y-%m-%d %H:%M:%S} UTC: churn-1 90 %, churn-2 10 %\n"
    )


def test_why_of_nothing(run: Run, world: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that the log has not, and a time before everything: each is said."""
    assert run("why", "chrun") == Exit.FAILED
    assert "nothing of crm/chrun is in the audit log" in capsys.readouterr().err
    before = (world.log.statements[0].stamp.time - timedelta(days=1)).isoformat()
    assert run("why", "churn", "--at", before) == Exit.FAILED
    assert "is younger than" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("why", "churn", "--at", "yesterday"), "is no time with a zone, such as"),
        (("why", "churn", "--at", "2026-11-28T20:15:00"), "is no time with a zone, such as"),
        (("why", "churn", "--ledger", "marquee"), "is no NAMESPACE/SERVICE, such as marquee-system/marquee-ledger"),
        (("why", "churn", "--ledger-url", "ledger:8090"), "is no address, such as http://127.0.0.1:8090"),
        (("audit", "tail", "--lines", "0"), "is no number from 1 on"),
        (("audit", "prove", "churn", "--first", "x"), "is no number from 1 on"),
    ],
)
def test_wrong_arguments(words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was meant is shown by an example."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == Exit.USAGE
    assert why in capsys.readouterr().err


def test_tail(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest last; of one model, or of all."""
    assert run("audit", "tail", "churn", "--lines", "2") == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["2", "3"]
    assert "crm/churn  Promote  churn-2 100 %; Switching: revision churn-2 takes over from churn-1" in lines[-1]
    assert run("audit", "tail") == Exit.DONE
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert run("audit", "tail", "-o", "json") == Exit.DONE
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["statement"]["predicate"]["sequence"] for one in told] == [1, 2, 3, 4]
    assert run("audit", "tail", "nobody") == Exit.DONE
    assert "has no such entry" in capsys.readouterr().err


def trust_of(ledger: Ledger, folder: Path) -> Path:
    """The ledger's policy."""
    path = folder / "policy"
    path.write_text(httpx.get(ledger.url + AUDIT_POLICY_PATH, trust_env=False).text, encoding="utf-8")
    return path


def test_proofs_are_accepted_offline_and_their_verdicts_computed_again(
    run: Run, ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `audit verify`, by the standalone script, and by the mathematics on this machine."""
    bundle, trust = tmp_path / "churn.tlog-proof", trust_of(ledger, tmp_path)
    assert run("audit", "prove", "churn", "--file", str(bundle)) == Exit.DONE
    assert "crm/churn: 4 proofs are in " in capsys.readouterr().out
    assert main(["audit", "verify", str(bundle), "--trust", str(trust), "--verdicts"]) == Exit.DONE
    out = capsys.readouterr().out
    assert "(crm/churn up to number 4)" in out
    assert out.endswith(
        "VERDICTS\nentry 2: Promote (NonInferior) follows from its integers, computed here\n"
        "entry 3: Promote (NonInferior) follows from its integers, computed here\n"
    )
    verify_offline([str(bundle), "--trust", str(trust)])
    assert capsys.readouterr().out.startswith("PROVEN\n")


def test_proofs_to_standard_output(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """As the file itself, from a number on, or as JSON for programs."""
    assert run("audit", "prove", "churn", "--first", "3") == Exit.DONE
    assert [proof.index for proof in read_proofs(capsys.readouterr().out)] == [2, 3]
    assert run("audit", "prove", "churn", "-o", "json") == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["count"], len(read_proofs(told["proofs"]))) == ("crm/churn", 4, 4)
    assert run("audit", "prove", "churn", "--first", "9") == Exit.FAILED
    assert "404: no such entry: crm/churn has 4 entries" in capsys.readouterr().err


def test_a_verdict_that_does_not_follow_is_found(
    world: Logged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signed, in the log, and wrong all the same: whoever computes it again sees it."""
    settings_folder = tmp_path / "liar"
    settings_folder.mkdir()
    with Ledger(settings_of(settings_folder, **keeping_a_log(settings_folder))) as liar:
        entries = [read_entry(entry) for entry in world.log.raw]
        event = entries[3].event
        assert isinstance(event, RolloutStepped)
        entries[3] = replace(entries[3], event=event.model_copy(update={"concluded": "Rollback (HarmShown)"}))
        with http_client(liar.url) as http:
            for one in entries:
                assert http.post(AUDIT_ENTRIES_PATH, content=write_entry(one, [AUTHOR.key])).status_code == 200
        bundle, trust = tmp_path / "proofs", trust_of(liar, tmp_path)
        command = ["audit", "prove", "churn", "-n", "crm", "--ledger-url", liar.url, "--file", str(bundle)]
        assert main(command) == Exit.DONE
    assert main(["audit", "verify", str(bundle), "--trust", str(trust), "--verdicts"]) == Exit.DIFFERS
    said = capsys.readouterr()
    assert "entry 3: says Rollback (HarmShown), and Promote (NonInferior) follows from its integers" in said.err
    assert main(["audit", "verify", str(tmp_path), "--trust", str(trust), "--verdicts"]) == Exit.FAILED


def test_an_entry_that_nothing_followed_is_pointed_out(
    world: Logged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its operator was killed before its write, and then something else was decided: the next entry tells."""
    with Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))) as ledger:
        entries = [read_entry(entry) for entry in world.log.raw[:3]]
        first, event = entries[0].event, entries[2].event
        assert isinstance(first, RolloutStepped)
        assert isinstance(event, RolloutStepped)
        entries[2] = replace(entries[2], event=event.model_copy(update={"before": first.shares}))
        with http_client(ledger.url) as http:
            for one in entries:
                assert http.post(AUDIT_ENTRIES_PATH, content=write_entry(one, [AUTHOR.key])).status_code == 200
        at = entries[1].stamp.time.isoformat()
        assert main(["why", "churn", "-n", "crm", "--ledger-url", ledger.url, "--at", at]) == Exit.DONE
    assert "it may not have been acted upon" in capsys.readouterr().out


def test_through_the_api_servers_proxy(
    kubectl: StubKubectl, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an address the ledger's Service is asked, as kubectl may; the namespace is the context's."""
    page = httpx.get(f"{ledger.url}/v1/audit/models/crm/churn?limit=100", trust_env=False).text
    kubectl.answers(answer("crm"), answer(page), answer('{"size": 4, "entries": []}'))
    assert main(["why", "churn"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("crm/churn now: churn-2 100 %\n")
    path = "/api/v1/namespaces/marquee-system/services/marquee-ledger:8090/proxy/v1/audit/models"
    assert [call[:3] for call in kubectl.calls] == [
        ["config", "view", "--minify"],
        ["get", "--raw", f"{path}/crm/churn?limit=100"],
        ["get", "--raw", f"{path}/test/.freezes?limit=100"],
    ]
    kubectl.answers(answer(), answer(), answer(), refusal("Forbidden", "may not get services/proxy"))
    assert main(["audit", "tail", "churn", "-n", "crm", "--ledger", "other/book"]) == Exit.FAILED
    assert "may not get services/proxy" in capsys.readouterr().err


def test_what_is_no_ledger(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer of something else, and an address where nobody is."""
    kubectl.answers(answer("<html>"))
    assert main(["audit", "tail", "churn", "-n", "crm"]) == Exit.FAILED
    assert "is it a ledger of this version?" in capsys.readouterr().err
    assert main(["audit", "tail", "--ledger-url", "http://127.0.0.1:9"]) == Exit.FAILED
    assert "is this the address of a ledger?" in capsys.readouterr().err


def test_entries_come_as_they_were_signed(ledger: Ledger, world: Logged) -> None:
    """What the fixtures entered is what the operator of the small cluster has signed."""
    page = httpx.get(f"{ledger.url}{AUDIT_ENTRIES_PATH}?from=0", trust_env=False).json()
    assert [base64.b64decode(one["entry"]) for one in page["entries"]] == world.log.raw
