"""The doors for programs: run(), update_all() and update_faces()."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import FACE_SET, Bench, assert_accounted, face, fault, make_rows

from batch_updater import (
    AccessKey,
    FaceUpdate,
    InputError,
    Outcome,
    Password,
    Result,
    RunRefused,
    RunStopped,
    TooManyErrors,
    UsageError,
    run,
    update_all,
    update_faces,
)
from batch_updater.errors import TimeWindowOver
from batch_updater.library import Updates


def make_updates(bench: Bench, count: int) -> list[FaceUpdate]:
    """Return updates of as many seeded faces."""
    bench.seed([face(n) for n in range(1, count + 1)])
    return [
        FaceUpdate(face(n), external_fields={"age": n}) for n in range(1, count + 1)
    ]


async def stream(updates: Iterable[FaceUpdate]) -> AsyncIterator[FaceUpdate]:
    """Yield updates as an asynchronous source would."""
    for update in updates:
        await asyncio.sleep(0)
        yield update


async def collect(
    updates: Updates, into: list[Result] | None = None, **settings: Any
) -> list[Result]:
    """Return all results of a stream of updates; `into` keeps those before an error."""
    found = [] if into is None else into
    async with update_faces(updates, **settings) as results:
        async for result in results:
            found.append(result)
    return found


async def calm(bench: Bench) -> None:
    """Wait until no update arrives at the server any more."""
    quiet, before = 0, -1
    async with asyncio.timeout(20):
        while quiet < 20:
            quiet = quiet + 1 if before == bench.updates else 0
            before = bench.updates
            await asyncio.sleep(0.01)


def test_run(bench: Bench) -> None:
    """run() does what the command does and returns its summary."""
    source = bench.prepare(10)
    bench.emulator.script([fault("respond", code="FRS.0303", face_id=face(4), times=0)])
    summary = run(Path(source), run_dir="job", **bench.settings)
    assert (summary.exit_code, summary.read) == (1, 10)
    assert summary.outcomes["updated"] == 9
    assert_accounted(bench, {source: make_rows(10)})


def test_run_says_nothing(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    """run() prints nothing at all."""
    run([bench.prepare(3)], run_dir="job", **bench.settings)
    assert capfd.readouterr() == ("", "")


def test_run_ignores_the_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """run() reads neither environment nor configuration file, the token included."""
    Path("batch-updater.toml").write_text('face-id = "nobody"\n')
    monkeypatch.setenv("BATCH_UPDATER_LIMIT", "1")
    source = bench.prepare(3)
    assert run(source, run_dir="job", **bench.settings).read == 3
    with pytest.raises(UsageError, match="credentials"):
        run(source, **{**bench.settings, "token": None})


@pytest.mark.parametrize(
    ("planned", "settings", "kind"),
    [
        ({"code": "FRS.0202", "after": 3}, {}, RunRefused),
        ({"code": "FRS.0303", "times": 0}, {"max_errors": 0}, TooManyErrors),
        (
            {"code": "FRS.0033", "headers": {"Retry-After": "99"}},
            {"max_duration": "300ms"},
            TimeWindowOver,
        ),
    ],
)
def test_run_that_stops_early(
    bench: Bench,
    planned: dict[str, Any],
    settings: dict[str, Any],
    kind: type[RunStopped],
) -> None:
    """A run that ends early raises the exception of its reason, with the summary."""
    source = bench.prepare(40)
    bench.emulator.script([fault("respond", **planned)])
    with pytest.raises(kind) as caught:
        run(source, run_dir="job", **bench.settings, **settings)
    assert type(caught.value) is kind
    summary = caught.value.summary
    assert getattr(summary, "read", None) == 40
    assert caught.value.hint or kind is TimeWindowOver
    assert_accounted(bench, {source: make_rows(40)})


def test_run_refuses_wrong_calls(bench: Bench) -> None:
    """Wrong settings and inputs raise before anything is sent, naming what is wrong."""
    source = bench.prepare(3)
    with pytest.raises(UsageError, match="ratte"):
        run(source, ratte=5, **bench.settings)
    with pytest.raises(UsageError, match="--timeout"):
        run(source, timeout="soon", **bench.settings)
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        run("nowhere.csv", **bench.settings)
    assert bench.emulator.witness.requests == 0


def test_update_all(bench: Bench) -> None:
    """update_all() sends every update, hands over each result, and counts outcomes."""
    updates = make_updates(bench, 50)
    bench.emulator.script([fault("respond", code="FRS.0303", face_id=face(4))])
    seen: list[Result] = []
    counts = update_all(updates, on_result=seen.append, **bench.settings)
    assert counts == {Outcome.UPDATED: 49, Outcome.FAILED: 1}
    assert sorted(result.row_number for result in seen) == list(range(1, 51))
    assert all(result.face_id == face(result.row_number) for result in seen)
    assert bench.stored(face(50)) == {"age": 50}
    assert not list(bench.folder.iterdir())


@pytest.mark.parametrize("kind", ["list", "tuple", "generator", "async"])
async def test_any_iterable(bench: Bench, kind: str) -> None:
    """Lists, tuples, generators and asynchronous generators are all taken."""
    updates = make_updates(bench, 300)
    sources: dict[str, Updates] = {
        "list": updates,
        "tuple": tuple(updates),
        "generator": (update for update in updates),
        "async": stream(updates),
    }
    results = await collect(sources[kind], **bench.settings)
    assert sorted(result.row_number for result in results) == list(range(1, 301))
    assert {result.outcome for result in results} == {Outcome.UPDATED}
    assert bench.applied == Counter(update.face_id for update in updates)


async def test_no_updates(bench: Bench) -> None:
    """Nothing to update is no error: a preflight and no result."""
    assert await collect([], **bench.settings) == []
    assert bench.emulator.witness.requests == 1


async def test_invalid_updates_become_results(bench: Bench) -> None:
    """An update that breaks a rule comes back as an invalid result; others are sent."""
    good = make_updates(bench, 3)
    wrong = [
        FaceUpdate("", "id"),
        FaceUpdate(face(1)),
        FaceUpdate(face(1), "not an id!"),
        FaceUpdate(face(1), external_fields={"age": "x"}),
        FaceUpdate(face(1), external_fields={"shoe": 42}),
        FaceUpdate(face(1), external_fields={"age": 2**31}),
        FaceUpdate(face(1), external_fields={"age": float("nan")}),
        FaceUpdate(face(1), external_fields={"vector": "x"}),
    ]
    results = await collect([*wrong, *good], **bench.settings)
    outcomes = {result.row_number: result.outcome for result in results}
    assert [outcomes[n] for n in range(1, 9)] == [Outcome.INVALID] * 8
    assert [outcomes[n] for n in range(9, 12)] == [Outcome.UPDATED] * 3
    assert all(r.rule and r.error_msg for r in results if r.row_number <= 8)
    assert bench.updates == 3


async def test_same_face_in_order(bench: Bench) -> None:
    """Updates of one face are applied in the order they were given, despite faults."""
    bench.seed([face(1), face(2)])
    updates = [
        FaceUpdate(face(1 + n % 2), external_fields={"age": n}) for n in range(40)
    ]
    bench.emulator.script([fault("respond", code="FRS.0018", every=5, times=4)])
    results = await collect(updates, **bench.settings)
    bench.all_fired()
    for number in (1, 2):
        own = [r for r in results if r.face_id == face(number)]
        assert [r.row_number for r in own] == sorted(r.row_number for r in own)
    assert bench.stored(face(1)) == {"age": 38}
    assert bench.stored(face(2)) == {"age": 39}


async def test_leaving_early_stops(bench: Bench) -> None:
    """Leaving the block early ends everything: no update is sent afterwards."""
    updates = make_updates(bench, 2000)
    async with update_faces(updates, **bench.settings) as results:
        async for result in results:
            assert result.outcome is Outcome.UPDATED
            break
    await calm(bench)
    assert bench.updates <= 3 * 32


async def test_error_in_the_block(bench: Bench) -> None:
    """An exception in the block ends the stream and comes out unchanged."""
    updates = make_updates(bench, 2000)

    async def stumble() -> None:
        async with update_faces(updates, **bench.settings) as results:
            async for result in results:
                raise ArithmeticError(result.row_number)

    with pytest.raises(ArithmeticError):
        await stumble()
    assert bench.updates < 200


async def test_slow_consumer_holds_the_source_back(bench: Bench) -> None:
    """A consumer that does not take results stops the reading of updates."""
    read = 0

    def endless() -> Iterator[FaceUpdate]:
        nonlocal read
        while True:
            read += 1
            yield FaceUpdate(face(1 + read % 500), external_fields={"age": read})

    make_updates(bench, 500)
    settings = {**bench.settings, "rate": "unlimited", "concurrency": 8}
    async with update_faces(endless(), **settings) as results:
        await anext(results)
        await calm(bench)
        assert read <= 3 * 8
        assert bench.updates <= 3 * 8
        for _ in range(100):
            await anext(results)
        assert bench.updates >= 100


async def test_slow_consumer_of_an_async_source(bench: Bench) -> None:
    """An asynchronous source is read one update at a time, not ahead of the room."""
    read = 0

    async def endless() -> AsyncIterator[FaceUpdate]:
        nonlocal read
        while True:
            read += 1
            yield FaceUpdate(face(1 + read % 500), external_fields={"age": read})

    make_updates(bench, 500)
    settings = {**bench.settings, "rate": "unlimited", "concurrency": 8}
    async with update_faces(endless(), **settings) as results:
        for _ in range(50):
            await anext(results)
        assert read <= 50 + 3 * 8


@pytest.mark.parametrize("where", ["preflight", "midway"])
async def test_refusal(bench: Bench, where: str) -> None:
    """A refusal is raised after the results of what was in flight."""
    updates = make_updates(bench, 500)
    planned = (
        fault("respond", code="FRS.0202", operation="ShowFaceSet")
        if where == "preflight"
        else fault("respond", code="FRS.0202", after=30, times=0)
    )
    bench.emulator.script([planned])
    found: list[Result] = []
    with pytest.raises(RunRefused, match=r"FRS\.0202") as caught:
        await collect(updates, found, **bench.settings)
    assert "arrears" in caught.value.hint
    updated = [result for result in found if result.outcome is Outcome.UPDATED]
    assert len(updated) == (0 if where == "preflight" else 30)
    sent = [result for result in found if result.attempts]
    assert len(sent) == bench.updates
    left = {result.outcome for result in found} - {Outcome.UPDATED}
    assert left <= {Outcome.UNPROCESSED}


@pytest.mark.parametrize("kind", ["refusal", "window"])
async def test_an_idle_source_keeps_nothing_from_its_caller(
    bench: Bench, kind: str
) -> None:
    """Who waits for the next update hears that the run is over before there is one."""
    updates = make_updates(bench, 2)

    async def idle() -> AsyncIterator[FaceUpdate]:
        for update in updates:
            yield update
        await asyncio.Event().wait()

    settings, reason = dict(bench.settings), RunStopped
    if kind == "refusal":
        bench.emulator.script([fault("respond", code="FRS.0202", times=0)])
        reason = RunRefused
    else:
        settings["max_duration"] = "300ms"
        reason = TimeWindowOver
    with pytest.raises(reason):
        async with asyncio.timeout(10):
            await collect(idle(), **settings)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    "setting", [{"dry_run": True}, {"limit": 1}, {"max_errors": 0}, {"run_dir": "job"}]
)
async def test_a_stream_refuses_settings_of_files(
    bench: Bench, setting: dict[str, Any]
) -> None:
    """What a stream cannot keep to is refused, not passed over: a dry run sends nothing."""
    updates = make_updates(bench, 3)
    with pytest.raises(UsageError, match=next(iter(setting))):
        await collect(updates, **bench.settings, **setting)
    assert bench.emulator.witness.requests == 0


@pytest.mark.parametrize("kind", ["generator", "async"])
async def test_bug_in_the_iterable_surfaces(bench: Bench, kind: str) -> None:
    """An exception of the user's own source comes out, after what was sent before it."""
    updates = make_updates(bench, 300)

    def broken() -> Iterator[FaceUpdate]:
        yield from updates
        raise KeyError("a bug of yours")

    async def broken_async() -> AsyncIterator[FaceUpdate]:
        for update in updates:
            yield update
        raise KeyError("a bug of yours")

    found: list[Result] = []
    source = broken() if kind == "generator" else broken_async()
    with pytest.raises(KeyError, match="a bug of yours"):
        await collect(source, found, **bench.settings)
    assert len(found) == bench.updates == 300


