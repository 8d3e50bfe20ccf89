"""A step's runner behind the gates: it claims only work whose gates are open."""

from dataclasses import dataclass, replace

from infra.accounts.gates import Gates
from infra.engine.local import LocalRunner
from infra.engine.remote import RemoteRunner
from infra.queue.keys import BellKey


@dataclass(frozen=True, slots=True)
class GatedRunner:
    """Runs a step for one bell at a time, as its runner does."""

    runner: LocalRunner | RemoteRunner
    gates: Gates

    def run(self, key: BellKey) -> int:
        """Claim and finish one batch, as large as the gates allow; return how many subjects it had."""
        with self.gates.entry(key, self.runner.batch_max) as room:
            if room.subjects == 0:
                return 0
            batch_max = min(room.subjects, self.runner.batch_max)
            if isinstance(self.runner, RemoteRunner):
                return replace(self.runner, batch_max=batch_max, is_probe=room.is_probe).run(key)
            return replace(self.runner, batch_max=batch_max).run(key)
