import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from structlog.testing import capture_logs

from adapters import registry
from adapters.china_time import cst_text, read_cst
from adapters.ports import Handover, Purpose, Window
from domain.errors import Malformed, Misconfigured, Refused
from infra.config.secret import Secret
from infra.config.settings import Shop
from sandbox.signatures import top_sign

SECRET = "app-secret"
NOW = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)  # where the clock of these tests stands


@pytest.fixture
async def shop(serve, open_door, clock):
    """`await shop(answer, **options)`: a connected shop and its server; `answer(form)` gives the JSON."""

    async def connect(answer, overlap_s=300.0, **options):
        async def handle(wire):
            while True:
                received = await wire.receive()
                await wire.answer(json.dumps(answer(dict(parse_qsl(received.body.decode())))).encode())

        server = await serve(handle)
        named = {"app_key": "1", "app_secret": SECRET, "session": "s"}
        account = Shop(
            name="one",
            platform="taobao",
            endpoint=f"{server.url}/router/rest",
            credentials={name: Secret(value) for name, value in named.items()},
            options=options,
            overlap_s=overlap_s,
        )
        return registry.platform("taobao").connect(account, await open_door(server.host), clock), server

    return connect


def handover(**changed) -> Handover:
    given = {
        "platform_order_id": "10",
        "courier": "sf",
        "waybill": "SF1",
        "lines": {"10": 1},
        "outside": frozenset(),
        "shipped_at": datetime(2026, 11, 22, tzinfo=UTC),
    }
    return Handover(**{**given, **changed})


def shipped(_form):
    return {"logistics_offline_send_response": {"shipping": {"is_success": True}}}


def form_of(server, number=0):
    return dict(parse_qsl(server.received[number].body.decode(), keep_blank_values=True))


@pytest.mark.parametrize("method", ["md5", "hmac", "hmac-sha256"])
async def test_calls_carry_a_signature_that_the_other_side_accepts(shop, method):
    platform, server = await shop(shipped, sign_method=method)

    await platform.write_back(handover())

    form = form_of(server)
    assert form["sign_method"] == method
    assert form["sign"] == top_sign(form, SECRET.encode(), method)


async def test_an_unknown_sign_method_is_found_when_connecting(shop):
    with pytest.raises(Misconfigured):
        await shop(shipped, sign_method="sha1")


async def test_part_of_an_order_names_its_lines_but_no_promised_gift(shop):
    platform, server = await shop(shipped)

    await platform.write_back(handover(outside=frozenset({"99"}), lines={"11": 1, "gift:1:7": 1, "12": 2}))

    form = form_of(server)
    assert (form["is_split"], form["sub_tid"]) == ("1", "11,12")


@pytest.mark.parametrize(("completes", "is_part"), [(frozenset(), True), (frozenset({"11"}), False)])
async def test_a_part_of_a_line_is_told_by_pieces(shop, completes, is_part):
    def taken(_form):
        return {"alibaba_ascp_logistics_offline_send_response": {"result": {"success": True}}}

    platform, server = await shop(taken)

    lines = {"11": 1, "12": 2, "gift:1:7": 1}
    await platform.write_back(handover(outside=frozenset({"11", "99"}), lines=lines, completes=completes))

    form = form_of(server)
    assert (form["method"], form["consign_type"]) == ("alibaba.ascp.logistics.offline.send", "1")
    goods = [{"sub_tid": "11", "num": 1, "item_type": 0}, {"sub_tid": "12", "num": 2, "item_type": 0}]
    assert json.loads(form["consign_pkgs"]) == [{"out_sid": "SF1", "company_code": "SF", "goods": goods}]
    assert json.loads(form["consign_status"]) == [
        {"sub_tid": "11", "is_part_consign": is_part},
        {"sub_tid": "12", "is_part_consign": False},
    ]


async def test_pieces_that_the_platform_does_not_take_are_no_success(shop):
    platform, _ = await shop(lambda _form: {"alibaba_ascp_logistics_offline_send_response": {"result": {}}})

    with pytest.raises(Malformed):
        await platform.write_back(handover(outside=frozenset({"11"}), lines={"11": 1}))


async def test_each_number_of_a_divided_line_is_read(shop):
    line = {"oid": 11, "status": "SELLER_CONSIGNED_PART", "refund_status": "NO_REFUND", "invoice_no": "SF1, SF2"}
    trade = {"tid": 10, "status": "SELLER_CONSIGNED_PART", "orders": [line]}
    platform, _ = await shop(lambda _form: {"trade": trade})

    shown = (await platform.status("10")).shipments
    assert [(one.waybill, one.line_ids) for one in shown] == [("SF1", ("11",)), ("SF2", ("11",))]


async def test_a_package_of_promised_gifts_alone_cannot_be_told(shop):
    platform, server = await shop(shipped)

    with pytest.raises(Refused):
        await platform.write_back(handover(outside=frozenset({"99"}), lines={"gift:1:7": 1}))
    assert server.received == []


