"""No secret works without somebody having chosen it."""

import inspect

import msgspec
import pytest

from infra.config import settings
from infra.config.secret import Secret
from sandbox import spec

STRUCTS = sorted(
    (
        thing
        for module in (settings, spec)
        for _, thing in inspect.getmembers(module, inspect.isclass)
        if issubclass(thing, msgspec.Struct) and thing.__module__ == module.__name__
    ),
    key=lambda struct: (struct.__module__, struct.__name__),
)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: f"{struct.__module__}.{struct.__name__}")
def test_no_secret_has_a_default(struct):
    for field in msgspec.structs.fields(struct):
        if field.type is Secret or field.type == dict[str, Secret]:
            # An address of a store may be left out: then there is none, and no secret in it.
            assert field.default in {msgspec.NODEFAULT, Secret("")}, field.name
            assert field.default_factory is msgspec.NODEFAULT, field.name


def test_the_sandbox_chooses_no_secret_itself():
    assert all(field.required for field in msgspec.structs.fields(spec.Secrets))
