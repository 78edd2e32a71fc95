"""Tasks of tau2-bench's retail as expressions, written by hand: by the id of the task, what its customer asks for.

Where a conversation goes on from there (they change their mind when asked to confirm), it is what they want in the end.
An order has no date in that shop: "my latest order" is the one that holds what they speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from t2t_dist.synthesis.requests import language as lang

from .words import (
    Task,
    all_,
    both,
    can,
    collector,
    compares,
    do,
    each,
    every,
    first,
    has,
    if_,
    if_possible,
    is_,
    list_,
    look,
    not_,
    of,
    sum_,
    tell,
    test,
    the,
    this,
    work,
)

TASKS, said_by = collector()
PENDING, DELIVERED, IN_STOCK = is_("status", "pending"), is_("status", "delivered"), is_("available", True)
NOT_NEEDED, MISTAKE = "no longer needed", "ordered by mistake"
#: In an ``each`` over orders: the order.
HERE = this("Order")
USER = the("User")
PLACE = ("address1", "address2", "city", "state", "country", "zip")
Pairs = Sequence[tuple[lang.Record, lang.Record]]


# -- the shop ----------------------------------------------------------------------------------------------------------
def named_order(order_id: str) -> lang.Record:
    return the("Order", is_("order_id", order_id))


def order(*holding: str | lang.Test) -> lang.Record:
    """The order that holds these products, and passes the tests."""
    return the("Order", *(has("items.name", one) if isinstance(one, str) else one for one in holding))


def pending(*holding: str | lang.Test) -> lang.Record:
    return order(PENDING, *holding)


def delivered(*holding: str | lang.Test) -> lang.Record:
    return order(DELIVERED, *holding)


def city(name: str) -> lang.Test:
    return is_("address.city", name)


def option(name: str, wanted: Any) -> lang.Test:
    return is_(f"options.{name}", wanted)


def options_(wanted: Mapping[str, str]) -> list[lang.Test]:
    return [option(name, one) for name, one in wanted.items()]


def same(old: lang.Record, *names: str) -> list[lang.Test]:
    return [option(name, of(old, f"options.{name}")) for name in names]


def item(where: lang.Record, name: str, *tests: lang.Test, **rank: Any) -> lang.Record:
    return the("OrderItem", is_("name", name), *tests, within=where, **rank)


def items(where: lang.Record, *names: str) -> lang.Records:
    return all_("OrderItem", *([test("name", "one of", list(names))] if names else []), within=where)


def but(where: lang.Record, *names: str) -> lang.Records:
    return all_("OrderItem", within=where, but=items(where, *names))


def product(old: lang.Record) -> lang.Record:
    return the("Product", is_("product_id", of(old, "product_id")))


def version(old: lang.Record, *tests: lang.Test, prefer: Iterable[lang.Test] = (), **rank: Any) -> lang.Record:
    """A version of an item's product that is in stock."""
    return the("Variant", IN_STOCK, *tests, within=product(old), prefer=tuple(prefer), **rank)


def cheapest(old: lang.Record, *tests: lang.Test) -> lang.Record:
    return version(old, *tests, by="price", order="least")


def in_shop(name: str, *tests: lang.Test) -> lang.Records:
    """The versions in stock of a product that the customer may never have bought."""
    known = the("product_types", shown_by=look("list_all_product_types"))
    shown = look("get_product_details", product_id=of(known, name))
    return all_("Variant", IN_STOCK, *tests, shown_by=shown)


def price(record: lang.Record) -> lang.FieldOf:
    return of(record, "price")


def more(new: lang.Record, old: lang.Record) -> lang.Arithmetic:
    """What the new one costs more."""
    return work(price(new), "-", price(old))


def worth(where: lang.Record) -> lang.Sum:
    return sum_(every(items(where), "price"))


def paid_with(where: lang.Record) -> lang.FieldOf:
    return of(the("OrderPayment", is_("transaction_type", "payment"), within=where), "payment_method_id")


# The type of all payment methods is called after the first of them.
GIFT_CARD = the("CreditCard", is_("source", "gift_card"))
GIFT, BALANCE = of(GIFT_CARD, "id"), of(GIFT_CARD, "balance")
PAYPAL, CARD = (of(the("CreditCard", is_("source", one)), "id") for one in ("paypal", "credit_card"))


# -- its errands -------------------------------------------------------------------------------------------------------
def swap_lists(errand: str, where: lang.Record, old: Any, new: Any, pay: Any = None) -> lang.Do:
    lists = {"item_ids": old, "new_item_ids": new}
    return do(errand, order_id=of(where, "order_id"), **lists, payment_method_id=pay or paid_with(where))


def ids(records: Iterable[lang.Record]) -> lang.Listed:
    return list_(*(of(one, "item_id") for one in records))


def exchange(where: lang.Record, *pairs: tuple[lang.Record, lang.Record], pay: Any = None) -> lang.Do:
    old, new = zip(*pairs, strict=True)
    return swap_lists("exchange_delivered_order_items", where, ids(old), ids(new), pay)


def modify(where: lang.Record, *pairs: tuple[lang.Record, lang.Record], pay: Any = None) -> lang.Do:
    old, new = zip(*pairs, strict=True)
    return swap_lists("modify_pending_order_items", where, ids(old), ids(new), pay)


