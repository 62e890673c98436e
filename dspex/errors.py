"""Every error dspex raises, in one tree.

    DspexError
    ├── UsageError                  the caller's words are off; shown as one line in a notebook
    │   ├── SignatureError
    │   ├── DataError
    │   ├── SettingsError
    │   ├── ProgramError            a module is used in a way that cannot work
    │   └── RunNotFoundError
    ├── LMError                     an LM call failed; `.kind`, `.status`, `.retry_after`
    │   ├── LMAuthError             wrong or missing key
    │   ├── LMQuotaError            out of credit
    │   ├── LMInvalidRequestError   the provider refuses this request
    │   │   └── ContextWindowExceededError
    │   ├── LMRateLimitError        slow down
    │   ├── LMServerError           the provider's fault
    │   ├── LMTimeoutError
    │   ├── LMTransportError        the connection broke
    │   └── LMUnexpectedError       an answer nobody can read
    ├── AdapterParseError           the answer does not hold the fields asked for
    ├── MetricError                 the user's metric raised or returned no score
    ├── JournalError                the run's file cannot be read or written
    ├── RunFailedError              what `Run.result()` raises when the run failed
    └── Interruption                control flow, not a fault: caught by the run alone
        ├── StopRequested           stop and keep the best
        ├── CancelRequested         stop now
        └── BudgetExceeded          a cap would be crossed

Attributes are plain str, int or float, so that every error can be stored and shown; none holds a request,
a header or a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class DspexError(Exception):
    """Base of all errors raised by dspex.

    IPython shows the reader's own lines that led here and what the error says, none of our frames.
    """

    def _render_traceback_(self) -> list[str]:
        own = [frame for error in (self.__cause__, self) for frame in _frames_of_the_reader(error)]
        return [*dict.fromkeys(own), f"{type(self).__name__}: {self}"]


def _one_line(error: DspexError) -> list[str]:
    return [f"{type(error).__name__}: {error}"]


class UsageError(DspexError):
    """The caller asked for something that cannot be; the message says what to write instead.

    IPython shows these as one line: where it came from is the cell just run.
    """

    _render_traceback_ = _one_line


class SignatureError(UsageError, ValueError, TypeError):
    """A signature is written wrongly or lacks a part; a ValueError and a TypeError too, as DSPy's users catch."""


class DataError(UsageError):
    """Examples or data sets lack what the program needs."""


class SettingsError(UsageError):
    """A setting is unknown, missing or has an impossible value."""


class ProgramError(UsageError):
    """A module or program is called in a way that cannot work."""


class RunNotFoundError(UsageError):
    """No run has this id."""


class LMError(DspexError):
    """A call to a language model failed.

    Attributes:
        kind: a short word for the cause, stable across providers.
        model, provider: who was asked.
        status: HTTP status, 0 where there was none.
        retry_after: seconds the provider asked us to wait, 0.0 where it said nothing.
        retryable: whether the same request may succeed later.
    """

    kind = "error"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        model: str = "",
        provider: str = "",
        status: int = 0,
        request_id: str = "",
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.model = model
        self.provider = provider
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        """The cause in one word, the same as `kind`."""
        return self.kind


class LMAuthError(LMError):
    """The key is missing, wrong or not allowed to use this model."""

    kind = "auth"
    _render_traceback_ = _one_line


class LMQuotaError(LMError):
    """The account has no credit left."""

    kind = "quota"


class LMInvalidRequestError(LMError):
    """The provider will never accept this request."""

    kind = "invalid"


class ContextWindowExceededError(LMInvalidRequestError):
    """The prompt is longer than the model can read."""

    kind = "context_window"


class LMRateLimitError(LMError):
    """The provider asks us to slow down."""

    kind = "rate_limit"
    retryable = True


class LMServerError(LMError):
    """The provider failed."""

    kind = "server"
    retryable = True


class LMTimeoutError(LMError):
    """No answer came in time."""

    kind = "timeout"
    retryable = True


class LMTransportError(LMError):
    """The connection could not be made or broke."""

    kind = "transport"
    retryable = True


class LMUnexpectedError(LMError):
    """The provider answered something that is not an answer."""

    kind = "unexpected"


class AdapterParseError(DspexError):
    """The model's answer does not hold the fields the signature asks for.

    Attributes: `adapter_name`, `signature` (its name), `lm_response` (the raw text), `understood` (field names
    that could be read).
    """

    def __init__(
        self,
        message: str,
        *,
        adapter_name: str,
        signature: str,
        lm_response: str,
        understood: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.adapter_name = adapter_name
        self.signature = signature
        self.lm_response = lm_response
        self.understood = tuple(understood)


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
    """The next act could cross a cap, so it was refused."""


def is_retryable_lm_error(error: BaseException) -> bool:
    """Tell whether the same LM request may succeed later."""
    return isinstance(error, LMError) and error.retryable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean `x`?" for the known word nearest to `word`, or "" where none is near."""
    import difflib  # only a mistake needs it

    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5 if len(word) < 4 else 0.6)
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
