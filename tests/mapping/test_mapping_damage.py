"""What a spreadsheet does to text, told from what a person does."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch_updater.mapping.damage import damage_of, damage_of_id, suspicion
from batch_updater.models import FieldType

LONG = "1234567890123456789"
SCIENTIFIC = "it stands in scientific notation now"
FRACTION = "it was taken for a fraction"
TAKEN = "it was taken for a number in scientific notation"
DATE = "it became a date"
DIGITS = "digits after the 15th are gone"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("00123456", "123456", "leading zeros are gone"),
        ("-007", "-7", "it was taken for a number"),
        (LONG, "1.23457E+18", SCIENTIFIC),
        (LONG, "1,23457E+18", SCIENTIFIC),
        (LONG, "1E+18", SCIENTIFIC),
        ("100000000000", "1E+11", SCIENTIFIC),
        (LONG, "1234567890123450000", DIGITS),
        (LONG, "1234567890123456800", DIGITS),
        (LONG, "1234567890123456768", DIGITS),
        ("12345678", "12345678.0", FRACTION),
        ("12345678", "12345678,00", FRACTION),
        ("1.5", "1,5", "it was taken for a number"),
        ("1.50", "1.5", "it was taken for a number"),
        ("1e5", "100000", TAKEN),
        ("1e5", "1.00E+05", TAKEN),
        ("true", "TRUE", "it was taken for a boolean"),
        ("False", "FALSE", "it was taken for a boolean"),
        ("1-2", "2-Jan", DATE),
        ("1-2", "01.02.2026", DATE),
        ("MAR1", "1-Mar", DATE),
        ("2026-01-02", "1/2/2026", DATE),
    ],
)
def test_damage(old: str, new: str, said: str) -> None:
    """Each thing that spreadsheets do to text is named."""
    assert damage_of(old, new) == said
    assert damage_of_id(old, new) == said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("7", "8"),
        ("7", ""),
        ("", "7"),
        ("plain", "mended"),
        ("12345", "12000"),
        ("true", "false"),
        ("2026-01-02", "2026-01-03"),
        ("x", "2026-01-02"),
        ("1e500000", "1-Mar"),
        ("team 1", "1-Mar"),
        (LONG, "1234567890123456780"),
        ("NaN", "nan"),
        ("1_000", "1000"),
        ("٣", "3"),
        (" a", "a"),
    ],
)
def test_mended(old: str, new: str) -> None:
    """What a person does to a value is no damage."""
    assert damage_of(old, new) == ""


@pytest.mark.parametrize(
    ("kind", "old", "new", "harm"),
    [
        (FieldType.INTEGER, "7", "7.0", False),
        (FieldType.LONG, LONG, "1234567890123450000", True),
        (FieldType.LONG, LONG, "1.23457E+18", True),
        (FieldType.LONG, LONG, "1234567890123456788", False),
        (FieldType.DOUBLE, "1.50", "1.5", False),
        (FieldType.DOUBLE, "0.1234567890123456789", "0.123456789012346", False),
        (FieldType.DOUBLE, "1234567.891", "1.23E+06", True),
        (FieldType.BOOLEAN, "true", "TRUE", False),
        (FieldType.DOUBLE, "1.5", "2.5E+00", False),
    ],
)
def test_numbers_may_be_spelled_anew(
    kind: FieldType, old: str, new: str, harm: bool
) -> None:
    """Of a number's field only lost digits are damage: what is sent is the number."""
    assert bool(damage_of(old, new, kind)) == harm


def test_spaces_matter_in_ids_alone() -> None:
    """An id with other spaces is another id; a value without them was mended."""
    assert damage_of_id("12345678", " 12345678 ") == "the spaces around it have changed"


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("1-Mar", "it looks like a date"),
        ("2026-11-24", "it looks like a date"),
        ("24.11.2026 00:00", "it looks like a date"),
        ("1.2E+17", "it looks like a number in scientific notation"),
        ("12.0", "it looks like a fraction"),
        ("12", ""),
        ("iexEBb6t", ""),
        ("", ""),
    ],
)
def test_suspicions(new: str, said: str) -> None:
    """An id that nothing is known of is called what it looks like."""
    assert suspicion(new) == said


@given(st.integers(10**15, 10**30), st.integers(1, 8))
@example(10**18, 6)
def test_every_long_number_that_was_shortened(number: int, digits: int) -> None:
    """Whatever a spreadsheet makes of a long number as it stores or shows it is seen."""
    old = str(number)
    shown = f"{number:.{digits}E}"
    assert damage_of(old, shown) == SCIENTIFIC
    stored = str(int(float(number)))
    assert bool(damage_of(old, stored)) == (stored != old)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_two_texts(old: str, new: str) -> None:
    """Any texts can be compared; equal ones are never damaged."""
    assert damage_of(old, old) == damage_of_id(new, new) == ""
    for kind in (None, *FieldType):
        assert isinstance(damage_of(old, new, kind), str)
    assert isinstance(suspicion(new), str)
