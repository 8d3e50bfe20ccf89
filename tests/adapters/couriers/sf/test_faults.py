import pytest

from adapters.couriers.sf.faults import BUSINESS_FAULTS, GATEWAY_FAULTS, PHRASES
from adapters.couriers.sf.translate import read_envelope
from domain.errors import Misconfigured, Transient, UnknownOutcome


@pytest.mark.parametrize("code", sorted(GATEWAY_FAULTS))
@pytest.mark.parametrize("is_idempotent", [True, False])
def test_every_gateway_code_ends_in_its_class(code, is_idempotent):
    body = f'{{"apiResultCode":"{code}","apiErrorMsg":"x","apiResultData":""}}'.encode()
    kind, name = GATEWAY_FAULTS[code]
    if is_idempotent and kind is UnknownOutcome:
        kind = Transient

    with pytest.raises(kind) as caught:
        read_envelope(body, is_idempotent=is_idempotent)

    assert (type(caught.value), caught.value.code) == (kind, name)


@pytest.mark.parametrize("code", [*GATEWAY_FAULTS, *BUSINESS_FAULTS])
def test_every_known_fault_has_a_sentence_of_ours(code):
    assert (GATEWAY_FAULTS | BUSINESS_FAULTS)[code][1] in PHRASES


@pytest.mark.parametrize("code", sorted(GATEWAY_FAULTS | BUSINESS_FAULTS))
def test_only_what_belongs_to_the_contract_speaks_of_the_account(code):
    kind, name = (GATEWAY_FAULTS | BUSINESS_FAULTS)[code]
    of_contract = {"timestamp_invalid", "ip_not_allowed", "permission_denied", "signature_invalid"}
    assert (kind is Misconfigured) == (name in of_contract | {"monthly_card_rejected"})
