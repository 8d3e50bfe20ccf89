"""Who fulfils a Pinduoduo order, by every mark."""

import pytest

from domain.order import FulfilledBy

DEPOTS = [
    (number, FulfilledBy.MERCHANT if number in {0, 1, 6} else FulfilledBy.UNKNOWN) for number in (0, 1, 2, 3, 5, 6, 7)
]
OTHERS = ("bought_from_vegetable", "local_depot", "same_city_distribution", "community_group", "distributional_sale")


@pytest.mark.parametrize(
    ("changed", "ships"),
    [
        ({}, FulfilledBy.MERCHANT),
        ({"card_info_list": [{"card_no": "~x~", "mask_password": "~y~"}]}, FulfilledBy.NOBODY),
        ({"self_contained": 1}, FulfilledBy.PICKUP),
        ({"self_contained": 2}, FulfilledBy.UNKNOWN),
        ({"ship_additional_origin_order": "261122-2"}, FulfilledBy.NOBODY),
        ({"ship_additional_link_order": "261122-2"}, FulfilledBy.MERCHANT),
        ({"related_order_list": [{"order_sn": "261122-2", "relation_type": 3}]}, FulfilledBy.NOBODY),
        ({"related_order_list": [{"order_sn": "261122-2", "relation_type": 4}]}, FulfilledBy.MERCHANT),
        ({"related_order_list": [{"order_sn": "261122-2", "relation_type": 9}]}, FulfilledBy.UNKNOWN),
        ({"related_order_list": [{"order_sn": "261122-2"}]}, FulfilledBy.UNKNOWN),
        ({"bonded_warehouse": "宁波保税仓"}, FulfilledBy.UNKNOWN),
        ({"shipping_type": 1}, FulfilledBy.MERCHANT),
        ({"shipping_type": 2}, FulfilledBy.UNKNOWN),
        ({"shipping_type": 3}, FulfilledBy.MERCHANT),
        ({"order_depot_info": {"depot_code": "1"}}, FulfilledBy.MERCHANT),
        ({"order_depot_info": "?"}, FulfilledBy.UNKNOWN),
        ({"order_tag_list": [{"name": "self_contained", "value": 1}]}, FulfilledBy.PICKUP),
        ({"order_tag_list": [{"name": "ship_additional_order", "value": 1}]}, FulfilledBy.NOBODY),
        ({"order_tag_list": [{"name": "no_trace_delivery", "value": 1}]}, FulfilledBy.MERCHANT),
        ({"order_tag_list": ["?", {"name": [], "value": 1}]}, FulfilledBy.MERCHANT),
        ({"self_contained": 1, "bonded_warehouse": "x"}, FulfilledBy.UNKNOWN),
        *(({"order_depot_info": {"depot_type": number}}, ships) for number, ships in DEPOTS),
        *(({"order_tag_list": [{"name": name, "value": 1}]}, FulfilledBy.UNKNOWN) for name in OTHERS),
        *(({"order_tag_list": [{"name": name, "value": 0}]}, FulfilledBy.MERCHANT) for name in OTHERS),
    ],
)
def test_who_ships(read, changed, ships):
    assert read(**changed).lines[0].fulfilled_by is ships