def for_each(orders: lang.Records, errand: lang.Do) -> lang.Each:
    """An errand for each order, whose other arguments rest on it."""
    rest = {slot: one for slot, one in errand.arguments.items() if slot != "order_id"}
    return each(orders, errand.errand, "order_id", **rest)


def back_list(where: lang.Record, item_ids: Any, pay: Any = None) -> lang.Do:
    arguments = {"item_ids": item_ids, "payment_method_id": pay or paid_with(where)}
    return do("return_delivered_order_items", order_id=of(where, "order_id"), **arguments)


def back(where: lang.Record, what: lang.Records, pay: Any = None) -> lang.Do:
    return back_list(where, every(what, "item_id"), pay)


def cancel(where: lang.Record, reason: str = NOT_NEEDED) -> lang.Do:
    return do("cancel_pending_order", order_id=of(where, "order_id"), reason=reason)


def cancel_item(where: lang.Record, name: str) -> lang.Do:
    """What no tool does: a part of an order can't be cancelled."""
    return do("cancel_item", order_id=of(where, "order_id"), item_id=of(item(where, name), "item_id"))


def address_of(record: lang.Record) -> dict[str, Any]:
    return {name: of(record, f"address.{name}") for name in PLACE}


def send(where: lang.Record, to: Mapping[str, Any]) -> lang.Do:
    return do("modify_pending_order_address", order_id=of(where, "order_id"), **to)


def move(to: Mapping[str, Any]) -> lang.Do:
    return do("modify_user_address", user_id=of(USER, "user_id"), **to)


# -- the tasks ---------------------------------------------------------------------------------------------------------
@said_by("yusuf_rossi_9620")
def _(task: Task) -> None:
    desk = delivered("Mechanical Keyboard", "Smart Thermostat")
    keys, heat = item(desk, "Mechanical Keyboard"), item(desk, "Smart Thermostat")
    clicky = [option("switch type", "clicky"), *same(keys, "size")]
    lit, unlit = option("backlight", "RGB"), option("backlight", "none")
    google = version(heat, option("compatibility", "Google Assistant"), *same(heat, "color"))
    task("0", exchange(desk, (keys, version(keys, *clicky, prefer=(lit, unlit))), (heat, google)))
    with_keys = exchange(desk, (keys, version(keys, *clicky, lit)), (heat, google))
    task("1", first(with_keys, exchange(desk, (heat, google))))

    shirts = tell(lang.Count(of=all_("Variant", IN_STOCK, within=the("Product", is_("name", "T-Shirt")))))
    task("2", *shirts, back(desk, items(desk, "Vacuum Cleaner", "Headphones", "Smart Watch")))
    shirt = item(HERE, "T-Shirt")
    purple = version(
        shirt,
        option("color", "purple"),
        option("size", "S"),
        option("style", "v-neck"),
        prefer=(option("material", "polyester"),),
    )

    def to_purple(*which: lang.Test) -> lang.Each:
        orders = all_("Order", PENDING, has("items.name", "T-Shirt"), *which)
        return for_each(orders, modify(HERE, (shirt, purple)))

    task("3", *shirts, to_purple(has("items.options.size", "S")))
    task("4", *shirts, to_purple())


@said_by("mei_kovacs_8020")
def _(task: Task) -> None:
    held = delivered("Desk Lamp")
    lamp = item(held, "Desk Lamp")
    task("5", back(held, items(held, "Water Bottle")))

    def brightness(relation: str, *sources: str) -> lang.Do:
        test_ = test("options.brightness", relation, of(lamp, "options.brightness"))
        return exchange(held, (lamp, version(lamp, test_, prefer=[option("power source", one) for one in sources])))

    task("6", brightness("less", "battery", "USB", "AC adapter"))
    task("7", brightness("less", "AC adapter", "battery", "USB"))
    task("8", brightness("more", "battery", "USB", "AC adapter"))
    task("9", brightness("more", "AC adapter", "battery", "USB"))


@said_by("mia_garcia_4516")
def _(task: Task) -> None:
    keys, mouse = delivered("Mechanical Keyboard"), delivered("Gaming Mouse")
    # Each order is to be refunded to what the other was paid with.
    crossed = [(keys, paid_with(mouse)), (mouse, paid_with(keys))]
    task("10", *(if_possible(back(held, items(held), pay)) for held, pay in crossed))
    task("11", *(first(back(held, items(held), pay), back(held, items(held))) for held, pay in crossed))
    rest = but(keys, "Mechanical Keyboard", "Gaming Mouse")
    task("12", if_possible(back(keys, rest, PAYPAL)))
    task("13", first(back(keys, rest, PAYPAL), back(keys, rest, CARD)))
    games = test("items.name", "contains", "Gaming Mouse")
    for_games = items(HERE, "Mechanical Keyboard", "Gaming Mouse")
    task(
        "14",
        back(keys, items(keys, "Mechanical Keyboard")),
        for_each(all_("Order", DELIVERED, games), back(HERE, for_games)),
    )


@said_by("fatima_johnson_7581")
def _(task: Task) -> None:
    boots_in = pending("Hiking Boots")
    boots = item(boots_in, "Hiking Boots")
    size_8 = version(boots, option("size", "8"), *same(boots, "material"))
    task("15", modify(boots_in, (boots, size_8), pay=PAYPAL))
    held = delivered("Smart Watch")
    watch = item(held, "Smart Watch")
    refund = work(sum_(every(all_("Order", PENDING), worth(HERE))), "+", price(watch))
    task(
        "16",
        *tell(refund),
        for_each(all_("Order", PENDING), cancel(HERE)),
        back(held, items(held, "Smart Watch")),
    )
    other = named_order("#W8665881")
    task("17", send(other, address_of(other) | {"address2": "Suite 641"}))


