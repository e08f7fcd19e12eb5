"""Every way to sign in, against the emulator: let in, renewed in time, refused plainly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bench import (
    Bench,
    assert_accounted,
    fault,
    make_rows,
    meanwhile,
    start_emulator,
    wait_for,
)

from batch_updater.emulator.gateway.identity import AccessKey
from batch_updater.emulator.witness import Witness

USER = {
    "BATCH_UPDATER_IAM_DOMAIN": "emulator-domain",
    "BATCH_UPDATER_IAM_USER": "emulator-user",
    "BATCH_UPDATER_IAM_PASSWORD": "emulator-password",
}
KEY = {"HUAWEICLOUD_SDK_AK": "emulator-ak", "HUAWEICLOUD_SDK_SK": "emulator-sk"}
RENEW = ("APIGW.0307", "FRS.0002")


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Put credentials into the environment, and take the token out of it."""

    def put(variables: dict[str, str]) -> None:
        monkeypatch.delenv("BATCH_UPDATER_TOKEN", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


@contextmanager
def other_bench(bench: Bench, **settings: Any) -> Iterator[Bench]:
    """Give the same folder another emulator."""
    with start_emulator(**settings) as emulator:
        here = Bench(bench.folder, emulator)
        yield here
        here.all_fired()


SignIn = Callable[[dict[str, str]], None]


@pytest.mark.parametrize("way", [USER, KEY], ids=["password", "aksk"])
def test_let_in(bench: Bench, sign_in: SignIn, way: dict[str, str]) -> None:
    """Each way updates every row, unicode in body and all."""
    sign_in(way)
    rows = [
        {"face_id": f"face{n:04d}", "external_fields.team": f"团队 {n} ~/é"}
        for n in range(1, 31)
    ]
    bench.seed([row["face_id"] for row in rows])
    ended = bench.run(bench.write("faces.csv", rows))
    assert ended.code == 0, ended
    assert bench.record().outcomes == {"updated": 30}
    assert bench.stored("face0007")["team"] == "团队 7 ~/é"
    assert bench.emulator.witness.by_code == {}


def test_a_temporary_key(bench: Bench, sign_in: SignIn) -> None:
    """A temporary key is let in with its security token."""
    key = bench.emulator.issue_key(3600)
    token = {"HUAWEICLOUD_SDK_SECURITY_TOKEN": key.security_token or ""}
    sign_in(
        {**token, "HUAWEICLOUD_SDK_AK": key.access, "HUAWEICLOUD_SDK_SK": key.secret}
    )
    assert bench.run(bench.prepare(20)).code == 0
    assert set(bench.emulator.witness.by_status) == {"200"}


def test_the_credentials_file(bench: Bench, sign_in: SignIn) -> None:
    """The SDK's file is enough: it names the key and the project."""
    sign_in({})
    home = Path.home() / ".huaweicloud"
    home.mkdir(parents=True)
    project = bench.emulator.project_id
    (home / "credentials").write_text(
        f"[basic]\nak = emulator-ak\nsk = emulator-sk\nproject_id = {project}\n"
    )
    flags = ("--endpoint", bench.emulator.url, "--face-set", "staff")
    source = bench.prepare(5)
    ended = bench.command("run", source, *flags, "--rate", "100", "--run-dir", "job")
    assert ended.code == 0, ended


@pytest.mark.parametrize("way", [USER, KEY], ids=["password", "aksk"])
def test_the_project_of_the_region(
    bench: Bench, sign_in: SignIn, way: dict[str, str]
) -> None:
    """Without --project-id it is what IAM knows for the region: one request at most."""
    sign_in(way)
    source = bench.prepare(5)
    flags = ("--endpoint", bench.emulator.url, "--face-set", "staff")
    region = ("--region", "cn-north-4", "--iam-endpoint", bench.emulator.url)
    ended = bench.command(
        "run", source, *flags, *region, "--rate", "100", "--run-dir", "job"
    )
    assert ended.code == 0, ended
    asked = bench.emulator.witness.identity
    assert asked == ({"CreateToken": 1} if way is USER else {"ListProjects": 1})


def test_a_region_without_a_project(bench: Bench, sign_in: SignIn) -> None:
    """A region that IAM has no project for is told, with the flag that helps: exit 2."""
    sign_in(KEY)
    flags = ("--endpoint", bench.emulator.url, "--face-set", "staff")
    region = ("--region", "cn-east-3", "--iam-endpoint", bench.emulator.url)
    ended = bench.command("run", bench.prepare(5), *flags, *region)
    assert ended.code == 2
    assert "cn-east-3" in ended.err
    assert "--project-id" in ended.err


def test_a_machine_s_own_keys(bench: Bench, sign_in: SignIn) -> None:
    """Keys of the metadata service, renewed before their end: no row is refused."""
    sign_in({})
    with other_bench(bench, metadata_key_life=2.0) as here:
        source = here.prepare(160)
        metadata = ("--auth", "metadata", "--metadata-endpoint", here.emulator.url)
        ended = here.run(source, *metadata, "--rate", "40")
        assert ended.code == 0, ended
        assert here.emulator.witness.by_code == {}
        assert here.emulator.witness.identity["ShowSecurityKey"] >= 2


@pytest.mark.parametrize("mode", ["none", "agency"])
def test_no_machine_keys(bench: Bench, sign_in: SignIn, mode: str) -> None:
    """A machine without keys is told at once, and what else there is: exit 3."""
    sign_in({})
    endpoint = "http://127.0.0.1:1"
    with other_bench(bench, metadata="no-agency") as here:
        asked = here.emulator.url if mode == "agency" else endpoint
        metadata = ("--auth", "metadata", "--metadata-endpoint", asked)
        ended = here.run(here.prepare(5), *metadata)
        assert here.updates == 0
    assert ended.code == 3
    assert "--auth" in ended.err
    assert ("no agency" in ended.err) is (mode == "agency")


def test_a_run_that_outlives_three_tokens(bench: Bench, sign_in: SignIn) -> None:
    """Tokens that end on the way are renewed before: nothing is refused, nothing lost."""
    sign_in(USER)
    with other_bench(bench, token_life=2.0) as here:
        rows = make_rows(320)
        source = here.prepare(320)
        ended = here.run(source, "--rate", "40", "--max-attempts", "1")
        assert ended.code == 0, ended
        assert here.record().outcomes == {"updated": 320}
        assert here.emulator.witness.identity["CreateToken"] >= 4
        assert here.emulator.witness.by_code == {}
        assert_accounted(here, {source: rows})


def _has_applied(witness: Witness, count: int) -> bool:
    return witness.applied >= count


@pytest.mark.parametrize("code", RENEW)
def test_three_expiries_that_nobody_announced(
    bench: Bench, sign_in: SignIn, code: str
) -> None:
    """Tokens that die early cost one renewal each, and no row, whatever the code says."""
    sign_in(USER)
    with other_bench(bench, expired_code=code) as here:
        emulator, witness = here.emulator, here.emulator.witness
        source = here.prepare(240)
        steps = iter((40, 90, 140))

        def revoke_thrice() -> None:
            for step in steps:
                wait_for(partial(_has_applied, witness, step))
                emulator.revoke_issued()

        with meanwhile(lambda: witness.applied >= 20, revoke_thrice):
            ended = here.run(source, "--rate", "120", "--max-attempts", "1")
        assert ended.code == 0, ended
        assert here.record().outcomes == {"updated": 240}
        assert witness.identity["CreateToken"] == 4
        assert witness.by_code[code] <= 3 * 32
        assert set(here.applied.values()) == {1}
        assert_accounted(here, {source: make_rows(240)})


def test_few_are_refused_while_iam_is_slow(bench: Bench, sign_in: SignIn) -> None:
    """What was in flight meets the end of the token, and nothing that starts later."""
    sign_in(USER)
    emulator, witness = bench.emulator, bench.emulator.witness
    slow = fault("delay", operation="CreateToken", after=1, seconds=1.0)
    emulator.script([slow])
    source = bench.prepare(150)
    with meanwhile(lambda: witness.applied >= 40, emulator.revoke_issued):
        ended = bench.run(source, "--rate", "100", "--max-attempts", "1")
    assert ended.code == 0, ended
    assert witness.by_code["APIGW.0307"] <= 4
    assert_accounted(bench, {source: make_rows(150)})


def test_an_iam_that_is_down_when_it_is_time(bench: Bench, sign_in: SignIn) -> None:
    """Renewal begins early enough to be tried again: no row notices."""
    sign_in(USER)
    with other_bench(bench, token_life=4.0) as here:
        down = fault(
            "respond", status=503, body="<html>", operation="CreateToken", after=1
        )
        here.emulator.script([down])
        source = here.prepare(200)
        assert here.run(source, "--rate", "40").code == 0
        assert here.emulator.witness.identity["CreateToken"] >= 3
        assert_accounted(here, {source: make_rows(200)})


def test_keys_that_are_rotated(bench: Bench, sign_in: SignIn) -> None:
    """A credentials file that gets other keys midway is read again: nothing is lost."""
    sign_in({})
    file = Path.home() / ".huaweicloud" / "credentials"
    file.parent.mkdir(parents=True)
    source = bench.prepare(200)
    file.write_text(_profile(bench.emulator.issue_key(1.5)))

    def rotate() -> None:
        file.write_text(_profile(bench.emulator.issue_key(3600)))

    with meanwhile(lambda: bench.emulator.witness.applied >= 20, rotate):
        ended = bench.run(source, "--rate", "100", "--max-attempts", "1")
    assert ended.code == 0, ended
    assert 1 <= bench.emulator.witness.by_code["APIGW.0301"] <= 5
    assert_accounted(bench, {source: make_rows(200)})


def _profile(key: AccessKey) -> str:
    pair = f"[basic]\nak = {key.access}\nsk = {key.secret}\n"
    return f"{pair}security_token = {key.security_token}\n"


def test_a_token_that_is_refused_when_fresh(bench: Bench, sign_in: SignIn) -> None:
    """Renewal is tried once: a service that refuses the new token too ends the run."""
    sign_in(USER)
    refusal = fault("respond", code="APIGW.0307", operation="ShowFaceSet", times=0)
    bench.emulator.script([refusal])
    ended = bench.run(bench.prepare(5))
    assert ended.code == 3
    assert "APIGW.0307" in ended.err
    assert bench.emulator.witness.requests == 2
    assert bench.emulator.witness.identity["CreateToken"] == 2


@pytest.mark.parametrize(
    ("variables", "settings", "said"),
    [
        ({"BATCH_UPDATER_IAM_PASSWORD": "canary-wrong"}, {}, "_IAM_PASSWORD"),
        ({"BATCH_UPDATER_IAM_USER": "nobody"}, {}, "_IAM_USER"),
        (
            {"BATCH_UPDATER_IAM_PASSWORD": "canary-wrong"},
            {"iam_errors": "coded"},
            "IAM.0062",
        ),
    ],
)
def test_a_wrong_password(
    bench: Bench,
    sign_in: SignIn,
    variables: dict[str, str],
    settings: dict[str, Any],
    said: str,
) -> None:
    """A wrong password ends with 3 after one request to IAM and none to FRS."""
    sign_in(USER | variables)
    with other_bench(bench, **settings) as here:
        ended = here.run(here.prepare(5))
        assert here.emulator.witness.identity == {"CreateToken": 1}
        assert here.emulator.witness.requests == 0
    assert ended.code == 3
    assert said in ended.err
    assert "canary-wrong" not in ended.out + ended.err


def test_a_locked_account(bench: Bench, sign_in: SignIn) -> None:
    """An account that others locked is told as such, not as a wrong password."""
    sign_in(USER)
    locked = fault("respond", code="IAM.0061", operation="CreateToken", status=401)
    bench.emulator.script([locked])
    ended = bench.run(bench.prepare(5))
    assert ended.code == 3
    assert "locked" in ended.err


def test_a_throttled_iam(bench: Bench, sign_in: SignIn) -> None:
    """IAM that is busy is asked again; one that stays busy is named as the reason."""
    sign_in(USER)
    busy = fault("respond", code="IAM.0012", operation="CreateToken", status=429)
    bench.emulator.script([busy])
    assert bench.run(bench.prepare(5)).code == 0
    assert bench.emulator.witness.identity["CreateToken"] == 2
    bench.all_fired()
    always = fault(
        "respond", code="IAM.0012", operation="CreateToken", status=429, times=0
    )
    bench.emulator.script([always])
    ended = bench.run("faces.csv", "--run-dir", "two", "--max-attempts", "2")
    assert ended.code == 3
    assert "IAM.0012" in ended.err
    assert bench.emulator.witness.identity["CreateToken"] == 4


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>proxy says hello</html>", "something else"),
        ('{"token', "something else"),
        ("[]", "something else"),
        ("x" * 1_000_000, "something else"),
    ],
)
def test_an_iam_that_is_none(
    bench: Bench, sign_in: SignIn, body: str, said: str
) -> None:
    """A page instead of a token ends with 3 and a short message."""
    sign_in(USER)
    page = fault("respond", status=201, body=body, operation="CreateToken")
    bench.emulator.script([page])
    ended = bench.run(bench.prepare(5))
    assert ended.code == 3
    assert said in ended.err
    assert len(ended.err) < 1500


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"HUAWEICLOUD_SDK_SK": "canary-wrong"}, "verify aksk signature fail"),
        ({"HUAWEICLOUD_SDK_AK": "unknown"}, "ak not exist"),
        ({"HUAWEICLOUD_SDK_SECURITY_TOKEN": "canary-wrong"}, "APIGW.0301"),
    ],
)
def test_a_wrong_access_key(
    bench: Bench, sign_in: SignIn, variables: dict[str, str], said: str
) -> None:
    """A key that is refused is used once: five wrong signatures lock it."""
    sign_in(KEY | variables)
    source = bench.prepare(50)
    ended = bench.run(source, "--rate", "unlimited")
    assert ended.code == 3
    assert said in ended.err
    assert bench.emulator.witness.requests == 1
    assert "canary-wrong" not in ended.out + ended.err
    sign_in({"HUAWEICLOUD_SDK_SECURITY_TOKEN": "", **KEY})
    assert bench.run(source).code == 0, "the key is not locked"


