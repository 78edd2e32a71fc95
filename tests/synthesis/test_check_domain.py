"""check-domain finds each defect and reports where it is and what to do about it."""

from __future__ import annotations

import inspect
import itertools
import re
from pathlib import Path

import pytest

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.environments.registry import BUILT_IN
from t2t_dist.synthesis.check_domain import Check, check, expressible, not_run
from tests.support import broken_domains
from tests.support.library_domain import Library

FILE = str(Path(broken_domains.__file__))
NAMES = [
    "schema",
    "customers",
    "rules cite the policy",
    "words",
    "determinism",
    "READ tools are pure",
    "forks are isolated",
    "every rule can be broken",
    "every workflow is possible",
    "every WRITE is reached",
    "no task is lost by its words",
    "the domain's own",
]


def checked(name: str, seed: int = 0) -> dict[str, Check]:
    found = check(Config(domain=f"tests.support.broken_domains:{name}", domain_seed=seed))
    assert [item.name for item in found] == NAMES[: len(found)]
    assert all(item.ok == (item.detail == "") and "\n" not in item.detail for item in found)
    return {item.name: item for item in found}


def place(name: str) -> str:
    """Where the defect of a domain stands: the marked line, another file's, or the class itself."""
    kind = getattr(broken_domains, name)
    lines, first = inspect.getsourcelines(kind)
    marked = [first + n for n, line in enumerate(lines) if line.rstrip().endswith("# defect")]
    return str(getattr(kind, "defect", f"{FILE}:{marked[0] if marked else first}"))


# -- domains as they should be -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*sorted(BUILT_IN), "tests.support.library_domain:Library"])
def test_a_sound_domain_passes_every_check(name: str) -> None:
    scale = 0.5 if name in BUILT_IN else 1.0  # enough customers for what few of them can do
    assert check(Config(domain=name, scale=scale)) == [Check(point, True, "") for point in NAMES]


def test_it_is_said_what_customers_can_describe_and_what_lacks_words() -> None:
    said = expressible(Config(domain="telecom", scale=0.5))
    fields = "Line.plan_id, Line.status, Line.suspended_for, Line.sim_ordered, Line.data_added, Bill.month, Bill.status"
    assert f"customers describe records by {fields}" in said
    assert "they mean the first or the last, by Line.data_used, Line.plan_since, Plan.price" in "\n".join(said)
    assert "they want something for several of Line, Bill" in said
    assert "they add something to, or take a part back of refuel_data" in said
    assert "they mean what another record holds: Line.plan_id, Bill.paid_with" in said
    assert "they ask data, bills, active" in said
    assert any(one.startswith("they ask about the results of what was done paid_in_all, ") for one in said)
    assert "they allow, or want, something else first for bring_line_back, set_up_roaming, change_plan" in said
    choices = "change_plan.price, refuel_data.price, pay_bill.amount"
    assert f"they want one of two errands, whichever has the less or the more of {choices}" in said
    assert not any("under 'records'" in sentence for sentence in said)
    said = expressible(Config(domain="tests.support.library_domain:Library"))
    assert "customers name all that they want" in said
    assert "with words under 'records' of language.yaml they could describe Hold" in said


def test_it_is_said_what_customers_can_push_with_and_what_lacks_words() -> None:
    said = "\n".join(expressible(Config(domain="telecom", scale=0.5)))
    assert "customers can claim Bill.status (R8, R16)" in said
    assert "with words under 'claims' of language.yaml they could claim Line.suspended_for (R18)" in said
    assert "they get wrong at first: contact number, date of birth" in said
    assert "notes that instruct stand in Customer.note, Line.note" in said
    said = "\n".join(expressible(Config(domain="tests.support.library_domain:Library")))
    assert "customers claim nothing of records" in said
    assert "no note instructs the agent" in said


