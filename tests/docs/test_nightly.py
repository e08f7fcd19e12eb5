"""docs/nightly.md: its script, run night after night against the emulator."""

import os
import re
import shlex
import signal
from collections.abc import Iterator

import pytest
from bench import Bench, fault, wait_for
from hook import open_hook
from nights import Done, Nights
from pages import DOCS, file_of

from batch_updater.cli.parser import make_parser
from batch_updater.config.options import OPTIONS


@pytest.fixture
def nights(bench: Bench) -> Iterator[Nights]:
    """A folder with the script, and a webhook."""
    with open_hook() as hook:
        yield Nights(bench, hook)


def steps(nights: Nights) -> list[tuple[str, int]]:
    """Return what the webhook was told: command and exit code of each step."""
    told = [posted.json for posted in nights.hook.came]
    return [(each["command"], each["exit_code"]) for each in told]


def test_nights_with_changes(nights: Nights) -> None:
    """Only what differs is sent; what failed is sent again, and is in the next plan."""
    nights.say({3: "blue", 7: "red"})
    nights.bench.emulator.script(
        [fault("respond", code="FRS.0303", operation="UpdateFace", times=3)]
    )
    done = nights.night()
    assert done.code == 1, done.err
    assert steps(nights) == [("plan", 0), ("apply", 1), ("retry", 1), ("verify", 0)]
    assert_handed_on(nights, done)
    assert nights.night().code == 0
    assert steps(nights)[4:] == [("plan", 0), ("apply", 0), ("verify", 0)]
    assert (nights.team(3), nights.team(7)) == ("blue", "red")
    assert nights.bench.updates == 5


def assert_handed_on(nights: Nights, done: Done) -> None:
    """Assert that stdout is the summaries, each of which was posted as well."""
    told = [posted.json for posted in nights.hook.came]
    for summary, posted in zip(done.summaries, told, strict=True):
        assert posted == {**posted, **summary, "errors": posted.get("errors")}
    assert nights.hook.came[0].target == nights.hook.url[len(nights.hook.origin) :]


def test_a_night_without_changes(nights: Nights) -> None:
    """When nothing differs nothing is sent, and a scheduler that wants a code gets it."""
    assert nights.night(NO_CHANGE="99").code == 99
    assert steps(nights) == [("plan", 99)]
    assert nights.bench.updates == 0


def test_bad_rows_alone(nights: Nights) -> None:
    """Where nothing is to be changed, but a row is bad, the night ends with 1 and sends nothing."""
    nights.add_line("face9999,not-a-number,red")
    assert nights.night().code == 1
    assert steps(nights) == [("plan", 1), ("apply", 1)]
    assert nights.bench.updates == 0


def test_too_many_changes(nights: Nights) -> None:
    """An input that would change more than usual changes nothing."""
    nights.say(dict.fromkeys(range(20), "none"))
    done = nights.night()
    assert done.code == 2
    assert steps(nights) == [("plan", 0), ("apply", 2)]
    assert "--max-changes" in done.summaries[-1]["error"] + done.summaries[-1]["hint"]
    assert nights.bench.updates == 0


def test_an_input_that_is_not_there(nights: Nights) -> None:
    """A night that cannot begin says so on its last line, and to the webhook."""
    done = nights.night("absent.csv")
    assert done.code == 2
    assert steps(nights) == [("plan", 2)]
    assert "absent.csv" in done.summaries[-1]["error"]


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_night_that_is_stopped(nights: Nights, *, whole_group: bool) -> None:
    """One SIGTERM, to the script or its group, lets the command drain; it can resume."""
    nights.say(dict.fromkeys(range(30), "late"))
    said = nights.variables(file_of("nightly.md", "nightly.env"))
    more = {"MAX_CHANGES": "100%", "BATCH_UPDATER_RATE": "15"}
    more["BATCH_UPDATER_CONCURRENCY"] = "1"  # or all faces are read first
    environ = {**nights.machine, **said, **more}
    with nights.started(
        ["./nightly.sh", "staff.csv"], nights.folder, environ
    ) as process:
        wait_for(lambda: nights.bench.updates >= 3)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 143, err
    assert b"stopping at once" not in err
    assert steps(nights)[-1] == ("apply", 143)
    left = nights.record("apply").outcomes
    assert left["updated"] + left["unprocessed"] == 40 - left["unchanged"]
    assert left["unprocessed"]
    assert b'"interrupted"' in out.splitlines()[-1]


def test_old_nights_are_removed(nights: Nights) -> None:
    """Nights beyond KEEP_DAYS go, and nothing else; no change is no failure by itself."""
    for name in ("20260101T010000Z-1", "20260102T010000Z-1", "keep"):
        (nights.folder / "nights" / name).mkdir(parents=True)
    for name in ("20260101T010000Z-1", "keep"):
        os.utime(nights.folder / "nights" / name, (0, 0))
    assert nights.night().code == 0
    kept = {path.name for path in (nights.folder / "nights").iterdir()}
    assert kept == {"20260102T010000Z-1", "keep", nights.last.name}


def test_commands_and_variables_of_the_pages_exist() -> None:
    """What the pages tell people to type can be parsed, and every setting exists."""
    text = "".join(path.read_text("utf-8") for path in sorted(DOCS.glob("*.md")))
    typed = re.findall(r"`(batch-updater [a-z][^`]*)`", text)
    assert len(typed) >= 4
    for line in typed:
        words = shlex.split(line)[1:]
        make_parser(words[0]).parse_args(words)
    known = {option.variable for option in OPTIONS}
    named = set(re.findall(r"BATCH_UPDATER_[A-Z_]+[A-Z]", text))
    assert named <= known, named - known


def test_every_page_is_reached() -> None:
    """README and the pages link to pages that exist, and to all of them."""
    pages = sorted(DOCS.glob("*.md"))
    linked = set()
    for page in (DOCS.parent / "README.md", *pages):
        for link in re.findall(
            r"\]\(((?:docs/)?[\w-]+\.md)\)", page.read_text("utf-8")
        ):
            linked.add((page.parent / link).resolve())
    assert linked == {page.resolve() for page in pages}


def test_every_exit_code_has_a_morning() -> None:
    """The table of mornings knows every code that a night may end with."""
    text = (DOCS / "nightly.md").read_text("utf-8")
    codes = {
        int(code)
        for cell in re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
        for code in cell.split(", ")
    }
    assert codes == {0, 1, 2, 3, 4, 5, 6, 7, 75, 130, 137, 143}
