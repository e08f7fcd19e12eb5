"""Results of many rows at once, as columns: what models.Result is of one row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_updater.files.lines import decode_result, encode_result, format_time
from batch_updater.models import Attempt, Result

Whole = npt.NDArray[np.int64]
"""Whole numbers: of rows, bytes, or microseconds."""

_ATTEMPT = pa.struct(
    [
        ("started", pa.int64()),
        ("latency", pa.int64()),
        ("http_status", pa.int64()),
        ("error_code", pa.string()),
        ("ambiguous", pa.bool_()),
    ]
)
_KINDS = {
    "row_number": pa.int64(),
    "http_status": pa.int32(),
    "ambiguous": pa.bool_(),
    "attempts": pa.list_(_ATTEMPT),
}
SCHEMA = pa.schema(
    [
        (name, _KINDS.get(name, pa.string()))
        for name in (
            "source",
            "row_number",
            "face_set_name",
            "face_id",
            "outcome",
            "error_code",
            "error_msg",
            "error_class",
            "rule",
            "column",
            "http_status",
            "request_id",
            "ambiguous",
            "payload_sha256",
            "payload",
            "attempts",
        )
    ]
)
"""Named as on a line of the journal; what is not on the line is null."""

_ALIKE = ("outcome", "error_code", "error_class", "rule", "ambiguous")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def spread(values: Any, where: npt.NDArray[np.bool_]) -> Any:
    """Return Arrow's values at the places that are set, and nulls between them."""
    if where.all():
        return values
    return values.take(pa.array(np.cumsum(where) - 1, mask=~where))


