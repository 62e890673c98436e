"""Every error dspex raises, in one tree.

    DspexError
    ├── UsageError                  the caller's words are off; shown as one line in a notebook
    │   ├── SignatureError
    │   ├── DataError
    │   │   └── ContentError        a value is no image, file, code, ... or no argument of a tool
    │   ├── SettingsError
    │   ├── ProgramError            a module is used in a way that cannot work
    │   ├── RunNotFoundError
    │   └── ResumeError             a run cannot go on: what it needs has changed, or is not to be found
    ├── LMError                     an LM call failed; `.kind`, `.status`, `.retry_after`
    │   ├── LMAuthError             wrong or missing key
    │   ├── LMQuotaError            out of credit
    │   ├── LMInvalidRequestError   the provider refuses this request
    │   │   └── ContextWindowExceededError
    │   ├── LMRateLimitError        slow down
    │   ├── LMServerError           the provider's fault
    │   ├── LMTimeoutError
    │   ├── LMTransportError        the connection broke
    │   ├── LMUnavailableError      its breaker is open: it failed too often to be asked now
    │   └── LMUnexpectedError       an answer nobody can read
    ├── AdapterParseError           the answer does not hold the fields asked for
    ├── ToolError                   a tool's own function raised; that error is the cause
    ├── MetricError                 the user's metric raised or returned no score
    ├── JournalError                the run's file cannot be read or written
    ├── RunFailedError              what `Run.result()` raises when the run failed
    └── Interruption                control flow, not a fault: caught by the run alone
        ├── StopRequested           stop and keep the best
        ├── CancelRequested         stop now
        └── BudgetExceeded          a cap would be crossed

Attributes are plain str, int or float, so that every error can be stored and shown (only what an adapter could
read keeps its types); none holds a request, a header or a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def in_words(error: BaseException) -> str:
    """Return what kind of error it is, and what it says where it says anything.

    Example:
        >>> in_words(ValueError("no such team")), in_words(AssertionError())
        ('ValueError: no such team', 'AssertionError')
    """
    text = f"{error}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class DspexError(Exception):
    """Base of all errors raised by dspex.

    IPython shows the reader's own lines that led here and what the error says, none of our frames.
    """

    def _render_traceback_(self) -> list[str]:
        own = [frame for error in (self.__cause__, self) for frame in _frames_of_the_reader(error)]
        return [*dict.fromkeys(own), f"{type(self).__name__}: {self}"]


def _one_line(error: DspexError) -> list[str]:
    return [f"{type(error).__name__}: {error}"]


DSPyError = DspexError
"""DSPy's name for it."""


class UsageError(DspexError, ValueError):
    """The caller asked for something that cannot be; the message says what to write instead. A ValueError too.

    IPython shows these as one line: where it came from is the cell just run.
    """

    _render_traceback_ = _one_line


class SignatureError(UsageError, ValueError, TypeError):
    """A signature is written wrongly or lacks a part; a ValueError and a TypeError too, as DSPy's users catch."""


class DataError(UsageError):
    """Examples or data sets lack what the program needs."""


class ContentError(DataError, ValueError, TypeError):
    """A value cannot be what its type says; a ValueError and a TypeError too, as DSPy's users catch."""


class SettingsError(UsageError):
    """A setting is unknown, missing or has an impossible value."""


class ProgramError(UsageError):
    """A module or program is called in a way that cannot work."""


class RunNotFoundError(UsageError):
    """No run has this id."""


class ResumeError(UsageError):
    """A run cannot go on from where it ended; the message says what has changed, or what is missing."""


class LMError(DspexError):
    """A call to a language model failed.

    Attributes:
        kind: a short word for the cause, stable across providers.
        model, provider: who was asked.
        status: HTTP status, 0 where there was none.
        retry_after: seconds the provider asked us to wait, 0.0 where it said nothing.
        retryable: whether the same request may succeed later.
        code: DSPy's word for the cause.
        partial: what had arrived of a streamed answer when it broke off.
    """

    kind = "error"
    code = "lm_error"
    usual = ""
    """What the error says where it is raised without a message."""
    retryable = False

    def __init__(
        self,
        message: str = "",
        *,
        model: str | None = "",
        provider: str | None = "",
        status: int | None = 0,
        request_id: str | None = "",
        retry_after: float | None = 0.0,
    ) -> None:
        message = message or self.usual
        super().__init__(message)
        self.message = message
        self.model = model or ""
        self.provider = provider or ""
        self.status = status or 0
        self.request_id = request_id or ""
        self.retry_after = retry_after or 0.0
        self.partial = ""


