"""Commands that carry a run elsewhere: ``export`` and ``serve``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["run_export"]


def run_export(run: Path, *, kind: str, out: Path | None, model: str | None, length: int | None) -> None:
    """Export, and say what was compared."""
    from forecastkit.run.export import export_run

    done = export_run(run, kind, out=out, model=model, length=length)
    by = "onnxruntime" if kind == "onnx" else "the loaded programme"
    sizes = ", ".join(map(str, sorted(done.samples)))
    print(f"Exported      {done.file}   {done.file.stat().st_size / 1024:.0f} KiB")
    print(f"Compared      {by} with torch at batches of {sizes}: largest difference {done.worst:.1e}")
    print(f"Described     {done.folder / 'export.json'}")
    for note in done.notes:
        print(f"Note          {note}")
