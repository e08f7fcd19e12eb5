"""A whole run in one process: the command line, and an emulator in a thread."""

import asyncio
import csv
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_updater.cli import main
from batch_updater.emulator import Emulator, EmulatorSettings, Fault

FACE_SET = "staff"
FIELDS = {"age": "integer", "team": "string"}
PATIENCE = 30.0

Row = Mapping[str, str]


@contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread of its own until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@contextmanager
def start_emulator(**settings: Any) -> Iterator[Emulator]:
    """Run an emulator in a thread of its own, without a quota unless it is given."""
    emulator = Emulator(EmulatorSettings(**{"qps": None, **settings}))
    emulator.state.add_face_set(FACE_SET, external_fields=FIELDS)
    with loop_in_thread() as loop:
        try:
            asyncio.run_coroutine_threadsafe(emulator.start(), loop).result(PATIENCE)
            yield emulator
        finally:
            asyncio.run_coroutine_threadsafe(emulator.stop(), loop).result(PATIENCE)


def wait_for(condition: Callable[[], bool], what: str = "") -> None:
    """Return once the condition holds; fail when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what or "the condition never held"
        time.sleep(0.002)


@contextmanager
def meanwhile(
    condition: Callable[[], bool], act: Callable[[], object]
) -> Iterator[None]:
    """Do something as soon as a condition holds while the block runs."""
    trouble: list[BaseException] = []

    def watch() -> None:
        try:
            wait_for(condition)
            act()
        except AssertionError as error:
            trouble.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    thread.join(PATIENCE)
    assert not trouble, trouble


def make_rows(count: int, first: int = 1) -> list[dict[str, str]]:
    """Return rows whose age is their number, with a column nobody asked for."""
    return [
        {"face_id": face(n), "external_fields.age": str(n), "note": f"line, {n}"}
        for n in range(first, first + count)
    ]


def face(number: int) -> str:
    """Return the face id of a row made by make_rows."""
    return f"face{number:04d}"


def fault(action: str, **options: Any) -> Fault:
    """Return a fault that is named after what it does."""
    return Fault(name=options.pop("name", action), action=action, **options)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object on the last line of stdout."""
        content: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return content


