"""Whether a soak held: each check is a line of a table, good or bad; pure but for reading."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from soak.plan import ACTIONS
from soak.samples import growth, second_half, slope, steepest
from soak.soaking import Soaked

_OWN_SOCKETS = 2
_OPEN_FOR_A_MOMENT = 3  # files that are looked at now and then: a leak has more
# Without its end, when fewer rows are left than workers, and the last are tried again.
_WITH_WORK_LEFT = 0.9

_Told = dict[str, str]
"""A line of results.csv."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold: what, what was seen, and whether it is good."""

    what: str
    seen: str
    good: bool


def check(soaked: Soaked) -> list[Check]:
    """Return every check of a soak."""
    return [
        *_check_process(soaked),
        *_check_server(soaked),
        *_check_rows(soaked),
    ]


def _check_process(soaked: Soaked) -> Iterator[Check]:
    # Start-up and views are other work. The event loop has two sockets of its own.
    sending = [each for each in soaked.samples if each.sockets > _OWN_SOCKETS]
    half = second_half(sending)
    first = sending[: -len(half)]
    steep = slope(half)
    most = steepest(soaked.plan.rate, half[-1].at - half[0].at)
    yield Check(
        "memory flat",
        f"{steep:+.0f} KiB a minute in the second half (at most {most:.0f}), "
        f"{growth(half):+.0f} KiB above its median at the end, "
        f"{max(each.memory for each in soaked.samples) / 1024:.0f} MiB at the most",
        steep <= most,
    )
    files = [[each.files for each in part] for part in (first, half)]
    usual, most = [median(part) for part in files], max(files[1])
    said = "usually {:g}, then {:g}".format(*usual)
    good = usual[1] <= usual[0] and most <= usual[0] + _OPEN_FOR_A_MOMENT
    yield Check("files flat", f"{said} and at most {most}", good)
    sockets = max(each.sockets for each in sending)
    bound = soaked.plan.concurrency + _OWN_SOCKETS
    said = f"at most {sockets} (of {bound}), {half[-1].sockets} at the end"
    yield Check("connections bounded", said, sockets <= bound)
    threads = [max(each.threads for each in part) for part in (first, half)]
    said = "at most {}, then {}".format(*threads)
    yield Check("threads flat", said, threads[1] <= threads[0])


def _check_server(soaked: Soaked) -> Iterator[Check]:
    rate, arrivals = soaked.plan.rate, soaked.arrivals
    worst = soaked.witness["worst_second"]
    most = rate * (1 + soaked.plan.most_over)
    said = f"{worst} in the worst second of {rate}"
    yield Check("rate is a cap", said, worst <= most)
    counted = arrivals[: int(len(arrivals) * _WITH_WORK_LEFT)]
    used = (len(counted) - 1) / (counted[-1] - counted[0]) / rate
    said = f"{used:.1%} of it while work is left, {len(arrivals):,} requests"
    yield Check("rate is used", said, used >= soaked.plan.least_used)
    fired = {each["name"]: each["fired"] for each in soaked.witness["faults"]}
    least = len(arrivals) // 100 - 1
    said = ", ".join(f"{name} {times}" for name, times in fired.items())
    good = set(fired) == set(ACTIONS) and min(fired.values()) >= least
    yield Check("1 % of each fault", said, good)


def _check_rows(soaked: Soaked) -> Iterator[Check]:
    rows, code = soaked.plan.rows, soaked.code
    with (soaked.run_dir / "results.csv").open(encoding="utf-8", newline="") as file:
        results = list(csv.DictReader(file))
    numbers = [int(result["row_number"]) for result in results]
    outcomes = Counter(result["outcome"] for result in results)
    said = ", ".join(f"{name} {times:,}" for name, times in outcomes.items())
    once = numbers == list(range(1, rows + 1)) and set(outcomes) <= {
        "updated",
        "failed",
    }
    yield Check("every row ends once", f"{said} of {rows:,}", once)
    yield Check("exit code", str(code), code == (1 if outcomes["failed"] else 0))
    attempts = sum(int(result["attempts"]) for result in results)
    said = f"{attempts:,} in the journal, {len(soaked.arrivals):,} at the server"
    yield Check("every attempt is on record", said, attempts == len(soaked.arrivals))
    wrong = [face for face, told in _by_face(results) if not _agrees(soaked, told)]
    applied = f"{sum(soaked.applied.values()):,} applied"
    seen = f"{len(wrong)} faces differ{f', such as {wrong[0]}' if wrong else ''}"
    yield Check("server and journal agree", f"{seen}; {applied}", not wrong)


def _by_face(results: list[dict[str, str]]) -> Iterator[tuple[str, list[_Told]]]:
    """Yield what was told of each face, in the order of the rows."""
    faces: dict[str, list[_Told]] = {}
    for result in results:
        faces.setdefault(result["face_id"], []).append(result)
    yield from faces.items()


def _agrees(soaked: Soaked, rows: list[_Told]) -> bool:
    face_id = rows[0]["face_id"]
    times, stored = soaked.applied.get(face_id, 0), soaked.stored.get(face_id)
    updated = [_number(row) for row in rows if row["outcome"] == "updated"]
    last = updated[-1] if updated else None
    unsure = [row for row in rows if row["ambiguous"] == "True"]
    if not unsure:
        return times == len(updated) and stored == last
    # What failed without an answer may be there, unless a later row was updated.
    failed = {_number(row) for row in unsure if row["outcome"] != "updated"}
    possible = {last} | {number for number in failed if number > (last or 0)}
    most = len(updated) + sum(int(row["attempts"]) for row in unsure)
    return len(updated) <= times <= most and stored in possible


def _number(row: _Told) -> int:
    return int(row["row_number"])