@dataclass(frozen=True, slots=True)
class Attempts:
    """
    Every attempt of a batch, those of one row after those of the one before.

    Args:
        counts: how many each row had.
        started: in microseconds since the epoch.
        latency: in microseconds.
        statuses: HTTP statuses; 0 where there was no answer.
    """

    counts: Whole
    started: Whole
    latency: Whole
    statuses: Whole

    @property
    def first(self) -> Whole:
        """The place of each row's first attempt, of those rows that had one."""
        return (np.cumsum(self.counts) - self.counts)[self.counts > 0]

    @property
    def last(self) -> Whole:
        """The place of each row's last attempt, of those rows that had one."""
        return (np.cumsum(self.counts) - 1)[self.counts > 0]


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Results of some rows.

    Args:
        columns: in the form of SCHEMA, or some of it.
    """

    columns: Any

    @classmethod
    def of(cls, results: Iterable[Result]) -> Self:
        """
        Return results as columns.

        Raises:
            ValueError, TypeError, OverflowError: a value fits no column.
        """
        facts = [_facts(result) for result in results]
        return cls(pa.RecordBatch.from_pylist(facts, schema=SCHEMA))

    @classmethod
    def joined(cls, batches: Sequence["Batch"]) -> Self:
        """Return batches as one."""
        table = pa.Table.from_batches([batch.columns for batch in batches])
        return cls(
            table.combine_chunks().to_batches()[0] if len(table) else batches[0].columns
        )

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def __getitem__(self, name: str) -> Any:
        return self.columns.column(name)

    def texts(self, name: str) -> Any:
        """Return a column of texts, empty where nothing is said."""
        return pc.fill_null(self[name], "")

    def flags(self, name: str) -> npt.NDArray[np.bool_]:
        """Return a column of flags, false where nothing is said."""
        filled = pc.fill_null(self[name], False)
        flags: npt.NDArray[np.bool_] = filled.to_numpy(zero_copy_only=False)
        return flags

    def only(self, names: Sequence[str]) -> Self:
        """Return some of the columns."""
        return type(self)(self.columns.select(list(names)))

    def equal(self, name: str, text: str) -> npt.NDArray[np.bool_]:
        """Return in which rows a column says this."""
        flags: npt.NDArray[np.bool_] = pc.fill_null(
            pc.equal(self[name], text), False
        ).to_numpy(zero_copy_only=False)
        return flags

    def ambiguous_where(self, also: npt.NDArray[np.bool_]) -> Self:
        """Return the same, ambiguous in these rows too."""
        return self.replaced(ambiguous=pa.array(self.flags("ambiguous") | also))

    def replaced(self, **columns: Any) -> Self:
        """Return the same with other columns in place of some."""
        arrays = [
            columns.get(field.name, self.columns.column(field.name)) for field in SCHEMA
        ]
        return type(self)(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))

    def take(self, places: Any) -> Self:
        """Return the rows at these places; a place that is null gives one of nulls."""
        return type(self)(self.columns.take(pa.array(places)))

    def spread(self, where: npt.NDArray[np.bool_]) -> Self:
        """Return the rows at the places that are set, and nulls between them."""
        return type(self)(spread(self.columns, where))

    def filled(self, known: npt.NDArray[np.bool_], **columns: Sequence[Any]) -> Self:
        """Return the same with values for the rows that are not known."""
        unknown = pa.array(~known)
        return self.replaced(
            **{
                name: pc.replace_with_mask(
                    self[name], unknown, pa.array(values, SCHEMA.field(name).type)
                )
                for name, values in columns.items()
            }
        )

    def attempts(self) -> Attempts:
        """Return every attempt."""
        lists = self["attempts"]
        counts = pc.fill_null(pc.list_value_length(lists), 0)
        flat = lists.flatten()
        return Attempts(
            counts=counts.to_numpy(zero_copy_only=False).astype(np.int64),
            started=flat.field("started").to_numpy(zero_copy_only=False),
            latency=flat.field("latency").to_numpy(zero_copy_only=False),
            statuses=pc.fill_null(flat.field("http_status"), 0).to_numpy(
                zero_copy_only=False
            ),
        )

    def result(self, place: int) -> Result:
        """Return the result at a place."""
        (facts,) = self.columns.slice(place, 1).to_pylist()
        facts = {name: value for name, value in facts.items() if value is not None}
        facts["attempts"] = [_told(attempt) for attempt in facts.get("attempts", ())]
        return decode_result(facts)

    def __iter__(self) -> Iterator[Result]:
        """Iterate over the results, one by one."""
        return (self.result(place) for place in range(len(self)))

    def alike(self) -> Iterator[tuple[Result, int]]:
        """Yield the first of results with the same end, and how many those are."""
        if not len(self):
            return
        codes = np.zeros(len(self), dtype=np.int64)
        for name in _ALIKE:
            encoded = self[name].dictionary_encode(null_encoding="encode")
            indices = encoded.indices.to_numpy(zero_copy_only=False)
            codes = codes * len(encoded.dictionary) + indices
            codes = np.unique(codes, return_inverse=True)[1]  # small again
        _, first, counts = np.unique(codes, return_index=True, return_counts=True)
        for place in np.argsort(first, kind="stable").tolist():
            yield self.result(int(first[place])), int(counts[place])


def _facts(result: Result) -> dict[str, Any]:
    attempts = [
        {
            "started": microseconds(attempt),
            "latency": round(round(attempt.latency * 1000, 3) * 1000),
            "http_status": attempt.status,
            "error_code": attempt.code or None,
            "ambiguous": attempt.ambiguous or None,
        }
        for attempt in result.attempts
    ]
    return {**encode_result(result), "attempts": attempts}


def microseconds(attempt: Attempt) -> int:
    """Return when an attempt started, as its line says it."""
    return (datetime.fromtimestamp(attempt.started_at, UTC) - _EPOCH) // _MICROSECOND


def _told(attempt: dict[str, Any]) -> dict[str, Any]:
    """Return an attempt as a line of the journal tells it."""
    facts = {
        name: attempt[name]
        for name in ("http_status", "error_code", "ambiguous")
        if attempt[name] is not None
    }
    started = format_time(attempt["started"] / 1e6)
    return {"started_at": started, "latency_ms": attempt["latency"] / 1000, **facts}
