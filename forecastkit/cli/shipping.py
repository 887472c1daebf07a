"""Commands that carry a run elsewhere: ``export`` and ``serve``."""

from __future__ import annotations

from pathlib import Path

from forecastkit.cli.lines import field

__all__ = ["run_export", "run_serve"]

MOST_CONNECTIONS = 500
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run_export(run: Path, *, kind: str, out: Path | None, model: str | None, length: int | None) -> None:
    """Export, and say what was compared."""
    from forecastkit.run.serving.export import export_run

    done = export_run(run, kind, out=out, model=model, length=length)
    by = "onnxruntime" if kind == "onnx" else "the loaded programme"
    sizes = ", ".join(map(str, sorted(done.samples)))
    print(field("Exported", f"{done.file}   {done.file.stat().st_size / 1024:.0f} KiB"))
    print(field("Compared", f"{by} with torch at batches of {sizes}: largest difference {done.worst:.1e}"))
    print(field("Described", str(done.folder / "export.json")))
    for note in done.notes:
        print(field("Note", note))


def run_serve(run: Path, *, host: str, port: int, workers: int, limits: dict[str, float]) -> None:
    """Serve until Ctrl-C."""
    from forecastkit.run.serving import server, services

    names = (*LOOPBACK, host) if host in LOOPBACK else ()
    given = server.Limits(**{k: int(v) if k != "seconds" else v for k, v in limits.items()}, hosts=names)  # type: ignore[arg-type]
    service = services.open_service(run)
    app = server.create_app(service, given)
    port = _free(host, port)
    paths = " ".join(["/openapi.json", *app.openapi()["paths"]])
    print(field("Serving", f"{service.name} of {run} at http://{host}:{port}   {paths}"), flush=True)
    if not names:
        print(field("Note", "anyone who reaches this address can ask: there is no password"), flush=True)
    import torch
    import uvicorn

    # Requests share the cores; a small network gains nothing from several threads.
    torch.set_num_threads(1)
    server.to_environment(run, given)
    uvicorn.run(
        app if workers == 1 else "forecastkit.run.serving.server:from_environment", factory=workers > 1, workers=workers, host=host,
        port=port, log_level="warning", timeout_keep_alive=5, limit_concurrency=MOST_CONNECTIONS, server_header=False,
    )  # fmt: skip


def _free(host: str, port: int) -> int:
    """The port, or any that is free for 0.

    Raises:
        ConfigError: it cannot be had.
    """
    import socket

    from forecastkit.errors import ConfigError

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise ConfigError(
                place=f"--host {host} --port {port}", value=str(error.strerror or error), rule="cannot be listened to", remedy="Give another, such as --port 8001."
            ) from None  # fmt: skip
        return int(tried.getsockname()[1])
