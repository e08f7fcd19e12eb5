"""What more rows cost in memory: next to nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

# A child's peak counts what its parent had, so a small process stands between.
_PEAK = (
    "import os, sys\n"
    "pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)\n"
    "_, status, usage = os.wait4(pid, 0)\n"
    "assert os.waitstatus_to_exitcode(status) == 1\n"
    "print(usage.ru_maxrss)"
)
# 3 % when this was written: pyarrow reads 8 MB of CSV ahead, which the smaller file
# hardly has. It was 10 % while hashes of all rows were kept.
MOST = 1.05


def _write(path: Path, rows: int) -> None:
    """Write rows of which all are refused: each face stands twice, far apart."""
    with path.open("w") as file:
        file.write("face_id,external_image_id,external_fields.id\n")
        for number in range(rows):
            face_id = number % (rows // 2)
            file.write(f"{face_id:08d},img-{number},3000186{number:011d}\n")


def _peak(path: Path) -> int:
    words = [sys.executable, "-m", "batch_updater", "check", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *words],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return int(done.stdout.split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss differs elsewhere")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """A check of three times the rows, all of them duplicates, takes at most 5 % more."""
    peaks = []
    for rows in (200_000, 600_000):
        path = tmp_path / f"{rows}.csv"
        _write(path, rows)
        peaks.append(_peak(path))
    few, many = peaks
    assert many <= MOST * few, peaks
