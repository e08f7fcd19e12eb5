"""Whatever is wrong with input or settings: exit 2, a sentence, and nothing sent."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
from bench import Bench, make_rows
from commands import call, run, usual

GOOD = "face_id,external_fields.age\nface0001,1\nface0002,2\n"


def text(content: str) -> Callable[[Path], object]:
    """Return a writer of this text."""
    return lambda path: path.write_text(content, encoding="utf-8")


def raw(content: bytes) -> Callable[[Path], object]:
    """Return a writer of these bytes."""
    return lambda path: path.write_bytes(content)


def cut_parquet(path: Path) -> None:
    """Write a Parquet file and cut its end off."""
    pd.DataFrame(make_rows(100)).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-40])


BAD: Mapping[str, tuple[str, Callable[[Path], object], tuple[str, ...]]] = {
    "missing file": ("nowhere.csv", lambda path: None, ()),
    "empty file": ("empty.csv", raw(b""), ()),
    "header alone": ("header.csv", text("face_id,external_fields.age\n"), ()),
    "missing column": ("column.csv", text("id,age\nface0001,1\n"), ("face_id",)),
    "ragged line": ("ragged.csv", text(GOOD + "face0003,3,4\n"), ("line 4",)),
    "short line": ("short.csv", text(GOOD + "face0003\n"), ("line 4",)),
    "open quote": ("quote.csv", text(GOOD + '"face0003,3\n'), ("4",)),
    "wrong encoding": (
        "gbk.csv",
        raw((GOOD + "人脸三三三三三三,3\n").encode("gb18030")),
        ("line 4", "--encoding"),
    ),
    "UTF-16": ("utf16.csv", raw(GOOD.encode("utf-16")), ("--encoding",)),
    "other delimiter": (
        "semicolon.csv",
        text(GOOD.replace(",", ";")),
        ("--delimiter",),
    ),
    "cut Parquet": ("cut.parquet", cut_parquet, ()),
    "Parquet as CSV": ("table.csv", cut_parquet, ("Parquet",)),
    "cut gzip": (
        "cut.csv.gz",
        raw(gzip.compress((GOOD * 999).encode(), mtime=0)[:-20]),
        (),
    ),
    "broken JSON": (
        "broken.jsonl",
        text('{"face_id":"face0001","external_image_id":"a"}\n{"face_id":\n'),
        ("line 2",),
    ),
    "unknown format": ("faces.dat", text(GOOD), ("--format",)),
}


@pytest.mark.parametrize(("name", "write", "said"), BAD.values(), ids=BAD.keys())
def test_bad_table(
    bench: Bench, name: str, write: Callable[[Path], object], said: tuple[str, ...]
) -> None:
    """A table that cannot be read: exit 2, file and place and flag named, no PUT."""
    write(Path(name))
    ended = bench.run(name)
    assert ended.code == 2, ended
    for word in (name, *said):
        assert word in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert bench.updates == 0
    assert not Path("job").exists()


@pytest.mark.parametrize("how", ["ragged", "encoding", "parquet", "stdin"])
def test_bad_table_in_a_process(bench: Bench, how: str) -> None:
    """The real process says it in the same way: one error line, and what helps."""
    name, write, said = BAD[
        {"encoding": "wrong encoding", "parquet": "cut Parquet"}.get(how, "ragged line")
    ]
    write(Path(name))
    if how == "stdin":
        content = Path(name).read_bytes()
        ended = call(bench, "run", "-", *usual(bench), stdin=content)
    else:
        ended = run(bench, name)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("batch-updater: error: ")
    assert "Traceback" not in ended.err
    for word in said:
        assert word in ended.err
    assert bench.updates == 0


def test_one_bad_table_of_several(bench: Bench) -> None:
    """One table that cannot be read stops all of them before the first PUT."""
    Path("good.csv").write_text(GOOD)
    Path("ragged.csv").write_text(GOOD + "face0003,3,4\n")
    ended = bench.run("good.csv", "ragged.csv")
    assert ended.code == 2
    assert "ragged.csv" in ended.err
    assert bench.updates == 0


FLAGS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "no such flag": (("--speed", "9"), "--speed"),
    "abbreviated": (("--conc", "9"), "--conc"),
    "rate": (("--rate", "fast"), "--rate"),
    "rate 0": (("--rate", "0"), "--rate"),
    "timeout": (("--timeout", "30 parsecs"), "--timeout"),
    "attempts": (("--max-attempts", "0"), "--max-attempts"),
    "errors": (("--max-errors", "many"), "--max-errors"),
    "policy": (("--on-duplicate", "maybe"), "--on-duplicate"),
    "field": (("--field", "age:years=age"), "--field"),
    "reserved field": (("--field", "vector=age"), "vector"),
    "encoding": (("--encoding", "klingon"), "--encoding"),
    "face id column": (("--face-id", "who"), "who"),
    "mapping": (("--mapping", "none.toml"), "none.toml"),
    "config": (("--config", "none.toml"), "none.toml"),
    "profile": (("--profile", "night"), "night"),
    "http": (("--endpoint", "http://frs.example.com"), "--allow-http"),
    "endpoint": (("--endpoint", "frs"), "--endpoint"),
    "face set": (("--face-set", ""), "--face-set"),
    "run directory": (("--run-dir", "faces.csv/below"), "--run-dir"),
}


@pytest.mark.parametrize(("flags", "said"), FLAGS.values(), ids=FLAGS.keys())
def test_bad_setting(bench: Bench, flags: tuple[str, ...], said: str) -> None:
    """A setting that cannot be meant: exit 2, the flag named, no PUT."""
    Path("faces.csv").write_text(GOOD)
    ended = bench.run("faces.csv", *flags)
    assert ended.code == 2, ended
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert bench.updates == 0


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("BATCH_UPDATER_TOKEN", "", "BATCH_UPDATER_TOKEN"),
        ("BATCH_UPDATER_TOKEN", "two\nlines", "BATCH_UPDATER_TOKEN"),
        ("BATCH_UPDATER_CONCURRENCY", "lots", "from environment"),
    ],
)
def test_bad_environment(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    said: str,
) -> None:
    """A bad or missing variable: exit 2, its name or origin, never the token itself."""
    Path("faces.csv").write_text(GOOD)
    monkeypatch.setenv(variable, value)
    ended = bench.run("faces.csv")
    assert ended.code == 2
    assert said in ended.err
    assert "lines" not in ended.err
    assert bench.emulator.witness.requests == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("ratte = 5\n", "did you mean 'rate'"),
        ("rate = \n", "no TOML"),
        ("rate = -1\n", "from batch-updater.toml"),
        ('token = "secret"\n', "token"),
    ],
)
def test_bad_configuration_file(bench: Bench, content: str, said: str) -> None:
    """A bad configuration file: exit 2, with the file and the key."""
    Path("faces.csv").write_text(GOOD)
    Path("batch-updater.toml").write_text(content)
    words = ("run", "faces.csv", *bench.target)
    ended = bench.command(*words)
    assert ended.code == 2
    assert said in ended.err
    assert "batch-updater.toml" in ended.err
    assert "secret" not in ended.err
    assert bench.emulator.witness.requests == 0


@pytest.mark.parametrize("content", ["", "two words", "two\nlines", None])
def test_bad_token_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A token file that is missing or holds no token: exit 2, the file, not its text."""
    monkeypatch.delenv("BATCH_UPDATER_TOKEN")
    Path("faces.csv").write_text(GOOD)
    if content is not None:
        Path("token").write_text(content)
    ended = bench.run("faces.csv", "--token-file", "token")
    assert ended.code == 2
    assert "token file token" in ended.err or "token in the file token" in ended.err
    assert "two" not in ended.err
    assert bench.emulator.witness.requests == 0


def test_unknown_region(bench: Bench) -> None:
    """A region without a known endpoint: exit 2, the regions there are, and the flag."""
    Path("faces.csv").write_text(GOOD)
    words = ("--project-id", "p", "--face-set", "staff")
    ended = bench.command("run", "faces.csv", "--region", "mars-1", *words)
    assert ended.code == 2
    for said in ("mars-1", "cn-north-4", "--endpoint"):
        assert said in ended.err
    ended = bench.command("run", "faces.csv", *words)
    assert ended.code == 2
    assert "--region" in ended.err


def test_no_input(bench: Bench) -> None:
    """Without an input: exit 2 and what to name."""
    ended = bench.run()
    assert ended.code == 2
    assert "no input" in ended.err
