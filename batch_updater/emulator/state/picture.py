"""What a picture shows: any bytes are a picture, and nobody is recognised; pure."""

import hashlib
import re
from dataclasses import dataclass

MAX_IMAGE = 8 << 20  # bytes, pages 0016 and 0037
# A picture holds one face. These letters anywhere in it, or in its URL, say how many.
MARKER = re.compile(rb"emulator-faces=(\d{1,2})(?!\d)")
FORMATS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")  # JPG, PNG, BMP
BITS = 64

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Portrait:
    """One face in a picture: 64 bits that stand for it, and where it is in pixels."""

    fingerprint: int
    box: Box


def portraits(picture: bytes) -> list[Portrait]:
    """Return the faces in a picture, the largest first; the same bytes, the same faces."""
    found = MARKER.search(picture)
    content = hashlib.blake2b(picture).digest()
    prints = [
        fingerprint(content + bytes([number]))
        for number in range(int(found[1]) if found else 1)
    ]
    faces = [Portrait(each, box_of(each)) for each in prints]
    return sorted(faces, key=lambda face: face.box[0], reverse=True)


def fingerprint(content: bytes) -> int:
    """Return 64 bits of a hash of `content`."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=BITS // 8).digest())


def box_of(fingerprint: int) -> Box:
    """Return a square somewhere in a picture, in pixels: width, left, top, height."""
    side = 80 + fingerprint % 320  # a face has 80 pixels at least, page 0035
    return (side, (fingerprint >> 16) % 640, (fingerprint >> 32) % 480, side)


def similarity(one: int, other: int) -> float:
    """Return the share of bits two fingerprints agree in: 1.0 for the same picture."""
    return 1 - (one ^ other).bit_count() / BITS


def is_known_format(picture: bytes) -> bool:
    """Say whether the first bytes are those of a JPG, PNG or BMP file."""
    return picture.startswith(FORMATS)
