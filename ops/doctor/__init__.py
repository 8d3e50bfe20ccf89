"""The doctor: looks at everything that keeps orderlane from working, and says what to do. Changes nothing."""

from ops.doctor.check import Check, Level, worst
from ops.doctor.examination import examine

__all__ = ["Check", "Level", "examine", "worst"]
