"""The shop's catalogue: fifty kinds of products with their options.

Customers name a version by its options ("the brass one, 40 cm"), and programs check such texts. So, ignoring case:

- no option value of a product occurs in another one of that product ("500 ml" would be found in "1500 ml"), nor in
  the name of any product, nor in words that every conversation holds ("red" would be found in "delivered");
- names are singular and countable, and none of the fifty occurs in another.

Sizes and the like, the values that begin with a digit, stand in ascending order: more of it costs more.
"""

from __future__ import annotations

from typing import NamedTuple


class ProductKind(NamedTuple):
    """A kind of product: ``price`` in dollars, ``options`` maps a dimension to the values it comes in."""

    name: str
    category: str
    price: int
    options: dict[str, tuple[str, ...]]


#: Put before a kind's name once the shop is so large that fifty products are not enough.
MAKERS = (
    "Northway", "Halden", "Briarwood", "Corvale", "Lumeno", "Ostrava", "Pinecrest", "Quillon",
    "Ravensby", "Solvane", "Tamarind", "Umberly", "Verdano", "Westmere", "Yarrowfield", "Zephyra",
    "Alderton", "Bexhill", "Calloway", "Dunmore", "Everly", "Foxhollow", "Glenrock", "Hartwell",
    "Inverness", "Juniper", "Kestrelby", "Larkspur", "Marlowe", "Nordahl", "Orchardson", "Pemberton",
)  # fmt: skip