async def test_nor_a_service_of_it(shop):
    platform, server = await shop(shipped)

    await platform.write_back(handover(outside=frozenset({"99"}), lines={"11": 1, "service:90": 1}))

    assert form_of(server)["sub_tid"] == "11"


@pytest.mark.parametrize("nothing", [None, {}])
async def test_an_empty_error_that_a_relay_adds_stops_no_call(shop, nothing):
    def answer(form):
        if form["method"].endswith("increment.get"):
            told = {"trades": {"trade": [{"tid": 10, "modified": "2026-11-22 09:00:00"}]}, "total_results": 1}
        elif form["method"].endswith("fullinfo.get"):
            line = {"oid": 10, "status": "WAIT_SELLER_SEND_GOODS", "refund_status": "NO_REFUND"}
            told = {"trade": {"tid": 10, "status": "WAIT_SELLER_SEND_GOODS", "orders": [line]}}
        else:
            told = {"shipping": {"is_success": True}}
        return {**told, "error_response": nothing}

    platform, _ = await shop(answer)
    window = Window(datetime(2026, 11, 22, 0, tzinfo=UTC), datetime(2026, 11, 22, 2, tzinfo=UTC))

    assert [row.platform_order_id async for page in platform.changes(window) for row in page] == ["10"]
    assert (await platform.status("10")).line_ids == ("10",)
    await platform.write_back(handover())


async def test_courier_codes(shop):
    platform, _ = await shop(shipped, **{"courier.own": "OTHER"})

    assert platform.courier_code("jt") == "HTKY"
    assert platform.courier_code("own") == "OTHER"
    with pytest.raises(Misconfigured) as caught:
        platform.courier_code("pigeon")
    assert caught.value.code == "courier_unmapped"


async def test_receivers_are_asked_for_in_twenties(shop):
    sizes = []

    def decrypt(form):
        asked = json.loads(form["query_list"])
        sizes.append(len(asked))
        full = {"name": "甲", "mobile": "1", "address_detail": "x", "matched": True}
        return {"top_oaid_decrypt_response": {"receiver_list": {"receiver": [{**one, **full} for one in asked]}}}

    platform, _ = await shop(decrypt)

    found = await platform.reveal({str(number): f"oaid-{number}" for number in range(45)}, Purpose.LABEL)

    assert sizes == [20, 20, 5]
    assert len(found) == 45
    assert found["7"].merge_token == "oaid-7"
    assert await platform.reveal({}, Purpose.LABEL) == {}


async def test_the_decryption_scene_is_an_option(shop):
    platform, server = await shop(lambda _form: {"receiver_list": []}, decrypt_scene="1002")

    await platform.reveal({"1": "oaid"}, Purpose.LABEL)

    assert json.loads(form_of(server)["query_list"]) == [{"tid": "1", "oaid": "oaid", "scene": "1002"}]


async def test_a_notice_is_decrypted_as_customer_care(shop):
    platform, server = await shop(lambda _form: {"receiver_list": []})

    await platform.reveal({"1": "oaid"}, Purpose.NOTICE)

    assert json.loads(form_of(server)["query_list"]) == [{"tid": "1", "oaid": "oaid", "scene": "2002"}]


async def test_a_number_of_the_platform_s_own_is_known(shop):
    row = {"tid": "1", "matched": True, "name": "甲", "mobile": "17000000001", "address_detail": "x"}
    platform, _ = await shop(lambda _form: {"receiver_list": [{**row, "privacy_protection": True}]})

    assert (await platform.reveal({"1": "oaid"}, Purpose.NOTICE))["1"].has_virtual_phone


