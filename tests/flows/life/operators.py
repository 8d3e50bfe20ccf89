"""What operators do in a life: they release holds, settle dead letters, and pause accounts."""

from contextlib import suppress
from typing import Any

from domain.errors import Conflict, Refused
from domain.gates import GateKind
from domain.holds import HoldCode
from domain.waivers import read_named
from infra.accounts.rules import rules_by_account
from infra.engine.author import Author
from infra.process.steps import STEPS
from infra.tables.letters import LetterFilter
from ops.verbs import bulk, gates, letters
from ops.verbs.holds import release
from ops.views import letters as letter_views

LI, WANG = Author("li", "looked at it"), Author("wang", "looked at it too")


class Operators:
    """The operators' side of a house."""

    db: Any
    settings: Any
    shared: Any
    witness: Any
    rows: Any

    def operate(self, operation, which):
        match operation:
            case "release":
                self.release(which)
            case "release_all":
                self.release_all()
            case "reopen":
                self.reopen_letter(which)
            case "shut" | "open":
                account = sorted(rules_by_account(self.settings))[which % 4]
                self.shut(account) if operation == "shut" else self.open(account)
            case _:
                self.settle_letter(which, operation)

    def shut(self, account):
        gates.pause(self.db, GateKind.ACCOUNT, account, LI, None)

    def open(self, account):
        # It may be open already.
        with suppress(Refused):
            gates.resume(self.db, self.shared, GateKind.ACCOUNT, account, LI, settings=self.settings)

    def open_holds(self):
        return self.rows(
            "SELECT f.order_id, o.platform_order_id, h.code, h.facts, h.step FROM hold AS h "
            "JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id JOIN orders AS o ON o.id = f.order_id "
            "WHERE h.released_at IS NULL ORDER BY h.id"
        )

    def release(self, which):
        holds = self.open_holds()
        if holds:
            order_id, _, code, *_ = holds[which % len(holds)]
            self.release_hold(order_id, code)

    def release_all(self):
        for order_id, code in sorted({(hold[0], hold[2]) for hold in self.open_holds()}):
            self.release_hold(order_id, code)

    def release_hold(self, order_id, code):
        for held, tid, open_code, facts, _ in self.open_holds():
            if held == order_id and open_code == code == HoldCode.REFUND_REQUESTED:
                self.witness.let_pass |= read_named(facts)
            if held == order_id and open_code == code == HoldCode.PLATFORM_HOLD:
                self.witness.let_pass.add(tid)
        # The hold that an open letter is cannot be released; and it may have been released with another.
        with suppress(Conflict):
            release(self.db, order_id, HoldCode(code), LI, despite_refund=True)

    def settle_letter(self, which, how):
        ids = [row[0] for row in self.rows("SELECT id FROM dead_letter WHERE closed_at IS NULL ORDER BY id")]
        if not ids:
            return
        letter_id = ids[which % len(ids)]
        if how == "bulk":
            letter = letter_views.letter(self.db, letter_id)
            bulk.start(self.db, LetterFilter(cause=letter.fingerprint), 100.0, LI)
        elif how == "discard":
            letters.discard(self.db, letter_id, LI)
        else:
            for author in (LI, WANG)[: 2 if how == "replay_twice" else 1]:
                letters.replay_letters(self.db, [letter_id], author)

    def take_up_discarded(self):
        """Where the letter was of a step that stops no order, nothing else shows that the step is left undone."""
        steps = [name for name in STEPS if not STEPS[name].stops_order]
        for (letter_id,) in self.rows(
            "SELECT id FROM dead_letter WHERE closed_as = 'discarded' AND step = ANY(%s) ORDER BY id", steps
        ):
            # A newer letter may have taken its place.
            with suppress(Conflict):
                letters.reopen(self.db, letter_id, LI)

    def reopen_letter(self, which):
        ids = [row[0] for row in self.rows("SELECT id FROM dead_letter WHERE closed_as = 'discarded' ORDER BY id")]
        if ids:
            # A newer letter may have taken its place.
            with suppress(Conflict):
                letters.reopen(self.db, ids[which % len(ids)], LI)
