"""``orderlane``: the command line. Its commands live in `workers.cli`, one module each."""

import click

from workers.cli.bulk import bulk
from workers.cli.demo import demo
from workers.cli.dlq import dlq
from workers.cli.doctor import doctor
from workers.cli.drill import drill
from workers.cli.due import due
from workers.cli.group import Orderlane
from workers.cli.normalize import normalize
from workers.cli.order import order
from workers.cli.pause import gates, pause, resume
from workers.cli.reconcile import reconcile
from workers.cli.run import run
from workers.cli.sign import sign
from workers.cli.writeback import writeback


@click.group(
    cls=Orderlane,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:  orderlane demo --orders 200",
)
def main() -> None:
    """Order fulfilment from paid order to tracked package.

    Exit codes: 0 done, 1 failed, 2 usage, 3 held, 4 quarantined, 5 refused, 6 partly done, 7 unreachable.
    """


for command in (
    run,
    demo,
    drill,
    order,
    dlq,
    bulk,
    writeback,
    reconcile,
    normalize,
    sign,
    doctor,
    pause,
    resume,
    gates,
):
    main.add_command(command)

order.add_command(due)

if __name__ == "__main__":
    main()
