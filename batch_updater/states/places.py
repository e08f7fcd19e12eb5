"""Where the states of face sets lie."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from batch_updater.errors import StateError
from batch_updater.files.state_rows import Owner

_HOME_STATE = Path("~/.local/state")


def state_directory(asked: Path | None, environ: Mapping[str, str]) -> Path:
    """
    Return the directory of all states: the one asked for, or the user's own.

    Raises:
        StateError: there is no home directory.
    """
    state = environ.get("XDG_STATE_HOME", "")
    home = Path(state) if Path(state).is_absolute() else _HOME_STATE
    path = asked or home / "batch-updater" / "state"
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise StateError(
            f"the state cannot be kept in {path}: there is no home directory",
            hint="Say where it is kept with --state DIR.",
        ) from None


def state_path(directory: Path, owner: Owner) -> Path:
    """Return the file of a face set's state: its name tells one from all others."""
    url = urlsplit(owner.endpoint)
    endpoint = f"{url.scheme}://{url.netloc.lower()}{url.path.rstrip('/')}"
    whole = "\0".join((endpoint, owner.project_id, owner.face_set_name))
    words = f"{url.hostname or ''}-{owner.face_set_name}".lower()
    readable = re.sub(r"[^a-z0-9.]+", "-", words).strip("-.")[:80]
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return directory / f"{readable}-{digest}.sqlite"