async def test_concurrent_streams(bench: Bench) -> None:
    """Two streams in one loop share nothing and both end."""
    updates = make_updates(bench, 100)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(collect(updates[:50], **bench.settings))
        second = group.create_task(collect(updates[50:], **bench.settings))
    assert len(first.result()) == len(second.result()) == 50
    assert set(bench.applied.values()) == {1}


async def test_cancelling_a_stream(bench: Bench) -> None:
    """A stream whose task is cancelled ends at once and leaves nothing running."""
    updates = make_updates(bench, 2000)
    task = asyncio.create_task(collect(updates, **bench.settings))
    async with asyncio.timeout(20):
        while bench.updates < 20:  # noqa: ASYNC110 - the emulator is elsewhere
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert bench.updates < 2000


def test_include_values(bench: Bench) -> None:
    """Results of a stream carry the payload only when asked to."""
    updates = make_updates(bench, 1)
    without: list[Result] = []
    update_all(updates, on_result=without.append, **bench.settings)
    with_values: list[Result] = []
    update_all(
        updates, on_result=with_values.append, include_values=True, **bench.settings
    )
    assert without[0].payload == ""
    assert face(1) in with_values[0].payload
    assert with_values[0].face_set_name == FACE_SET


@pytest.mark.parametrize(
    "credentials",
    [
        AccessKey("emulator-ak", "emulator-sk"),
        Password("emulator-domain", "emulator-user", "emulator-password"),
    ],
    ids=["access key", "password"],
)
def test_other_credentials(bench: Bench, credentials: AccessKey | Password) -> None:
    """An access key or a password does what a token does, and shows no secret."""
    settings = {k: v for k, v in bench.settings.items() if k != "token"}
    source = bench.prepare(3)
    summary = run(source, credentials=credentials, run_dir="job", **settings)
    assert summary.outcomes["updated"] == 3
    outcomes = update_all(make_updates(bench, 2), credentials=credentials, **settings)
    assert outcomes == {Outcome.UPDATED: 2}
    assert "emulator-sk" not in repr(credentials)
    assert "emulator-password" not in repr(credentials)
