from uuid import UUID

from infra.engine.author import ActSource, Author, Role, machine


def test_a_person_at_a_terminal_is_what_an_author_is_unless_said_otherwise():
    li = Author("li", "the courier is back")

    assert (li.role, li.source, li.is_person) == (Role.OPERATOR, ActSource.CLI, True)


def test_a_person_named_like_the_machine_is_a_person():
    assert Author("engine", "my name").is_person
    assert Author("review", "my name").is_person
    assert not machine("the order moved on").is_person


def test_each_author_stands_for_one_request():
    first, second = Author("li", "a"), Author("li", "a")

    assert UUID(first.request_id) != UUID(second.request_id)
