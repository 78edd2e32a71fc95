"""What a job is sent: exactly git's working tree, no secrets, the same bytes for the same files."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.cluster.jobs.package import SECRETS, is_excluded, is_secret, pack, working_tree
from t2t_dist.core.errors import InputError


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.net", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files that are tracked, new, ignored and deleted; a folder with a name of its own."""
    root = tmp_path / "tree"
    root.mkdir()
    git(root, "init", "-q")
    write(
        root, run_dot_yaml="seed: 1\n", desk__domain_dot_py="x = 1\n", gone_dot_py="", _dot_gitignore="runs/\n*.log\n"
    )
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    write(root, new_dot_py="y = 2\n", runs__part_dot_arrow="rows", noise_dot_log="...", desk__ä_dot_md="name")
    (root / "gone.py").unlink()
    return root


def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return sorted(archive.namelist())


def test_tracked_and_new_files_but_not_ignored_or_deleted_ones(tree: Path, tmp_path: Path) -> None:
    made = pack(tree, tmp_path / "p.zip", extra={"sent.yaml": b"seed: 2"})
    assert names(made.path) == [".gitignore", "desk/domain.py", "desk/ä.md", "new.py", "run.yaml", "sent.yaml"]
    assert (made.files, made.secrets) == (6, [])
    with zipfile.ZipFile(made.path) as archive:
        assert archive.read("new.py") == b"y = 2\n"
        assert archive.read("sent.yaml") == b"seed: 2"


def test_a_link_to_a_folder_of_the_tree_is_sent_as_that_folder(tree: Path, tmp_path: Path) -> None:
    (tree / "package").mkdir()
    (tree / "package" / "desk").symlink_to("../desk")
    (tree / "package" / "up").symlink_to("..")
    (tree / "package" / "out").symlink_to(tmp_path)
    found = names(pack(tree, tmp_path / "p.zip").path)
    assert [name for name in found if name.startswith("package/desk/")] == [
        "package/desk/domain.py",
        "package/desk/ä.md",
    ]
    assert not [name for name in found if name.startswith("package/out")]
    assert [name for name in found if name.startswith("package/up/package")] == []


def test_a_folder_within_the_tree_is_packed_from_there(tree: Path, tmp_path: Path) -> None:
    assert names(pack(tree / "desk", tmp_path / "p.zip").path) == ["domain.py", "ä.md"]


def test_the_same_files_make_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    first = pack(tree, tmp_path / "a.zip").path.read_bytes()
    for path in tree.rglob("*.py"):
        os.utime(path, (1, 1))
    assert pack(tree, tmp_path / "b.zip").path.read_bytes() == first
    write(tree, new_dot_py="y = 3\n")
    assert pack(tree, tmp_path / "c.zip").path.read_bytes() != first


def test_secrets_stay_here_even_tracked_ones(tree: Path, tmp_path: Path) -> None:
    write(tree, _dot_env="KEY=1", sub___dot_env_dot_local="KEY=1", server_dot_pem="-", _dot_ssh__config="-")
    write(tree, _dot_env_dot_example="KEY=")
    git(tree, "add", "-Af")
    made = pack(tree, tmp_path / "p.zip")
    assert made.secrets == [".env", ".ssh/config", "server.pem", "sub/.env.local"]
    assert not set(made.secrets) & set(names(made.path))
    assert ".env.example" in names(made.path)


@given(st.sampled_from([s for s in SECRETS if "*" not in s]), st.lists(st.sampled_from(["a", "b.c"]), max_size=3))
def test_a_secret_is_one_at_any_depth(secret: str, folders: list[str]) -> None:
    assert is_secret("/".join([*folders, secret]))
    assert is_secret("/".join([*folders, secret.upper()]))
    assert not is_secret("/".join([*folders, "run.yaml"]))


def test_links_out_of_the_tree_are_not_followed(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("not the tree's")
    (tree / "out").symlink_to(outside)
    (tree / "in").symlink_to(tree / "new.py")
    found = names(pack(tree, tmp_path / "p.zip").path)
    assert "out" not in found
    assert "in" in found


def test_submodules_are_part_of_it(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    write(other, rules_dot_py="z = 1\n")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "one")
    git(tree, "submodule", "add", "-q", str(other), "vendored")
    assert "vendored/rules.py" in working_tree(tree)


@pytest.mark.parametrize(
    ("pattern", "left_out"),
    [("desk", True), ("desk/*.py", True), ("*.py", True), ("desk/", True), ("des", False), ("*.md", False)],
)
def test_exclude(pattern: str, left_out: bool) -> None:
    assert is_excluded("desk/domain.py", [pattern]) is left_out


def test_too_large_names_the_largest_and_what_to_do(tree: Path, tmp_path: Path) -> None:
    (tree / "weights.bin").write_bytes(os.urandom(50_000))
    with pytest.raises(InputError, match=r"weights\.bin \(.*MiB\).*--exclude") as error:
        pack(tree, tmp_path / "p.zip", limit=10_000)
    assert "\n" not in str(error.value)
    assert pack(tree, tmp_path / "p.zip", limit=10_000, exclude=["*.bin"]).bytes < 10_000


def test_no_working_tree(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="git init"):
        pack(tmp_path, tmp_path / "p.zip")


def test_a_name_that_is_not_utf8_is_refused_unless_it_is_left_out(tree: Path, tmp_path: Path) -> None:
    (tree / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    with pytest.raises(InputError, match=r"the name 'caf\\udce9\.txt' is not UTF-8.*--exclude") as error:
        pack(tree, tmp_path / "p.zip")
    assert "\n" not in str(error.value)
    assert "new.py" in names(pack(tree, tmp_path / "q.zip", exclude=["caf*"]).path)
