"""A row's own cells, as its input has them and as CSV carries them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from batch_updater.files.tables import as_json, as_text
from batch_updater.mapping.checks import cells


def own_cells(series: "pd.Series[Any]") -> npt.NDArray[Any]:
    """Return a column's cells as `as_text` wants them: Arrow's objects as JSON."""
    values = cells(series)
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype) and (
        pa.types.is_struct(dtype.pyarrow_dtype) or pa.types.is_map(dtype.pyarrow_dtype)
    ):
        texts = [None if value is None else _object_text(value) for value in values]
        return np.array(texts, dtype=object)
    return values


def own_texts(frame: pd.DataFrame, positions: list[int]) -> list[list[str]]:
    """Return rows of a frame as CSV carries them."""
    columns = [_texts(frame[name], positions) for name in frame.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _texts(series: "pd.Series[Any]", positions: list[int]) -> list[str]:
    if isinstance(series.dtype, pd.ArrowDtype) and pa.types.is_string(
        series.dtype.pyarrow_dtype
    ):
        chosen = pa.array(series).take(pa.array(positions, pa.int64()))
        texts: list[str] = chosen.fill_null("").to_pylist()
        return texts
    some = series.iloc[positions].reset_index(drop=True)
    return [as_text(cell) for cell in own_cells(some)]


def _object_text(value: Any) -> str:
    """
    Return a struct or map as the JSON object that means the same to a run.

    A null member is "not given", as the mapping reads it. A map's key that stands
    twice stays twice, so that it is refused again.
    """
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not all(isinstance(name, str) for name, _ in pairs):
        return as_json(value)
    members = [f"{as_json(k)}: {as_json(v)}" for k, v in pairs if v is not None]
    return "{" + ", ".join(members) + "}"
