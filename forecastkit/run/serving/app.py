"""The HTTP side of ``server``. Every answer that is no 200 is ``{"error": one line}``."""

# No postponed annotations: FastAPI reads those of functions inside ``build``.
import asyncio
import base64
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
from forecastkit.errors import DataError, ForecastkitError
from forecastkit.run.serving import services
from forecastkit.run.serving.server import Limits, said

__all__ = ["build"]

MOST_COLUMNS = 1000
MOST_BEAMS = 100
MOST_TOKENS = 1000
MOST_RATE = 20_000
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


class Found(BaseModel):
    """Rows of the answer, as ``predict`` has them."""

    model: str
    rows: list[dict[str, Any]]


def build(service: services.Service, limits: Limits) -> FastAPI:
    """The application; see ``server.create_app``."""
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
    ADDERS[type(service)](app, service, limits, answer, refusals)
    return app


Answer = Callable[[Callable[[], list[dict[str, Any]]]], Awaitable[Response]]


def _add_forecast(
    app: FastAPI, service: services.ForecastService, limits: Limits, answer: Answer, refusals: Any
) -> None:
    class Question(_Question):
        """Newer rows, with the columns of the file that was fitted; all may be left out."""

        history: list[Row] = Field(default=[], max_length=limits.rows)
        future: list[Row] = Field(default=[], max_length=limits.rows)
        horizon: Annotated[int, Field(strict=True, ge=1, le=service.saved.horizon)] | None = None

    @app.post("/forecast", response_model=Found, responses=refusals)
    async def forecast(question: Question) -> Response:
        """What comes next: the forecast frame, as ``forecastkit predict`` gives it."""
        return await answer(lambda: service.forecast(question.history, question.future, question.horizon))


Beam = Annotated[int, Field(strict=True, ge=1, le=MOST_BEAMS)]
Line = Annotated[str, Field(strict=True)]
Base64 = Annotated[str, Field(strict=True, min_length=4, pattern="^[A-Za-z0-9+/]+={0,2}$")]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _add_texts(app: FastAPI, service: services.TextService, limits: Limits, answer: Answer, refusals: Any) -> None:
    class Question(_Question):
        """Texts to tell."""

        texts: list[Line] = Field(min_length=1, max_length=limits.rows)

    @app.post("/classify", response_model=Found, responses=refusals)
    async def classify(question: Question) -> Response:
        """Label and probabilities of each text, as ``forecastkit text predict`` gives them."""
        return await answer(lambda: service.classify(question.texts))


def _add_table(app: FastAPI, service: services.TableService, limits: Limits, answer: Answer, refusals: Any) -> None:
    class Question(_Question):
        """Rows of a table with the columns of the one that was fitted; labels are not needed."""

        rows: list[Row] = Field(min_length=1, max_length=limits.rows)

    @app.post("/classify", response_model=Found, responses=refusals)
    async def classify(question: Question) -> Response:
        """A row a sequence, as ``forecastkit classify predict`` gives it."""
        return await answer(lambda: service.classify(question.rows))


def _add_record(app: FastAPI, service: services.RecordService, limits: Limits, answer: Answer, refusals: Any) -> None:
    class Question(_Question):
        """A lead of an ECG in millivolt, and its samples a second."""

        signal: list[Number] = Field(min_length=1)
        fs: Annotated[float, Field(strict=True, gt=0, le=MOST_RATE)]

    @app.post("/classify", response_model=Found, responses=refusals)
    async def classify(question: Question) -> Response:
        """A row a beat, or ten seconds, as ``forecastkit ecg predict`` gives it. Research software, no medical device."""
        return await answer(lambda: service.classify(question.signal, question.fs))


def _add_sounds(app: FastAPI, service: services.SoundService, limits: Limits, answer: Answer, refusals: Any) -> None:
    class Question(_Question):
        """WAV files, each in base64."""

        files: list[Base64] = Field(min_length=1, max_length=limits.rows)

    @app.post("/classify", response_model=Found, responses=refusals)
    async def classify(question: Question) -> Response:
        """A row a sound, as ``forecastkit classify predict`` gives it."""
        return await answer(lambda: service.classify(_bytes(question.files)))


