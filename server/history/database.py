"""DuckDB, imported at the first use: with capped memory and threads, without extensions, and without files outside its folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from server.tasks import run_in_thread

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")


class Database:
    """One DuckDB in memory, whose memory all queries share. Each use has a connection of its own, in a thread."""

    def __init__(self, folder: Path, spill: Path, memory: int, threads: int) -> None:
        """`folder` holds all files that queries may read or write; `spill` holds data that exceeds the memory."""
        self._folder = folder.absolute()
        self._spill = spill.absolute()
        self._memory = memory
        self._threads = threads
        self._opened: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    async def run(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run `work` with a connection in a thread. A cancellation interrupts its query."""
        running: list[duckdb.DuckDBPyConnection] = []

        def run() -> T:
            connection = self._open().cursor()
            running.append(connection)
            try:
                return work(connection)
            finally:
                running.clear()
                connection.close()

        def interrupt() -> None:
            for connection in running:
                connection.interrupt()

        return await run_in_thread(run, interrupt=interrupt)

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb  # noqa: PLC0415 - 27 MB of memory, which servers without such questions need not pay

        with self._lock:
            if self._opened is None:
                self._opened = duckdb.connect(":memory:", config=self._config())
                folder = literal(str(self._folder))
                self._opened.execute(f"SET allowed_directories = [{folder}]")
                self._opened.execute("SET enable_external_access = false")
                self._opened.execute(
                    "SET GLOBAL parquet_metadata_cache = true"
                )  # saves 15 ms of each question over a year, for 3 MB of memory
                # Estimates of few rows are often wrong, and a loop over many takes minutes.
                self._opened.execute("SET GLOBAL asof_loop_join_threshold = 0")
                self._opened.execute("SET lock_configuration = true")
            return self._opened

    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": f"{self._memory}B",
            "threads": self._threads,
            "temp_directory": str(self._spill),
            "enable_external_file_cache": False,  # the operating system caches the files already
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        }

    def close(self) -> None:
        """Close the database. No thread may use it afterwards."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None


def literal(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def files(paths: Sequence[Path]) -> str:
    """Return a relation of DuckDB over Parquet files."""
    return f"read_parquet([{', '.join(literal(str(path.absolute())) for path in paths)}])"
