"""A soak: emulator and command as processes, watched until the command has ended."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import PROJECT, SEED, TOKEN, ask, emulator
from soak.plan import LATENCY, Plan
from soak.samples import Sample, look

FACE_SET = "soak"
_EVERY_SECOND = 1.0


@dataclass(frozen=True)
class Soaked:
    """What a soak left: the command's end, its samples, and the server's account."""

    plan: Plan
    code: int
    samples: Sequence[Sample]
    run_dir: Path
    witness: Mapping[str, Any]
    arrivals: Sequence[float]
    """Of updates, in seconds, ascending."""
    applied: Mapping[str, int]
    """How often each face was changed."""
    stored: Mapping[str, int]
    """The value that each face holds; faces without one are left out."""


def soak(plan: Plan, folder: Path) -> Soaked:
    """Run the command in a folder as the plan says; return what is left of it."""
    source, run_dir = folder / "faces.csv", folder / "run"
    _write(source, plan)
    script = folder / "faults.toml"
    script.write_text(plan.script, "utf-8")
    words = ["--script", str(script), "--latency", f"{LATENCY * 1000:g}ms"]
    with emulator(folder, *words) as url:
        _seed(url, plan)
        with _command(url, plan, source, run_dir) as process:
            samples = list(_watch(process))
        return Soaked(
            plan=plan,
            code=process.returncode,
            samples=samples,
            run_dir=run_dir,
            witness=ask(url, "witness"),
            arrivals=ask(url, "arrivals?operation=UpdateFace")["arrivals"],
            applied=_applied(url),
            stored=_stored(url),
        )


def _write(path: Path, plan: Plan) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["face_id", "external_fields.age"])
        writer.writerows((plan.face(n), n) for n in range(1, plan.rows + 1))


@contextmanager
def _command(
    url: str, plan: Plan, source: Path, run_dir: Path
) -> Iterator[subprocess.Popen[bytes]]:
    words = ["run", str(source), "--face-set", FACE_SET, "--run-dir", str(run_dir)]
    words += [
        "--on-duplicate",
        "in-order",
        "--endpoint",
        url,
        "--project-id",
        PROJECT,
        "-q",
    ]
    words += ["--rate", str(plan.rate), "--concurrency", str(plan.concurrency)]
    words += ["--timeout", f"{plan.timeout:g}s", "--headroom", plan.headroom]
    ours = ("BATCH_UPDATER_", "HUAWEICLOUD_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    with subprocess.Popen(
        [sys.executable, "-m", "batch_updater", *words],
        env={**environ, "BATCH_UPDATER_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)


def _watch(process: subprocess.Popen[bytes]) -> Iterator[Sample]:
    while True:
        try:
            process.wait(_EVERY_SECOND)
        except subprocess.TimeoutExpired:
            if sample := look(process.pid, time.monotonic()):
                yield sample
            continue
        return


def _seed(url: str, plan: Plan) -> None:
    fields = {"age": "integer"}
    for first in range(1, plan.faces + 1, SEED):
        numbers = range(first, min(first + SEED, plan.faces + 1))
        faces = [{"face_id": plan.face(n)} for n in numbers]
        body = {"face_set_name": FACE_SET, "faces": faces, "external_fields": fields}
        ask(url, "seed", body)


def _applied(url: str) -> dict[str, int]:
    applied: dict[str, int] = {}
    since = 0
    while page := ask(url, f"updates?since={since}&limit={SEED}")["updates"]:
        for update in page:
            face_id = update["face_id"]
            applied[face_id] = applied.get(face_id, 0) + 1
        since = page[-1]["sequence"]
    return applied


def _stored(url: str) -> dict[str, int]:
    faces = ask(url, f"faces/{FACE_SET}")["faces"]
    values = {each["face_id"]: each.get("external_fields") or {} for each in faces}
    return {
        face_id: fields["age"] for face_id, fields in values.items() if "age" in fields
    }
