"""One order on a terminal: where it is, why, what is next; then what happened. Times are China's (UTC+8)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.order import FulfilledBy
from domain.take_over import KEPT_OUT
from infra.tables.inspect import Match
from ops.faces.terminal.explain import CHOICES, stop_parts
from ops.faces.terminal.kept_out import decision_in_words, why_kept_out
from ops.faces.terminal.words import WORDS, cause_in_words
from ops.views.order import DeadLetterView, GapView, OrderView, PackageView, RawAnswer, ShipmentView, UnreadableScan
from ops.views.timeline import Case, ShownHold

CHINA = timezone(timedelta(hours=8), "UTC+8")
_LATE, _GOOD = "bold red", "green"


def print_order(view: OrderView, console: Console) -> None:
    """Everything about one order, the urgent first."""
    console.print(_title(view), soft_wrap=True)
    console.print(_facts(view))
    for name, part in _parts(view):
        console.print()
        console.print(Text(name, "bold"))
        # A command is copied as a whole.
        console.print(part, soft_wrap=name == CHOICES)


def print_explanation(view: OrderView, console: Console) -> None:
    """Why an order is where it is, and what would move it on: the parts of `print_order` that say so."""
    console.print(_title(view), soft_wrap=True)
    for name, part in (*_reasons(view), ("Next", _next(view))):
        console.print()
        console.print(Text(name, "bold"))
        # A command is copied as a whole.
        console.print(part, soft_wrap=name == CHOICES)


def _reasons(view: OrderView) -> Iterator[tuple[str, RenderableType]]:
    if view.open_holds:
        yield "Held", _holds(view)
    yield from stop_parts(view)
    if view.dead_letters:
        yield "Dead letters", Group(*(_letter(letter, view.seen_at) for letter in view.dead_letters))
    if view.cases:
        yield "Cases", _cases(view)


def order_tree(view: OrderView) -> dict[str, Any]:
    """For scripts: holds with `meaning` and `reason`, and events with `reason`, in English."""
    holds = [
        {**msgspec.to_builtins(one), "meaning": WORDS.meaning(one.code), "reason": WORDS.facts(one.facts)}
        for one in view.holds
    ]
    timeline = [{**msgspec.to_builtins(one), "reason": WORDS.event(one.kind, one.facts)} for one in view.timeline]
    return {**msgspec.to_builtins(view), "holds": holds, "timeline": timeline}


def print_raw(answers: Iterable[RawAnswer], console: Console) -> None:
    """The other side's answers as they came."""
    console.print()
    console.print(Text("Raw answers, as they came: personal data", "bold"))
    table = _table("time", "step", "account", "code", "answer")
    for answer in answers:
        table.add_row(_time(answer.at), answer.step, answer.account, answer.code, answer.text)
    console.print(table)


def print_matches(text: str, matches: Iterable[Match], console: Console) -> None:
    """The orders that an id may mean, each with the id that means it alone."""
    console.print(f"{text} may mean any of these; name one of them in full:")
    table = _table("order", "full id", "placed (UTC+8)")
    for match in matches:
        table.add_row(str(match.id), match.full_id, _time(match.placed_at))
    console.print(table)


def _title(view: OrderView) -> Text:
    title = Text.assemble(
        (f"{view.platform}/{view.shop}/{view.platform_order_id}", "bold"), (f"  order {view.id}", "dim")
    )
    for one in view.fulfillment:
        style = _LATE if view.open_holds or view.dead_letters else _GOOD
        title.append(f"  part {one.number}:" if len(view.fulfillment) > 1 else "")
        title.append(f"  {one.state}", style)
        if one.closed_reason:
            title.append(f" ({one.closed_reason})")
        title.append(f"  lane {one.lane}")
    if view.fulfilled_by != FulfilledBy.MERCHANT:
        title.append(f"  fulfilled by {view.fulfilled_by}", "bold")
    return title


