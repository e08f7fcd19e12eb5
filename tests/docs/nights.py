"""A folder as the pages of docs/ have it, and the commands of its schedulers."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench import FIELDS, PATIENCE, Bench, Record
from commands import COMMAND, environment
from hook import Hook
from pages import file_of

FACE_SET = "showFaceSet"
ROWS = 40
CANARY = "canary-va1ue"


@dataclass(frozen=True)
class Done:
    """How a scheduler's command ended."""

    code: int
    out: str
    err: str

    @property
    def summaries(self) -> list[dict[str, Any]]:
        """The lines of stdout, each of which is a summary."""
        return [json.loads(line) for line in self.out.splitlines()]


class Nights:
    """
    A machine on which the example of a page is to run.

    Its command is on PATH; the emulator is FRS; what is a secret on the pages, or a
    place on the machine, is put in its place.
    """

    def __init__(self, bench: Bench, hook: Hook) -> None:
        self.bench = bench
        self.hook = hook
        self.folder = bench.folder / "nightly"
        self.bin = bench.folder / "bin"
        for folder in (self.folder, self.bin):
            folder.mkdir()
        (self.bin / "batch-updater").symlink_to(COMMAND)
        self.script = self.write("nightly.sh", file_of("nightly.md", "nightly.sh"))
        bench.emulator.state.add_face_set(FACE_SET, external_fields=FIELDS)
        bench.emulator.state.seed_faces(FACE_SET, [_face(n) for n in range(ROWS)])
        self.say({})

    def write(self, name: str, text: str) -> Path:
        """Write a file of a page into the folder, as `chmod 700` makes it."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        path.chmod(0o700)
        return path

    def say(self, teams: Mapping[int, str]) -> None:
        """Let the warehouse say these teams, and of all other faces what they hold."""
        lines = ["face_id,external_fields.age,external_fields.team"]
        for n in range(ROWS):
            face = _face(n)
            team = teams.get(n, face["external_fields"]["team"])
            lines.append(f"{face['face_id']},{n},{team}")
        (self.folder / "staff.csv").write_text("\n".join(lines) + "\n")

    def add_line(self, line: str) -> None:
        """Let the warehouse's file have one more line."""
        with (self.folder / "staff.csv").open("a") as file:
            file.write(f"{line}\n")

    def team(self, number: int) -> object:
        """Return the team that FRS holds."""
        state = self.bench.emulator.state
        return state.face(FACE_SET, _face(number)["face_id"]).external_fields["team"]

    @property
    def secrets(self) -> dict[str, str]:
        """What the pages leave open."""
        return {
            "HUAWEICLOUD_SDK_AK": "emulator-ak",
            "HUAWEICLOUD_SDK_SK": "emulator-sk",
            "BATCH_UPDATER_NOTIFY_URL": self.hook.url,
        }

    def variables(self, text: str) -> dict[str, str]:
        """Return an environment as a page lists it, secrets filled in."""
        said = dict(line.split("=", 1) for line in text.splitlines())
        return {**said, **{k: v for k, v in self.secrets.items() if k in said}}

    def write_environment(self, folder: Path) -> None:
        """Write nightly.env into a folder."""
        said = self.variables(file_of("nightly.md", "nightly.env"))
        assert said.keys() > self.secrets.keys()
        text = "".join(f"{name}={value}\n" for name, value in said.items())
        (folder / "nightly.env").write_text(text)

    @property
    def machine(self) -> dict[str, str]:
        """The environment that a scheduler starts with, and the way to the emulator."""
        base = environment(self.bench, BATCH_UPDATER_ENDPOINT=self.bench.emulator.url)
        del base["BATCH_UPDATER_TOKEN"]
        home = str(self.bench.folder)
        return {**base, "HOME": home, "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def call(
        self,
        *words: str,
        environ: Mapping[str, str] = MappingProxyType({}),
        cwd: Path | None = None,
    ) -> Done:
        """Run a scheduler's command to its end."""
        with self.started(words, cwd or self.folder, {**self.machine, **environ}) as it:
            out, err = it.communicate(timeout=PATIENCE)
        return Done(it.returncode, out.decode(), err.decode())

    @contextmanager
    def started(
        self, words: Sequence[str], cwd: Path, environ: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a scheduler's command; it does not outlive the block."""
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def night(self, *words: str, **environ: str) -> Done:
        """Run the script as it stands in nightly.md."""
        said = self.variables(file_of("nightly.md", "nightly.env"))
        return self.call(
            "./nightly.sh", *(words or ("staff.csv",)), environ=said | environ
        )

    @property
    def last(self) -> Path:
        """The folder of the last night."""
        nights = (self.folder / "nights").glob("2*Z-*")
        return max(nights, key=lambda night: night.stat().st_mtime_ns)

    def record(self, step: str) -> Record:
        """Return what a step of the last night wrote down."""
        return Record(self.last / step)


def _face(n: int) -> dict[str, Any]:
    fields = {"age": n, "team": f"team{n % 4}"}
    return {"face_id": f"face{n:04d}", "external_fields": fields}


def placed(text: str, places: Mapping[str, Path]) -> str:
    """Return a text whose places on a machine are these folders instead."""
    for place in sorted(places, key=len, reverse=True):
        assert place in text, place
        text = re.sub(rf"{re.escape(place)}(?=[/\s\"',\]]|$)", str(places[place]), text)
    return text
