"""Reading multipart/form-data: the parts of a body, by name; pure (RFC 7578)."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

FORM = "multipart/form-data"
END_OF_HEAD = b"\r\n\r\n"


class FormError(ValueError):
    """A body is no form; says in what."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form; its value as it was sent."""

    name: str
    value: bytes


def is_form(content_type: str) -> bool:
    """Say whether a Content-Type announces a form."""
    return _header(content_type).get_content_type() == FORM


def parts(content_type: str, body: bytes) -> Iterator[Part]:
    """Yield the parts of a form in order; FormError when it is none."""
    boundary = _header(content_type).get_boundary()
    if not boundary or not boundary.isascii():
        raise FormError("the Content-Type names no boundary")
    # What stands before the first boundary is a preamble, to be ignored.
    mark = b"\r\n--" + boundary.encode()
    pieces = (b"\r\n" + body).split(mark)[1:]
    if not pieces or not pieces[-1].startswith(b"--"):
        raise FormError("the form does not end with its boundary")
    for piece in pieces[:-1]:
        yield _part(piece)


def _part(piece: bytes) -> Part:
    head, separator, value = piece.partition(END_OF_HEAD)
    if not separator:
        raise FormError("a part of the form has no end of its head")
    headers = BytesHeaderParser().parsebytes(head.strip() + END_OF_HEAD)
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str) or not name:
        raise FormError("a part of the form has no name")
    return Part(name, value)


def _header(content_type: str) -> Message:
    message = Message()
    message["Content-Type"] = content_type
    return message
