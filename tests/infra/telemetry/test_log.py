"""What reaches a log line, and what must not."""

import asyncio
import gc
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator

import dramatiq
import psycopg
import pytest
import structlog
from dramatiq.brokers.stub import StubBroker
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from infra.config.secret import Secret
from infra.telemetry.log import bound, configure, drop_personal_data, get_logger

PHONE = "13800138000"
NAME = "欧阳小满"


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator["Lines"]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    stream = io.StringIO()
    configure("json", "debug", stream)
    yield Lines(stream)
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]


class Lines:
    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def only(self) -> dict:
        (line,) = self.text.splitlines()
        return json.loads(line)


def test_our_lines_and_those_of_libraries_share_one_schema(lines: Lines) -> None:
    get_logger("our.module").info("label_booked", waybill="SF1")
    logging.getLogger("aiohttp.access").info("served %s", "page")
    ours, theirs = (json.loads(line) for line in lines.text.splitlines())
    assert ours.pop("waybill") == "SF1"
    assert ours.keys() == theirs.keys() == {"event", "level", "module", "timestamp"}
    assert (ours["module"], theirs["module"]) == ("our.module", "aiohttp.access")
    assert theirs["event"] == "served page"


def test_context_is_on_every_line_inside_and_gone_after(lines: Lines) -> None:
    log = get_logger("m")
    with bound(step="label", shop="taobao/a", order_id=5, lane="p0", attempt=2):
        with bound(step="inner"):
            logging.getLogger("library").warning("one")
        log.info("two")
    log.info("three")
    one, two, three = (json.loads(line) for line in lines.text.splitlines())
    assert (one["step"], one["order_id"]) == ("inner", 5)
    assert (two["step"], two["shop"], two["lane"], two["attempt"]) == ("label", "taobao/a", "p0", 2)
    assert "step" not in three


def test_context_goes_with_an_exception_too(lines: Lines) -> None:
    with pytest.raises(LookupError), bound(step="label"):
        raise LookupError
    get_logger("m").info("after")
    assert "step" not in lines.only()


def test_known_personal_keys_are_dropped_at_any_depth(lines: Lines) -> None:
    order = {"phone": PHONE, "rows": [{"address": "Road 1", "id": 3}]}
    get_logger("m").info("seen", receiver_name="Zhang", order=order)
    line = lines.only()
    assert "receiver_name" not in line
    assert line["order"] == {"rows": [{"id": 3}]}


@pytest.mark.parametrize("written", [PHONE, "138 0013 8000", "138-0013-8000", "+86 13800138000", "8613800138000"])
def test_mobile_numbers_are_blacked_out(lines: Lines, written: str) -> None:
    get_logger("m").info(f"call {written} now", note=f"x{written}", number=int(PHONE))
    logging.getLogger("library").info("call %s", written)
    # The time may say anything.
    said = [{**json.loads(line), "timestamp": ""} for line in lines.text.splitlines()]
    assert len(said) == 2
    assert "0013" not in str(said)
    assert "8000" not in str(said)


@given(number=st.integers(10**14, 10**19) | st.integers(0, 10**10 - 1))
def test_ids_stay_readable(number: int) -> None:
    assert drop_personal_data(None, "info", {"order": number, "text": f"order {number}"}) == {
        "order": number,
        "text": f"order {number}",
    }


@given(number=st.integers(13 * 10**9, 20 * 10**9 - 1), before=st.sampled_from(["", "x", " ", ":", "+86"]))
def test_no_mobile_number_passes(number: int, before: str) -> None:
    assert str(number) not in str(drop_personal_data(None, "info", {"text": f"{before}{number}", "n": [number]}))


def test_secrets_and_unknown_objects_do_not_show_themselves(lines: Lines) -> None:
    class Buyer:
        def __repr__(self) -> str:
            return "Zhang"

    get_logger("m").info("seen", key=Secret("hush"), who=Buyer(), blob=b"Zhang", nothing=None, share=0.5, found={True})
    line = lines.only()
    assert (line["key"], line["blob"]) == ("<Secret>", "<bytes>")
    assert line["who"].endswith("Buyer>")
    assert (line["nothing"], line["share"], line["found"]) == (None, 0.5, [True])
    assert "hush" not in lines.text
    assert "Zhang" not in lines.text


def test_an_exception_shows_type_code_and_place_but_no_values(lines: Lines) -> None:
    def raise_refused(receiver: str) -> None:
        try:
            int(receiver)
        except ValueError as error:
            raise Refused("address_unknown", "the courier does not serve this area", {"area": 7}) from error

    try:
        raise_refused("Zhang")
    except Refused:
        get_logger("m").exception("label_failed")
    error = lines.only()["error"]
    assert (error["type"], error["code"]) == ("domain.errors.Refused", "address_unknown")
    assert error["facts"] == {"area": 7}
    assert error["at"][-1].startswith("test_log.py:")
    assert error["at"][-1].endswith(" raise_refused")
    assert error["cause"]["type"] == "ValueError"
    assert "Zhang" not in lines.text