@dataclass(frozen=True)
class Record:
    """A run directory, read back."""

    path: Path

    @property
    def results(self) -> list[dict[str, str]]:
        """The lines of results.csv."""
        return self.view("results")

    def view(self, name: str) -> list[dict[str, str]]:
        """Return the lines of a view; none when there is no such file."""
        path = self.path / f"{name}.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def outcomes(self) -> Counter[str]:
        """How many rows ended in each outcome."""
        return Counter(row["outcome"] for row in self.results)

    @property
    def codes(self) -> Counter[str]:
        """How many rows ended with each error code or rule."""
        return Counter(row["error_code"] for row in self.results if row["error_code"])

    @property
    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        content: dict[str, Any] = json.loads((self.path / "summary.json").read_bytes())
        return content

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of run.json."""
        content: dict[str, Any] = json.loads((self.path / "run.json").read_bytes())
        return content

    @property
    def journal(self) -> list[dict[str, Any]]:
        """Every whole line of the journal."""
        lines = (self.path / "journal.jsonl").read_bytes().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]

    @property
    def attempts(self) -> int:
        """How many attempts the journal knows of, all sessions together."""
        return sum(len(line.get("attempts", ())) for line in self.journal)

    def row(self, number: int) -> dict[str, str]:
        """Return the line of results.csv of a row number."""
        (found,) = (r for r in self.results if r["row_number"] == str(number))
        return found


class Bench:
    """A folder to work in, an emulator, and the command between them."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.folder = folder
        self.emulator = emulator

    def seed(self, faces: Sequence[str]) -> None:
        """Put faces without any field into the face set."""
        raw = [{"face_id": face_id} for face_id in faces]
        self.emulator.state.seed_faces(FACE_SET, raw)

    def write(self, name: str, rows: Sequence[Row]) -> str:
        """Write rows as CSV; return the file's name."""
        with (self.folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return name

    def prepare(self, count: int, name: str = "faces.csv") -> str:
        """Write so many good rows and seed their faces; return the file's name."""
        rows = make_rows(count)
        self.seed([row["face_id"] for row in rows])
        return self.write(name, rows)

    @property
    def target(self) -> tuple[str, ...]:
        """The flags that lead to the emulator."""
        url, project = self.emulator.url, self.emulator.project_id
        return ("--endpoint", url, "--project-id", project, "--face-set", FACE_SET)

    @property
    def settings(self) -> dict[str, Any]:
        """The same for the library."""
        return {
            "endpoint": self.emulator.url,
            "project_id": self.emulator.project_id,
            "face_set": FACE_SET,
            "token": self.emulator.token,
            "rate": 1000,
        }

    def run(self, *arguments: str) -> Ended:
        """Run the main job, fast and into `job` unless the arguments differ."""
        usual = ("--rate", "1000", "--run-dir", "job", *self.target)
        return self.command("run", *usual, *arguments)

    def command(self, *arguments: str) -> Ended:
        """Run the command line in this process."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as left:
                code = int(left.code or 0)
        return Ended(code, out.getvalue(), err.getvalue())

    def record(self, name: str = "job") -> Record:
        """Return what a run wrote down."""
        return Record(self.folder / name)

    @property
    def updates(self) -> int:
        """How many PUTs the server saw."""
        return self.emulator.witness.by_operation.get("UpdateFace", 0)

    @property
    def applied(self) -> Counter[str]:
        """How often each face was changed, as the server saw it."""
        return Counter(each.face_id for each in self.emulator.witness.updates())

    def stored(self, face_id: str) -> dict[str, object]:
        """Return the custom fields that the server holds."""
        return dict(self.emulator.state.face(FACE_SET, face_id).external_fields)

    def all_fired(self) -> None:
        """Assert that every planned fault fired, as often as planned."""
        for each in self.emulator.faults:
            assert each.fired >= max(1, each.fault.times), each


def assert_accounted(
    bench: Bench, inputs: Mapping[str, Sequence[Row]], name: str = "job"
) -> None:
    """
    Assert promise 1, and that the journal tells the server's truth.

    Args:
        inputs: the rows of every input by name, in the order they were given.
    """
    record = bench.record(name)
    assert_every_row_once(record, inputs)
    assert bench.updates == record.attempts
    rows = [row for rows in inputs.values() for row in rows]
    _assert_server_agrees(bench, record.results, rows)


def assert_every_row_once(record: Record, inputs: Mapping[str, Sequence[Row]]) -> None:
    """Assert that each row has one line in the results, in order, and that sums agree."""
    expected = [
        (source, str(number), row["face_id"])
        for source, rows in inputs.items()
        for number, row in enumerate(rows, 1)
    ]
    told = [(r["source"], r["row_number"], r["face_id"]) for r in record.results]
    assert told == expected
    assert_sums(record, len(expected))


def assert_sums(record: Record, rows: int) -> None:
    """Assert that every total of a run directory counts these rows."""
    outcomes, summary = record.outcomes, record.summary
    assert summary["read"] == sum(summary["outcomes"].values()) == rows
    assert {k: n for k, n in summary["outcomes"].items() if n} == dict(outcomes)
    assert record.manifest["totals"]["read"] == rows
    assert len(record.view("failed")) == outcomes["failed"]
    assert len(record.view("invalid")) == outcomes["invalid"] + outcomes["duplicate"]
    assert len(record.view("unprocessed")) == outcomes["unprocessed"]


def _assert_server_agrees(
    bench: Bench, results: Sequence[Mapping[str, str]], rows: Sequence[Row]
) -> None:
    applied = bench.applied
    updated, unsure, last = Counter[str](), set[str](), dict[str, str]()
    for result, row in zip(results, rows, strict=True):
        face_id = result["face_id"]
        if result["outcome"] == "updated":
            updated[face_id] += 1
            last[face_id] = row["external_fields.age"]
        if result["ambiguous"] == "True":
            unsure.add(face_id)
    for face_id in {result["face_id"] for result in results} | set(applied):
        assert applied[face_id] >= updated[face_id], face_id
        if face_id not in unsure:
            assert applied[face_id] == updated[face_id], face_id
            if face_id in last:
                assert bench.stored(face_id)["age"] == int(last[face_id])