def _facts(view: OrderView) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    paid = _time(view.paid_at) if view.paid_at else "not yet"
    grid.add_row("placed", f"{_time(view.placed_at)}   paid {paid}   received {_time(view.received_at)}")
    if any(one.closed_reason in KEPT_OUT for one in view.fulfillment):
        grid.add_row("ship by", Text("no clock: another system ships it", "dim"))
    else:
        grid.add_row("ship by", _deadline(view.ship_by, view.seen_at, is_met=_has_left(view)))
    if view.ship_from is not None:
        waits = view.ship_from > view.seen_at and not _has_left(view)
        grid.add_row("ship from", f"waits until {_time(view.ship_from)}" if waits else _time(view.ship_from))
    grid.add_row(
        "platform", f"said {view.platform_state}   {view.order_type}   {view.source}   member {view.member_level}"
    )
    receiver = view.receiver
    region = " ".join(filter(None, (receiver.province, receiver.city, receiver.district)))
    grid.add_row("receiver", f"{receiver.name or '–'} {receiver.phone or '–'} {region}   {receiver.pii}")
    grid.add_row("sums", "   ".join(f"{name} {amount}" for name, amount in view.sums.items() if amount.minor))
    for one in view.fulfillment:
        name = f"part {one.number}" if len(view.fulfillment) > 1 else "stock"
        pieces = f", {_pieces(view, one.quantities)}" if len(view.fulfillment) > 1 else ""
        grid.add_row(name, one.reservation + (f" at {one.location}" if one.location else "") + pieces)
    memos = [
        f"{who} {chars} characters"
        for who, chars in (("buyer", view.buyer_memo_chars), ("seller", view.seller_memo_chars))
        if chars
    ]
    if memos:
        grid.add_row("memos", "   ".join(memos))
    return grid


def _parts(view: OrderView) -> Iterator[tuple[str, RenderableType]]:
    yield from _reasons(view)
    if view.gaps:
        yield "Not fetched", Group(*(_gap(gap, view.seen_at) for gap in view.gaps))
    if any(one.closed_reason in KEPT_OUT for one in view.fulfillment):
        yield "Kept out", _kept_out(view)
    if view.raw_answers:
        yield "Raw answers", Text(f"{view.raw_answers} kept; order show {view.id} --raw shows them, with personal data")
    if view.unreadable_scans:
        yield "Scans that could not be read", _unreadable(view.unreadable_scans, view.seen_at)
    yield "Next", _next(view)
    yield "Lines", _lines(view)
    yield from _ways_out(view)
    yield "Timeline (UTC+8)", _timeline(view)


def _ways_out(view: OrderView) -> Iterator[tuple[str, RenderableType]]:
    """How the order leaves: packages, the way of each, and the documents of warehouses."""
    if view.packages:
        yield "Packages", _packages(view)
    if any(package.way for package in view.packages):
        yield "Way of the parcels (UTC+8)", _ways(view.packages)
    if view.documents:
        yield "Documents", _documents(view)


def _kept_out(view: OrderView) -> Text:
    why = next(one.closed_reason for one in view.fulfillment if one.closed_reason in KEPT_OUT)
    said = Text(f"another system ships it: {why_kept_out(why)}; `order adopt {view.id} --reason R` begins it")
    if view.watched is not None:
        watched = view.watched
        would = decision_in_words(watched.outcome, watched.holds, watched.packages)
        said.append(
            f"\nas decided {_time(watched.decided_at)} with rules {watched.rules}, lane {watched.lane}: {would}"
        )
    return said


def _holds(view: OrderView) -> Table:
    table = _table("hold", "reason", "owner", "due", "what is wrong")
    for hold in view.open_holds:
        due = _deadline(hold.due_at, view.seen_at)
        if hold.snoozed_until and hold.snoozed_until > view.seen_at:
            due.append(f"\nsnoozed until {_time(hold.snoozed_until)}")
        table.add_row(str(hold.id), hold.code, hold.owner, due, _whole_reason(hold))
    return table


