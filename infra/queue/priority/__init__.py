"""A Dramatiq broker on Redis with a lane for each message. Imports nothing of ours, so any application can use it."""

from infra.queue.priority.broker import PriorityBroker
from infra.queue.priority.fitness import Unfit
from infra.queue.priority.rejected import RejectedMessage
from infra.queue.priority.rules import QueueRules
from infra.queue.priority.stats import LaneStats, QueueStats
from infra.queue.priority.too_large import MessageTooLarge

__all__ = ["LaneStats", "MessageTooLarge", "PriorityBroker", "QueueRules", "QueueStats", "RejectedMessage", "Unfit"]
