"""Which values of which rows are there no more: the same as a plain reckoning says."""

from hypothesis import given
from hypothesis import strategies as st

from batch_updater.files.spill import Spill
from batch_updater.mapping.comparison import fields_of
from batch_updater.models import FaceUpdate, RowLayout, Task
from batch_updater.verifying.overwritten import Values

UPDATES = st.lists(
    st.builds(
        FaceUpdate,
        st.sampled_from(["a", "b", "b ", "c c", "ä"]),
        st.none() | st.just("image"),
        st.dictionaries(st.sampled_from(["x", "y", "z"]), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=30,
)


@given(UPDATES, st.integers(1, 7))
def test_the_last_row_that_names_a_field_has_it(
    updates: list[FaceUpdate], at_once: int
) -> None:
    """Of each field of a face the last row keeps it; a row that keeps none is gone."""
    tasks = [Task(each, "s", "in.csv", n) for n, each in enumerate(updates, 1)]
    layout = RowLayout({"in.csv": len(tasks)})
    values = Values(Spill(("u8", "u8", "i8", "u1"), run_rows=5))
    for first in range(0, len(tasks), at_once):
        values.take(tasks[first : first + at_once], layout)
    overwritten = values.overwritten(len(tasks))

    last = {(t.update.face_id, f): t for t in tasks for f in fields_of(t.update)}
    for row, task in enumerate(tasks):
        named = fields_of(task.update)
        kept = {f: v for f, v in named.items() if last[task.update.face_id, f] is task}
        left = overwritten.left_of(task, row)
        assert fields_of(left.update) == kept
        assert (left.update.face_id, left.row_number) == (task.update.face_id, row + 1)
        assert overwritten.whole()[row] == (bool(named) and not kept)
