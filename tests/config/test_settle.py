"""What run.json keeps of the settings."""

from pathlib import Path

import pytest

from batch_updater.config.mapping_file import column_mapping, settle
from batch_updater.config.settings import resolve
from batch_updater.mapping.columns import ColumnMapping


def test_settled_settings_mean_the_same_without_the_mapping_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run maps columns as it did, though the mapping file has changed."""
    monkeypatch.chdir(tmp_path)
    path = Path("m.toml")
    path.write_text(
        'face_id = "person"\n[fields]\nage = {column = "a=b", type = "long"}\n'
        'id = "citizen"\nseen = {type = "double"}\n'
    )
    flags = {
        "mapping": ("m.toml",),
        "field": ("id:string=number",),
        "token-file": ("token",),
        "rate": ("5",),
    }
    first = column_mapping(resolve(flags, {}).settings)

    settled = settle(flags, first, "https://frs.example.com")
    path.unlink()
    monkeypatch.chdir("/")

    again = resolve({}, {}, recorded=settled).settings
    assert column_mapping(again) == first
    assert again.mapping is None
    assert again.token_file == tmp_path / "token"
    assert again.rate == 5.0


@pytest.mark.parametrize(
    ("endpoint", "kept"),
    [
        ("https://face.cn-north-4.myhuaweicloud.com", None),
        ("https://frs.example.com", ("https://frs.example.com",)),
    ],
)
def test_what_the_environment_calls_a_region_is_kept(
    endpoint: str, kept: tuple[str, ...] | None
) -> None:
    """A run that is resumed from another shell goes to where it went before."""
    settled = settle({"region": ("cn-north-4",)}, ColumnMapping(), endpoint)
    assert settled.get("endpoint") == kept
