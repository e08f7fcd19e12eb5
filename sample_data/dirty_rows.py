"""Every way a row can break a rule: the rows of dirty.csv and dirty.jsonl."""

from collections.abc import Iterator

from face_set import FIELDS

CLEAN = ""
SOFT = "strict:"  # a warning, and an error with --strict

Cells = dict[str, str]

# What is wrong, the rule that must be reported, and the cells that break it.
# A field's own name stands for its column, "json" for the column external_fields.
WAYS: tuple[tuple[str, str, Cells], ...] = (
    ("nothing is wrong", CLEAN, {"id": "300018629384756", "floor": "3"}),
    ("no face id", "face_id_missing", {"face_id": "", "floor": "3"}),
    ("no face id and nothing else", "face_id_missing", {"face_id": ""}),
    ("nothing but the face id", "nothing_to_update", {}),
    ("an object without members", "nothing_to_update", {"json": "{}"}),
    ("a space in the image id", "external_image_id", {"image": "badge 7"}),
    ("Chinese image id", "external_image_id", {"image": "工牌"}),
    ("an image id of 37", "external_image_id", {"image": "i" * 37}),
    ("an image id of 36", CLEAN, {"image": "i" * 36}),
    ("text of 257", "string_length", {"department": "d" * 257}),
    ("text of 256", CLEAN, {"department": "d" * 256}),
    ("empty text", "string_length", {"json": '{"department": ""}'}),
    ("half a character", "string_unicode", {"json": r'{"department": "\ud800"}'}),
    ("a whole one", SOFT + "string_charset", {"json": r'{"id": "\ud83d\ude00"}'}),
    ("Chinese text", SOFT + "string_charset", {"department": "研发部"}),
    ("a space in text", SOFT + "string_charset", {"department": "R and D"}),
    ("a dot in text", SOFT + "string_charset", {"json": '{"id": "1.5"}'}),
    ("text that looks like no value", CLEAN, {"department": "NA", "id": "00123456"}),
    ("true as text", "string", {"json": '{"department": true}'}),
    ("a fraction as text", "string", {"json": '{"id": 1.5}'}),
    ("a whole number as text is taken", CLEAN, {"json": '{"id": 300018629384756}'}),
    ("a word as integer", "integer", {"floor": "third"}),
    ("a fraction as integer", "integer", {"floor": "3.5"}),
    ("a float's text as integer", "integer", {"floor": "3.0"}),
    ("an exponent as integer", "integer", {"floor": "1e5"}),
    ("a space before the number", "integer", {"floor": " 3"}),
    ("a comma in the number", "integer", {"timestamp": "1,640,995,200"}),
    ("Chinese digits", "integer", {"floor": "\uff13"}),
    ("a suffix on a long", "integer", {"timestamp": "12L"}),
    ("leading zeros", "integer", {"floor": "007"}),
    ("true as integer", "integer", {"json": '{"floor": true}'}),
    ("a JSON fraction as long", "integer", {"json": '{"timestamp": 12.5}'}),
    ("the largest integer", CLEAN, {"floor": "2147483647"}),
    ("one more than an integer holds", "integer_range", {"floor": "2147483648"}),
    ("one less than an integer holds", "integer_range", {"floor": "-2147483649"}),
    ("the smallest long", CLEAN, {"timestamp": "-9223372036854775808"}),
    ("one more than a long holds", "long_range", {"timestamp": "9223372036854775808"}),
    ("a long of 50 digits", "long_range", {"timestamp": "1" * 50}),
    ("a word as double", "number", {"score": "high"}),
    ("a decimal comma", "number", {"score": "0,98"}),
    ("a suffix on a float", "number", {"weekly_hours": "37.5f"}),
    ("leading zeros in a double", "number", {"score": "00.98"}),
    ("true as double", "number", {"json": '{"score": true}'}),
    ("not a number", "number_finite", {"score": "NaN"}),
    ("infinity", "number_finite", {"weekly_hours": "-Infinity"}),
    ("a JSON number beyond all", "number_finite", {"json": '{"score": 1e999}'}),
    ("a double too large", "double_range", {"score": "1e309"}),
    ("a float too large", "float_range", {"weekly_hours": "3.5e38"}),
    ("that number as double", CLEAN, {"score": "3.5e38"}),
    ("yes as boolean", "boolean", {"vip": "yes"}),
    ("1 as boolean", "boolean", {"vip": "1"}),
    ("a JSON 1 as boolean", "boolean", {"json": '{"vip": 1}'}),
    ("booleans in any case", CLEAN, {"vip": "TRUE"}),
    ("null as value", "field_kind", {"json": '{"floor": null}'}),
    ("a list as value", "field_kind", {"json": '{"id": ["3000", "1862"]}'}),
    ("an object as value", "field_kind", {"json": '{"id": {"number": "3000"}}'}),
    ("JSON that breaks off", "external_fields_json", {"json": '{"floor": 3'}),
    ("a JSON list", "external_fields_json", {"json": '["floor", 3]'}),
    ("a JSON number", "external_fields_json", {"json": "3"}),
    ("JSON in Python's quotes", "external_fields_json", {"json": "{'floor': 3}"}),
    ("a key twice", "external_fields_json", {"json": '{"floor": 3, "floor": 4}'}),
    ("NaN, which is no JSON", "external_fields_json", {"json": '{"score": NaN}'}),
    ("an object", CLEAN, {"json": '{"floor": 3, "vip": true}'}),
    ("an unknown field", "field_undeclared", {"json": '{"flor": 3}'}),
    ("a reserved field", "field_reserved", {"json": '{"_id": "7"}'}),
    ("a space in a field name", "field_name", {"json": '{"the floor": 3}'}),
    ("a field name of 37", "field_name", {"json": '{"%s": 3}' % ("f" * 37)}),
    ("half a character in a name", "field_name", {"json": r'{"\ud800": 3}'}),
    ("a field name of nothing", "field_name", {"json": '{"": 3}'}),
    ("a field given twice", "field_given_twice", {"floor": "3", "json": '{"floor":3}'}),
    (
        "eleven fields, four of them unknown",
        "field_undeclared; too_many_fields",
        {
            "json": '{"timestamp":1,"id":"2","department":"d","floor":3,"score":0.4,'
            '"weekly_hours":5,"vip":false,"a":1,"b":2,"c":3,"d":4}'
        },
    ),
    ("two rules at once", "integer; boolean", {"floor": "three", "vip": "maybe"}),
    ("a face twice: here", "duplicate_face", {"face_id": "twiceOne", "floor": "1"}),
    ("a short face id", SOFT + "face_id_shape", {"face_id": "short", "floor": "3"}),
    ("a dash in it", SOFT + "face_id_shape", {"face_id": "iex-Bb6t", "floor": "3"}),
    ("a face twice: and here", "duplicate_face", {"face_id": "twiceOne", "floor": "2"}),
    ("nothing is wrong here either", CLEAN, {"image": "imageID", "vip": "false"}),
)

