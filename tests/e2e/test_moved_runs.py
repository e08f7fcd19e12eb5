"""Runs whose rows came by stdin, in a directory that was moved."""

from pathlib import Path

from bench import Bench, fault
from commands import call, usual


def test_a_moved_run_finds_its_rows(bench: Bench) -> None:
    """What came by - is looked for in the run directory, wherever that is now."""
    content = Path(bench.prepare(20)).read_bytes()
    bench.emulator.script([fault("respond", code="FRS.0202", after=9, times=0)])
    assert call(bench, "run", "-", *usual(bench), stdin=content).code == 3
    bench.emulator.script([])
    Path("job").rename("moved")
    ended = call(bench, "resume", "moved")
    assert ended.code == 0, ended.err
    assert bench.record("moved").outcomes == {"updated": 20}
    assert set(bench.applied.values()) == {1}