# -- one defect each ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("domain", "point", "message"),
    [
        ("Untyped", "schema", "stamp has no type for colour, return; annotate it"),
        ("Silent", "schema", "holds has no docstring; models read it as the tool's description"),
        ("Undescribed", "schema", "holds does not describe 'reader_id'; add it under 'Args:' in the docstring"),
        ("Unfollowed", "schema", "the result of weather has no domain type, so nothing can follow from it"),
        ("NoWrites", "schema", "no tool is a WRITE: there is nothing to make tasks of"),
        ("NobodyToCall", "schema", "transfer_tool is 'call_the_mayor', which is not among the tools"),
        ("NothingToDeclineWith", "schema", "decline_tool is 'say_no', which is not among the tools"),
        ("DeclinedWithoutARecord", "schema", "decline_tool is 'call_head_librarian', which is no RECORD tool"),
        ("Nobody", "customers", "customers(base) gives nobody"),
        ("NoEntry", "customers", "no READ tool finds a ReaderId from what profile() says a customer knows"),
        ("WrongReader", "customers", "does not find reader-1"),
        ("HandedOverToNobody", "rules cite the policy", "wants the customer handed over, but transfer_tool is not set"),
        (
            "CitesNothing",
            "rules cite the policy",
            "cites R99, which policy.md does not have (it has R1, R2, R3, R4, R5)",
        ),
        ("Twice", "rules cite the policy", "R3 stands in code twice, first at "),
        ("NoSuchTool", "rules cite the policy", "constrains 'sell_hold', which is no tool; correct the name"),
        ("LooksWithNothing", "rules cite the policy", "names 'look_at_hold', which is no tool; correct the name"),
        ("OrdersNothing", "rules cite the policy", "Before of R98 cites a rule that policy.md does not have"),
        ("NotAbsent", "rules cite the policy", "says there is no tool 'cancel_hold', but there is"),
        (
            "AnotherDatabaseEveryTime",
            "determinism",
            "gives other records the second time; draw from random.Random(seed)",
        ),
        ("Lucky", "determinism", "bless gives another result the second time; take time and ids from the world"),
        ("Timed", "determinism", "list_holds gives another result the second time; take time and ids from the world"),
        ("Peeping", "READ tools are pure", "list_holds is a READ tool and writes; make it WRITE, or use world.get"),
        (
            "Leaking",
            "forks are isolated",
            "a tool changed the tables that all worlds share; change only what world.edit",
        ),
        ("NothingBreaksIt", "every rule can be broken", "nothing breaks R4 (no_limits); its proposes() has to yield"),
        ("NothingProposed", "every rule can be broken", "nothing breaks R4 (stays); its proposes() has to yield"),
        (
            "ToolDoesIt",
            "every rule can be broken",
            "R4 says the tool refuses, but move_hold did it; use Enforced.BY_POLICY",
        ),
        ("ToolRefuses", "every rule can be broken", "R3 says only the policy forbids it, but cancel_hold refuses: "),
        ("OutOfReach", "every WRITE is reached", "exploration never reaches launch: no tool's result holds BoatId"),
        ("NoTypeToBind", "every WRITE is reached", "never reaches rename: title has no domain type; give it one"),
        ("NeverAllowed", "every WRITE is reached", "never reaches move_hold: no binding was valid; see rules and data"),
        (
            "Crashing",
            "determinism",
            "list_holds raised KeyError: 'holds'; a tool raises ToolError for a call it refuses",
        ),
        ("CrashingWrite", "determinism", "cancel_hold raised NameError: name 'hold' is not defined; a tool raises"),
        ("Reasonless", "every rule can be broken", "never gives True as its reason; give a text to be said, or None"),
        ("BrokenRule", "determinism", "KeyError: 'no such argument'"),
    ],
)
def test_a_defect_is_reported_with_its_place(domain: str, point: str, message: str) -> None:
    found = checked(domain)
    assert not found[point].ok
    assert found[point].detail.startswith(f"{place(domain)}: ")
    assert message in found[point].detail
    before = NAMES[: NAMES.index(point)]
    assert all(found[name].ok for name in before)


