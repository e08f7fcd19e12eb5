"""A run in bad weather, and what heals it afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench import Bench, Ended, face, make_rows, meanwhile

from chaos.proxy import Remote, start_proxy
from chaos.scenarios import RATE, Scenario
from chaos.truth import all_updated, assert_truth, unfinished
from chaos.weather import FAIR

SOURCE = "faces.csv"
FIRST = "job"
# How long a row may be tried, and the whole run may take: nothing hangs.
BOUNDS = ("--timeout", "400ms", "--max-attempts", "3", "--max-elapsed", "8s")
MOST_SESSIONS = 8


class Sufferer:
    """One scenario's run: rows, bench, proxy and the directories it leaves."""

    def __init__(self, bench: Bench, proxy: Remote, scenario: Scenario) -> None:
        self.bench, self.proxy, self.scenario = bench, proxy, scenario
        self.names = [FIRST]
        self.rows = make_rows(scenario.rows)
        if scenario.faces:
            for number, row in enumerate(self.rows):
                row["face_id"] = face(number % scenario.faces)
        bench.seed(sorted({row["face_id"] for row in self.rows}))
        bench.write(SOURCE, self.rows)

    def run(self) -> Ended:
        """Run through the scenario; the weather turns once ten updates arrived."""
        bench, scenario = self.bench, self.scenario
        bench.emulator.script(scenario.faults)
        rate = str(scenario.cap or RATE)
        flags = ("--rate", rate, "--headroom", "5%", "--max-duration", "6s")
        with self._storm(), self._acts():
            ended = bench.run(
                SOURCE, "--endpoint", self.proxy.url, *flags, *BOUNDS, *scenario.flags
            )
        self.assert_truth()
        return ended

    def heal(self) -> None:
        """Let the weather clear, and resume and retry until every row is updated."""
        self.proxy.change(FAIR)
        self.bench.emulator.script([])
        for _ in range(MOST_SESSIONS):
            match unfinished(self.bench.record(self.names[-1])):
                case "resume":
                    self.bench.command("resume", self.names[-1], "--timeout", "10s")
                case "retry":
                    self._retry()
                case _:
                    break
            self.assert_truth()
        assert all_updated(self.bench, self.names, len(self.rows))

    def _retry(self) -> None:
        again = f"again-{len(self.names)}"
        last = self.names[-1]
        self.bench.command("retry", last, "--run-dir", again, "--timeout", "10s")
        self.names.append(again)

    def assert_truth(self) -> None:
        """Assert that the server did what the journals say."""
        arrives = self.scenario.arrives
        assert_truth(self.bench, SOURCE, self.rows, self.names, arrives=arrives)

    @contextmanager
    def _storm(self) -> Iterator[None]:
        def turn() -> None:
            self.proxy.follow(self.scenario.forecast)

        # The preflight comes through: without it there would be no run to look at.
        with meanwhile(lambda: self.bench.updates >= 10, turn):
            yield

    @contextmanager
    def _acts(self) -> Iterator[None]:
        act, bench = self.scenario.act, self.bench
        if act is None:
            yield
            return
        quarter = self.scenario.rows // 4
        with meanwhile(lambda: len(bench.applied) >= quarter, lambda: act(bench)):
            yield


@contextmanager
def suffering(bench: Bench, scenario: Scenario) -> Iterator[Sufferer]:
    """Set a scenario up on a bench."""
    with start_proxy(bench.emulator.port) as proxy:
        yield Sufferer(bench, proxy, scenario)