def _add_transcribe(
    app: FastAPI, service: services.TranscriptionService, limits: Limits, answer: Answer, refusals: Any
) -> None:
    class Question(_Question):
        """WAV or PNG files, each in base64."""

        files: list[Base64] = Field(min_length=1, max_length=limits.rows)
        beam: Beam = 8

    @app.post("/transcribe", response_model=Found, responses=refusals)
    async def transcribe(question: Question) -> Response:
        """The text of each file, as ``forecastkit text transcribe`` writes it."""
        return await answer(lambda: service.transcribe(_bytes(question.files), question.beam))


def _bytes(files: list[str]) -> list[bytes]:
    try:
        return [base64.b64decode(content, validate=True) for content in files]
    except ValueError:
        raise DataError(place="files", rule="not base64", remedy="Encode each file with its padding.") from None


def _add_language(
    app: FastAPI, service: services.LanguageService, limits: Limits, answer: Answer, refusals: Any
) -> None:
    class Beginning(_Question):
        """A text to go on from."""

        prompt: Line
        top: Annotated[int, Field(strict=True, ge=1, le=100)] = 5

    class Writing(_Question):
        """A text to write on from, and how."""

        prompt: Line = ""
        tokens: Annotated[int, Field(strict=True, ge=1, le=MOST_TOKENS)] = 80
        temperature: Annotated[float, Field(ge=0, le=100)] = 0.8
        top_k: Annotated[int, Field(strict=True, ge=0, le=2**31)] = 0
        top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
        lines: Annotated[int, Field(strict=True, ge=0, le=2**31)] = 0
        seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 1

    @app.post("/complete", response_model=Found, responses=refusals)
    async def complete(question: Beginning) -> Response:
        """The likeliest next tokens, as ``forecastkit text complete`` gives them."""
        return await answer(lambda: service.complete(question.prompt, question.top))

    @app.post("/generate", response_model=Found, responses=refusals)
    async def generate(question: Writing) -> Response:
        """The prompt and what follows, as ``forecastkit text generate`` writes it."""
        how = question.model_dump(exclude={"prompt", "tokens", "lines"})
        return await answer(
            lambda: service.generate(question.prompt, n_tokens=question.tokens, n_lines=question.lines, **how)
        )


def _add_translate(
    app: FastAPI, service: services.TranslationService, limits: Limits, answer: Answer, refusals: Any
) -> None:
    class Sentences(_Question):
        """Sentences to translate."""

        sentences: list[Line] = Field(min_length=1, max_length=limits.rows)
        beam: Beam = 5

    class Questions(_Question):
        """Questions to answer, from the sureness ``sure`` on."""

        questions: list[Line] = Field(min_length=1, max_length=limits.rows)
        beam: Beam = 5
        sure: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None

    @app.post("/translate", response_model=Found, responses=refusals)
    async def translate(question: Sentences) -> Response:
        """A translation of each sentence, as ``forecastkit text translate`` gives it."""
        return await answer(lambda: service.translate(question.sentences, question.beam))

    if service.answers:

        @app.post("/answer", response_model=Found, responses=refusals)
        async def reply(question: Questions) -> Response:
            """Answer and sureness of each question, as ``forecastkit text answer`` gives them; empty where it does not know."""
            return await answer(lambda: service.answer(question.questions, question.beam, question.sure))


ADDERS: dict[type, Callable[..., None]] = {
    services.ForecastService: _add_forecast,
    services.TextService: _add_texts,
    services.TableService: _add_table,
    services.RecordService: _add_record,
    services.SoundService: _add_sounds,
    services.TranscriptionService: _add_transcribe,
    services.LanguageService: _add_language,
    services.TranslationService: _add_translate,
}


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
