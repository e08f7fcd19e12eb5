"""The service's unknowns, each one a switch with a cautious default."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args, get_type_hints

FieldsMode = Literal["merge", "replace"]
Strictness = Literal["strict", "lenient"]
FieldTypes = Literal["strict", "coerce", "lenient"]
MissingFaceCode = Literal["FRS.0303", "FRS.0403", "zero"]
MissingFaceGet = Literal["FRS.0303", "FRS.0403", "empty"]
MissingFaceDelete = Literal["FRS.0401", "FRS.0407", "zero"]
MissingFaceSet = Literal["error", "empty"]
WindowCode = Literal["FRS.0012", "FRS.0018", "empty"]
WrongTypeCode = Literal["FRS.0012", "FRS.0018"]
OddValues = Literal["refuse", "store", "clear"]
NestedValues = Literal["refuse", "store"]
ListOrder = Literal["added", "reverse", "shuffled"]
SearchFields = Literal["named", "all"]
Versions = Literal["shared", "separate"]
ExpiredCode = Literal["APIGW.0307", "APIGW.0301", "FRS.0002"]
IamErrors = Literal["nested", "coded"]
MetadataMode = Literal["token", "404", "405", "no-agency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    The switches (frs-api.md section 10): what each allows, and its line in --help.

    `zero` is a 200 with face_number 0, `empty` a 200 with nothing in it.
    """

    external_fields: Annotated[FieldsMode, "what an update does"] = "merge"
    missing_face_code: Annotated[MissingFaceCode, "update of an unknown face"] = (
        "FRS.0303"
    )
    missing_face_get: Annotated[MissingFaceGet, "GET of an unknown face"] = "FRS.0303"
    missing_face_delete: Annotated[MissingFaceDelete, "delete of no face"] = "FRS.0401"
    missing_face_set: Annotated[MissingFaceSet, "GET of an unknown face set"] = "error"
    window_code: Annotated[WindowCode, "offset + limit above 10000"] = "FRS.0012"
    field_types: Annotated[FieldTypes, "hold values to their declared type"] = "strict"
    wrong_type_code: Annotated[WrongTypeCode, "a value of another type"] = "FRS.0012"
    string_values: Annotated[Strictness, "letters of string values"] = "lenient"
    null_values: Annotated[OddValues, "null in external_fields"] = "refuse"
    empty_values: Annotated[OddValues, "empty strings in external_fields"] = "refuse"
    nested_values: Annotated[NestedValues, "lists and objects as values"] = "refuse"
    list_order: Annotated[ListOrder, "order of a listing"] = "added"
    search_fields: Annotated[SearchFields, "fields in a search result"] = "named"
    image_format: Annotated[Strictness, "only JPG, PNG and BMP are pictures"] = (
        "lenient"
    )
    versions: Annotated[Versions, "face sets of v1 and v2"] = "shared"
    expired_code: Annotated[ExpiredCode, "a token that has ended"] = "APIGW.0307"
    iam_errors: Annotated[IamErrors, "envelope of a wrong password"] = "nested"
    metadata: Annotated[MetadataMode, "metadata service: its tokens"] = "token"


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch as a command line shows it."""

    name: str
    meaning: str
    allowed: tuple[str, ...]
    default: str


def switches() -> list[Switch]:
    """Return every switch, in order."""
    hints = get_type_hints(Rules, include_extras=True)
    found = []
    for each in fields(Rules):
        kind, meaning = get_args(hints[each.name])
        found.append(Switch(each.name, meaning, get_args(kind), str(each.default)))
    return found


def rules_of(source: object) -> Rules:
    """Return the switches among the attributes of `source`."""
    return Rules(**{each.name: getattr(source, each.name) for each in fields(Rules)})


def check_rules(rules: Rules) -> None:
    """Refuse a value that its switch does not have; ValueError names the switch."""
    for switch in switches():
        name, value = switch.name, getattr(rules, switch.name)
        if value not in switch.allowed:
            allowed = ", ".join(switch.allowed)
            raise ValueError(f"{name} must be one of {allowed}: {value!r}")
