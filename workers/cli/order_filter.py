"""The options that choose orders."""

import functools
from collections.abc import Callable
from datetime import datetime

import click

from domain.holds import HoldCode
from domain.money import Money
from domain.order import Lane
from domain.states import State
from infra.tables.order_list import OrderFilter
from workers.cli.options import Amount, Coming, GivenOnce, Moment


def order_filter(command: Callable[..., object]) -> Callable[..., object]:
    """Options that together are the command's `wanted`."""
    return _with_options(command, "--lane")


def order_filter_beside_lane(command: Callable[..., object]) -> Callable[..., object]:
    """The same for commands whose own ``--lane`` says where an order goes, or that belong to such."""
    return _with_options(command, "--in-lane")


def _with_options(command: Callable[..., object], lane_option: str) -> Callable[..., object]:

    @functools.wraps(command)
    def filtered(
        *given: object,
        states: tuple[str, ...],
        shop: str | None,
        lane: str | None,
        hold: str | None,
        owner: str | None,
        older_than: datetime | None,
        since: datetime | None,
        due_before: datetime | None,
        least: Money | None,
        most: Money | None,
        sku: str | None,
        location: str | None,
        courier: str | None,
        has_letter: bool,
        **named: object,
    ) -> object:
        wanted = OrderFilter(
            states=tuple(dict.fromkeys(map(State, states))),
            shop=shop,
            lane=lane,
            hold=hold,
            owner=owner,
            older_than=older_than,
            since=since,
            due_before=due_before,
            least=least,
            most=most,
            sku=sku,
            location=location,
            courier=courier,
            has_letter=has_letter,
        )
        return command(*given, wanted=wanted, **named)

    options = (
        click.option("--letter", "has_letter", is_flag=True, help="With an open dead letter."),
        click.option(
            "--courier", cls=GivenOnce, metavar="C", help="Of this courier, or an account of it such as sf/main."
        ),
        click.option("--location", cls=GivenOnce, metavar="L", help="Picked at this location."),
        click.option("--sku", cls=GivenOnce, metavar="SKU", help="With a line of this SKU."),
        click.option("--most", cls=GivenOnce, type=Amount(), metavar="M", help="Payable at most: 250, or 99.90USD."),
        click.option("--least", cls=GivenOnce, type=Amount(), metavar="M", help="Payable at least."),
        click.option(
            "--due-before", cls=GivenOnce, type=Coming(), metavar="T", help="To ship before: 4h from now, or a time."
        ),
        click.option("--since", cls=GivenOnce, type=Moment(), metavar="T", help="Came in since: 24h, 3d, or a time."),
        click.option(
            "--older-than", cls=GivenOnce, type=Moment(), metavar="T", help="Came in before: 24h, 3d, or a time."
        ),
        click.option("--owner", cls=GivenOnce, metavar="O", help="With an open hold of this person or team."),
        click.option(
            "--hold", cls=GivenOnce, type=click.Choice([str(code) for code in HoldCode]), help="With this hold open."
        ),
        click.option(
            lane_option, "lane", cls=GivenOnce, type=click.Choice([str(lane) for lane in Lane]), help="In this lane."
        ),
        click.option("--shop", cls=GivenOnce, metavar="S", help="Of this shop: its name, or PLATFORM/NAME."),
        click.option(
            "--state",
            "states",
            type=click.Choice([str(state) for state in State]),
            multiple=True,
            help="In this state; may be repeated: in one of these.",
        ),
    )
    for option in options:
        filtered = option(filtered)
    return filtered