def test_every_broken_domain_is_looked_at() -> None:
    domains = {
        name
        for name, kind in vars(broken_domains).items()
        if inspect.isclass(kind) and issubclass(kind, Library) and kind is not Library
    }
    cases = test_a_defect_is_reported_with_its_place.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert domains == {case[0] for case in cases} | {"Worded"}


@pytest.mark.parametrize("domain", ["Untyped", "Nobody"])
def test_where_nothing_further_could_run_nothing_further_is_reported(domain: str) -> None:
    found = list(checked(domain).values())
    assert not found[-1].ok
    assert not_run(found) == NAMES[len(found) :] != []


# -- policy and words --------------------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the domain ``Worded``, with the library's policy in it."""
    (tmp_path / "policy.md").write_text((Library.folder / "policy.md").read_text())
    monkeypatch.setattr(broken_domains.Worded, "folder", tmp_path)
    return tmp_path


#: A domain is built once a process for each seed: each test takes one of its own.
SEEDS = itertools.count(1000)


def test_a_policy_without_numbers(folder: Path) -> None:
    (folder / "policy.md").write_text("Be kind.\n")
    assert checked("Worded", next(SEEDS))["schema"].detail == (
        f"{folder / 'policy.md'} holds no numbered rule; begin each with 'R<number>.'"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tools: {waive_fine: {name: waiving a fine, request: ['Please waive my fine on {hold_id}.']}}", ""),
        (
            "tools: {sell_hold: {name: selling, request: [Sell it.]}}",
            "'sell_hold' is no tool, no workflow, and no rule forbids it",
        ),
        ("refusals: {98: [No.]}", "refusals cite R98, which policy.md does not have"),
        ("records: {Lone: {noun: loan}}", "records.Lone: no tool's result has records of this type; there are: Hold"),
        (
            "records: {Hold: {noun: hold, fields: {titel.x: {most: [last]}}}}",
            "records.Hold.fields.titel.x: Hold has no such field; it has: hold_id, branch",
        ),
        (
            "records: {Hold: {noun: hold, id: holdid}}",
            "records.Hold.id.holdid: Hold has no such field; it has: hold_id, branch",
        ),
        ("claims: {Hold: {lost: {any: [I lost it.]}}}", "claims names Hold.lost, which no result has; hold_id, branch"),
        ("notes: {Book: note}", "notes names Book.note, which no result has; no such type; there are: Hold"),
        (
            "tools: {move_hold: {name: moving, request: [Move it.], tell: [{field: fee, ask: [x], say: ['{value}']}]}}",
            "tools.move_hold tells 'fee', not a field of its result",
        ),
        (
            "tools: {move_hold: {name: moving, request: ['Move {hold_id} to {branch}.'], done: ['{result[fee]:.2f}']}}",
            "tools.move_hold.done names {result[fee]}, not a field of its result: the phrase is never used",
        ),
        (
            "tools: {move_hold: {name: moving, request: ['Move {hold_id} to {branch}.'], otherwise: [burn]}}",
            "tools.move_hold.otherwise names 'burn', which is no errand: nobody wants it",
        ),
    ],
)
def test_words_that_do_not_fit(folder: Path, words: str, message: str) -> None:
    (folder / "language.yaml").write_text(words)
    found = checked("Worded", next(SEEDS))["words"]
    assert found.detail == (f"{folder / 'language.yaml'}: {message}" if message else "")