def _cases(view: OrderView) -> Table:
    """The open ones and the closed ones, with what each means or why it was closed."""
    table = _table("case", "kind", "owner", "due", "what is wrong")
    for case in view.cases:
        table.add_row(str(case.id), case.kind, case.owner, _end(case, view.seen_at), _told(case))
    return table


def _end(case: Case, now: datetime) -> Text:
    if case.closed_at is None:
        return _deadline(case.due_at, now)
    return Text(f"closed {_time(case.closed_at)}", "dim")


def _told(case: Case) -> str:
    said = f"{case.closed_by}: {case.reason}" if case.closed_at else WORDS.facts(case.facts)
    return "; ".join(filter(None, (WORDS.case(case.kind), said)))


def _whole_reason(hold: ShownHold) -> str:
    return "; ".join(filter(None, (WORDS.meaning(hold.code), WORDS.facts(hold.facts))))


def _letter(letter: DeadLetterView, now: datetime) -> Group:
    tries = f"{letter.attempts} tries" + (f", {letter.crashes} crashes" if letter.crashes else "")
    head = Text.assemble(
        (f"{letter.step}: {letter.code}", _LATE),
        f"  number {letter.id}, {letter.owner}, due ",
        _deadline(letter.due_at, now),
        f", {tries}",
    )
    chain = Table.grid(padding=(0, 2))
    chain.add_column(style="dim", no_wrap=True)
    chain.add_column(overflow="fold")
    for cause in letter.causes:
        attempt = f"  try {cause.get('attempt', '?')}"
        for link in cause_in_words(cause):
            chain.add_row(attempt, link)
            attempt = "  because of"
    return Group(head, chain)


def _gap(gap: GapView, now: datetime) -> Text:
    return Text.assemble(
        (f"its change of {_time(gap.changed_at)}: {gap.error}", _LATE),
        f"  {gap.tries} tries since {_time(gap.noticed_at)}, ",
        _until(gap.due_at, now) if gap.due_at else "given up: see the dead letters of `pull`",
    )


def _unreadable(scans: Iterable[UnreadableScan], now: datetime) -> Table:
    table = _table("number", "noticed", "owner", "due", "what is wrong")
    for scan in scans:
        wrong = f"{scan.account} {scan.field}: {scan.code}" if scan.field else f"{scan.account}: {scan.code}"
        table.add_row(str(scan.id), _time(scan.noticed_at), scan.owner, _deadline(scan.due_at, now), wrong)
    return table


def _next(view: OrderView) -> RenderableType:
    if not view.work:
        waits = [
            *(["its hold to be released"] if view.open_holds else []),
            *(["its dead letter to be replayed"] if view.dead_letters else []),
        ]
        return Text(f"nothing is due; it waits for {' and '.join(waits)}" if waits else "nothing is due", "dim")
    table = _table("step", "when", "lane", "account", "tries", "last error")
    for work in view.work:
        when = Text("running now", _GOOD) if work.is_running else _until(work.due_at, view.seen_at)
        table.add_row(work.step, when, work.lane, work.account or "–", str(work.attempts), work.last_error or "–")
    return table


def _lines(view: OrderView) -> Table:
    table = _table("SKU", "title", "pieces", "unit price", "paid", "")
    for column in table.columns[2:5]:
        column.justify = "right"
    for line in view.lines:
        marks = (
            ("gift", line.is_gift),
            ("refund asked", line.refund_open),
            ("refunded", line.refunded),
            ("refund unknown", line.refund_unknown),
            ("no longer shown by the platform", line.is_missing),
            (f"fulfilled by {line.fulfilled_by}", line.fulfilled_by != FulfilledBy.MERCHANT),
            (f"{line.elsewhere} shipped elsewhere", line.elsewhere > 0),
            (f"{line.cancelled} not shipped any more", line.cancelled > 0),
        )
        shown = ", ".join(name for name, is_set in marks if is_set)
        table.add_row(
            line.sku or "–", line.title, str(line.quantity), str(line.unit_price), str(line.paid), Text(shown, _LATE)
        )
    return table


