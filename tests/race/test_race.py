"""What the benchmark of throughput says is what the server counted."""

from pathlib import Path

import pytest

from benchmarks.nginx.counts import Counts
from benchmarks.nginx.running import Nginx
from benchmarks.race.clients import Client, Place
from benchmarks.race.figures import Turn, ratio
from benchmarks.race.input import make_input
from benchmarks.race.laps import Lap, Untrue, run_lap
from benchmarks.race.watching import Point, cpu_while_sending

OURS = Client("ours", file="faces.parquet")
PEER = Client("peer", peer="session")


def test_ours_and_a_peer_send_the_same(nginx: Nginx, tmp_path: Path) -> None:
    """Both laps hold one PUT a row of the same bodies; else run_lap would have raised."""
    make_input(tmp_path / "rows", 50)
    place = Place(nginx.url)
    ours, peer = (
        run_lap(each, place, tmp_path / "rows", nginx) for each in (OURS, PEER)
    )
    assert ours.counts.updates == peer.counts.updates == ours.requests == 50
    assert peer.counts == Counts(connections=1, updates=50, others=0, resumed=0)
    assert 0 < peer.seconds < peer.wall
    assert 0 < ours.seconds < ours.wall


@pytest.mark.parametrize("client", [OURS, PEER])
def test_a_lap_that_fails_is_no_figure(
    nginx: Nginx, tmp_path: Path, client: Client
) -> None:
    """Whoever is not answered with 200 ends the benchmark, and says why."""
    make_input(tmp_path / "rows", 5)
    elsewhere = Place(f"{nginx.url}/elsewhere")
    with pytest.raises(Untrue, match="ended with"):
        run_lap(client, elsewhere, tmp_path / "rows", nginx)


def test_other_bodies_are_no_figure(nginx: Nginx, tmp_path: Path) -> None:
    """Our command is not measured by bodies that the peers do not send."""
    make_input(tmp_path / "rows", 5)
    bodies = tmp_path / "rows" / "bodies.jsonl"
    bodies.write_bytes(bodies.read_bytes().replace(b"img-00000003", b"img-3"))
    with pytest.raises(Untrue, match="not those of the peers"):
        run_lap(OURS, Place(nginx.url), tmp_path / "rows", nginx)


def test_cost_while_sending_leaves_both_ends_out() -> None:
    """What is spent before the first and after the last rows is not of sending."""
    checked = [Point(0, 0.5), Point(10, 5.0)]
    sent = [Point(size, 5.0 + size / 1000) for size in range(100, 1000, 100)]
    ended = [Point(1000, 9.0), Point(1000, 20.0)]
    cost = cpu_while_sending([*checked, *sent, *ended], rows=50)
    assert cost == pytest.approx(0.02)
    assert cpu_while_sending(sent[:3], rows=50) is None
    assert cpu_while_sending([], rows=50) is None


def test_ratios_are_taken_within_rounds() -> None:
    """A round in which the machine was slow for all says as much as any other."""

    def turn(seconds: float) -> Turn:
        nothing = Counts(connections=0, updates=0, others=0, resumed=0)
        return Turn(None, Lap(100, seconds, seconds, seconds, None, nothing))

    rounds = [
        {"ours": turn(1.0), "bare": turn(0.8)},
        {"ours": turn(10.0), "bare": turn(9.0)},
        {"ours": turn(2.0), "bare": turn(1.0)},
    ]
    assert str(ratio(rounds, "ours", "bare", "rate")) == "0.80 (0.50 to 0.90)"
    assert ratio(rounds, "ours", "bare", "sending") is None