class Changing:
    """A platform's listing, newest first, in which a few orders change between any two pages.

    Every order changes once at most, the oldest first, for they were read first. `moment`: seconds before the window's
    end at which it changes.
    """

    def __init__(self, orders: int, moment: int) -> None:
        self.rows = sorted((NOW - timedelta(seconds=60 + number // 3), str(number)) for number in range(orders))
        self.stays = {tid for _, tid in self.rows}
        self.moment = moment

    def __call__(self, form):
        start, end = (read_cst(form[f"{name}_modified"]) for name in ("start", "end"))
        listed = [row for row in reversed(self.rows) if start <= row[0] <= end]
        size, page = int(form["page_size"]), int(form["page_no"])
        rows = [
            {"tid": tid, "modified": cst_text(at), "status": "WAIT_SELLER_SEND_GOODS"}
            for at, tid in listed[(page - 1) * size : page * size]
        ]
        body = {"trades": {"trade": rows}}
        body |= (
            {"has_next": page * size < len(listed)}
            if form["use_has_next"] == "true"
            else {"total_results": len(listed)}
        )
        self.change()
        return {"trades_sold_increment_get_response": body}

    def change(self) -> None:
        for tid in sorted(self.stays, key=int)[-3:]:
            self.stays.discard(tid)
            self.rows = [row for row in self.rows if row[1] != tid]
            self.rows.append((NOW - timedelta(seconds=self.moment), tid))
            self.rows.sort()


async def missed(platform, listing):
    window = Window(NOW - timedelta(hours=1), NOW)
    seen = {row.platform_order_id async for page in platform.changes(window) for row in page}
    return listing.stays - seen


@pytest.mark.parametrize("part_s", [10, 300, 700])
@pytest.mark.parametrize("moment", [-5, 0, 19, 140])
async def test_in_consecutive_parts_only_those_are_missed_that_are_still_open(shop, moment, part_s):
    listing = Changing(950, moment)
    platform, _ = await shop(listing, overlap_s=300.0)
    seen = set()
    for start_s in range(3600, 0, -part_s):
        part = Window(NOW - timedelta(seconds=start_s), NOW - timedelta(seconds=max(0, start_s - part_s)))
        seen |= {row.platform_order_id async for page in platform.changes(part) for row in page}
    missing = listing.stays - seen
    assert missing <= {tid for at, tid in listing.rows if at > NOW - timedelta(seconds=300)}


@pytest.mark.parametrize("overlap_s", [30.0, 300.0])
@pytest.mark.parametrize("moment", [-5, 0, 1, 19])
async def test_no_order_is_missed_while_others_change_before_and_after_the_window_s_end(shop, moment, overlap_s):
    listing = Changing(950, moment)
    platform, _ = await shop(listing, overlap_s=overlap_s)
    assert await missed(platform, listing) == set()


async def test_where_the_platform_s_clock_is_behind_those_are_missed_whom_the_next_window_reads(shop):
    listing = Changing(950, 30)
    platform, _ = await shop(listing, overlap_s=300.0)
    young = {tid for at, tid in listing.rows if at > NOW - timedelta(seconds=150)}
    missing = await missed(platform, listing)
    assert missing
    assert missing <= young


async def test_control_read_in_one_piece_changes_within_the_window_push_orders_out_of_sight(shop):
    """As windows that do not overlap are read, which have nothing behind them."""
    listing = Changing(950, 0)
    platform, _ = await shop(listing, overlap_s=0.0)
    assert await missed(platform, listing)


class Boasting(Changing):
    """A listing in which nothing changes, that counts wrongly or promises another page for ever."""

    def __init__(self, orders: int, *, total: int | None = None, has_next: bool | None = None) -> None:
        super().__init__(orders, 0)
        self.claims = {"total_results": total, "has_next": has_next}

    def __call__(self, form):
        body = super().__call__(form)["trades_sold_increment_get_response"]
        for name, claim in self.claims.items():
            if name in body and claim is not None:
                body[name] = claim
        return {"trades_sold_increment_get_response": body}

    def change(self) -> None:
        pass


@pytest.mark.parametrize("orders", [0, 1, 99, 100, 101, 250, 950])
@pytest.mark.parametrize(
    "claims", [{"total": 10**9}, {"has_next": True}, {"total": 10**9, "has_next": True}, {"total": 2_000}]
)
async def test_a_wrong_count_or_a_promise_of_more_for_ever_hides_no_order_and_is_read_to_an_end(shop, orders, claims):
    listing = Boasting(orders, **claims)
    platform, server = await shop(listing)
    assert await missed(platform, listing) == set()
    assert len(server.received) < 200


async def test_an_overlap_shorter_than_a_window_stays_open_is_said(shop):
    with capture_logs() as logs:
        await shop(shipped, overlap_s=19.0)
        await shop(shipped, overlap_s=20.0)
    assert [(entry["event"], entry["overlap_s"]) for entry in logs if entry["log_level"] == "warning"] == [
        ("overlap_short", 19.0)
    ]


async def test_a_window_that_ended_long_ago_is_read_in_one_piece(shop):
    listing = Changing(950, -5)
    platform, server = await shop(listing, overlap_s=300.0)
    window = Window(NOW - timedelta(hours=2), NOW - timedelta(seconds=301))
    assert [page async for page in platform.changes(window)]
    assert len(server.received) == 1 + 3


async def test_a_window_shorter_than_half_the_overlap_is_read_in_two_parts(shop):
    listing = Changing(950, 19)
    platform, server = await shop(listing, overlap_s=7200.0)
    assert await missed(platform, listing) == set()
    assert read_cst(form_of(server, 1)["end_modified"]) == NOW - timedelta(seconds=20)


@pytest.mark.parametrize("tid", [None, "", [1], "abc", "1" * 5000, {"a": 1}, -5])
async def test_a_row_without_a_readable_order_id_does_not_lose_its_page(shop, tid):
    rows = [{"tid": "1", "modified": "2026-11-22 09:00:00"}, {"tid": tid}, {"tid": "2", "status": []}]

    def listing(_form):
        return {"trades_sold_increment_get_response": {"trades": {"trade": rows}, "total_results": 3}}

    platform, _ = await shop(listing)
    window = Window(NOW - timedelta(hours=1), NOW)

    [page] = [page async for page in platform.changes(window)]

    assert [(one.platform_order_id, bool(one.fault)) for one in page] == [("1", False), ("2", False), ("", True)]
    assert page[1].changed_at == window.end, "what cannot be read counts as the window's end"
