"""README against the code: whatever it names exists, and the other way round."""

import argparse
import asyncio
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from batch_updater import errors
from batch_updater.cli.parser import make_parser
from batch_updater.config.option import Option
from batch_updater.config.options import OPTIONS
from batch_updater.emulator import Emulator, EmulatorSettings
from batch_updater.emulator.faults.fault import ACTIONS
from batch_updater.emulator.rules import switches
from batch_updater.files.results import (
    FAILED_COLUMNS,
    INVALID_COLUMNS,
    RESULT_COLUMNS,
)
from batch_updater.frs.endpoints import REGIONS
from batch_updater.frs.verdicts import judge
from batch_updater.mapping.completeness import INCOMPLETE_RULE
from batch_updater.mapping.rules import RULES
from batch_updater.mapping.tasks import DUPLICATE_RULE
from batch_updater.models import Against, FieldType, Outcome, PlanStatus, Reply
from batch_updater.report.log_lines import FIELDS
from batch_updater.report.planned import CommonChange, Drift, PlanReport, report_lines
from batch_updater.report.summary import REVIEW, ErrorCount, Stop, Summary
from batch_updater.report.text import render_summary

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def section(title: str) -> str:
    """Return a section's text with its subsections, without its heading."""
    found = re.search(
        rf"^(#+) {re.escape(title)}\n(.*?)(?=^(?!\1#)##+ |\Z)",
        README,
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"README has no section {title!r}"
    return found[2]


def table(text: str) -> list[list[str]]:
    """Return the rows of the tables in a text, heads left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    rows = [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]
    rules = [i for i, row in enumerate(rows) if set(row[0]) <= {"-"} and row[0]]
    return [r for i, r in enumerate(rows) if i not in rules and i + 1 not in rules]


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of every command."""
    actions = make_parser("emulator")._actions
    [chosen] = [a for a in actions if isinstance(a, argparse._SubParsersAction)]
    return dict(chosen.choices)


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_every_command_is_in_the_table() -> None:
    """The table of commands is the list of commands."""
    named = {row[0].split()[0].strip("`") for row in table(section("The main job"))}

    assert set(commands()) == named


_ON_OFF = {"true": "on", "false": "off"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_setting_is_in_the_table(option: Option) -> None:
    """A flag stands in the table with its form and its default."""
    rows = {row[0]: row[1] for row in table(section("Settings"))}
    form = "" if option.switch else f" {'|'.join(option.choices) or option.metavar}"
    default = _ON_OFF[option.default or ""] if option.switch else f"`{option.default}`"

    assert rows[f"`--{option.name}{form}`"] == (default if option.default else "")


def test_every_flag_that_is_named_exists() -> None:
    """README names no flag that no command has."""
    known = {
        flag
        for parser in commands().values()
        for action in parser._actions
        for flag in action.option_strings
    }
    ours = re.sub(r"^\$ curl .*$", "", README, flags=re.MULTILINE)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours)) - {"--like-this"}

    assert named <= known


