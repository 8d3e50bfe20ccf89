"""Answers in which somebody else's mistake stands: numbers nobody can hold, dates of the year 1, endless texts."""

from typing import TYPE_CHECKING

import msgspec

from domain.errors import Refused

if TYPE_CHECKING:
    from sandbox.world import World


class SpoilTrade(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="spoil_trade"):
    """`fields`: by name, the JSON text that stands in every answer that shows the trade."""

    tid: str
    fields: dict[str, str]


class SpoilScans(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="spoil_scans"):
    """`at`: what every scan of the reference shows as its time. Empty: scanned again, as it should be."""

    reference: str
    at: str = ""


class SpoilStock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="spoil_stock"):
    """`rows`: JSON texts that stand in the location's count besides its own."""

    location: str
    rows: tuple[str, ...]


Spoil = SpoilTrade | SpoilScans | SpoilStock


def spoil(world: "World", command: Spoil, now: float) -> None:
    """Raises Refused for a trade, reference or location that is not there."""
    match command:
        case SpoilTrade():
            trade = world.book.trades.get(int(command.tid)) if command.tid.isdecimal() else None
            if trade is None:
                raise Refused("control_invalid", "no such visible trade")
            raws = {name: msgspec.Raw(text.encode()) for name, text in command.fields.items()}
            world.platform.spoiled[trade.order.tid] = raws
            world.book.touch(trade, now)
        case SpoilScans():
            if command.at:
                world.warehouses.spoiled[command.reference] = command.at
                return
            found = world.waybills.of_reference(command.reference)
            if not found:
                raise Refused("control_invalid", "no such reference")
            world.warehouses.spoiled.pop(command.reference, None)
            world.warehouses.learn(found[0], now)
        case SpoilStock():
            if command.location not in world.warehouses.stock:
                raise Refused("control_invalid", "no such location")
            world.warehouses.odd_rows[command.location] = command.rows
