"""What the fuzzer feeds: documents of every answer we read, and how many mutations of them.

``FUZZ_MUTATIONS`` and ``FUZZ_SEED`` set the length and the seed; ``make fuzz`` runs it long.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.mutations import Mutations

FIXTURES = Path(__file__).parents[1] / "adapters" / "fixtures"
SHORT = 4_000
# Values of the documents that no message and no fact may repeat.
PERSONAL_FIELDS = {
    *("receiver_name", "receiver_mobile", "receiver_phone", "receiver_address", "buyer_nick", "buyer_message"),
    *("seller_memo", "buyer_alipay_no", "name", "mobile", "phone", "address_detail", "contact", "PhoneNumber"),
    *("buyer_words", "seller_words", "mask_post_receiver", "mask_post_tel", "decrypt_text", "reason_text"),
    *("encrypt_post_receiver", "encrypt_post_tel", "encrypt_detail"),
    *("receiver_name_mask", "receiver_phone_mask", "receiver_address_mask", "buyer_memo", "decrypted_data"),
}


def answers(folder: str, *cases: str) -> list[Any]:
    """The answers of the recorded cases whose names begin so."""
    found = []
    for file in sorted((FIXTURES / folder).glob("*.json")):
        if file.stem.startswith(cases):
            recorded = json.loads(file.read_text(encoding="utf-8"))
            found += [answer["json"] for answer in recorded["answers"] if "json" in answer]
    assert found, (folder, cases)
    return found


def personal(document: object) -> set[str]:
    """Texts of `document` that must not be repeated."""
    if isinstance(document, dict):
        own = {v for name, v in document.items() if name in PERSONAL_FIELDS and isinstance(v, str) and len(v) > 1}
        return own.union(*(personal(part) for part in document.values()))
    return set().union(*(personal(part) for part in document)) if isinstance(document, list) else set()


@pytest.fixture(scope="session")
def trades() -> list[Any]:
    return json.loads((Path(__file__).parent / "corpus" / "trades.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def recorded():
    return answers


@pytest.fixture(scope="session")
def personal_in():
    return personal


@pytest.fixture(scope="session")
def mutations_wanted() -> int:
    return int(os.environ.get("FUZZ_MUTATIONS", SHORT))


@pytest.fixture(scope="session")
def fuzz_seed() -> int:
    return int(os.environ.get("FUZZ_SEED", "11"))


@pytest.fixture
def mutations(fuzz_seed) -> Mutations:
    return Mutations(fuzz_seed)
