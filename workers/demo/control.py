"""The control of the demo: after a clean run it makes errors that the comparison of the ledgers must find."""

from pathlib import Path

from infra.tables import ledger as our_side
from infra.tables.pool import Database
from infra.tables.sql import load
from workers.demo.stage import Stage

CONTROL = load("control", Path(__file__).parent)


def plant_harms(stage: Stage, db: Database) -> None:
    """Make one lost order, one second waybill and one oversold piece. No process may run any more."""
    ledger = stage.read("_ledger")
    stage.pull("add_order", shop=ledger["ordered"][0]["shop"], lines=[{"sku": ledger["stock"][0]["sku"]}])
    with db.connection() as connection:
        booked = our_side.waybills(connection)
        connection.execute(CONTROL["oversell"])
    if booked:
        stage.pull("plant_waybill", reference=booked[0].reference)
