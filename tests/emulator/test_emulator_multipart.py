"""Forms: what clients send is read back byte for byte, and what is none is refused."""

import json
import re

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations.bodies import content_of, kind_of
from batch_updater.emulator.operations.multipart import FormError, parts

XFORM = "multipart/form-data; boundary=x"
NAMES = st.text(
    st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20
)


def encoded(fields: dict[str, str], files: dict[str, bytes]) -> tuple[str, bytes]:
    """Return Content-Type and body as requests makes them."""
    made = requests.Request(
        "POST",
        "http://localhost/",
        data=fields,
        files={name: (f"{name}.jpg", data) for name, data in files.items()},
    ).prepare()
    assert isinstance(made.body, bytes)
    return made.headers["Content-Type"], made.body


@given(
    fields=st.dictionaries(NAMES, st.text()),
    files=st.dictionaries(NAMES, st.binary(), min_size=1),
)
def test_what_requests_sends(fields: dict[str, str], files: dict[str, bytes]) -> None:
    """Every value of a form comes out as it went in, whatever bytes it has."""
    sent = [(name, text.encode()) for name, text in fields.items()]
    content_type, body = encoded(fields, files)
    found = [(part.name, part.value) for part in parts(content_type, body)]
    assert found == [*sent, *files.items()]


@given(body=st.binary() | st.binary().map(lambda each: b"--x\r\n" + each + b"--x--"))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    """No body at all makes the reader fail in another way than its own."""
    assert re.fullmatch(r"|.*\b(form|boundary)\b.*", refusal(body))


def refusal(body: bytes) -> str:
    """Return why a body is no form; nothing when it is one."""
    try:
        return "".join(part.name for part in parts(XFORM, body))[:0]
    except FormError as problem:
        return str(problem)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=y",
        "multipart/form-data; boundary=\u00e4",
    ],
)
def test_no_form(content_type: str) -> None:
    """A form without its boundary gets FRS.0012, with the reason."""
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    with pytest.raises(Refusal, match="boundary") as refused:
        content_of("AddFaces", content_type, body)
    assert refused.value.code == "FRS.0012"


def test_values_of_a_form() -> None:
    """A form's texts become what the same JSON would hold; a file stays bytes."""
    fields = {
        "external_fields": '{"a": 1}',
        "single": "True",
        "top_n": "5",
        "threshold": "0.5",
        "sort": '[{"a": "asc"}]',
        "return_fields": "a,b",
        "filter": "a:1",
    }
    content = content_of("SearchFace", *encoded(fields, {"image_file": b"\r\n\xff"}))
    assert content == {
        "external_fields": {"a": 1},
        "single": True,
        "top_n": 5,
        "threshold": 0.5,
        "sort": [{"a": "asc"}],
        "return_fields": ["a", "b"],
        "filter": "a:1",
        "image_file": b"\r\n\xff",
    }
    listed = encoded({"return_fields": '["a", "b"]'}, {"image_file": b"x"})
    assert content_of("SearchFace", *listed)["return_fields"] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("external_fields", "{"),
        ("external_fields", "[" * 100_000),
        ("single", "yes"),
        ("top_n", "many"),
        ("threshold", "NaN"),
        ("sort", "asc"),
        ("return_fields", "[a"),
    ],
)
def test_bad_value_of_a_form(name: str, value: str) -> None:
    """A text that is not what its name needs gets FRS.0012 with the name."""
    content_type, body = encoded({name: value}, {"image_file": b"x"})
    with pytest.raises(Refusal, match=name) as refused:
        content_of("AddFaces", content_type, body)
    assert refused.value.code == "FRS.0012"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (["image_base64"], "AddFacesByBase64"),
        (["image_file"], "AddFacesByFile"),
        (["image_url"], "AddFacesByUrl"),
        ([], "FRS.0011"),
        (["image_url", "image_base64"], "FRS.0012"),
    ],
)
def test_kinds(given: list[str], kind: str) -> None:
    """The body says which kind of AddFaces it is; none, and two, are refused."""
    content = dict.fromkeys(given, "x")
    if not kind.startswith("FRS"):
        assert kind_of("AddFaces", content) == kind
        return
    with pytest.raises(Refusal) as refused:
        kind_of("AddFaces", content)
    assert refused.value.code == kind


def test_json_is_no_form() -> None:
    """Another operation than adding and searching takes no form."""
    body = json.dumps({"face_id": "a"}).encode()
    assert content_of("UpdateFace", "text/plain", body) == {"face_id": "a"}
    with pytest.raises(Refusal) as refused:
        content_of("UpdateFace", *encoded({}, {"image_file": b"x"}))
    assert refused.value.code == "FRS.0014"