@said_by("mei_davis_8935")
def _(task: Task) -> None:
    held = delivered("Office Chair")
    chair, bottle, bed = (item(held, name) for name in ("Office Chair", "Water Bottle", "Pet Bed"))
    grey = [option("color", "gray"), option("armrest", "fixed"), option("material", "leather")]
    task("18", exchange(held, (chair, version(chair, *grey))))
    swap = exchange(held, (bed, cheapest(bed)), (chair, cheapest(chair)))
    saved = work(work(price(bed), "-", price(cheapest(bed))), "+", work(price(chair), "-", price(cheapest(chair))))
    give_back = back(held, items(held, "Water Bottle"))
    better = if_(compares(price(bottle), "more", saved), give_back, swap)
    task("19", *tell(price(bottle), saved), better)


@said_by("ethan_garcia_1261")
def _(task: Task) -> None:
    held = pending("Running Shoes")
    shoes = item(held, "Running Shoes")
    best = version(this("OrderItem"), by="price", order="most")
    best_shoes = version(shoes, *same(shoes, "size"), by="price", order="most")

    def upgrade(pay: Any) -> lang.Do:
        others = but(held, "Running Shoes")
        old = list_(every(others, "item_id"), of(shoes, "item_id"))
        new = list_(every(others, of(best, "item_id")), of(best_shoes, "item_id"))
        return swap_lists("modify_pending_order_items", held, old, new, pay)

    task("20", first(upgrade(GIFT), upgrade(PAYPAL)))
    keyboard = the("Product", is_("product_id", "1656367028"))
    old_keys = the("OrderItem", is_("product_id", of(keyboard, "product_id")), within=held)
    new = [the("Variant", is_("item_id", one)) for one in ("4107812777", "1421289881")]
    change = modify(held, (shoes, new[0]), (old_keys, new[1]), pay=GIFT)
    left = work(BALANCE, "-", work(more(new[0], shoes), "+", more(new[1], old_keys)))
    task("21", *tell(left), change)
    to = {
        "address1": "101 Highway",
        "address2": "",
        "city": "New York",
        "state": "NY",
        "country": "USA",
        "zip": "10001",
    }
    orders = for_each(all_("Order", PENDING), send(HERE, to))
    task("22", both(move(to), orders, move(address_of(USER))))


@said_by("sofia_hernandez_5364")
def _(task: Task) -> None:
    with_helmet, with_luggage, with_grill = delivered("Cycling Helmet"), delivered("Luggage Set"), pending("Grill")
    helmet, luggage = item(with_helmet, "Cycling Helmet"), item(with_luggage, "Luggage Set")
    red = [option("size", "M"), option("color", "red"), option("ventilation", "high")]
    soft = [option("piece count", "2-piece"), option("color", "black"), option("material", "softshell")]
    grill, other = item(with_grill, "Grill"), item(delivered("Grill"), "Grill")
    task(
        "23",
        exchange(with_helmet, (helmet, version(helmet, *red))),
        exchange(with_luggage, (luggage, version(luggage, *soft))),
        modify(with_grill, (grill, version(grill, *same(other, "type", "size", "features")))),
    )
    two = all_("OrderItem", is_("name", "T-Shirt"), within=the("Order", is_("status", "processed")))
    task("24", *tell(every(two, "options.material")))
    new = version(helmet, option("size", "M"), option("ventilation", "high"), prefer=[option("color", "blue")])
    task("70", *tell(more(new, helmet)), exchange(with_helmet, (helmet, new)))


@said_by("isabella_johansson_2152")
def _(task: Task) -> None:
    texas = order(is_("address.state", "TX"))
    track = tell(of(the("OrderFullfilment", within=texas), "tracking_id"))
    amex = the("CreditCard", is_("brand", "amex"))
    task("25", *track, if_possible(back(texas, but(texas, "Pet Bed"), of(amex, "id"))))
    task("26", *track, back(texas, but(texas, "Pet Bed")))
    recent = delivered("Hiking Boots")
    boots = item(recent, "Hiking Boots")
    dry = version(boots, option("waterproof", "yes"), *same(boots, "size", "material"))
    task("27", exchange(recent, (boots, dry)), if_possible(back(recent, items(recent, "Garden Hose", "Backpack"))))
    board_in = delivered("Skateboard")
    lots = [
        (board_in, ["Skateboard"]),
        (recent, ["Garden Hose", "Backpack"]),
        (texas, ["Mechanical Keyboard", "Pet Bed"]),
    ]
    returned = [sum_(every(items(held, *names), "price")) for held, names in lots]
    total = tell(work(work(returned[0], "+", returned[1]), "+", returned[2]))
    only_hose = if_possible(cancel_item(pending("Garden Hose"), "Garden Hose"))
    task("28", *total, *(back(held, items(held, *names)) for held, names in lots), only_hose)
    board, hose = item(board_in, "Skateboard"), item(recent, "Garden Hose")
    short = [option("deck material", "bamboo"), test("options.length", "less", of(board, "options.length"))]
    options = every(all_("Variant", IN_STOCK, *short, within=product(board)), "price")
    ordered = item(pending("Garden Hose"), "Garden Hose")
    task(
        "29",
        *tell(options),
        exchange(board_in, (board, version(board, *short, by="price"))),
        exchange(recent, (hose, version(hose, is_("item_id", of(ordered, "item_id"))))),
    )


