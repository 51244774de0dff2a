"""Runs JavaScript that nobody has read, in processes that may do nothing.

Plain Python without Django, so that it can be judged alone; only `checks` knows the settings.
"""

from agents.sandbox.contract import (
    Fetcher,
    FetchReply,
    FetchRequest,
    Job,
    Limits,
    Result,
    SandboxUnavailable,
)
from agents.sandbox.pool import Pool
from agents.sandbox.walls import layers

__all__ = [
    "FetchReply",
    "FetchRequest",
    "Fetcher",
    "Job",
    "Limits",
    "Pool",
    "Result",
    "SandboxUnavailable",
    "layers",
]
