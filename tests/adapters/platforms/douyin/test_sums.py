import pytest

from domain.normalize import inspect


def sums_of(order):
    totals = order.totals
    shares = [line.paid.minor for line in order.lines]
    return shares, totals.freight.minor, totals.tax.minor, totals.fees.minor, totals.discount.minor


def test_lines_without_freight(read):
    assert sums_of(read()) == ([5500, 1800], 800, 0, 0, 700)


def test_lines_that_hold_their_part_of_the_freight(read):
    order = read(({"pay_amount": 6100, "post_amount": 600}, {"pay_amount": 2000, "post_amount": 200}))
    assert sums_of(order) == ([5500, 1800], 800, 0, 0, 700)
    assert inspect(order) == ()


def test_tax_and_packing_beside_the_lines(read):
    assert sums_of(read(pay_amount=8130, tax_amount=30)) == ([5500, 1800], 800, 30, 0, 700)
    assert sums_of(read(pay_amount=8150, packing_amount=50)) == ([5500, 1800], 800, 0, 50, 700)
    order = read(pay_amount=8180, packing_amount=50, tax_amount=30)
    assert sums_of(order) == ([5500, 1800], 800, 30, 50, 700)
    assert inspect(order) == ()


def test_tax_inside_the_lines(read):
    assert sums_of(read(tax_amount=30)) == ([5500, 1800], 800, 0, 0, 700)


def test_a_fen_that_rounding_has_removed(read):
    assert inspect(read(({"pay_amount": 5499}, {}))) == ()


@pytest.mark.parametrize("changed", [{"pay_amount": 9999}, {"pay_amount": 100}, {"post_amount": 0}])
def test_sums_that_do_not_add_up_are_found(read, changed):
    [finding] = inspect(read(**changed))
    assert finding.code == "amount_mismatch"


def test_whoever_bears_a_discount_it_is_one(read):
    parts = {"promotion_shop_amount": 300, "promotion_platform_amount": 300, "promotion_talent_amount": 100}
    order = read(**parts, promotion_pay_amount=50, shop_cost_amount=300, platform_cost_amount=400)
    assert sums_of(order) == ([5500, 1800], 800, 0, 0, 700)


def test_a_raised_price_raises_the_goods(read):
    order = read(({"sum_amount": 1000}, {"sum_amount": None}), modify_amount=4500)
    assert (order.totals.goods.minor, order.totals.discount.minor) == (7300, 0)


def test_a_closed_line_may_have_left_the_sum(read):
    order = read(({}, {"order_status": 4, "main_status": 21}), pay_amount=6300)
    assert inspect(order) == ()
