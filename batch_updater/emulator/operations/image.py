"""The picture that a request gives: base64, a file of a form, or a URL; pure."""

import base64
import binascii
import re
from collections.abc import Mapping

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations.checks import required_text
from batch_updater.emulator.rules import Strictness
from batch_updater.emulator.state.picture import (
    MAX_IMAGE,
    Portrait,
    is_known_format,
    portraits,
)

# https, or the path of an object as OBS itself writes it: /bucket/object.
URL = re.compile(r"(https://[A-Za-z0-9.-]+(:\d+)?|obs:/|)/[^/\s]+(/\S*)?", re.ASCII)


def portraits_of(content: Mapping[str, object], formats: Strictness) -> list[Portrait]:
    """
    Return the faces of the picture in a request (page 0093), the largest first.

    A picture behind a URL is not fetched: the URL stands for it. FRS.0011 for none,
    FRS.0013 for its size, FRS.0015 for bad base64, FRS.0016 for bytes that are no
    JPG, PNG or BMP under strict `formats`, FRS.0021 for a bad URL.
    """
    if content.get("image_url") is not None:
        return portraits(_url(content))
    picture = _bytes(content)
    if not 0 < len(picture) <= MAX_IMAGE:
        raise Refusal("FRS.0013")
    if formats == "strict" and not is_known_format(picture):
        raise Refusal("FRS.0016")
    return portraits(picture)


def _url(content: Mapping[str, object]) -> bytes:
    url = required_text(content, "image_url")
    if not URL.fullmatch(url):
        raise Refusal("FRS.0021")
    return url.encode("utf-8", "surrogatepass")


def _bytes(content: Mapping[str, object]) -> bytes:
    file = content.get("image_file")
    if file is not None:
        return _file(file)
    text = required_text(content, "image_base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("FRS.0015") from None


def _file(file: object) -> bytes:
    if not isinstance(file, bytes):
        raise Refusal("FRS.0012", "The image_file must be sent as a form.")
    return file