@said_by("olivia_lopez_3865")
def _(task: Task) -> None:
    held, charger, shoes = delivered("Tablet"), pending("Portable Charger"), delivered("Sneakers")
    tablet = item(held, "Tablet")
    track = tell(of(the("OrderFullfilment", within=held), "tracking_id"))
    again = exchange(held, (tablet, version(tablet, is_("item_id", of(tablet, "item_id")))))
    give_back = both(back(held, items(held)), cancel(charger))
    sneakers = back(shoes, items(shoes, "Sneakers"))
    task("30", *track, if_(can(again), again, give_back), sneakers)
    boots_in = pending("Hiking Boots")
    # A lost one can be neither returned nor ordered again: no tool does that.
    lost = if_(not_(can(do("refund_lost_item", order_id=of(held, "order_id")))), cancel(charger))
    only_boots = if_possible(cancel_item(boots_in, "Hiking Boots"))
    task("31", *track, lost, only_boots, sneakers)
    task("32", *track, lost, cancel(boots_in), sneakers)


@said_by("noah_patel_6952")
def _(task: Task) -> None:
    held = pending("Office Chair")
    part = cancel_item(held, "Office Chair")
    task("33", if_(can(part), part, move(address_of(held))))
    task("34", if_(can(part), part, send(held, address_of(USER))))


@said_by("aarav_santos_2259")
def _(task: Task) -> None:
    held, laptops = delivered("Bluetooth Speaker"), pending("Laptop")
    speaker = item(held, "Bluetooth Speaker", option("water resistance", "no"), by="price")
    big = item(laptops, "Laptop", option("screen size", "17-inch"))
    small = option("screen size", "13-inch")
    exact = [small, *same(big, "processor", "ram", "storage", "color")]
    colors = test("options.color", "one of", ["silver", "black"])
    near = version(big, small, prefer=[option("processor", "i5"), colors])
    task(
        "35",
        back(held, lang.Records(kind="OrderItem", within=held, where=(is_("item_id", of(speaker, "item_id")),))),
        first(modify(laptops, (big, version(big, *exact))), modify(laptops, (big, near))),
    )


@said_by("daiki_sanchez_3253")
def _(task: Task) -> None:
    held = pending("Action Camera", "Patio Umbrella")
    dearest = the("OrderItem", within=held, by="price")
    cheap = cheapest(this("OrderItem"))
    dear = all_("OrderItem", test("item_id", "is not", of(cheap, "item_id")), within=held)
    switch = swap_lists("modify_pending_order_items", held, every(dear, "item_id"), every(dear, of(cheap, "item_id")))
    total = sum_(every(items(held), price(cheap)))
    part = cancel_item(held, "Action Camera")
    for keys, limit in (("36 37", 1131), ("38", 950)):
        fallback = if_(not_(compares(total, "more", limit)), switch, cancel(held))
        task(keys, *tell(of(dearest, "name"), price(dearest)), if_(can(part), part, fallback))


@said_by("fatima_taylor_3452")
def _(task: Task) -> None:
    shirt = lang.Record(among=in_shop("T-Shirt"), by="price", order="least")
    task("39", move(address_of(delivered("Tablet"))), *tell(price(shirt)))


@said_by("isabella_lopez_6490")
def _(task: Task) -> None:
    speaker = pending("Bluetooth Speaker")
    used = the("CreditCard", is_("id", paid_with(speaker)))
    visa = of(the("CreditCard", is_("brand", "visa")), "id")
    pay = [
        do("modify_pending_order_payment", order_id=of(speaker, "order_id"), payment_method_id=one)
        for one in (GIFT, visa)
    ]
    task("40", *tell(BALANCE, of(used, "brand")), first(*pay))


@said_by("mei_patel_7272")
def _(task: Task) -> None:
    street = {"address1": "445 Maple Drive", "address2": "Suite 394", "city": "Fort Worth", "state": "TX"}
    to = street | {"country": "USA", "zip": "76165"}
    held = pending("Jigsaw Puzzle")
    puzzle = item(held, "Jigsaw Puzzle")
    easy = version(puzzle, option("difficulty level", "beginner"), by="options.pieces", order="least")
    orders = for_each(all_("Order", PENDING), send(HERE, to))
    task("41 42", orders, move(to), modify(held, (puzzle, easy), pay=PAYPAL))


@said_by("lucas_santos_6600")
def _(task: Task) -> None:
    chicago = order(city("Chicago"))
    track = of(the("OrderFullfilment", within=chicago), "tracking_id")
    where = tell(*address_of(chicago).values(), track, of(item(chicago, "Tablet"), "options.storage"))
    task("43", *where, move(address_of(chicago)))