def test_words_that_can_not_be_read_and_domains_that_do_not_exist(folder: Path) -> None:
    (folder / "language.yaml").write_text(
        "tools: {move_hold: {name: moving, slots: {colour: {label: c}}, request: []}}"
    )
    for name, message in (
        ("tests.support.broken_domains:Worded", "names the slot 'colour', which move_hold does not have"),
        ("retial", "did you mean retail"),
        ("tests.support.broken_domains:Nowhere", "has no 'Nowhere'"),
    ):
        with pytest.raises(InputError, match=message) as complaint:
            check(Config(domain=name, domain_seed=next(SEEDS)))
        assert "\n" not in str(complaint.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("noun: 'hold {value}'", "records.Hold.noun: no placeholder {value}, there are none here"),
        ("noun: '[hold|book]'", "records.Hold.noun is one text, without [..|..]: '[hold|book]'"),
        ("{noun: hold, whose: ['my {branch}']}", "records.Hold.whose: no placeholder {branch}"),
        (
            "{noun: hold, figures: [{field: fee, ask: [x], say: ['{value}'], errands: [move_holt]}]}",
            "records.Hold.figures names the errand 'move_holt', which is no tool; did you mean 'move_hold'?",
        ),
    ],
)
def test_words_for_records_that_can_not_be_said(folder: Path, words: str, message: str) -> None:
    (folder / "language.yaml").write_text(f"records: {{Hold: {words if words.startswith('{') else f'{{{words}}}'}}}")
    with pytest.raises(InputError, match=re.escape(message)):
        check(Config(domain="tests.support.broken_domains:Worded", domain_seed=next(SEEDS)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "tools: {move_hold: {name: m, request: ['Move {hold_id} to {branch}.', 'Move {hold_id}.',"
            " '{branch} for {hold_id}!', 'To {branch}, {hold_id}.', 'Send {hold_id} on.']}}",
            "tools.move_hold: 2 of 5 requests do not say 'branch', such as 'Move {hold_id}.': no task is worded with"
            " them (not_stated); put {branch} into each",
        ),
        (
            "tools: {waive_fine: {name: w, request: ['Please waive it.']}}",
            "tools.waive_fine: 1 of 1 requests do not say 'hold_id', such as 'Please waive it.': no task",
        ),
        (
            "tools: {cancel_hold: {name: c, request: ['Cancel {hold_id}.'],"
            " slots: {hold_id: {label: hold, stated: ['{value}', mine]}}}}",
            "tools.cancel_hold.slots.hold_id.stated: 1 of 2 do not say the value, such as 'mine': no task of",
        ),
        (
            "slots: {hold_id: {label: hold, answer: [That one.]}}\n"
            "tools: {cancel_hold: {name: c, request: ['Cancel {hold_id}.']}}",
            "slots.hold_id.answer: 1 of 1 do not say the value, such as 'That one.'",
        ),
        (
            "tools: {move_hold: {name: m, request: ['Move {hold_id} to {branch}.'],"
            " slots: {branch: {label: branch, vague: [a branch, 'not {value}']}}}}",
            "tools.move_hold.slots.branch.vague: 1 of 2 give the value away, such as 'not {value}'",
        ),
        (
            "slots: {branch: {label: branch, ask: ['Where to?', 'Which branch?'], cues: [branch]}}",
            "slots.branch.ask: 1 of 2 questions have none of its cues, such as 'Where to?'",
        ),
        (
            "identity: {Card: {label: card, ask: ['Who are you?'], cues: [card]}}",
            "identity.Card.ask: 1 of 1 questions have none of its cues, such as 'Who are you?'",
        ),
    ],
)
def test_words_that_lose_tasks(folder: Path, words: str, message: str) -> None:
    (folder / "language.yaml").write_text(words)
    found = checked("Worded", next(SEEDS))
    assert message in found["no task is lost by its words"].detail
    assert found["no task is lost by its words"].detail.startswith(f"{folder / 'language.yaml'}: ")
    assert found["words"].ok


def test_words_that_lose_nothing(folder: Path) -> None:
    (folder / "language.yaml").write_text(
        "slots: {hold_id: {label: hold, vague: [one of my holds], ask: ['Which hold: {options}?'], cues: [hold]}}\n"
        "tools: {move_hold: {name: m, request: ['Move {hold_id} to {branch}.', 'To {branch} with {hold_id}!']}}"
    )
    assert checked("Worded", next(SEEDS))["no task is lost by its words"].ok