def _packages(view: OrderView) -> Table:
    table = _table("no.", "what", "from", "courier", "waybill", "scans", "platform", "buyer")
    for package in view.packages:
        table.add_row(
            str(package.number),
            "cancelled" if package.cancelled_at else _pieces(view, package.quantities) or "nothing",
            package.location,
            package.courier,
            _waybills(package.shipments),
            _scans(package),
            package.writeback or "not yet",
            ", ".join(notice.status for notice in package.notices) or "not yet",
        )
    return table


def _documents(view: OrderView) -> Table:
    table = _table("warehouse", "document", "its id", "status", "heard of")
    for one in view.documents:
        heard = _time(one.heard_at) if one.heard_at else "not yet"
        asked = f", asked {_time(one.asked_at)}" if one.asked_at else ""
        status = f"{one.status} ({one.code})" if one.code else one.status
        table.add_row(one.location, one.reference or "not told yet", one.their_id or "–", status, heard + asked)
    return table


def _pieces(view: OrderView, quantities: Mapping[str, int]) -> str:
    """Pieces by SKU, in the order of the lines; a line without a SKU by its id."""
    return ", ".join(
        f"{quantities[line.line_id]} x {line.sku or line.line_id}" for line in view.lines if line.line_id in quantities
    )


def _waybills(shipments: Iterable[ShipmentView]) -> str:
    return "\n".join(
        (shipment.waybill or "no number yet") + ("" if shipment.status == "booked" else f" ({shipment.status})")
        for shipment in shipments
    )


def _ways(packages: Iterable[PackageView]) -> Table:
    """What couriers told, in the order in which it happened."""
    table = _table("no.", "time", "what", "courier's code")
    for package in packages:
        for one in package.way:
            said = f"{one.code} {one.detail}".strip()
            table.add_row(
                str(package.number), f"{one.at.astimezone(CHINA):%m-%d %H:%M:%S}", WORDS.parcel(one.kind), said
            )
    return table


def _scans(package: PackageView) -> str:
    if package.delivered_at:
        return f"signed {_time(package.delivered_at)}"
    if package.collected_at:
        return f"collected {_time(package.collected_at)}"
    if package.handed_over_at:
        return f"left {_time(package.handed_over_at)}"
    return f"packed {_time(package.packed_at)}" if package.packed_at else "none yet"


def _timeline(view: OrderView) -> Table:
    table = _table("time", "step", "by", "what")
    table.columns[0].no_wrap = True
    for event in view.timeline:
        what = Text()
        reason = WORDS.event(event.kind, event.facts)
        if event.from_state and event.to_state:
            style = _LATE if event.kind == "move_refused" else "bold"
            what.append(f"{event.from_state} → {event.to_state}", style)
            what.append("  " if reason else "")
        what.append(reason or ("" if event.to_state else "done"))
        table.add_row(f"{event.at.astimezone(CHINA):%m-%d %H:%M:%S}", event.step, event.cause, what)
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


def _until(due: datetime, now: datetime) -> Text:
    if due <= now:
        return Text(f"due since {_span(now - due)}")
    return Text(f"in {_span(due - now)} ({_time(due)})")


def _deadline(due: datetime | None, now: datetime, *, is_met: bool = False) -> Text:
    if due is None:
        return Text("no clock: not paid, and nothing promised", "dim")
    if is_met:
        return Text(f"{_time(due)}, has left")
    if due <= now:
        return Text(f"{_time(due)}, {_span(now - due)} late", _LATE)
    return Text(f"{_time(due)}, {_span(due - now)} left")


def _span(span: timedelta) -> str:
    """A time span in its largest useful unit: seconds below two minutes, minutes below two hours, hours below two
    days.
    """
    seconds = int(span.total_seconds())
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _has_left(view: OrderView) -> bool:
    return bool(view.packages) and all(package.handed_over_at for package in view.packages)
