"""A Parquet or Arrow file as a table of which one batch of rows is read after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from forecastkit.errors import DataError
from forecastkit.reading.bytes import opened
from forecastkit.reading.table import HEAD_ROWS, usual_text, whole_file
from forecastkit.reading.values import Note

__all__ = ["Piece", "StreamTable"]


@dataclass(frozen=True, eq=False)
class StreamTable:
    """A Parquet or Arrow file of which batches are read."""

    name: str
    path: Path
    names: tuple[str, ...]
    n_rows: int
    facts: dict[str, object]
    notes: tuple[Note, ...] = ()
    decimal: str = "."
    sure: bool = False

    @classmethod
    def open(cls, path: Path) -> StreamTable | None:
        """None where the file is of another kind.

        Raises:
            DataError: it cannot be read, or is damaged.
        """
        magic = opened(path)[:6]
        if magic[:4] == b"PAR1":
            import pyarrow.parquet as pq

            with whole_file(path):
                meta = pq.ParquetFile(path)
                return cls(
                    path.name, path, tuple(meta.schema_arrow.names), meta.metadata.num_rows, {"format": "parquet"}
                )
        if magic == b"ARROW1":
            with whole_file(path), pa.memory_map(str(path)) as source:
                reader = pa.ipc.open_file(source)
                n_rows = sum(reader.get_batch(k).num_rows for k in range(reader.num_record_batches))
                return cls(path.name, path, tuple(reader.schema.names), n_rows, {"format": "feather"})
        return None

    def batches(self, columns: list[str], size: int) -> Iterator[dict[str, pa.ChunkedArray]]:
        """Some columns of one stretch of rows after another."""
        with whole_file(self.path):
            for batch in self._batches(columns, size):
                table = usual_text(pa.table(batch))
                yield {name: table.column(name) for name in columns}

    def _batches(self, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
        if self.facts["format"] == "parquet":
            import pyarrow.parquet as pq

            file = pq.ParquetFile(self.path, memory_map=True, pre_buffer=False)
            yield from file.iter_batches(batch_size=size, columns=columns)
            return
        with pa.memory_map(str(self.path)) as source:
            reader = pa.ipc.open_file(source)
            for k in range(reader.num_record_batches):
                batch = reader.get_batch(k).select(columns)
                for start in range(0, batch.num_rows, size):
                    yield batch.slice(start, size)

    def head(self) -> dict[str, pa.Array]:
        """First rows of every column."""
        for batch in self.batches(list(self.names), HEAD_ROWS):
            return {name: column.combine_chunks() for name, column in batch.items()}
        raise DataError(place=self.name, rule="no rows", remedy="Give a file with rows.")

    def load(self, kinds: Any) -> dict[str, pa.ChunkedArray]:
        """Whole columns are what this table is there to avoid."""
        raise NotImplementedError

    def where(self, row: int) -> str:
        """Counted from 1."""
        return f"{self.name}, row {row + 1}"


@dataclass(frozen=True, eq=False)
class Piece:
    """A batch as a table of its own, whose rows are counted in the whole file."""

    whole: StreamTable
    start: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def where(self, row: int) -> str:
        """Place of a row of the batch."""
        return self.whole.where(self.start + row)
