"""A run, its retries and theirs: found again by what they know of one another."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from batch_updater.errors import RunDirectoryError, UsageError
from batch_updater.files.lock import locked
from batch_updater.files.run_dir import RunDirectory, open_run_directory
from batch_updater.manifest import Manifest, RunKey, load_manifest
from batch_updater.models import Purpose


@dataclass(frozen=True, slots=True)
class Member:
    """A run of a family, where it is now."""

    directory: RunDirectory
    manifest: Manifest

    @property
    def name(self) -> str:
        """What people call it: its directory."""
        return str(self.directory.path)


@dataclass(frozen=True, slots=True)
class Family:
    """
    All that is there of a family.

    Args:
        members: the root first, then as they were begun.
        missing: what is not there or cannot be read, in words.
    """

    members: tuple[Member, ...]
    missing: tuple[str, ...]

    @property
    def root(self) -> Member:
        """The run that all others send rows of again."""
        return self.members[0]

    @contextmanager
    def locked(self, held: RunKey | None = None) -> Iterator[None]:
        """
        Let no member change while the block runs.

        Args:
            held: the run whose lock this process has already.

        Raises:
            RunDirectoryError: another process is at one of them.
        """
        with ExitStack() as stack:
            for member in self.members:
                if member.manifest.key != held:
                    stack.enter_context(locked(member.directory.journal, shared=True))
            yield


def find_family(path: Path, others: Sequence[Path] = ()) -> Family:
    """
    Return the family of a run: any member leads to the root, and to all others.

    Members are looked for beside one another, where they were when they were
    made, and among the directories that are given.

    Args:
        others: directories of runs that are elsewhere now.

    Raises:
        UsageError: it only reads.
        RunDirectoryError: the root is not there.
    """
    start = _load(path)
    if start.manifest.purpose is not Purpose.UPDATE:
        raise UsageError(
            f"{path} is {start.manifest.purpose.noun}: nothing is sent again, so there "
            "is no family",
            hint=f"What it came to: batch-updater results {path}",
        )
    known = _Known()
    for member in (start, *map(_load, others)):
        known.take(member)
    for member in (start, *known.members()):
        known.look_beside(member.directory.path)
    root = _climb(start, known)
    members = _descend(root, known)
    missing = (*_gone(members, known), *known.copies(members), *known.unreadable)
    return Family(members, missing)


def _run_directories(folder: Path) -> list[str]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    # Those of other people are theirs: access() says so, where stat() would raise.
    return [e.name for e in entries if os.access(e / "run.json", os.R_OK)]


def _load(path: Path) -> Member:
    directory = open_run_directory(path)
    return Member(directory, load_manifest(directory))


class _Known:
    """Runs that have been seen, by what they are known by."""

    def __init__(self) -> None:
        self._by_key: dict[RunKey, Member] = {}
        self._looked: set[Path] = set()
        self._copies: dict[RunKey, Path] = {}
        self.unreadable: list[str] = []

    def members(self) -> tuple[Member, ...]:
        """Return all of them, in the order of their beginning."""
        known = self._by_key.values()
        return tuple(sorted(known, key=lambda member: member.manifest.created_at))

    def take(self, member: Member) -> None:
        """Take a run; of copies, the first counts."""
        known = self._by_key.setdefault(member.manifest.key, member)
        if not known.directory.path.samefile(member.directory.path):
            self._copies[member.manifest.key] = member.directory.path

    def copies(self, members: Iterable[Member]) -> Iterator[str]:
        """Yield in words which of these runs there are twice."""
        for member in members:
            if copy := self._copies.get(member.manifest.key):
                yield f"{copy} is the same run as {member.name}, and was left out"

    def look_beside(self, path: Path) -> None:
        """Take the runs in the folder that a run is in, as far as we may read it."""
        folder = path.absolute().parent
        if folder in self._looked:
            return
        self._looked.add(folder)
        for name in _run_directories(folder):
            self._try(path.parent / name)

    def _try(self, path: Path) -> None:
        try:
            self.take(_load(path))
        except RunDirectoryError as error:
            self.unreadable.append(f"{path} was left out: {error.message}")

    def parent(self, member: Member) -> Member | None:
        """Return the run whose rows a run sends again, if it is there."""
        manifest = member.manifest
        if manifest.parent_run is None:
            return self._at(Path(manifest.parent), member)
        if manifest.parent_run not in self._by_key:
            self.look_beside(Path(manifest.parent))
        return self._by_key.get(manifest.parent_run)

    def _at(self, path: Path, child: Member) -> Member | None:
        """Return the run in a directory, for retries that note no more of it."""
        beside = child.directory.path.absolute().parent / path.name
        places = (path.absolute(), beside)
        return next(
            (m for p in places for m in self.members() if _is_at(m, p)),
            None,
        )

    def root(self, key: RunKey | None) -> Member | None:
        """Return a run by what it is known by, if it is there."""
        return self._by_key.get(key) if key else None


def _is_at(member: Member, place: Path) -> bool:
    return member.directory.path.absolute() == place


def _climb(member: Member, known: _Known) -> Member:
    seen = {member.manifest.key}
    while member.manifest.parent:
        above = known.parent(member) or known.root(member.manifest.root_run)
        if above is None:
            raise RunDirectoryError(
                f"{member.name} is a retry of {member.manifest.parent}, which is not "
                "there now",
                hint="Give its directory too: batch-updater results "
                f"{member.name} DIRECTORY --family",
            )
        if above.manifest.key in seen:
            raise RunDirectoryError(f"{member.name} and its parent name one another")
        seen.add(above.manifest.key)
        member = above
    return member


def _descend(root: Member, known: _Known) -> tuple[Member, ...]:
    keys, members = {root.manifest.key}, [root]
    waiting = [m for m in known.members() if m.manifest.parent and m is not root]
    while found := [m for m in waiting if _belongs(m, keys, root, known)]:
        keys |= {member.manifest.key for member in found}
        members += found
        waiting = [member for member in waiting if member not in found]
    return (root, *sorted(members[1:], key=lambda m: m.manifest.created_at))


def _belongs(
    member: Member, keys: Iterable[RunKey], root: Member, known: _Known
) -> bool:
    if member.manifest.root_run == root.manifest.key:
        return True
    above = known.parent(member)
    return above is not None and above.manifest.key in keys


def _gone(members: Sequence[Member], known: _Known) -> Iterator[str]:
    named = {m.manifest.parent: m for m in members[1:] if known.parent(m) is None}
    for parent, member in named.items():
        yield f"{parent} is not there now, of which {member.name} is a retry"
