"""What a plan counts, what it lists, and which rows are a sample; pure."""

import pytest

from batch_updater.frs.protocol import LIST_WINDOW, write_faces
from batch_updater.models import Outcome, PlanStatus, Result
from batch_updater.planning.counts import Commonest, Counts
from batch_updater.planning.listing import Listed
from batch_updater.planning.rows import STATE, Change, PlanRow


def page(first: int, ids: list[str], outcome: Outcome = Outcome.EXPORTED) -> Result:
    """Return a page that shows these faces."""
    return Result(
        source="pages",
        row_number=first,
        face_set_name="staff",
        face_id="",
        outcome=outcome,
        payload=write_faces([{"face_id": each} for each in ids]),
    )


@pytest.mark.parametrize(
    ("rows", "faces", "size", "pays"),
    [
        (10, 1000, 100, False),  # ten pages for ten rows
        (11, 1000, 100, True),
        (1000, 1000, 1, False),  # a page a face
        (0, 1000, 100, False),
        (100, 0, 100, False),  # nobody knows how many there are
        (1_000_000, 1_000_000, 100, True),
        (1000, 1_000_000, 100, False),  # ten of them may be among the first 10 000
        (50_000, 20_000, 100, True),
    ],
)
def test_listing_pays_where_it_takes_fewer_requests(
    rows: int, faces: int, size: int, pays: bool
) -> None:
    """Pages are set against the rows whose faces they can be expected to show."""
    assert Listed(faces).pays(rows, size) is pays


def test_pages_are_gone_through_once() -> None:
    """The next page begins where the last one ended; one that failed says nothing."""
    listed = Listed(5)
    assert listed.limit(3) == 3
    listed.take(page(1, ["a", "b", "c"]))
    listed.take(page(4, [], Outcome.FAILED))
    assert (listed.offset, listed.limit(3)) == (3, 2)
    listed.take(page(4, ["c"]))
    assert (listed.offset, listed.limit(3)) == (4, 1)
    listed.take(page(5, []))

    assert listed.limit(3) == 0
    assert not listed.pays(100, 3)
    assert listed.faces.keys() == {"a", "b", "c"}


def test_no_page_goes_beyond_what_frs_lists() -> None:
    """Offset and limit come to 10 000 at the most."""
    listed = Listed(10**6)
    listed.take(page(LIST_WINDOW - 1, ["a"]))

    assert listed.limit(100) == 1


def test_common_changes_in_little_memory() -> None:
    """Of more different changes than are told apart, common ones are still found."""
    commonest = Commonest(most=100, kept=20)
    for n in range(2000):
        commonest.take([("f", "1", "2", True), ("f", None, f"{n}", True)])

    [first, *_] = commonest.first(10)
    assert (first.old, first.new, first.rows) == ("1", "2", 2000)
    assert not commonest.exact
    assert len(commonest.first(1000)) <= 100


def test_counts_of_rows() -> None:
    """Rows are counted by status, field and place; unread ones cost a request more."""
    change = [Change("a", None, "1"), Change("b", "1", "2")]
    counts = Counts()
    counts.take(
        [
            PlanRow("f", PlanStatus.CHANGE, change, "{}", "{}", "face"),
            PlanRow("g", PlanStatus.CHANGE, change[:1], "{}", None, STATE),
            PlanRow("h", PlanStatus.CHANGE, change[:1], "{}"),
            PlanRow("i", PlanStatus.SAME, (), None, None, STATE),
            PlanRow("j", PlanStatus.MISSING),
        ]
    )

    assert counts.by_status == {
        "change": 3,
        "same": 1,
        "missing": 1,
        "invalid": 0,
        "failed": 0,
    }
    assert counts.fields == {"a": 3, "b": 1}
    assert counts.seen_in == {"face": 1, "state": 2, "unknown": 1}
    assert counts.unread == 2
    [first, *_] = counts.commonest.first(10)
    assert (first.field, first.known, first.rows) == ("a", True, 2)