KINDS = (
    # -- home ----------------------------------------------------------------------------------------------------------
    ProductKind("Desk Lamp", "home", 39, {"color": ("brass", "matte black", "white"), "height": ("40 cm", "55 cm")}),
    ProductKind(
        "Floor Lamp",
        "home",
        94,
        {
            "shade": ("linen", "rice paper", "frosted glass"),
            "base": ("walnut", "nickel"),
            "height": ("140 cm", "165 cm"),
        },
    ),
    ProductKind(
        "Wall Clock",
        "home",
        36,
        {"frame": ("walnut", "brushed steel", "matte black"), "diameter": ("25 cm", "30 cm", "38 cm")},
    ),
    ProductKind(
        "Throw Blanket",
        "home",
        48,
        {"material": ("cotton", "merino wool", "fleece"), "color": ("charcoal", "cream", "sage green", "mustard")},
    ),
    ProductKind(
        "Area Rug",
        "home",
        139,
        {"pattern": ("striped", "floral", "geometric"), "size": ("120 x 180 cm", "160 x 230 cm", "200 x 300 cm")},
    ),
    ProductKind(
        "Scented Candle",
        "home",
        18,
        {"scent": ("lavender", "vanilla", "cedarwood", "bergamot"), "burn time": ("30 hours", "50 hours")},
    ),
    ProductKind(
        "Picture Frame",
        "home",
        23,
        {"wood": ("walnut", "maple", "birch"), "size": ("13 x 18 cm", "20 x 25 cm", "30 x 40 cm")},
    ),
    ProductKind(
        "Mattress Topper",
        "home",
        129,
        {
            "filling": ("memory foam", "latex", "goose down"),
            "size": ("twin size", "queen size", "king size"),
            "thickness": ("5 cm", "8 cm"),
        },
    ),
    ProductKind(
        "Bath Towel",
        "home",
        19,
        {
            "color": ("white", "slate blue", "terracotta"),
            "weave": ("waffle", "velour"),
            "size": ("70 x 140 cm", "100 x 150 cm"),
        },
    ),
    ProductKind(
        "Window Curtain",
        "home",
        44,
        {"color": ("ivory", "navy blue", "charcoal"), "length": ("160 cm", "220 cm", "270 cm")},
    ),
    # -- kitchen -------------------------------------------------------------------------------------------------------
    ProductKind(
        "Electric Kettle",
        "kitchen",
        52,
        {"color": ("stainless steel", "mint green", "cream"), "capacity": ("1.0 liters", "1.7 liters")},
    ),
    ProductKind(
        "Coffee Grinder",
        "kitchen",
        64,
        {"grinder": ("conical burr", "flat burr", "steel blade"), "color": ("black", "silver", "crimson")},
    ),
    ProductKind(
        "Chef Knife",
        "kitchen",
        72,
        {"handle": ("walnut", "pakkawood", "micarta"), "blade length": ("16 cm", "20 cm", "24 cm")},
    ),
    ProductKind(
        "Frying Pan",
        "kitchen",
        46,
        {"surface": ("cast iron", "ceramic", "carbon steel"), "diameter": ("20 cm", "24 cm", "28 cm")},
    ),
    ProductKind(
        "Espresso Machine",
        "kitchen",
        289,
        {
            "color": ("stainless steel", "black", "cream"),
            "pressure": ("15 bar", "20 bar"),
            "milk": ("steam wand", "automatic frother"),
        },
    ),
    ProductKind(
        "Water Bottle",
        "kitchen",
        24,
        {
            "color": ("forest green", "coral", "white", "navy blue"),
            "capacity": ("500 ml", "750 ml"),
            "lid": ("straw lid", "screw cap"),
        },
    ),
    ProductKind(
        "Lunch Box",
        "kitchen",
        27,
        {"material": ("bamboo", "stainless steel"), "compartments": ("2 compartments", "3 compartments")},
    ),
    ProductKind(
        "Cutting Board",
        "kitchen",
        34,
        {"wood": ("acacia", "maple", "bamboo"), "size": ("20 x 30 cm", "28 x 40 cm", "35 x 50 cm")},
    ),
    ProductKind(
        "Stand Mixer",
        "kitchen",
        249,
        {"color": ("crimson", "sky blue", "ivory", "graphite"), "bowl": ("4.3 liters", "6.2 liters")},
    ),
    ProductKind(
        "Baking Dish",
        "kitchen",
        32,
        {"material": ("stoneware", "borosilicate glass"), "capacity": ("1.5 liters", "2.5 liters", "3.6 liters")},
    ),
    # -- electronics ---------------------------------------------------------------------------------------------------
    ProductKind(
        "Wireless Mouse",
        "electronics",
        31,
        {
            "color": ("graphite", "white", "lilac"),
            "hand": ("left-handed", "right-handed"),
            "sensor": ("1600 dpi", "3200 dpi"),
        },
    ),
    ProductKind(
        "Mechanical Keyboard",
        "electronics",
        104,
        {
            "switches": ("linear", "clicky", "tactile"),
            "layout": ("full-size", "tenkeyless"),
            "color": ("black", "white"),
        },
    ),
    ProductKind(
        "Computer Monitor",
        "electronics",
        219,
        {
            "size": ("24 inch", "27 inch", "32 inch"),
            "resolution": ("1080p", "1440p"),
            "refresh rate": ("60 Hz", "144 Hz"),
        },
    ),
    ProductKind(
        "Laptop Sleeve",
        "electronics",
        28,
        {"material": ("wool felt", "neoprene", "leather"), "size": ("13 inch", "14 inch", "16 inch")},
    ),
    ProductKind(
        "Bluetooth Speaker",
        "electronics",
        79,
        {"color": ("black", "teal green", "sand"), "battery life": ("12 hours", "20 hours")},
    ),
    ProductKind(
        "Gaming Headset",
        "electronics",
        92,
        {"connection": ("wired", "2.4 GHz wireless"), "color": ("black", "white", "violet")},
    ),
    ProductKind(
        "Smart Watch",
        "electronics",
        209,
        {
            "band": ("leather", "silicone", "steel mesh"),
            "case": ("silver", "graphite", "rose gold"),
            "case size": ("41 mm", "45 mm"),
        },
    ),
    ProductKind(
        "Tablet",
        "electronics",
        319,
        {
            "color": ("silver", "graphite", "sky blue"),
            "storage": ("64 GB", "128 GB", "256 GB"),
            "connection": ("Wi-Fi only", "cellular"),
        },
    ),
    ProductKind(
        "Power Bank",
        "electronics",
        43,
        {"color": ("black", "white", "olive green"), "capacity": ("10,000 mAh", "20,000 mAh", "26,800 mAh")},
    ),
    # -- office --------------------------------------------------------------------------------------------------------
    ProductKind(
        "Office Chair",
        "office",
        229,
        {
            "seat": ("breathable mesh", "leather", "wool blend"),
            "color": ("black", "slate gray"),
            "armrests": ("padded armrests", "adjustable armrests"),
        },
    ),
    ProductKind(
        "Standing Table",
        "office",
        429,
        {"top": ("bamboo", "walnut", "white laminate"), "width": ("120 cm", "140 cm", "160 cm")},
    ),
    ProductKind(
        "Notebook",
        "office",
        14,
        {
            "paper": ("dotted", "college ruled", "squared"),
            "cover": ("hardcover", "softcover"),
            "pages": ("120 pages", "240 pages"),
        },
    ),
    ProductKind(
        "Fountain Pen",
        "office",
        49,
        {"color": ("burgundy", "midnight blue", "ivory"), "nib": ("0.5 mm", "0.7 mm", "1.1 mm")},
    ),
    ProductKind(
        "Bookshelf",
        "office",
        144,
        {"wood": ("walnut", "birch", "white laminate"), "tiers": ("3 tiers", "4 tiers", "5 tiers")},
    ),
    # -- clothing ------------------------------------------------------------------------------------------------------
    ProductKind(
        "Rain Jacket",
        "clothing",
        88,
        {"color": ("mustard", "navy blue", "forest green"), "size": ("small", "medium", "large")},
    ),
    ProductKind(
        "Sweater",
        "clothing",
        74,
        {
            "material": ("cashmere", "merino wool", "cotton"),
            "color": ("burgundy", "charcoal", "cream"),
            "size": ("small", "medium", "large"),
        },
    ),
    ProductKind(
        "T-Shirt",
        "clothing",
        19,
        {
            "color": ("black", "white", "sage green", "coral"),
            "size": ("small", "medium", "large"),
            "neckline": ("crew neck", "V-neck"),
        },
    ),
    ProductKind(
        "Scarf",
        "clothing",
        37,
        {"pattern": ("plaid", "herringbone", "polka dot"), "material": ("silk", "cashmere", "cotton")},
    ),
    ProductKind(
        "Belt",
        "clothing",
        42,
        {
            "color": ("cognac", "black", "dark brown"),
            "buckle": ("brass", "nickel"),
            "length": ("90 cm", "100 cm", "110 cm"),
        },
    ),
    # -- sports --------------------------------------------------------------------------------------------------------
    ProductKind(
        "Yoga Mat",
        "sports",
        39,
        {"material": ("natural rubber", "jute", "cork"), "thickness": ("3 mm", "5 mm", "8 mm")},
    ),
    ProductKind(
        "Bike Helmet",
        "sports",
        66,
        {"color": ("white", "neon yellow", "matte black"), "size": ("small", "medium", "large")},
    ),
    ProductKind(
        "Kettlebell",
        "sports",
        45,
        {"coating": ("vinyl", "powder coat"), "weight": ("8 kg", "12 kg", "16 kg", "24 kg")},
    ),
    ProductKind(
        "Tennis Racket",
        "sports",
        112,
        {
            "frame weight": ("265 g", "285 g", "305 g"),
            "string pattern": ("16x19", "18x20"),
            "color": ("black", "lime green"),
        },
    ),
    # -- outdoors ------------------------------------------------------------------------------------------------------
    ProductKind(
        "Camping Tent",
        "outdoors",
        189,
        {
            "color": ("forest green", "burnt orange"),
            "capacity": ("2 person", "3 person", "4 person"),
            "season": ("summer", "all-season"),
        },
    ),
    ProductKind(
        "Sleeping Bag",
        "outdoors",
        99,
        {"filling": ("goose down", "synthetic"), "season": ("summer", "winter"), "length": ("185 cm", "200 cm")},
    ),
    ProductKind(
        "Hiking Backpack",
        "outdoors",
        119,
        {"color": ("slate gray", "burnt orange", "olive green"), "capacity": ("30 liters", "45 liters", "65 liters")},
    ),
    # -- garden, pets, travel, toys ------------------------------------------------------------------------------------
    ProductKind(
        "Watering Can",
        "garden",
        29,
        {"material": ("galvanized steel", "copper"), "capacity": ("5 liters", "9 liters")},
    ),
    ProductKind(
        "Dog Bed",
        "pets",
        56,
        {"cover": ("corduroy", "faux fur", "canvas"), "size": ("60 x 45 cm", "80 x 60 cm", "110 x 75 cm")},
    ),
    ProductKind(
        "Suitcase",
        "travel",
        154,
        {
            "shell": ("polycarbonate", "aluminum"),
            "color": ("silver", "midnight blue", "blush"),
            "volume": ("38 liters", "94 liters"),
        },
    ),
    ProductKind(
        "Jigsaw Puzzle",
        "toys",
        24,
        {
            "motif": ("lighthouse", "mountain lake", "city skyline"),
            "pieces": ("500 pieces", "1000 pieces", "2000 pieces"),
        },
    ),
)
