"""The HTTP side of ``run.serving``. Every answer that is no 200 is ``{"error": one line}``."""

# No postponed annotations: FastAPI reads those of functions inside ``build``.
import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from forecastkit import __version__
from forecastkit.errors import ForecastkitError
from forecastkit.run.serving import ForecastService, Limits, TextService, said

__all__ = ["build"]

MOST_COLUMNS = 1000
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]
Text = Annotated[str, Field(strict=True, max_length=10_000)]
Cell = Text | Whole | Number | Annotated[bool, Field(strict=True)] | None
Row = Annotated[dict[str, Cell], Field(max_length=MOST_COLUMNS)]


class Problem(BaseModel):
    """What is wrong, in one line: place, value, rule, remedy."""

    error: str


class Health(BaseModel):
    """That the model is loaded."""

    status: str
    task: str
    model: str


class Forecast(BaseModel):
    """Rows of the forecast frame."""

    model: str
    rows: list[dict[str, Any]]


def build(service: ForecastService | TextService, limits: Limits) -> FastAPI:
    """The application; see ``run.serving.create_app``."""
    # The pages of FastAPI's own documentation load scripts from elsewhere; /openapi.json is enough.
    app = FastAPI(title="forecastkit", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(_Guard, limits=limits)
    _say_errors(app)
    limiter: list[anyio.CapacityLimiter] = []

    async def answer(work: Callable[[], list[dict[str, Any]]]) -> Response:
        if not limiter:
            limiter.append(anyio.CapacityLimiter(limits.threads))
        try:
            with anyio.fail_after(limits.seconds):
                rows = await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter[0])
        except TimeoutError:
            return _problem(503, f"no answer within {limits.seconds:g} seconds. Ask for less, or later.")
        except ForecastkitError as error:
            return _problem(422, said(error))
        return JSONResponse({"model": service.name, "rows": rows})

    @app.get("/health")
    async def health() -> Health:
        """Whether it can answer."""
        return Health(status="ok", task=service.task, model=service.name)

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """The model card, and which columns a request has."""
        return service.facts()

    refusals: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem, "description": why}
        for code, why in ((413, "too much"), (422, "cannot be answered"), (503, "too slow"))
    }
    if isinstance(service, ForecastService):
        _add_forecast(app, service, limits, answer, refusals)
    else:
        _add_classify(app, service, limits, answer, refusals)
    return app


Answer = Callable[[Callable[[], list[dict[str, Any]]]], Awaitable[Response]]


def _add_forecast(app: FastAPI, service: ForecastService, limits: Limits, answer: Answer, refusals: Any) -> None:
    class Question(BaseModel):
        """Newer rows, with the columns of the file that was fitted; all may be left out."""

        model_config = ConfigDict(extra="forbid")
        history: list[Row] = Field(default=[], max_length=limits.rows)
        future: list[Row] = Field(default=[], max_length=limits.rows)
        horizon: Annotated[int, Field(strict=True, ge=1, le=service.saved.horizon)] | None = None

    @app.post("/forecast", response_model=Forecast, responses=refusals)
    async def forecast(question: Question) -> Response:
        """What comes next: the forecast frame, as ``forecastkit predict`` gives it."""
        return await answer(lambda: service.forecast(question.history, question.future, question.horizon))


def _add_classify(app: FastAPI, service: TextService, limits: Limits, answer: Answer, refusals: Any) -> None:
    class Question(BaseModel):
        """Texts to tell."""

        model_config = ConfigDict(extra="forbid")
        texts: list[Annotated[str, Field(strict=True)]] = Field(min_length=1, max_length=limits.rows)

    @app.post("/classify", response_model=Forecast, responses=refusals)
    async def classify(question: Question) -> Response:
        """Label and probabilities of each text, as ``forecastkit text predict`` gives them."""
        return await answer(lambda: service.classify(question.texts))


def _problem(status: int, line: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": " ".join(line.split())}, status_code=status, headers=headers)


def _say_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        # A cell of several kinds is refused once by each; the place is the same.
        place = ".".join(str(p) for p in first["loc"][1:4]) or "body"
        return _problem(422, f"{place}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return _problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return _problem(500, "a fault of forecastkit. Its log says more.")


class _Guard:
    """Reads a body before anything else sees it, up to a size and a time, and looks whom it is addressed to."""

    def __init__(self, app: Any, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.lower(): v.decode("latin-1") for k, v in scope["headers"]}
        name = headers.get(b"host", "").rsplit(":", 1)[0].strip("[]")
        if self.limits.hosts and name not in self.limits.hosts:
            await _refuse(send, 421, "this address is not served here")
            return
        size = headers.get(b"content-length", "0")
        if not size.isdigit() or int(size) > self.limits.bytes:
            await _refuse(send, 413, f"at most {self.limits.bytes} bytes are read")
            return
        parts: list[bytes] = []
        more, total = True, 0
        try:
            async with asyncio.timeout(self.limits.seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    parts.append(message.get("body", b""))
                    total += len(parts[-1])
                    if total > self.limits.bytes:
                        await _refuse(send, 413, f"at most {self.limits.bytes} bytes are read")
                        return
                    more = message.get("more_body", False)
        except TimeoutError:
            await _refuse(send, 408, f"the body did not come within {self.limits.seconds:g} seconds")
            return
        body: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replay() -> Message:
            return body.pop() if body else await receive()

        await self.app(scope, replay, send)


async def _refuse(send: Send, status: int, line: str) -> None:
    content = json.dumps({"error": line}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), (b"connection", b"close")]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
