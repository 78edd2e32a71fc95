"""READ tools of the agent."""

from __future__ import annotations

from ..lookups import first_key, need
from ..people import Email, FirstName, LastName, UserId, Zip
from ..state import Index, Record, World
from ..tools import READ, ToolError, tool
from . import conditions as when
from .records import (
    ItemDetails,
    ItemId,
    Order,
    OrderId,
    OrderSummary,
    Product,
    ProductId,
    ProductSummary,
    User,
)

BY_EMAIL = Index("users", lambda user: [user["email"].lower()])
BY_NAME_ZIP = Index(
    "users", lambda user: [(user["first_name"].lower(), user["last_name"].lower(), user["address"]["zip"])]
)
BY_ITEM = Index("products", lambda product: [variant["item_id"] for variant in product["variants"]])


def user_of(world: World, user_id: str) -> Record:
    return need(world, "users", user_id, "user", "find the id by e-mail or by name and zip code first")


def order_of(world: World, order_id: str) -> Record:
    return need(world, "orders", order_id, "order", "order ids look like '#W0000000', with the '#W'")


def product_of(world: World, product_id: str) -> Record:
    return need(world, "products", product_id, "product", "product ids have 10 digits and are not item ids")


@tool(READ)
def find_user_id_by_email(world: World, email: Email) -> UserId:
    """Find a customer's user id by e-mail address.

    Args:
        email: The e-mail address of the account, such as 'someone@example.com'.
    """
    wanted = email.strip().lower()
    otherwise = f"no account has the e-mail address '{email}'; ask for another one, or for name and zip code"
    return UserId(first_key(world, BY_EMAIL, wanted, otherwise))


@tool(READ)
def find_user_id_by_name_zip(world: World, first_name: FirstName, last_name: LastName, zip: Zip) -> UserId:
    """Find a customer's user id by first name, last name and zip code. Prefer the e-mail address where it is known.

    Args:
        first_name: First name, such as 'Maya'.
        last_name: Last name, such as 'Kovacs'.
        zip: Zip code of the account's address, such as '60614'.
    """
    wanted = (first_name.strip().lower(), last_name.strip().lower(), zip.strip())
    otherwise = f"no account is in the name of {first_name} {last_name} with zip code {zip}; check the spelling"
    return UserId(first_key(world, BY_NAME_ZIP, wanted, otherwise))


@tool(READ)
def get_user_details(world: World, user_id: UserId) -> User:
    """Get a customer's account: name, address, payment methods and order ids.

    Args:
        user_id: The user id, such as 'maya_kovacs_4821'.
    """
    return user_of(world, user_id)  # type: ignore[return-value]


@tool(READ)
def list_user_orders(world: World, user_id: UserId) -> list[OrderSummary]:
    """List a customer's orders with status, date, item names and total.

    Args:
        user_id: The user id, such as 'maya_kovacs_4821'.
    """
    orders = [order_of(world, order_id) for order_id in user_of(world, user_id)["orders"]]
    return [
        {
            "order_id": order["order_id"],
            "status": order["status"],
            "placed_at": order["placed_at"],
            "items": [item["name"] for item in order["items"]],
            "total": when.total(order),
        }
        for order in orders
    ]


@tool(READ)
def get_order_details(world: World, order_id: OrderId) -> Order:
    """Get an order: status, items with prices, address and payments.

    Args:
        order_id: The order id, such as '#W0000000'. Mind the '#W'.
    """
    return order_of(world, order_id)  # type: ignore[return-value]


@tool(READ)
def get_product_details(world: World, product_id: ProductId) -> Product:
    """Get a product with all its versions: options, price and stock of each.

    Args:
        product_id: The product id (10 digits; not an item id).
    """
    return product_of(world, product_id)  # type: ignore[return-value]


@tool(READ)
def get_item_details(world: World, item_id: ItemId) -> ItemDetails:
    """Get one version of a product by its item id.

    Args:
        item_id: The item id (10 digits; not a product id).
    """
    for product_id, product in world.lookup(BY_ITEM, item_id):
        variant = next(variant for variant in product["variants"] if variant["item_id"] == item_id)
        return {
            "product_id": ProductId(product_id),
            "name": product["name"],
            "item_id": item_id,
            "options": variant["options"],
            "price": variant["price"],
            "stock": variant["stock"],
        }
    raise ToolError(f"there is no item '{item_id}'; item ids stand in orders and in get_product_details")


@tool(READ)
def list_all_products(world: World) -> list[ProductSummary]:
    """List the products of the shop with their ids."""
    return [
        {"product_id": ProductId(key), "name": product["name"], "category": product["category"]}
        for key, product in world.scan("products")
    ]
