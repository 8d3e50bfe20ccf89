import click
import pytest
from click.testing import CliRunner

from workers.main import main


def commands(command=main, path=()):
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_every_command_explains_itself_with_an_example(path) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert "\n  Example:  orderlane" in result.stdout
    assert " ".join(path) in result.stdout.partition("Example:")[2]


def test_the_commands_that_others_script_against_are_there() -> None:
    names = {" ".join(path) for path, _ in commands()}
    assert {"run", "demo", "order show", "normalize", "sign", "doctor"} <= names
