"""Where the states of face sets lie."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from batch_updater.errors import StateError
from batch_updater.files.state_rows import Owner

DECLARED = "declared"
"""Under this are noted the face set's types; nothing is, until a state is begun."""

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


@dataclass(frozen=True, slots=True)
class StatePlace:
    """
    Where the state of a face set is.

    Args:
        directory: of all states.
    """

    directory: Path
    owner: Owner

    @property
    def path(self) -> Path:
        """The file: its name tells one face set from all others."""
        owner = self.owner
        url = urlsplit(owner.endpoint)
        whole = "\0".join((owner.endpoint, owner.project_id, owner.face_set_name))
        readable = in_words(f"{url.hostname or ''}-{owner.face_set_name}")[:80]
        digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
        return self.directory / f"{readable}-{digest}.sqlite"


def in_words(name: str) -> str:
    """Return a name as far as it can stand in the name of a file."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")


def place_of(
    directory: Path, endpoint: str, project_id: str, face_set_name: str
) -> StatePlace:
    """Return where the state of a face set is, however its endpoint is spelled."""
    url = urlsplit(endpoint)
    plain = f"{url.scheme}://{url.netloc.lower()}{url.path.rstrip('/')}"
    return StatePlace(directory, Owner(plain, project_id, face_set_name))
