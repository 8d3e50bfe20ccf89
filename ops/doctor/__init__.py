"""The doctor checks everything that may keep orderlane from working, and says what to do. Changes nothing."""

from ops.doctor.check import Check, Level, worst
from ops.doctor.examination import examine

__all__ = ["Check", "Level", "examine", "worst"]
