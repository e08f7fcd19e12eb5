"""Whatever runs do, and wherever their journals are cut: no face is called what it may not be."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from books import Book, go_on, keep, known, open_book, opened, opened_store
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_updater.models import Outcome
from batch_updater.states.rebuilding import forget
from batch_updater.states.seeing import SeenFace

AGE = "external_fields.age"
FACES = ("f1", "f2")
RUNS = 3
MEMORY = "/dev/shm"  # noqa: S108  (where a sync costs nothing)
FAR = 1_800_000_000.0  # far enough apart for no request to linger


@dataclass
class World:
    """
    What FRS may hold of each face, beside the runs that change it.

    Args:
        held: every value that a face may have by now.
        seen: what a plan that goes on has read, and not told the state yet.
    """

    folder: Path
    runs: list["Running"] = field(default_factory=list)
    held: dict[str, set[int | None]] = field(
        default_factory=lambda: {face_id: {None} for face_id in FACES}
    )
    seen: dict[str, SeenFace] = field(default_factory=dict)
    moment: float = FAR

    def clock(self) -> float:
        """Return this moment."""
        return self.moment

    def check(self) -> None:
        """What is known of a face is the one thing that it can hold."""
        for face_id, fields in known(self.folder, *FACES, clock=self.clock).items():
            may_hold = self.held[face_id] | self.under_way(face_id)
            if AGE in fields:
                assert may_hold == {fields[AGE]}, face_id

    def under_way(self, face_id: str) -> set[int]:
        """Return what runs have handed out, and FRS may carry out any time."""
        return {
            age
            for run in self.runs
            for other, age in run.out.values()
            if run.alive and other == face_id
        }


@dataclass
class Running:
    """A run with rows that have been handed out and have no outcome yet."""

    book: Book
    rows: int = 0
    out: dict[int, tuple[str, int]] = field(default_factory=dict)
    answered: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    alive: bool = True
    safe: int = 0  # how much of the journal a power loss leaves


@dataclass(frozen=True)
class Step:
    """Something that happens to one of the runs."""

    what: str
    run: int
    face_id: str
    age: int
    cut: float


STEPS = st.builds(
    Step,
    what=st.sampled_from(
        [
            *("hand out", "hand out", "hand out", "answer", "answer", "answer"),
            *("begin", "lose answer", "refuse", "kill", "cut", "resume", "end", "look"),
            *("read", "read", "take reads", "take reads", "forget"),
        ]
    ),
    run=st.integers(0, RUNS - 1),
    face_id=st.sampled_from(FACES),
    age=st.integers(1, 9),
    cut=st.floats(0, 1),
)


@contextmanager
def world() -> Iterator[World]:
    """An empty world."""
    with TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as folder:
        made = World(Path(folder))
        try:
            yield made
        finally:
            for run in made.runs:
                if run.alive:
                    run.book.close()


@given(st.lists(STEPS, min_size=8, max_size=25))
@settings(max_examples=200, deadline=None)
def test_no_face_is_called_what_it_may_not_be(steps: list[Step]) -> None:
    """Of runs at the same time, killed, cut short, resumed or not, in any order."""
    with world() as made:
        for run in range(2):
            take(made, Step("begin", run, "", 0, 0))
        for step in steps:
            made.moment += 1000
            take(made, step)
        made.check()


def take(world: World, step: Step) -> None:
    """Let one thing happen, if it can."""
    if step.what == "begin" and len(world.runs) < RUNS:
        book = open_book(world.folder, f"run{len(world.runs)}")
        keep(world.folder, book, world.clock)
        world.runs.append(Running(book))
    elif step.what in _ANY_TIME:
        _ANY_TIME[step.what](world, step)
    elif world.runs:
        run = world.runs[step.run % len(world.runs)]
        act = _ALIVE.get(step.what) if run.alive else _dead
        if act:
            act(world, run, step)


def _look(world: World, step: Step) -> None:
    world.check()


def _read(world: World, step: Step) -> None:
    """A plan asks FRS, which tells what it holds: what nobody knew is settled then."""
    may_hold = sorted(world.held[step.face_id], key=str)
    age = may_hold[round(step.cut * (len(may_hold) - 1))]
    world.held[step.face_id] = {age}
    fields = {} if age is None else {AGE: age}
    world.seen[step.face_id] = SeenFace(fields, world.moment)


def _take_reads(world: World, step: Step) -> None:
    with opened(world.folder) as state:
        if state.is_kept:
            state.catch_up(world.clock)
            state.see(world.seen)
    world.seen.clear()


def _forget(world: World, step: Step) -> None:
    with opened_store(world.folder) as store:
        forget(store)


def _hand_out(world: World, run: Running, step: Step) -> None:
    """The line is on disk, then the request leaves, and is carried out some time."""
    run.rows += 1
    run.out[run.rows] = (step.face_id, step.age)
    run.book.sending({run.rows: step.face_id})
    run.safe = _size(run)


def _answer(world: World, run: Running, step: Step) -> None:
    """FRS carries the request out now, and says so."""
    if run.out:
        row, (face_id, age) = run.out.popitem()
        world.held[face_id] = {age}
        run.book.result(row, face_id, {AGE: age}, at=world.moment)
        run.answered[row] = (face_id, age, _size(run))


def _lose_answer(world: World, run: Running, step: Step) -> None:
    """Nobody knows whether FRS has carried the request out."""
    if run.out:
        row, (face_id, age) = run.out.popitem()
        world.held[face_id].add(age)
        run.book.result(
            *(row, face_id, {AGE: age}, Outcome.FAILED, world.moment), ambiguous=True
        )


def _refuse(world: World, run: Running, step: Step) -> None:
    """FRS says no, and has done nothing now."""
    if run.out:
        row, (face_id, age) = run.out.popitem()
        run.book.result(row, face_id, {AGE: age}, Outcome.FAILED, world.moment)


def _kill(world: World, run: Running, step: Step) -> None:
    run.book.close()
    run.alive = False
    for face_id, age in run.out.values():
        world.held[face_id].add(age)


def _cut(world: World, run: Running, step: Step) -> None:
    """The machine loses power: what was not synced is gone, or some of it."""
    _kill(world, run, step)
    size = run.safe + int((_size(run) - run.safe) * step.cut)
    with run.book.directory.journal.open("r+b") as file:
        file.truncate(size)
    for row, (face_id, age, end) in run.answered.items():
        if end > size:  # a resume sends it again
            run.out[row] = (face_id, age)


def _end(world: World, run: Running, step: Step) -> None:
    if not run.out:
        run.book.end()
        _kill(world, run, step)


def _size(run: Running) -> int:
    return run.book.directory.journal.stat().st_size


def _dead(world: World, run: Running, step: Step) -> None:
    """Only a resume helps: rows without an outcome are sent again, those of now."""
    if step.what == "resume":
        run.book = go_on(run.book)
        keep(world.folder, run.book, world.clock)
        run.alive, run.safe = True, _size(run)
        for row, (face_id, _) in run.out.items():
            run.book.sending({row: face_id})
        run.safe = _size(run)


_ANY_TIME: Mapping[str, Callable[[World, Step], None]] = {
    "look": _look,
    "read": _read,
    "take reads": _take_reads,
    "forget": _forget,
}
_ALIVE: Mapping[str, Callable[[World, Running, Step], None]] = {
    "hand out": _hand_out,
    "answer": _answer,
    "lose answer": _lose_answer,
    "refuse": _refuse,
    "kill": _kill,
    "cut": _cut,
    "end": _end,
}
