from actors import find_actors
from ops.faces.terminal.flow import mermaid_of, text_of


def test_it_prints_the_map(orderlane) -> None:
    assert orderlane("flow").stdout == text_of(find_actors()) + "\n"
    assert orderlane("flow", "--mermaid").stdout == mermaid_of(find_actors()) + "\n"
