"""The errors of the domain.

    KotError
    ├── PermanentError         trying again cannot help
    │   ├── InvalidInput       a field of a request breaks its limits, or is none that exists
    │   ├── UnknownSolve       no solve with this id is running here
    │   ├── DuplicateSolve     a solve with this id is running already
    │   ├── PromptTooLong      a prompt does not fit into the model's context
    │   ├── ModelUnusable      the model cannot be loaded or reached with these settings
    │   ├── ModelFailed        the model broke while it answered
    │   ├── LeaseLost          another process runs the solve now
    │   ├── HistoryRefused     a stored solve cannot be taken up again by this version
    │   ├── StoreUnusable      a log, cache, bus or tree store cannot be used as it is
    │   └── AddressUnusable    a server cannot listen on its address
    └── TemporaryError         trying again may help
        ├── WorkerUnavailable  a service cannot be reached
        ├── Overloaded         more work than is taken at a time
        ├── LeaseHeld          another process runs the solve for now
        ├── StoreUnavailable   a log, cache, bus or tree store cannot be reached or is full
        └── DeadlineExceeded   time ran out before the answer came

Each carries a `Reason` for programs and a message for people. `services.rpc.status` maps them to gRPC and back.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something failed; the names are those of the wire's `ErrorReason`."""

    INVALID_REQUEST = "INVALID_REQUEST"
    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    INVALID_PROBLEM = "INVALID_PROBLEM"
    UNKNOWN_TASK = "UNKNOWN_TASK"
    UNKNOWN_STRATEGY = "UNKNOWN_STRATEGY"
    INVALID_SETTING = "INVALID_SETTING"
    UNKNOWN_SOLVE = "UNKNOWN_SOLVE"
    DUPLICATE_SOLVE = "DUPLICATE_SOLVE"
    PROMPT_TOO_LONG = "PROMPT_TOO_LONG"
    MODEL_UNUSABLE = "MODEL_UNUSABLE"
    MODEL_FAILED = "MODEL_FAILED"
    WORKER_UNAVAILABLE = "WORKER_UNAVAILABLE"
    OVERLOADED = "OVERLOADED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    ADDRESS_UNUSABLE = "ADDRESS_UNUSABLE"
    LEASE_LOST = "LEASE_LOST"
    LEASE_HELD = "LEASE_HELD"
    HISTORY_REFUSED = "HISTORY_REFUSED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    STORE_UNUSABLE = "STORE_UNUSABLE"
    INTERNAL = "INTERNAL"


class KotError(Exception):
    """An error of the domain; `reason` is for programs, the text for people."""

    reason: Reason = Reason.INTERNAL


class PermanentError(KotError):
    """Trying again cannot help."""


class TemporaryError(KotError):
    """Trying again may help."""


class InvalidInput(PermanentError):
    """The field `field` of a request is wrong, as the message says."""

    def __init__(self, message: str, *, field: str = "", reason: Reason = Reason.INVALID_REQUEST) -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason


class UnknownSolve(PermanentError):
    """No solve with this id is running here."""

    reason = Reason.UNKNOWN_SOLVE


class DuplicateSolve(PermanentError):
    """A solve with this id is running already."""

    reason = Reason.DUPLICATE_SOLVE


class PromptTooLong(PermanentError):
    """A prompt does not fit into the model's context."""

    reason = Reason.PROMPT_TOO_LONG


class ModelUnusable(PermanentError):
    """The model cannot be loaded or reached with these settings."""

    reason = Reason.MODEL_UNUSABLE


class ModelFailed(PermanentError):
    """The model broke while it answered."""

    reason = Reason.MODEL_FAILED


class AddressUnusable(PermanentError):
    """A server cannot listen on its address."""

    reason = Reason.ADDRESS_UNUSABLE


class LeaseLost(PermanentError):
    """Another process runs the solve now: what this one does of it counts no more."""

    reason = Reason.LEASE_LOST


class HistoryRefused(PermanentError):
    """A stored solve cannot be taken up again: its task or strategy has changed since."""

    reason = Reason.HISTORY_REFUSED


class StoreUnusable(PermanentError):
    """A log, cache, bus or tree store cannot be used as it is: damaged, of a later version, or locked by a password."""

    reason = Reason.STORE_UNUSABLE


class WorkerUnavailable(TemporaryError):
    """A service cannot be reached."""

    reason = Reason.WORKER_UNAVAILABLE


class Overloaded(TemporaryError):
    """More work was asked for than is taken at a time."""

    reason = Reason.OVERLOADED


class DeadlineExceeded(TemporaryError):
    """Time ran out before the answer came."""

    reason = Reason.DEADLINE_EXCEEDED


class LeaseHeld(TemporaryError):
    """Another process runs the solve for now."""

    reason = Reason.LEASE_HELD


class StoreUnavailable(TemporaryError):
    """A log, cache, bus or tree store cannot be reached, or has no room."""

    reason = Reason.STORE_UNAVAILABLE