@said_by("aarav_anderson_8794")
def _(task: Task) -> None:
    held = named_order("#W9300146")
    lamp = item(held, "Desk Lamp")
    task("44", *tell(work(price(lamp), "-", price(cheapest(lamp)))), modify(held, (lamp, cheapest(lamp)), pay=GIFT))
    held = delivered("Wireless Earbuds")
    mine = item(held, "Wireless Earbuds", option("water resistance", "IPX7"))
    others = all_("OrderItem", is_("name", "Wireless Earbuds"), within=held, but=mine.among)
    cheap = lang.Record(among=others, by="price", order="least")
    alike = version(mine, is_("item_id", of(cheap, "item_id")), *same(cheap, "water resistance"))
    task("49", exchange(held, (mine, alike)))
    held = named_order("#W4316152")
    kettles = items(held, "Tea Kettle")  # two that are alike
    kettle, gas = the("Variant", is_("item_id", "7292993796")), option("stovetop compatibility", "gas")
    shown = product(the("OrderItem", is_("name", "Tea Kettle"), is_("options.material", "stainless steel")))

    def another(*tests: lang.Test) -> lang.Record:
        return the("Variant", IN_STOCK, gas, *tests, within=shown, prefer=tuple(same(kettle, "material", "capacity")))

    new = ids([another(option("material", "ceramic")), another(option("capacity", "1.5 liters"))])
    swap = swap_lists("exchange_delivered_order_items", held, every(kettles, "item_id"), new)
    task("105", if_possible(swap))


@said_by("daiki_johnson_9523")
def _(task: Task) -> None:
    held = named_order("#W9502127")
    robot = item(held, "Vacuum Cleaner", option("type", "robotic"))
    can_ = version(robot, option("type", "canister"), prefer=[option("bagged/bagless", "bagless")])
    swaps = [exchange(held, (robot, can_), pay=pay) for pay in (GIFT, paid_with(held))]
    task("45", *tell(work(price(robot), "-", price(can_))), first(*swaps))
    for key, kind in (("46", "robotic"), ("47", "canister")):
        purifier = item(held, "Air Purifier")
        cleaner = item(held, "Vacuum Cleaner", option("type", kind))
        refund = work(price(cleaner), "+", price(purifier))
        both_ = list_(of(cleaner, "item_id"), of(purifier, "item_id"))
        task(key, *tell(refund, work(worth(held), "-", refund)), back_list(held, both_))
    task("48", back(held, items(held, "Air Purifier")))


@said_by("chen_smith_8425")
def _(task: Task) -> None:
    # No tool does that.
    task("50", if_possible(do("undo_cancellation", order_id=of(order(is_("status", "cancelled")), "order_id"))))


@said_by("sofia_li_9219")
def _(task: Task) -> None:
    held, bikes = delivered("Digital Camera"), delivered("Bicycle")
    camera, bike, puzzle = item(held, "Digital Camera"), item(bikes, "Bicycle"), item(bikes, "Jigsaw Puzzle")
    task("51", back(held, items(held, "Digital Camera")))
    farthest = [option("zoom", one) for one in ("10x", "5x")]
    zoom = version(camera, prefer=[*farthest, *same(camera, "resolution"), *same(camera, "storage")])
    task("52", exchange(held, (camera, zoom), pay=PAYPAL))
    task("53", back(bikes, items(bikes, "Bicycle")))
    lower = test("options.resolution", "less", of(camera, "options.resolution"))
    dim = version(camera, lower, *same(camera, "zoom", "storage"), by="options.resolution")
    bigger = version(bike, test("options.frame size", "more", of(bike, "options.frame size")))
    pieces = option("pieces", work(of(puzzle, "options.pieces"), "+", 1000))
    boards = pending("Skateboard")
    part = cancel_item(boards, "Skateboard")
    visa = of(the("CreditCard", is_("brand", "visa")), "id")
    for key, pay, themes in (("98", None, ("animals", "art")), ("99", visa, ("art", "animals"))):
        theme = [option("theme", one) for one in themes]
        other = version(puzzle, *same(puzzle, "difficulty level"), pieces, prefer=theme)
        board = if_(can(part), part, cancel(boards)) if key == "98" else if_possible(part)
        swap = exchange(bikes, (bike, bigger), (puzzle, other), pay=pay)
        task(key, exchange(held, (camera, dim), pay=pay), swap, board)


@said_by("amelia_silva_7726")
def _(task: Task) -> None:
    boots_in, rest = delivered("Hiking Boots"), delivered("Smart Watch")
    boots = item(boots_in, "Hiking Boots")
    cheaper = [*same(boots, "size", "material"), test("price", "less", price(boots))]
    least_ = cheapest(boots, *cheaper)
    swap = if_possible(exchange(boots_in, (boots, least_)))
    gets = work(sum_(every(all_("Order", PENDING), worth(HERE))), "+", worth(rest))
    cancelled = for_each(all_("Order", PENDING), cancel(HERE))
    task("54", *tell(gets), cancelled, back(rest, items(rest)), swap)
    task("55", cancelled, for_each(all_("Order", DELIVERED), back(HERE, items(HERE))))


@said_by("ivan_hernandez_6923")
def _(task: Task) -> None:
    held = pending("Air Purifier")
    purifier, part = item(held, "Air Purifier"), cancel_item(held, "Air Purifier")
    task("56", if_(can(part), part, if_possible(modify(held, (purifier, cheapest(purifier)), pay=GIFT))))
    # The refund of a cancelled order goes to what it was paid with.
    to_gift = compares(paid_with(held), "is", GIFT)
    task("57", if_(can(part), part, if_(to_gift, cancel(held))))
    held = delivered("Espresso Machine", "Laptop")
    machine, laptop = item(held, "Espresso Machine"), item(held, "Laptop")
    bars = [option("pressure", f"{one} bar") for one in (8, 9, 7)]
    other = version(
        machine,
        *same(machine, "capacity", "type"),
        test("options.pressure", "one of", ["8 bar", "9 bar", "7 bar"]),
        prefer=bars,
    )
    fast = cheapest(laptop, test("options.processor", "one of", ["i7", "i9"]))
    task("58", first(*(exchange(held, (machine, other), (laptop, fast), pay=pay) for pay in (GIFT, CARD))))


