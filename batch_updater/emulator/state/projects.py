"""The states of all projects: what one project has, no other can see."""

from collections.abc import Callable, Iterator

from batch_updater.emulator.rules import Versions
from batch_updater.emulator.state.face_sets import State

Scope = tuple[str, str]  # project id, version of the API
V2 = "v2"


class States:
    """A state for each project, and for each version of the API if they are separate.

    `make` returns the empty state of a scope that is met for the first time.
    """

    def __init__(
        self, make: Callable[[Scope], State], versions: Versions = "shared"
    ) -> None:
        self._make, self._shared = make, versions == "shared"
        self._states: dict[Scope, State] = {}

    def state_of(self, project_id: str, version: str = V2) -> State:
        """Return the face sets of a project, as that version of the API sees them."""
        scope = (project_id, V2 if self._shared else version)
        state = self._states.get(scope)
        if state is None:
            state = self._states[scope] = self._make(scope)
        return state

    def items(self) -> Iterator[tuple[Scope, State]]:
        """Yield every state that has been asked for."""
        yield from self._states.items()
