"""Places receivers live in, and the sandbox's own warehouses."""

from sandbox.model import Region
from sandbox.spec import Location

# The last four hang directly under their province: the platform leaves the city empty there.
CHINESE_PLACES = tuple(
    Region("CN", *row)
    for row in (
        ("上海", "上海市", "浦东新区", "200120"),
        ("上海", "上海市", "徐汇区", "200030"),
        ("北京", "北京市", "朝阳区", "100020"),
        ("北京", "北京市", "海淀区", "100080"),
        ("广东省", "广州市", "天河区", "510630"),
        ("广东省", "深圳市", "南山区", "518052"),
        ("广东省", "东莞市", "南城街道", "523000"),
        ("浙江省", "杭州市", "余杭区", "311100"),
        ("浙江省", "义乌市", "稠城街道", "322000"),
        ("江苏省", "南京市", "鼓楼区", "210008"),
        ("江苏省", "苏州市", "工业园区", "215021"),
        ("四川省", "成都市", "武侯区", "610041"),
        ("重庆", "重庆市", "渝北区", "401120"),
        ("湖北省", "武汉市", "洪山区", "430070"),
        ("陕西省", "西安市", "雁塔区", "710061"),
        ("山东省", "青岛市", "市南区", "266071"),
        ("河南省", "郑州市", "金水区", "450003"),
        ("福建省", "厦门市", "思明区", "361004"),
        ("湖南省", "长沙市", "岳麓区", "410006"),
        ("辽宁省", "沈阳市", "和平区", "110001"),
        ("黑龙江省", "哈尔滨市", "南岗区", "150001"),
        ("云南省", "昆明市", "五华区", "650031"),
        ("湖北省", "", "仙桃市", "433000"),
        ("湖北省", "", "神农架林区", "442400"),
        ("海南省", "", "文昌市", "571300"),
        ("河南省", "", "济源市", "459000"),
    )
)

CHINESE_LOCATIONS = (
    Location(
        name="shanghai",
        province="上海",
        city="上海市",
        district="浦东新区",
        detail="川沙路5558号3号仓",
        contact="沪仓发货组",
        phone="02158580001",
    ),
    Location(
        name="guangzhou",
        province="广东省",
        city="广州市",
        district="白云区",
        detail="石井大道88号B座仓库",
        contact="穗仓发货组",
        phone="02036360002",
    ),
)

BRAZILIAN_LOCATIONS = (
    Location(
        name="sao-paulo",
        province="SP",
        city="sao paulo",
        district="bras",
        detail="Rua do Gasometro 1200, galpao 3",
        contact="Expedicao SP",
        phone="1130300001",
    ),
    Location(
        name="rio",
        province="RJ",
        city="rio de janeiro",
        district="penha",
        detail="Avenida Brasil 9001, doca 7",
        contact="Expedicao RJ",
        phone="2130300002",
    ),
)


def place_of(location: Location) -> Region:
    """A receiver's place in the location's own city."""
    country = "BR" if len(location.province) == len("SP") and location.province.isascii() else "CN"
    return Region(country, location.province, location.city, location.district, "")
