"""How a command speaks: to people, or to programs."""

from enum import StrEnum


class OutputMode(StrEnum):
    """What stdout carries at the end."""

    TEXT = "text"
    JSON = "json"


class LogFormat(StrEnum):
    """How a line of the log looks."""

    TEXT = "text"
    JSON = "json"