@said_by("yusuf_taylor_7149")
def _(task: Task) -> None:
    old, new = named_order("#W8268610"), named_order("#W2702727")
    to = {"address1": "1234 Elm St", "address2": "", "city": "Springfield", "state": "IL", "country": "USA"}
    task("59", *tell(worth(old), worth(new)), cancel(old), send(new, to | {"zip": "62701"}))


@said_by("chen_johnson_4204")
def _(task: Task) -> None:
    held = named_order("#W5061109")
    buds, speaker = item(held, "Wireless Earbuds"), item(held, "Bluetooth Speaker")
    not_more = work(price(buds), "+", 0.01)
    blue = [option("color", "blue"), test("price", "less", not_more)]
    dry = version(buds, *blue, prefer=[option("water resistance", "not resistant")])
    task("60", *tell(price(dry)), modify(held, (buds, dry)))
    task("61", modify(held, (buds, version(buds, *blue, *same(buds, "battery life", "water resistance")))))
    told = tell(price(speaker), of(speaker, "options.battery life"))
    for key, limit in (("62", 100), ("63", 300)):
        among = all_("Variant", IN_STOCK, test("price", "less", limit), within=product(speaker))
        new = lang.Record(among=among, by="price", order="least")
        total = work(worth(held), "+", more(new, speaker))
        change = both(*tell(total), modify(held, (speaker, new)))
        dear = compares(price(speaker), "more", 300)
        task(key, *told, if_(dear, if_(lang.Exists(among=among), change)))


@said_by("james_kovacs_9247")
def _(task: Task) -> None:
    held = order("Bookshelf")
    shelf = item(held, "Bookshelf")
    cameras = in_shop("Digital Camera", test("price", "less", price(shelf)))
    camera = lang.Record(among=cameras, by="price")
    task("65", if_possible(exchange(held, (shelf, camera))))


@said_by("aarav_lee_1982")
def _(task: Task) -> None:
    held = pending("Luggage Set")
    bags = items(held, "Luggage Set")
    coat = lang.Record(among=in_shop("Coat"), by="price", order="least")
    task("66", first(modify(held, (item(held, "Luggage Set"), coat)), back(held, bags), cancel(held)))


@said_by("emma_smith_8564")
def _(task: Task) -> None:
    held = order("Laptop")
    task("69", first(back(held, items(held, "Laptop")), cancel(held)))


@said_by("noah_ito_3850")
def _(task: Task) -> None:
    held, york = pending("Wristwatch"), order(city("New York"))
    watch = item(held, "Wristwatch", option("strap material", "silicone"))
    metal = version(watch, option("strap material", "metal"), prefer=[option("dial color", "white")])
    sent = [send(held, address_of(york)), modify(held, (watch, metal))]
    night = [option("room size", "large"), option("features", "night mode"), option("filter type", "HEPA")]
    with_speaker, with_shoes = pending("Air Purifier", "Bluetooth Speaker"), delivered("Air Purifier", "Sneakers")
    one, other = item(with_speaker, "Air Purifier"), item(with_shoes, "Air Purifier")
    task("101", *sent, modify(with_speaker, (one, version(one, *night))))
    task("102", *sent, exchange(with_shoes, (other, version(other, *night))))


@said_by("ivan_khan_7475")
def _(task: Task) -> None:
    held = order(city("Washington"))
    bag = item(held, "Backpack")
    wanted = options_({"size": "medium", "material": "polyester"})
    new = version(bag, *wanted, prefer=[option("color", "grey")])
    task("71 72", send(held, address_of(USER)), modify(held, (bag, new), pay=PAYPAL))


@said_by("fatima_wilson_7472")
def _(task: Task) -> None:
    held = delivered("Espresso Machine")
    task("73", back(held, but(held, "Espresso Machine")))


@said_by("lei_li_6575")
def _(task: Task) -> None:
    held = pending("Laptop")
    laptop = item(held, "Laptop")
    rest = [option("storage", "256GB SSD"), option("color", "silver")]
    fast = version(laptop, option("processor", "i9"), prefer=rest)
    five = all_("Order", PENDING)
    most_items = lang.Record(among=five, worth=lang.Count(of=items(HERE)))
    task("74", cancel(most_items), modify(held, (laptop, fast), pay=CARD))


@said_by("liam_moore_4057")
def _(task: Task) -> None:
    held = named_order("#W6908222")
    blue = item(held, "Wireless Earbuds", *options_({"color": "blue", "battery life": "8 hours"}))
    wanted = options_({"color": "black", "battery life": "4 hours", "water resistance": "not resistant"})
    task("75", exchange(held, (blue, version(blue, *wanted))))


