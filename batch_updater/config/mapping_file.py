"""The mapping: flags and --mapping FILE folded into one ColumnMapping."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch_updater.config.options import mask_of
from batch_updater.config.parsing import make_field, parse_field_type
from batch_updater.config.settings import Settings, Texts, read_toml
from batch_updater.errors import UsageError
from batch_updater.frs.endpoints import documented_endpoint
from batch_updater.mapping.columns import ColumnMapping, FieldColumn

_KEYS = frozenset({"face_id", "external_image_id", "fields"})


def column_mapping(settings: Settings) -> ColumnMapping:
    """
    Return what flags and mapping file say about columns; a flag wins.

    What a flag does not say of a field, its column or its type, stays as it was.

    Raises:
        UsageError: the file is missing, no TOML, or says something unknown.
    """
    said = read_mapping(settings.mapping) if settings.mapping else ColumnMapping()
    fields: dict[str, FieldColumn] = {}
    for spec in (*said.fields, *settings.field):
        before = fields.get(spec.name, spec)
        column, kind = spec.column or before.column, spec.type or before.type
        fields[spec.name] = FieldColumn(spec.name, column, kind)
    return ColumnMapping(
        face_id=settings.face_id or said.face_id,
        external_image_id=settings.external_image_id or said.external_image_id,
        fields=tuple(fields.values()),
    )


def settle(texts: Texts, mapping: ColumnMapping, endpoint: str) -> Texts:
    """
    Return settings that mean the same in another folder and on another day.

    What run.json keeps must not change with a mapping file, the current folder, or
    with what the environment of that day calls a region.

    Args:
        endpoint: what the settings came to.
    """
    settled = {
        name: given
        for name, given in texts.items()
        if name != "mapping" and not mask_of(name)
    }
    said = {
        "face-id": [mapping.face_id or ""],
        "external-image-id": [mapping.external_image_id or ""],
        "field": [_write_field(spec) for spec in mapping.fields],
    }
    settled |= {name: tuple(given) for name, given in said.items() if any(given)}
    if "region" in settled and endpoint != documented_endpoint(settled["region"][-1]):
        settled["endpoint"] = (endpoint,)
    for name in ("token-file", "ca-cert", "quota-dir", "to"):
        if name in settled:
            settled[name] = (str(Path(settled[name][-1]).absolute()),)
    if "state" in settled and not settled["state"][-1].startswith("~"):
        settled["state"] = (str(Path(settled["state"][-1]).absolute()),)
    return settled


def _write_field(spec: FieldColumn) -> str:
    kind = f":{spec.type}" if spec.type else ""
    column = f"={spec.column}" if spec.column else ""
    return f"{spec.name}{kind}{column}"


def read_mapping(path: Path) -> ColumnMapping:
    """Read a mapping file; sample_data/mapping.toml shows its form."""
    content = read_toml(path, "--mapping")
    if unknown := sorted(set(content) - _KEYS):
        known = ", ".join(sorted(_KEYS))
        raise UsageError(f"{path}: unknown key {unknown[0]!r}; there are {known}")
    fields = content.get("fields", {})
    if not isinstance(fields, dict):
        raise UsageError(f"{path}: fields must be a table: [fields]")
    return ColumnMapping(
        face_id=_column(content, "face_id", path),
        external_image_id=_column(content, "external_image_id", path),
        fields=tuple(_field(name, spec, path) for name, spec in fields.items()),
    )


def _column(content: Mapping[str, Any], key: str, path: Path) -> str | None:
    column = content.get(key)
    if column is None or isinstance(column, str):
        return column
    raise UsageError(f"{path}: {key} must be the name of a column")


def _field(name: str, spec: object, path: Path) -> FieldColumn:
    if isinstance(spec, str):
        spec = {"column": spec}
    table = spec if isinstance(spec, dict) else {}
    if not any(table.values()) or not set(table) <= {"column", "type"}:
        raise UsageError(
            f"{path}: field {name!r} must be a column's name, or a table with "
            "column and type"
        )
    try:
        kind = parse_field_type(str(table["type"])) if "type" in table else None
        return make_field(name, str(table.get("column", "")), kind)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