def test_exit_codes_are_those_of_the_errors() -> None:
    """The table of exit codes holds every code that an exception brings, and 0, 1, 6."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.BatchUpdaterError)
    ]
    documented = {
        int(code) for row in table(section("Exit codes")) for code in row[0].split(", ")
    }

    others = {0, 1, REVIEW, 129, 130, 143}
    assert documented == {kind.exit_code for kind in kinds} | others


def test_outcomes_columns_types_and_regions_are_complete() -> None:
    """Lists in the text hold what the code has."""
    text = section("The run directory")
    for name in (*RESULT_COLUMNS, *FAILED_COLUMNS, *INVALID_COLUMNS, *Outcome):
        assert f"`{name}`" in text
    for kind in FieldType:
        assert f"`{kind}`" in section("Columns to payload")
    for region in REGIONS:
        assert f"`{region}`" in section("Settings")


def test_rules_are_those_of_the_sample() -> None:
    """The table of rules has a row in dirty.csv for each but one, and no other."""
    documented = {
        name
        for row in table(section("What makes a row invalid"))
        for name in re.findall(r"`(\w+)`", row[0])
    }
    sample = (ROOT / "sample_data" / "dirty.csv").read_text("utf-8")
    more = (ROOT / "sample_data" / "dirty.jsonl").read_text("utf-8")

    missing = {rule for rule in documented if rule not in sample + more}

    assert missing == {INCOMPLETE_RULE}, "it is broken with --update-mode replace alone"
    assert documented == {*RULES, DUPLICATE_RULE, INCOMPLETE_RULE}


def test_verdicts_of_the_examples() -> None:
    """Each code named as an example gets the verdict of its row."""
    for verdict, examples, _ in table(section("Rate and retries")):
        for code in re.findall(r"`((?:FRS|APIGW?)\.\d{4})`", examples):
            status = 503 if "5xx" in examples else 400
            body = orjson.dumps({"error_code": code, "error_msg": ""})
            said = str(judge(Reply(status, body)).verdict).replace("_", " ")
            assert said == verdict, code


def test_every_action_of_the_emulator_is_in_the_table() -> None:
    """The table of faults is the list of faults."""
    documented = {row[0].strip("`") for row in table(section("Planned misbehaviour"))}

    assert set(ACTIONS) == documented


def test_every_switch_of_the_emulator_is_in_the_table() -> None:
    """The table of switches is the list of switches, with their values, default first."""
    documented = [
        row[0].strip("`") for row in table(section("What the documents leave open"))
    ]
    written = [
        f"--{switch.name.replace('_', '-')} "
        + "|".join(sorted(switch.allowed, key=lambda value: value != switch.default))
        for switch in switches()
    ]

    assert documented == written


def test_every_line_of_the_summary_is_explained() -> None:
    """What render_summary prints at the start of a line stands in the table."""
    summary = Summary(
        run_dir="runs/x",
        face_set_name="s",
        read=1,
        outcomes=dict.fromkeys(map(str, Outcome), 1),
        errors=(ErrorCount("FRS.0303", 1, "failed", "m", "r", "e"),),
        attempts=2,
        throttled=1,
        ambiguous=1,
        rate=10.0,
        achieved_rate=9.0,
        busiest_second=9,
        latency={"p50": 0.1},
        seconds=1.0,
        exit_code=3,
        stop=Stop(name="refused", message="m", hint="h", exit_code=3),
        note="n",
        file="faces.csv",
        next_command="batch-updater resume runs/x",
    )
    printed = re.findall(r"^([a-z]+(?: set)?)\b", render_summary(summary), re.MULTILINE)
    explained = " ".join(row[0] for row in table(section("Every line of the summary")))

    unexplained = [
        word
        for word in printed
        if f"`{word}`" not in explained and word not in set(Outcome)
    ]

    assert printed
    assert not unexplained


def test_every_line_of_a_plan_is_explained() -> None:
    """What a plan's summary says at the start of a line stands in the table too."""
    report = PlanReport(
        counts={"change": 1},
        fields={"f": 1},
        commonest=(CommonChange(field="f", old="1", new="2", known=True, rows=1),),
        exact=True,
        seen_in={"face": 1},
        reads=1,
        window="--stop-at 06:00",
        drift=Drift(1, 1, "x"),
    )
    printed = {line.split("  ")[0] for line in report_lines(report) if line[0] != " "}
    explained = " ".join(row[0] for row in table(section("Every line of the summary")))

    assert printed
    assert {word for word in printed if f"`{word}`" not in explained} == set()


def test_statuses_and_places_of_a_plan_are_in_their_tables() -> None:
    """The tables of the section are the lists of the code, in their order."""
    cells = [row[0].strip("`") for row in table(section("Plan"))]

    assert cells == [*PlanStatus, *Against]


def test_every_field_of_the_log_is_in_the_table() -> None:
    """The table of fields is the list of names, in its order; the example is a line."""
    text = section("Logs")
    cells = [row[0] for row in table(text)]
    assert re.findall(r"`(\w+)`", " ".join(cells)) == list(FIELDS)
    [line] = re.findall(r"^{.*}$", text, re.MULTILINE)
    assert set(orjson.loads(line)) <= set(FIELDS)


def test_commands_shown_can_be_parsed() -> None:
    """Every batch-updater line in a console block is a command line that works."""
    lines = [
        line.removeprefix("$ ").split("  #")[0].removesuffix(" &")
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ batch-updater")
    ]

    assert lines
    for line in lines:
        make_parser(line.split()[1]).parse_args(shlex.split(line)[1:])


def test_make_targets_exist() -> None:
    """Every make target that README names is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"\bmake (\w+)", README))

    assert named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_house_is_drawn_as_it_is() -> None:
    """Every file and folder of the package's first storey is in the drawing."""
    drawn = set(re.findall(r"^  ([\w.]+/?) ", section("Development"), re.MULTILINE))
    folder = ROOT / "batch_updater"
    rooms = {p.name for p in folder.glob("*.py")} | {
        f"{p.parent.name}/" for p in folder.glob("*/__init__.py")
    }

    assert rooms - {"__init__.py", "__main__.py", "version.py"} == drawn


@contextmanager
def running_emulator() -> Iterator[str]:
    """Run an emulator with the sample faces in a thread of its own."""
    started, ended = threading.Event(), threading.Event()
    urls: list[str] = []

    async def serve() -> None:
        seed = orjson.loads((ROOT / "sample_data" / "emulator.json").read_bytes())
        name = seed["face_set_name"]
        async with Emulator(EmulatorSettings(qps=None)) as emulator:
            fields = seed["external_fields"]
            emulator.state.add_face_set(name, external_fields=fields)
            emulator.state.seed_faces(name, seed["faces"])
            urls.append(emulator.url)
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        yield urls[0]
    finally:
        ended.set()
        thread.join()


def test_python_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library examples run as they stand, against the emulator."""
    monkeypatch.chdir(ROOT)
    with running_emulator() as url:
        for block in blocks("python"):
            exec(compile(block, "README", "exec"), {"url": url, "folder": tmp_path})  # noqa: S102
    printed = capsys.readouterr().out

    assert "50 of 50" in printed
    assert "1 iexEBb6t updated" in printed