def test_a_database_error_shows_its_state_and_not_the_row(lines: Lines, database) -> None:
    with database.connection() as connection:
        try:
            connection.execute("SELECT 'Zhang'::date")
        except psycopg.Error as error:
            get_logger("m").warning("batch_failed", exc_info=error)
            logging.getLogger("library").warning("failed: %s", error)
    assert json.loads(lines.text.splitlines()[0])["error"]["code"] == "22007"
    assert "Zhang" not in lines.text


def test_a_file_error_shows_its_cause(lines: Lines) -> None:
    try:
        open("/no/such/Zhang")  # noqa: SIM115, PTH123 - it does not open
    except OSError as error:
        get_logger("m").warning("unreadable", exc_info=error)
    assert lines.only()["error"]["code"] == "No such file or directory"
    assert "Zhang" not in lines.text


def test_the_queue_shows_actor_and_id_but_never_arguments(lines: Lines) -> None:
    broker = StubBroker(middleware=[])
    failing = dramatiq.actor(lambda receiver: 1 / 0, actor_name="label", broker=broker, queue_name="default")
    message = failing.send("Zhang")
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    broker.join("default", timeout=10_000)
    worker.join()
    worker.stop()
    assert f"label[{message.message_id}]" in lines.text
    assert "ZeroDivisionError" in lines.text
    assert "Zhang" not in lines.text


def test_quiet_levels_are_dropped(lines: Lines) -> None:
    configure("json", "warning", lines.stream)
    get_logger("m").info("unheard")
    logging.getLogger("library").info("unheard")
    assert lines.text == ""


def test_people_get_colour_and_machines_json_on_stderr(lines: Lines, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    configure("auto")
    get_logger("m").info("for a machine")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    configure("auto")
    get_logger("m").info("for a person")
    machine, person = capsys.readouterr().err.splitlines()
    assert json.loads(machine)["event"] == "for a machine"
    assert "for a person" in person
    assert person.startswith("\x1b[")
    assert capsys.readouterr().out == ""


def test_a_kept_logger_follows_stderr(lines: Lines, capsys) -> None:
    configure("json")
    log = get_logger("m")
    log.info("one")
    capsys.readouterr()
    elsewhere = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", elsewhere)
        log.info("two")
    assert "two" in elsewhere.getvalue()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_one_line_for_one_event_whatever_its_texts_say(lines: Lines, form: str) -> None:
    hostile = "a\nb\x1b[31mc\x9b2J\u202e"
    # Over the form of the fixture, which puts everything back.
    configure(form, stream=lines.stream)
    get_logger(__name__).info("event", sku=hostile)
    logging.getLogger("library").warning("said %s", hostile)
    assert len(lines.text.splitlines()) == 2
    assert not re.search(r"\x1b\[31m|\x9b|\u202e", lines.text)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("hostile", ["\x1b[31mred", "a\x9b2J", "a\u202eb", "\x07", "a\x7fb"])
def test_no_value_without_blanks_reaches_a_terminal_as_it_is(lines: Lines, form: str, hostile: str) -> None:
    configure(form, stream=lines.stream)
    get_logger(__name__).info("event", sku=hostile, deep={"a": [hostile], hostile: 1})
    assert hostile not in lines.text
    assert not re.search(r"\x1b\[31m|[\x07\x7f-\x9f\u202e]", lines.text)


@pytest.mark.parametrize(
    "log_it",
    [
        lambda: logging.getLogger("library").warning("handled %r", {"receiver": NAME}),
        lambda: logging.getLogger("library").warning("handled %s", ValueError(NAME)),
        lambda: logging.getLogger("library").warning("handled %s", [ValueError(NAME)]),
        lambda: logging.getLogger("library").warning("handled %(one)s", {"one": ValueError(NAME)}),
        lambda: logging.getLogger("library").warning(ValueError(NAME)),
        lambda: warnings.warn(f"not closed: {NAME}", ResourceWarning, stacklevel=1),
        lambda: logging.getLogger("asyncio").error("Exception in callback tell(%s)\nhandle: %s", NAME, NAME),
        lambda: asyncio.run(_forgotten()),
    ],
)
def test_no_library_shows_what_it_works_on(lines: Lines, log_it) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log_it()
        gc.collect()
    assert lines.text
    assert NAME not in json.dumps([json.loads(line) for line in lines.text.splitlines()], ensure_ascii=False)


async def _forgotten() -> None:
    async def fail() -> None:
        raise ValueError(NAME)

    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()


def test_a_warning_says_its_category_and_place(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(NAME, ResourceWarning, stacklevel=1)
    assert re.fullmatch(r"ResourceWarning at test_log.py:\d+", lines.only()["event"])


def test_a_line_that_cannot_be_written_shows_none_of_its_arguments(lines: Lines, capsys) -> None:
    record = logging.LogRecord("library", logging.WARNING, "", 1, "%d of it", (NAME,), None)
    logging.getLogger().handlers[0].handle(record)
    assert capsys.readouterr().err == "a log line of library could not be written\n"
