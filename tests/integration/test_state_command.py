"""`state show`, `state rebuild` and `state forget`, as people type them."""

from pathlib import Path

import pytest
from bench import Bench, face

STATE = ("--state", "state")


@pytest.fixture
def kept(bench: Bench) -> Bench:
    """A bench with a state of three faces."""
    bench.prepare(3)
    assert bench.run("faces.csv", "--changed-only", *STATE).code == 0
    return bench


def test_show(kept: Bench) -> None:
    """It tells whose state it is, how much it knows, since when, and how large it is."""
    said = kept.command("state", "show", *STATE)
    assert said.code == 0
    assert "3 known, 0 in doubt" in said.out
    assert "1, not over: 0" in said.out
    (facts,) = kept.command("state", "show", *STATE, "--output", "json").json["states"]
    assert (facts["faces"], facts["in_doubt"], facts["runs"]) == (3, 0, 1)
    assert facts["bytes"] == Path(facts["file"]).stat().st_size
    assert facts["oldest"] <= facts["newest"]
    assert kept.command("state", "show", *STATE, "--face-set", "other").code == 1


def test_show_a_face(kept: Bench) -> None:
    """Its fields are told, their values only to who asks for values."""
    words = ("state", "show", *STATE, "--face", face(2), "--output", "json")
    (facts,) = kept.command(*words).json["states"]
    assert facts["fields"] == {"external_fields.age": None}
    (facts,) = kept.command(*words, "--include-values").json["states"]
    assert facts["fields"] == {"external_fields.age": 2}
    said = kept.command(*words[:-2])
    assert "--include-values" in said.out
    assert kept.command("state", "show", *STATE, "--face", "nobody").code == 1


def test_forget_and_rebuild(kept: Bench) -> None:
    """What is forgotten is kept no more, until it is made again from the runs."""
    assert kept.command("state", "forget", *STATE).code == 0
    assert "forgotten" in kept.command("state", "show", *STATE).out
    assert kept.run("faces.csv", *STATE, "--run-dir", "plain").code == 0
    assert all(line["kind"] != "sending" for line in kept.record("plain").journal)
    said = kept.command("state", "rebuild", "job", "job", *STATE, "--output", "json")
    assert (said.json["faces"], said.json["in_doubt"]) == (3, 0)
    again = ("faces.csv", "--changed-only", *STATE, "--run-dir", "n2")
    assert kept.run(*again).code == 0
    assert kept.record("n2").outcomes == {"unchanged": 3}


def test_a_directory_that_is_gone(kept: Bench) -> None:
    """People are told what is missing, and all rows are sent meanwhile."""
    import sqlite3

    (path,) = Path("state").iterdir()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE sessions SET over = 0")  # as if it had been killed
    db.close()
    Path("job").rename("elsewhere")
    ended = kept.run("faces.csv", "--changed-only", *STATE, "--run-dir", "n2")
    assert "state rebuild" in ended.err
    assert kept.record("n2").outcomes == {"updated": 3}
    ended = kept.command("state", "rebuild", "n2", *STATE)
    assert ended.code == 2
    assert "not among these" in ended.err
    assert kept.command("state", "rebuild", "n2", "elsewhere", *STATE).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rebuild",), "no run is given"),
        (("show", "job"), "for `state rebuild`"),
        (("forget", "--face", "x"), "for `state show`"),
        (("rebuild", "nowhere"), "no run directory"),
    ],
)
def test_words_that_cannot_be_meant(
    kept: Bench, words: tuple[str, ...], said: str
) -> None:
    """They are refused, and nothing is changed."""
    ended = kept.command("state", *words, *STATE)
    assert ended.code == 2
    assert said in ended.err


def test_nothing_is_kept(bench: Bench) -> None:
    """Without any state there is nothing to show, and nothing to forget."""
    assert bench.command("state", "show", *STATE).code == 1
    assert bench.command("state", "forget", *STATE).code == 0
