"""The objects in ``external_fields`` cells: JSON text, structs and maps of Parquet."""

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from batch_updater.mapping.rules import Broken


def parse_object(cell: object) -> Mapping[str, Any] | Broken:
    """Return the object in an ``external_fields`` cell, or what is wrong with it."""
    if isinstance(cell, str):
        try:
            cell = json.loads(
                cell, object_pairs_hook=_unique, parse_constant=_refuse_constant
            )
        except (ValueError, RecursionError) as error:
            return "external_fields_json", f"not a JSON object: {error}"
    if not isinstance(cell, dict):
        return "external_fields_json", f"{cell!r:.40} is not a JSON object"
    return cell


def read_struct(cell: object) -> Mapping[str, Any] | Broken:
    """Return a struct or map of Parquet, whose null members mean "not given"."""
    try:
        members = _unique(cell) if _is_map(cell) else cell
    except ValueError as error:
        return "external_fields_json", f"not an object: {error}"
    if not isinstance(members, dict) or not all(isinstance(k, str) for k in members):
        return "external_fields_json", f"{cell!r:.40} is not an object"
    return {name: value for name, value in members.items() if value is not None}


def _is_map(cell: object) -> TypeGuard[list[tuple[str, Any]]]:
    return isinstance(cell, list) and all(isinstance(pair, tuple) for pair in cell)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} stands there twice")
    return members


def _refuse_constant(literal: str) -> Any:
    raise ValueError(f"{literal} is not JSON")
