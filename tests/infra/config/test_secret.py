import copy
import io
import json
import logging
import pickle
import pprint
import string
import traceback
from contextlib import redirect_stderr

import msgspec
import pytest

from infra.config.secret import Secret
from infra.config.settings import Settings, Stores
from infra.telemetry.log import configure, get_logger

HUSH = "hush-hush"
SECRET = Secret(HUSH)
SETTINGS = Settings(stores=Stores(database_url=SECRET))


def logged() -> str:
    stream = io.StringIO()
    configure("json", "debug", stream)
    get_logger("m").info("seen", key=SECRET, nested={"keys": [SECRET]}, settings=SETTINGS)
    logging.getLogger("library").warning("%s %r", SECRET, [SECRET])
    logging.getLogger("library").warning("%(key)s", {"key": SECRET})
    logging.getLogger("library").warning(SECRET)
    return stream.getvalue()


def connect(secret: Secret) -> None:
    raise ValueError(secret, f"cannot connect with {secret}")


def raised() -> str:
    stream = io.StringIO()
    configure("json", "debug", stream)
    try:
        connect(SECRET)
    except ValueError as error:
        get_logger("m").exception("failed")
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return f"{text} {stream.getvalue()}"


def warned() -> str:
    stream = io.StringIO()
    with redirect_stderr(stream):
        logging.getLogger("none").handlers[:] = [logging.StreamHandler(stream)]
        logging.getLogger("none").error(SECRET)
        logging.getLogger("none").handlers.clear()
    return stream.getvalue()


SHOWN = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "ascii": lambda: ascii(SECRET),
    "format": lambda: f"{SECRET} {SECRET!s} {SECRET!r} {SECRET:>40}" + format(SECRET, "s"),
    "percent": lambda: "%s %r" % (SECRET, SECRET),  # noqa: UP031 - the old way of formatting is the case
    "str.format": lambda: "{0} {0!r}".format(SECRET),  # noqa: UP032 - the method is the case
    "template": lambda: string.Template("$key").substitute(key=SECRET),
    "print": lambda: pprint.pformat({"key": [SECRET]}),
    "struct": lambda: repr(SETTINGS),
    "dict": lambda: repr(msgspec.structs.asdict(SETTINGS.stores)),
    "log": logged,
    "plain log": warned,
    "exception": raised,
    "json default": lambda: json.dumps({"key": SECRET}, default=str),
    "msgspec hook": lambda: msgspec.json.encode(SETTINGS, enc_hook=str).decode(),
    "copy": lambda: repr((copy.copy(SECRET), copy.deepcopy(SETTINGS))),
}

REFUSED = {
    "+": lambda: SECRET + "x",
    "+ from the right": lambda: "x" + SECRET,
    "*": lambda: SECRET * 2,
    "%": lambda: SECRET % (),
    "join": lambda: ", ".join(["x", SECRET]),  # noqa: FLY002 - joining is the case
    "join over": lambda: "".join(SECRET),
    "iterate": lambda: list(SECRET),
    "index": lambda: SECRET[0],
    "slice": lambda: SECRET[:],
    "contains": lambda: "h" in SECRET,
    "length": lambda: len(SECRET),
    "bytes": lambda: bytes(SECRET),
    "bytes with encoding": lambda: bytes(SECRET, "utf-8"),
    "bytearray": lambda: bytearray(SECRET, "utf-8"),
    "order": lambda: min(SECRET, Secret("a")),
    "json": lambda: json.dumps({"key": SECRET}),
    "json key": lambda: json.dumps({SECRET: 1}),
    "msgspec json": lambda: msgspec.json.encode(SETTINGS),
    "msgspec msgpack": lambda: msgspec.msgpack.encode(SECRET),
    "msgspec toml": lambda: msgspec.toml.encode({"key": SECRET}),
    "msgspec builtins": lambda: msgspec.to_builtins(SETTINGS),
    "msgspec builtins as text": lambda: msgspec.convert(SECRET, str),
    "write": lambda: io.StringIO().write(SECRET),
    "state": SECRET.__getstate__,
    "vars": lambda: vars(SECRET),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_secret_is_shown_as_stars(show):
    shown = show()
    assert HUSH not in shown
    assert shown


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_a_secret_is_refused_where_text_is_needed(use):
    with pytest.raises((TypeError, msgspec.ValidationError)) as caught:
        use()
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_never_pickled(protocol):
    with pytest.raises(TypeError) as caught:
        pickle.dumps({"key": SECRET}, protocol)
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize("name", ["encode", "lower", "split", "strip", "replace", "casefold", "__add__", "__iter__"])
def test_a_secret_has_no_method_of_a_text(name):
    assert not hasattr(SECRET, name)


def test_a_secret_is_no_text_and_reveals_itself_when_asked():
    assert not isinstance(SECRET, str | bytes)
    assert SECRET.reveal() == HUSH


def test_an_empty_secret_is_false():
    assert SECRET
    assert not Secret("")


def test_two_secrets_are_equal_when_their_values_are_and_no_secret_equals_a_text():
    assert Secret(HUSH) == SECRET
    assert {Secret(HUSH), SECRET} == {SECRET}
    assert Secret("other") != SECRET
    assert SECRET != HUSH
