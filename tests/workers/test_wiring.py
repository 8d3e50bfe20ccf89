from importlib import resources

from structlog.testing import capture_logs

from infra.config.settings import Settings
from infra.process.clock import SystemClock
from workers.wiring import connect


def test_a_worker_says_which_rules_its_file_does_not_have(tmp_path):
    text = (resources.files("domain") / "default_rules.toml").read_text(encoding="utf-8")
    file = tmp_path / "rules.toml"
    file.write_text(text.replace('refund_asked_holds = "order"', ""), encoding="utf-8")
    with capture_logs() as logs:
        tools = connect(Settings(rules_file=str(file)), None, None, None, SystemClock())
        connect(Settings(), None, None, None, SystemClock())
    (entry,) = logs
    assert (entry["event"], entry["keys"]) == ("rules_borrowed", "review.refund_asked_holds")
    assert entry["version"] == tools.rules.version
