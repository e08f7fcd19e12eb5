"""Every input, chunk by chunk, with its columns bound."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batch_updater.errors import InputError
from batch_updater.files.formats import PLAN_COLUMNS
from batch_updater.files.inputs import Input, InputFormat
from batch_updater.files.source import (
    Chunk,
    ReadOptions,
    delimiter_hint,
    read,
    read_header,
)
from batch_updater.mapping.columns import (
    BoundColumns,
    BoundField,
    ColumnMapping,
    FieldTypes,
    bind,
    resolve_types,
)
from batch_updater.models import FieldType


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """
    The rows of a run: which files, and how they are read and mapped.

    Args:
        limit: read no more than this many rows of all inputs together.
        strict: whether soft rules refuse a row.
        complete: whether a row that leaves anything out is refused.
        include_values: whether results may show values.
    """

    inputs: Sequence[Input]
    options: ReadOptions
    mapping: ColumnMapping
    face_set_name: str
    strict: bool = False
    complete: bool = False
    include_values: bool = False
    limit: int | None = None

    @property
    def planned(self) -> bool:
        """Whether the rows are those of a plan."""
        return any(source.format is InputFormat.PLAN for source in self.inputs)

    def settle_types(self, declared: dict[str, FieldType] | None) -> FieldTypes:
        """
        Return the type of every custom field of all inputs.

        Args:
            declared: what the face set declares, or None when nobody asked it.

        Raises:
            InputError: a mapped column is missing, or two inputs disagree.
            UsageError: a column feeds a field that the face set does not have.
        """
        bound: list[BoundField] = []
        own: dict[str, FieldType] = {}
        for source in self.inputs:
            header = read_header(source, self.options)
            columns = self._bind_first(header.names, source.name)
            bound += columns.fields
            for column in columns.fields:
                kind = header.types[column.index]
                if kind is not None and own.setdefault(column.name, kind) != kind:
                    own[column.name] = _widest(own[column.name], kind)
        return resolve_types(bound, self.mapping.fields, declared, own)

    def _bind_first(self, names: tuple[str, ...], source: str) -> BoundColumns:
        try:
            return bind(names, self.mapping, source)
        except InputError as error:
            hint = _plan_hint(names, source) or delimiter_hint(names) or error.hint
            raise InputError(error.message, hint=hint) from None

    def rows(self, *, verify: bool = False) -> Iterator["Rows"]:
        """Yield chunks with their columns bound, up to the limit."""
        start = 0
        for source in self.inputs:
            columns: BoundColumns | None = None
            for chunk in read(source, self.options, verify=verify):
                # JSON Lines bring new columns as they come.
                if columns is None or columns.header != chunk.header:
                    columns = bind(chunk.header, self.mapping, source.name)
                rows = Rows(chunk, columns, start)
                if self.limit is not None and start + len(rows) >= self.limit:
                    if self.limit > start:
                        yield rows.head(self.limit - start)
                    return
                yield rows
                start += len(rows)


def _plan_hint(names: tuple[str, ...], source: str) -> str:
    if not {*PLAN_COLUMNS, "changes", "seen_in"} <= {*names}:
        return ""
    return "It is a plan: " + shlex.join(["batch-updater", "apply", source])


def _widest(a: FieldType, b: FieldType) -> FieldType:
    # Files of one table often differ in width only: 32-bit here, 64-bit there.
    for narrow, wide in (
        ({FieldType.INTEGER, FieldType.LONG}, FieldType.LONG),
        ({FieldType.FLOAT, FieldType.DOUBLE}, FieldType.DOUBLE),
    ):
        if {a, b} <= narrow:
            return wide
    return FieldType.STRING


@dataclass(frozen=True, slots=True)
class Rows:
    """A chunk, its columns, and the position of its first row among all rows."""

    chunk: Chunk
    columns: BoundColumns
    start: int

    def __len__(self) -> int:
        return len(self.chunk.frame)

    @property
    def stop(self) -> int:
        """Position among all rows after the last one."""
        return self.start + len(self)

    def head(self, count: int) -> "Rows":
        """Return the first `count` rows."""
        frame = self.chunk.frame.iloc[:count]
        chunk = Chunk(self.chunk.source, self.chunk.first_row, self.chunk.header, frame)
        return Rows(chunk, self.columns, self.start)