def test_a_key_that_dies_midway(bench: Bench, sign_in: SignIn) -> None:
    """After the first refusal no request follows: what was in flight is all there is."""
    sign_in(KEY)
    source = bench.prepare(100)
    text = "Incorrect IAM authentication information: verify aksk signature fail"
    dead = fault("respond", code="APIGW.0301", message=text, after=30, times=0)
    bench.emulator.script([dead])
    ended = bench.run(source, "--rate", "100", "--concurrency", "4")
    assert ended.code == 3
    assert bench.updates <= 30 + 4
    assert bench.record().outcomes["updated"] == 30
    assert_accounted(bench, {source: make_rows(100)})


@pytest.mark.parametrize(("offset", "words"), [(1200.0, "behind"), (-1200.0, "ahead")])
def test_a_wrong_clock(
    bench: Bench, sign_in: SignIn, offset: float, words: str
) -> None:
    """A clock that is 20 minutes off is said plainly, with its direction: exit 3."""
    sign_in(KEY)
    with other_bench(bench, clock_offset=offset) as here:
        ended = here.run(here.prepare(5))
        assert here.emulator.witness.requests == 1
        told = here.command("doctor", *here.target)
    assert ended.code == 3
    assert "clock is 20 minutes" in ended.err
    assert words in ended.err
    assert told.code == 3
    assert "FAIL" in told.out
    assert "20 min" in told.out


def test_doctor_tells_the_life_of_a_token(bench: Bench, sign_in: SignIn) -> None:
    """With a password the token's own life is known."""
    sign_in(USER)
    with other_bench(bench, token_life=7200.0) as here:
        ended = here.command("doctor", *here.target)
    assert ended.code == 0
    assert "2 h" in ended.out
    assert "emulator-user of emulator-domain" in ended.out
    assert "emulator-password" not in ended.out
