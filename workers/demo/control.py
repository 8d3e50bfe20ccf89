"""The control of the demo: harm that the reckoning must find, planted after a run without any."""

from infra.tables.ledger import LEDGER
from infra.tables.pool import Database
from infra.tables.sql import load
from workers.demo.stage import Stage

CONTROL = load("control")


def plant_harms(stage: Stage, db: Database) -> None:
    """One lost order, one second waybill, one oversold piece. No process may be at work any more."""
    ledger = stage.read("_ledger")
    stage.pull("add_order", shop=ledger["ordered"][0]["shop"], lines=[{"sku": ledger["stock"][0]["sku"]}])
    with db.connection() as connection:
        booked = connection.execute(LEDGER["waybills"]).fetchall()
        connection.execute(CONTROL["oversell"])
    if booked:
        stage.pull("plant_waybill", reference=booked[0][2])
