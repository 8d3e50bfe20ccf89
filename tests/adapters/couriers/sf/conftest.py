import pytest

from infra.config.secret import Secret
from infra.config.settings import CourierContract


@pytest.fixture
def account():
    """Makes the settings of a contract with SF, with the given options."""

    def made(**options: str) -> CourierContract:
        named = {"partner_id": "P", "check_word": "W", "monthly_card": "7551234567"}
        return CourierContract(
            name="main",
            courier="sf",
            endpoint="http://127.0.0.1:1/",
            credentials={name: Secret(value) for name, value in named.items()},
            options=options,
        )

    return made
