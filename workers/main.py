"""``orderlane``: the command line. Its commands live in `workers.cli`, one module each."""

import click

from workers.cli.group import Orderlane


@click.group(
    cls=Orderlane,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:  orderlane demo --orders 200",
    lazy={
        "run": "workers.cli.run:run",
        "demo": "workers.cli.demo:demo",
        "init": "workers.cli.init:init",
        "play": "workers.cli.play:play_command",
        "picks": "workers.cli.picks:picks",
        "package": "workers.cli.package:package",
        "drill": "drills.command:drill",
        "order": "workers.cli.order:order",
        "dlq": "workers.cli.dlq:dlq",
        "hold": "workers.cli.hold:hold",
        "case": "workers.cli.case:case",
        "bulk": "workers.cli.bulk:bulk",
        "writeback": "workers.cli.writeback:writeback",
        "reconcile": "workers.cli.reconcile:reconcile",
        "entry": "workers.cli.entry:entry",
        "normalize": "workers.cli.normalize:normalize",
        "sku": "workers.cli.sku:sku",
        "stock": "workers.cli.stock:stock",
        "sign": "workers.cli.sign:sign",
        "doctor": "workers.cli.doctor:doctor",
        "status": "workers.cli.status:status",
        "pause": "workers.cli.pause:pause",
        "resume": "workers.cli.pause:resume",
        "gates": "workers.cli.pause:gates",
        "alarm": "workers.cli.alarm:alarm",
        "flow": "workers.cli.flow:flow",
        "retention": "workers.cli.retention:retention",
        "erase": "workers.cli.erase:erase",
    },
    former={"scans": "entry"},
)
def main() -> None:
    """Order fulfilment from paid order to tracked package.

    Exit codes: 0 done, 1 failed, 2 usage, 3 held, 4 quarantined, 5 refused, 6 partly done, 7 unreachable.
    """


if __name__ == "__main__":
    main()