COLUMNS = (
    "face_id",
    "external_image_id",
    *(f"external_fields.{name}" for name in FIELDS),
    "external_fields",
    "why",
    "expected_rule",
)


def dirty_rows() -> Iterator[Cells]:
    """Yield the rows of dirty.csv by column; every face id but one is unique."""
    for number, (why, rule, broken) in enumerate(WAYS, 1):
        row = {"face_id": f"dirty{number:03}", "why": why, "expected_rule": rule}
        yield row | {_column(name): cell for name, cell in broken.items()}


def dirty_objects() -> Iterator[dict[str, object]]:
    """Yield the rows of dirty.jsonl: what only values with types can break."""
    ways: tuple[tuple[str, str, dict[str, object]], ...] = (
        ("a face id as number", "face_id_type", {"face_id": 12345678, "vip": True}),
        ("an image id as number", "external_image_id", {"external_image_id": 42}),
        ("a list as object", "external_fields_json", {"external_fields": [3]}),
        ("nothing but nulls", "nothing_to_update", {"external_fields": None}),
        ("nothing is wrong", CLEAN, {"external_fields": {"floor": 3}}),
    )
    for number, (why, rule, broken) in enumerate(ways, 1):
        row: dict[str, object] = {"face_id": f"typed{number:03}"}
        yield row | broken | {"why": why, "expected_rule": rule}


def _column(name: str) -> str:
    if name in FIELDS:
        return f"external_fields.{name}"
    return {"image": "external_image_id", "json": "external_fields"}.get(name, name)
