"""The pages of docs/: their files, as somebody would copy them out."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_FILE = re.compile(
    r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def files_of(page: str) -> dict[str, str]:
    """Return the text of every block of a page that is a file, by its name."""
    return dict(_FILE.findall((DOCS / page).read_text("utf-8")))


def file_of(page: str, name: str) -> str:
    """Return the text of one of them."""
    return files_of(page)[name]
