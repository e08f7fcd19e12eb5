"""What a command takes from the plan or the run that it goes on from."""

from batch_updater.config.options import OPTIONS
from batch_updater.config.settings import Texts

_GROUPS = frozenset({"target", "credentials", "pace", "retry", "state"})
_TAKEN = {option.name for option in OPTIONS if option.group in _GROUPS} | {
    "on-duplicate"
}

FORCED: Texts = {
    "check-ahead": ("true",),
    "on-invalid": ("skip",),
    "changed-only": ("false",),
}
"""What was settled when the plan was made."""


def inherited(settings: Texts) -> Texts:
    """Return where to, as whom and how fast: all else was about rows of other files."""
    return {name: given for name, given in settings.items() if name in _TAKEN}