@said_by("ava_nguyen_6646")
def _(task: Task) -> None:
    jacket_in, board_in = pending("Fleece Jacket"), pending("Skateboard")
    part, board = cancel_item(jacket_in, "Fleece Jacket"), item(board_in, "Skateboard")
    maple = version(board, *options_({"deck material": "maple", "length": "34 inch", "design": "graphic"}))
    task(
        "76",
        *tell(lang.Total(of=all_("OrderItem", is_("name", "Grill")), field="price")),
        first(part, cancel(jacket_in, MISTAKE)),
        first(modify(board_in, (board, maple)), cancel(board_in)),
    )


@said_by("ivan_johnson_6036")
def _(task: Task) -> None:
    held = delivered("Perfume")
    scent = item(held, "Perfume")
    largest = version(scent, *same(scent, "scent family", "gender"), by="options.size")
    task("77", exchange(held, (scent, largest)))


@said_by("yara_muller_8652")
def _(task: Task) -> None:
    kits, other, last = (the("Order", is_("order_id", one)) for one in ("#W5056519", "#W8277957", "#W5995614"))
    kit = item(kits, "Makeup Kit")
    dark = version(kit, option("skin tone", "dark"), option("brand", "Brand A"))
    mistake = "ordered by mistake"
    task("78", send(kits, address_of(other)), modify(kits, (kit, dark)), cancel(last, mistake))
    task("113", for_each(all_("Order", PENDING), cancel(HERE, mistake)))


@said_by("emma_kovacs_9839")
def _(task: Task) -> None:
    held, other_in = pending("Office Chair"), pending("Digital Camera")
    small, big = item(held, "Water Bottle"), item(other_in, "Water Bottle")
    litre = version(small, *same(big, "capacity", "color"), prefer=same(big, "material"))
    task("79", modify(held, (small, litre)))
    camera = item(other_in, "Digital Camera")
    zoom = version(camera, option("zoom", "10x"), *same(camera, "resolution", "storage"))
    change = modify(other_in, (camera, zoom))
    dear = compares(price(zoom), "more", 3000)
    too_dear = if_(dear, cancel(other_in, "ordered by mistake"), change)
    there_is = lang.Exists(among=zoom.among)
    has_it = compares(of(camera, "options.zoom"), "is", "10x")
    task("90", if_(not_(has_it), if_(there_is, too_dear, cancel(other_in))))


@said_by("amelia_gonzalez_4098")
def _(task: Task) -> None:
    held = named_order("#W7209932")
    shirt = item(held, "T-Shirt", *options_({"color": "blue", "size": "S", "material": "polyester"}))
    red = options_({"color": "red", "size": "XXL", "material": "cotton", "style": "crew neck"})
    task("80", exchange(held, (shirt, version(shirt, *red)), pay=GIFT))


@said_by("james_kim_7213")
def _(task: Task) -> None:
    # Where a part can't be cancelled, the whole order goes.
    orders = [(pending("Hiking Boots"), "Hiking Boots"), (pending("Portable Charger"), "Portable Charger")]
    task("81", *(first(cancel_item(held, name), cancel(held)) for held, name in orders))


@said_by("chen_silva_7485")
def _(task: Task) -> None:
    dear = the("OrderItem", is_("name", "Tablet"), by="price")
    held = order(has("items.item_id", of(dear, "item_id")), DELIVERED)
    tablet = all_("OrderItem", is_("item_id", of(dear, "item_id")), within=held)
    task("82", first(back(held, tablet, CARD), back(held, items(held), GIFT)))
    task("83", first(back(held, tablet, CARD), back(held, tablet, GIFT)))
    task("84", back(held, tablet, GIFT))


@said_by("yusuf_hernandez_6785")
def _(task: Task) -> None:
    held, capital = pending("Fleece Jacket"), order(city("Washington"))
    jacket = item(held, "Fleece Jacket")
    half = version(jacket, *options_({"color": "red", "zipper": "half"}), *same(jacket, "size"))
    task("85", modify(held, (jacket, half)))
    task("86", modify(held, (jacket, half)), move(address_of(capital)))
    orders = for_each(all_("Order", PENDING), send(HERE, address_of(capital)))
    task("87", orders, move(address_of(capital)))


@said_by("daiki_silva_2903")
def _(task: Task) -> None:
    held = pending("Bookshelf")
    shelf = item(held, "Bookshelf")
    four = version(shelf, option("height", "4 ft"), *same(shelf, "material", "color"))
    task("88", first(modify(held, (shelf, four)), cancel(held, MISTAKE)))


@said_by("raj_santos_9079")
def _(task: Task) -> None:
    held = delivered("Mechanical Keyboard")
    keys = item(held, "Mechanical Keyboard")
    least = cheapest(keys)
    told = tell(price(least), *(of(least, f"options.{one}") for one in ("switch type", "backlight", "size")))
    swap, give_back = exchange(held, (keys, least)), back(held, items(held, "Mechanical Keyboard"))
    task("89", *told, if_(compares(price(least), "less", 200), swap, give_back))


@said_by("mei_ahmed_4909")
def _(task: Task) -> None:
    boards, held = delivered("Skateboard"), delivered("E-Reader")
    returned = back(boards, items(boards, "Skateboard", "Smart Watch"), CARD)
    reader = item(held, "E-Reader")
    again = version(reader, is_("item_id", of(reader, "item_id")))
    large = version(reader, option("storage", "32GB"), prefer=same(reader, "screen size", "connectivity"))
    task("91", returned, first(exchange(held, (reader, again)), exchange(held, (reader, large))))
    task("92", returned, back(held, items(held, "E-Reader"), CARD))