class LMAuthError(LMError):
    """The key is missing, wrong or not allowed to use this model."""

    kind = "auth"
    code = "auth"
    _render_traceback_ = _one_line


class LMQuotaError(LMError):
    """The account has no credit left."""

    kind = "quota"
    code = "billing"


class LMInvalidRequestError(LMError):
    """The provider will never accept this request."""

    kind = "invalid"
    code = "invalid_request"


class ContextWindowExceededError(LMInvalidRequestError):
    """The prompt is longer than the model can read."""

    kind = "context_window"
    code = "context_window_exceeded"
    usual = "Context window exceeded"


class LMRateLimitError(LMError):
    """The provider asks us to slow down."""

    kind = "rate_limit"
    code = "rate_limit"
    retryable = True


class LMServerError(LMError):
    """The provider failed."""

    kind = "server"
    code = "server"
    retryable = True


class LMTimeoutError(LMError):
    """No answer came in time."""

    kind = "timeout"
    code = "timeout"
    retryable = True


class LMTransportError(LMError):
    """The connection could not be made or broke."""

    kind = "transport"
    code = "transport"
    retryable = True


class LMUnavailableError(LMError):
    """The provider failed too often just now and is not asked until it has rested, or until a person says so."""

    kind = "unavailable"
    code = "unavailable"


class LMUnexpectedError(LMError):
    """The provider answered something that is not an answer."""

    kind = "unexpected"
    code = "unexpected"


class AdapterParseError(DspexError):
    """The model's answer does not hold the fields the signature asks for.

    Attributes: `adapter_name`, `signature` (its name), `lm_response` (the raw text), `parsed_result` (the values
    that could be read, by field name), `understood` (their names).
    """

    def __init__(
        self,
        message: str = "",
        *,
        adapter_name: str,
        signature: object,
        lm_response: str,
        parsed_result: Mapping[str, object] | None = None,
    ) -> None:
        name = str(getattr(signature, "__name__", signature))
        super().__init__(message or f"The answer to `{name}` cannot be read; see `.lm_response`.")
        self.adapter_name = adapter_name
        self.signature = name
        self.lm_response = lm_response
        self.parsed_result = dict(parsed_result or {})
        self.understood = tuple(self.parsed_result)


class ToolError(DspexError, RuntimeError):
    """A tool's function raised; its own error is the cause. A RuntimeError too, as DSPy's users catch."""


class MetricError(DspexError):
    """The metric raised or returned something that is no score; the metric's own error is the cause."""


class JournalError(DspexError):
    """The run's file cannot be read or written."""


class RunFailedError(DspexError):
    """The run ended in failure; the original error is the cause where it is still at hand."""


class Interruption(DspexError):
    """Work ends early on purpose; only the run's outer edge catches this."""


class StopRequested(Interruption):
    """Somebody asked to stop and keep the best."""


class CancelRequested(Interruption):
    """Somebody asked to end at once."""


class BudgetExceeded(Interruption):
    """The next act could cross a cap, so it was refused.

    Attributes:
        what: the kind of cap: usd, tokens, calls or seconds.
        spent, cap: how much of it was used.
    """

    def __init__(self, message: str = "", what: str = "usd", spent: float = 0.0, cap: float = 0.0) -> None:
        super().__init__(message)
        self.what, self.spent, self.cap = what, spent, cap


def is_retryable_lm_error(error: BaseException) -> bool:
    """Tell whether the same LM request may succeed later."""
    return isinstance(error, LMError) and error.retryable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean `x`?" for the known word nearest to `word`, or "" where none is near."""
    import difflib  # only a mistake needs it

    words = list(known)
    match = [one for one in words if sorted(one) == sorted(word)]  # letters that changed places
    match = match or difflib.get_close_matches(word, words, n=1, cutoff=0.5 if len(word) < 4 else 0.6)
    return f" Did you mean `{match[0]}`?" if match else ""


def _frames_of_the_reader(error: BaseException | None) -> list[str]:
    """Return where the error passed through code that is neither ours nor installed."""
    import sysconfig
    import traceback
    from pathlib import Path

    paths = sysconfig.get_paths()
    foreign = (str(Path(__file__).parent), paths["stdlib"], paths["purelib"], paths["platlib"])
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    own = [f for f in frames if not f.filename.startswith(foreign) and not f.filename.startswith("<frozen")]
    return [f"  in `{f.name}`, line {f.lineno}: {f.line}" for f in own]
