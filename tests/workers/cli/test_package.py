"""How a command ends that took scans."""

import pytest

from ops.verbs.packing import Became, ScanResult
from workers.cli.exits import Exit
from workers.cli.package import exit_of_scans


@pytest.mark.parametrize(
    ("became", "code"),
    [
        ("done", Exit.DONE),
        ("done unchanged", Exit.DONE),
        ("done refused", Exit.PARTLY),
        ("unchanged unanswered", Exit.PARTLY),
        ("refused refused", Exit.REFUSED),
        ("unanswered", Exit.UNREACHABLE),
        ("unanswered refused", Exit.UNREACHABLE),
    ],
)
def test_the_exit_code_says_how_much_was_taken(became, code):
    scans = [ScanResult(position=1, name="SF1", became=Became(one)) for one in became.split()]
    assert exit_of_scans(scans) is code