@said_by("lei_wilson_4541")
def _(task: Task) -> None:
    wanted = options_({"processor": "i7", "ram": "8GB", "storage": "1TB SSD"})
    for key, ram in (("93", "32GB"), ("94", "16GB")):
        mine = the("OrderItem", *options_({"screen size": "15-inch", "ram": ram}), is_("name", "Laptop"))
        held = order(has("items.item_id", of(mine, "item_id")))
        task(key, exchange(held, (mine, version(mine, *wanted))))
    laptop = item(HERE, "Laptop")
    orders = all_("Order", DELIVERED, has("items.name", "Laptop"))
    extra = every(orders, more(version(laptop, *wanted), laptop))
    task("95", *tell(sum_(extra), extra), for_each(orders, exchange(HERE, (laptop, version(laptop, *wanted)))))


@said_by("yusuf_li_7255")
def _(task: Task) -> None:
    angels, york = order(city("Los Angeles")), order(city("New York"))
    speaker = item(angels, "Bluetooth Speaker")
    green = cheapest(speaker, option("color", "green"))
    task("96 97", send(angels, address_of(york)), modify(angels, (speaker, green)))


@said_by("liam_thomas_7882")
def _(task: Task) -> None:
    held, boots_in = order("Luggage Set"), order("Hiking Boots")
    bags, board = item(held, "Luggage Set"), item(held, "Skateboard")
    red = version(bags, option("color", "red"), *same(bags, "piece count", "material"))
    wanted = options_({"length": "34 inch", "design": "custom"})
    long = version(board, *wanted, prefer=same(board, "deck material"))
    swaps = [one(held, (bags, red), (board, long), pay=CARD) for one in (exchange, modify)]
    task("100", first(*swaps), back(boots_in, items(boots_in, "Hiking Boots")))


@said_by("lucas_brown_6720")
def _(task: Task) -> None:
    track = tell(of(the("OrderFullfilment", within=order(is_("status", "cancelled"))), "tracking_id"))
    shelves, bag_in, bags_in = order("Bookshelf", "Jigsaw Puzzle", DELIVERED), order("Vacuum Cleaner"), pending()
    bags = the("OrderItem", within=bags_in)
    red = version(bags, option("color", "red"), *same(bags, "piece count", "material"))
    rest = [
        back(bag_in, items(bag_in, "Backpack")),
        send(bags_in, address_of(USER)),
        modify(bags_in, (bags, red)),
    ]
    names = ["Bookshelf", "Jigsaw Puzzle"]
    task("103", *track, back(shelves, items(shelves, *names)), *rest)
    received = all_("Order", DELIVERED, has("items.name", "Bookshelf"))
    task("104", *track, *rest, for_each(received, back(HERE, items(HERE, *names))))


@said_by("sofia_thomas_1518")
def _(task: Task) -> None:
    held = delivered("T-Shirt")
    shirt = item(held, "T-Shirt")
    smaller = [test("options.size", "less", of(shirt, "options.size")), option("material", "cotton")]
    task("106", exchange(held, (shirt, version(shirt, *smaller, prefer=[option("color", "black")], by="options.size"))))


@said_by("yara_ito_8499")
def _(task: Task) -> None:
    boots_in, puzzle_in = delivered("Hiking Boots"), delivered("Jigsaw Puzzle")
    boots, puzzle = item(boots_in, "Hiking Boots"), item(puzzle_in, "Jigsaw Puzzle")
    again = version(boots, is_("item_id", of(boots, "item_id")))
    nine = version(boots, *options_({"size": "9", "material": "leather", "waterproof": "yes"}))
    fewer = option("pieces", work(of(puzzle, "options.pieces"), "-", 500))
    fancy = version(puzzle, fewer, option("theme", "fantasy"), *same(puzzle, "difficulty level"))
    pair = first(exchange(boots_in, (boots, again)), exchange(boots_in, (boots, nine)))
    task("107", pair, exchange(puzzle_in, (puzzle, fancy)))


@said_by("yusuf_gonzalez_8900")
def _(task: Task) -> None:
    held = delivered("E-Reader", "Tablet")
    rest = but(held, "Tablet")
    task("108", *tell(sum_(every(rest, "price"))), back(held, rest))


@said_by("sophia_martin_8570")
def _(task: Task) -> None:
    bags, tablets = pending("Luggage Set"), pending("Tablet")
    tablet = item(tablets, "Tablet")
    change = modify(tablets, (tablet, cheapest(tablet)))
    task("109", send(tablets, address_of(bags)), move(address_of(bags)), change)
    task("110", send(bags, address_of(tablets)), move(address_of(tablets)), change)


@said_by("yara_silva_7567")
def _(task: Task) -> None:
    watch_in, held, york = pending("Wristwatch"), pending("Laptop"), order(city("New York"))
    watch, laptop = item(watch_in, "Wristwatch"), item(held, "Laptop")
    black = version(watch, option("dial color", "black"), *same(watch, "strap material"))
    grey = version(laptop, *options_({"processor": "i5", "storage": "256GB SSD", "color": "space grey"}))
    both_ = [modify(watch_in, (watch, black)), send(held, address_of(york))]
    task("111", *both_, modify(held, (laptop, grey)))
    task("112", *both_, modify(held, (laptop, the("Variant", is_("item_id", "9844888101")))))
