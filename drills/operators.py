"""Drills with acts of people after an outage: replay thousands of letters, at times by two people at once, and restore
a backup.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from domain.order import OrderKey
from domain.references import order_base
from drills.checkers import check_all, letters_of
from drills.course import hurt, script, until
from drills.drill import Plan, Trial
from drills.fork_server import Armed
from drills.harms import kill
from drills.lines import GARBAGE, Lines, lined
from drills.proxy import harmless
from drills.queries import DRILLS
from drills.small_world import SPOTLESS, SmallWorld, small_world
from drills.unguarded import Guard
from infra.engine.author import Author
from infra.engine.replay import ReplayAnswer
from infra.process.failpoints import ENVIRONMENT_KEY
from infra.tables.letters import LetterFilter
from ops.verbs.bulk import cancel, start
from ops.verbs.letters import replay_letters
from ops.views.bulk import look, members
from workers.cli.exits import Exit
from workers.demo.run import RunningDemo
from workers.demo.stage import Script

LETTERS, LETTERS_QUICK = 2_000, 150
PER_SECOND = 200.0
SLOWLY = 0.01
_KILLS = 2
# The letter that came too late, and the one that cannot be read.
_LEFT = 2
LI, WANG = Author("li", "the courier is back"), Author("wang", "the courier is back")
LABELS = LetterFilter(step="label")
# Raised when the courier has answered: a defect of ours is the order's alone, and the account goes on. Nonsense in all
# of its answers would be the account's fault, which makes no letters.
_BROKEN = msgspec.json.encode([Armed("label.booked", "raise")]).decode()


def bulk_replay(plan: Plan) -> Trial:
    """Workers of a broken release booked thousands of labels and lost the answers; one command replays the letters.

    Meanwhile the sweeper is killed, a letter comes that was not meant, and one member cannot be read any more.
    Those two are replayed at the end, by two people at the same moment.
    """
    trial = Trial()
    count = LETTERS_QUICK if plan.is_quick else LETTERS
    with lined(plan, _spotless(plan, count), _give_up_at_once, {ENVIRONMENT_KEY: _BROKEN}) as lines:
        demo = lines.demo
        hurt(demo, (), trial)
        trial.check("every label is a letter", len(letters_of(demo)) == count, len(letters_of(demo)))
        trial.injected["letter of one release"] += count
        _release_mended(demo)
        _execute(demo, DRILLS["spoil_one"])
        bulk = start(demo.db, LABELS, PER_SECOND, LI)
        _place_newcomer(lines, trial)
        for part in range(1, _KILLS + 1):
            _await_gone(demo, bulk.id, part * count // (_KILLS + 1))
            kill("sweeper")(demo)
            trial.injected["sweeper killed"] += 1
        _await_gone(demo, bulk.id, count)
        trial.check("the replay ends", until(demo, lambda: look(demo.db, bulk.id).is_over))
        _check_members(demo, bulk.id, count, trial)
        _check_cancelled(demo, trial)
        _execute(demo, DRILLS["mend_all"])
        lines.courier.judge = harmless
        _check_two_at_once(demo, trial)
        trial.check("all ended", hurt(demo, (), trial))
        check_all(demo, trial)
    return trial


def _release_mended(demo: RunningDemo) -> None:
    """Workers of the next release take over."""
    demo.supervisor.environment = {**demo.supervisor.environment, ENVIRONMENT_KEY: ""}
    for pid in demo.supervisor.pids("worker"):
        os.kill(pid, signal.SIGTERM)


def _spotless(plan: Plan, orders: int) -> Script:
    asked = script(plan, orders)
    return Script(
        orders=orders,
        csv=None,
        seed=asked.seed,
        per_second=asked.per_second,
        processes=asked.processes,
        threads=asked.threads,
        shops=asked.shops,
        dirt=SPOTLESS,
    )


def _give_up_at_once(settings: str) -> str:
    """One failed try is a letter, and no breaker lets the others wait."""
    guard = "[guard]\nfailures_max = 1000000\n\n"
    return settings.replace("[engine]", f"{guard}[engine]\nattempts_max = 1\nbug_attempts_max = 1")


def _place_newcomer(lines: Lines, trial: Trial) -> None:
    """Only bookings of this one order are answered with nonsense from now on; its letter comes too late to be meant."""
    demo = lines.demo
    shop = demo.settings.shops[0].name
    sku = next(row["sku"] for row in demo.stage.read("_ledger")["stock"] if row["on_hand"] > row["shipped"])
    tid = demo.stage.pull("add_order", shop=shop, lines=[{"sku": sku}])["tid"]
    base = order_base(OrderKey("taobao", shop, tid)).encode()
    lines.courier.judge = lambda request: GARBAGE if base in request else None
    trial.injected["letter after the command"] += 1


def _await_gone(demo: RunningDemo, bulk_id: int, count: int) -> bool:
    """Wait until so many members are settled; False when none was for long."""
    seen = -1
    while seen < count:
        settled = partial(_settled_beyond, demo, bulk_id, seen)
        if not until(demo, settled):
            return False
        seen = _settled(demo, bulk_id)
    return True


def _settled_beyond(demo: RunningDemo, bulk_id: int, seen: int) -> bool:
    return _settled(demo, bulk_id) > seen


def _settled(demo: RunningDemo, bulk_id: int) -> int:
    return sum(members for state, members in look(demo.db, bulk_id).members.items() if state in {"done", "died"})


def _check_members(demo: RunningDemo, bulk_id: int, count: int, trial: Trial) -> None:
    found = look(demo.db, bulk_id).members
    trial.check("all but one came home", found == {"done": count - 1, "died": 1}, dict(found))
    with demo.db.connection() as session:
        row = session.execute(DRILLS["sent_back"], {"id": bulk_id}).fetchone()
    assert row is not None
    acts, letters, span_s = row
    trial.check("one audit row a letter", acts == letters == count, (acts, letters))
    # A replayer that was kept from its work may make up for one second.
    trial.check("rate kept", count <= PER_SECOND * (span_s + 2), f"{count} in {span_s:.1f} s")
    until(demo, lambda: len(letters_of(demo)) == _LEFT)
    left = letters_of(demo)
    trial.check("newcomer and unreadable stay letters", len(left) == _LEFT, left)


def _check_cancelled(demo: RunningDemo, trial: Trial) -> None:
    """A bulk replay that is cancelled in time keeps the letters that were not replayed yet."""
    bulk = cancel(demo.db, start(demo.db, LABELS, SLOWLY, LI).id, WANG)
    stayed = members(demo.db, bulk.id, state="cancelled", after=0, limit=10)
    trial.check("cancelled members stay letters", len(stayed) > 0 and bulk.is_over, dict(bulk.members))


def _check_two_at_once(demo: RunningDemo, trial: Trial) -> None:
    """Two people replay every letter that is left at the same moment: one wins, the other is told."""
    with demo.db.connection() as session:
        ids = [row[0] for row in session.execute(DRILLS["open_letters"]).fetchall()]
    with ThreadPoolExecutor(2) as people:
        for letter_id in ids:
            both = [people.submit(replay_letters, demo.db, [letter_id], who) for who in (LI, WANG)]
            answers = Counter(one.answer for found in both for one in found.result())
            won = answers == {ReplayAnswer.REPLAYED: 1, ReplayAnswer.REFUSED: 1}
            trial.check(f"letter {letter_id}: one of two wins", won, dict(answers))
            trial.injected["two people at once"] += 1


def restored_backup(plan: Plan) -> Trial:
    """Orders are booked, sent and told after the backup that is restored: reconciled, nothing of it happens again.

    Control: without it, the last check and asking first, at a courier that books whatever it is asked and warehouses
    that take whatever they are told, an order is booked twice and placed twice.
    """
    trial = Trial(control="not reconciled and not asked first: two waybills, and two documents")
    with small_world(plan, texts_buyers=False, is_told=True) as world:
        for number in range(3 if plan.is_quick else 10):
            world.order(f"{number}: ended before")
        world.work()
        _backed_up(world, trial)
        trial.check("reconciled", _reconcile(world) == Exit.DONE)
        trial.check("all ends again", world.work().how == "done")
        trial.check("what left after the backup is held", _held_as_shipped(world) == 1)
        trial.check("reconciled again", _reconcile(world) == Exit.DONE)
        trial.check("and known as ours", _held_as_shipped(world) == 0 and world.work().how == "done")
        check_all(world.demo, trial)
        booked = world.shipments()
        twice = [one.why for one in world.placed if booked[one.base] != 1]
        trial.check("one shipment an order", not twice, twice or len(world.placed))
        documents = world.documents()
        twice = [one.why for one in world.placed if documents[one.base] != 1]
        trial.check("one document an order", not twice, twice or len(world.placed))
        trial.check("and again, nothing to do", _reconcile(world) == Exit.DONE)
        world.demo.stage.pull("set_courier", knows_references=False)
        world.silence_warehouses()
        _backed_up(world, Trial(), is_idempotent=False)
        world.work(is_idempotent=False, without=(Guard.REFUND_CHECK, Guard.DOCUMENT_ASKED))
        trial.harm_shown = max(world.shipments().values()) > 1 and max(world.documents().values()) > 1
        trial.check("whoever reconciles too late is told of the double", _reconcile(world) == Exit.PARTLY)
    return trial


def _backed_up(world: SmallWorld, trial: Trial, **given: bool) -> None:
    """Back up with an order before its label; it ends, another one comes and ends, and the backup is restored."""
    world.order("before its label")
    world.work(Armed("label.before_claim", "kill"), **given)
    _at_rest(world, [DRILLS["back_up"]])
    world.work(**given)
    world.order("after the backup")
    world.work(**given)
    _at_rest(world, [DRILLS["lose"], DRILLS["restore"], DRILLS["forget_lost"]])
    trial.injected["backup restored"] += 1


def _at_rest(world: SmallWorld, commands: Sequence[bytes]) -> None:
    """Carry out commands about whole databases: with nobody connected."""
    server = make_conninfo(world.fork_server.environ["ORDERLANE_DATABASE_URL"], dbname="postgres")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(DRILLS["sessions"])
        for command in commands:
            admin.execute(command)


def _reconcile(world: SmallWorld) -> int:
    """What a person does after restoring; the command's exit code."""
    command = [sys.executable, "-m", "workers.main", "reconcile", "--json"]
    with (world.demo.stage.folder / "reconcile.log").open("ab") as log:
        return subprocess.run(  # noqa: S603 - our own module
            command, env={**os.environ, **world.fork_server.environ}, stdout=log, stderr=log, check=False
        ).returncode


def _held_as_shipped(world: SmallWorld) -> int:
    """Orders that the platform shows as shipped and of which nothing is known here."""
    with world.demo.db.connection() as session:
        return len(session.execute(DRILLS["held_as_shipped"]).fetchall())


def _execute(demo: RunningDemo, query: bytes) -> None:
    with demo.db.connection() as session:
        session.execute(query)
