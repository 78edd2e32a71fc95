"""Writer of the template that ``t2t new-domain`` starts a custom domain from."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from t2t_dist.core.errors import InputError

#: Files of the template, with their names in a domain.
_FILES = {"domain.py.txt": "domain.py", "policy.md": "policy.md", "language.yaml": "language.yaml"}


def write_domain(name: str, folder: Path) -> str:
    """Write the package ``name`` into ``folder``; returns what ``--domain`` takes for it.

    Raises:
        InputError: Python can't import the name, it would hide a module, or the folder exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise InputError(f"'{name}' can't be a package: use small letters, digits and _, such as book_loans")
    if _is_importable(name):
        raise InputError(f"'{name}' is the name of a package that is there already; choose another")
    target = folder / name
    if target.exists():
        raise InputError(f"{target} is there already; give another name, or remove it")
    class_name = "".join(part.capitalize() for part in name.split("_"))
    try:
        target.mkdir(parents=True)
        (target / "__init__.py").touch()
        for source, file in _FILES.items():
            text = resources.files(__package__).joinpath("domain_template", source).read_text("utf-8")
            # Plain replacement: the files are full of braces.
            text = text.replace("{class_name}", class_name)
            text = text.replace("{name}", name)
            (target / file).write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{target} can't be written: {error.strerror or error}; work in another folder") from None
    return f"{name}.domain:{class_name}"


def _is_importable(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
