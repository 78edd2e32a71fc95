"""The viewer in a real Chromium: by mouse, by keys, on a phone, in the dark, while a run grows, under attack."""

from __future__ import annotations

import asyncio

import pytest

from t2t_dist.view.query import address
from tests.support import hostile
from tests.support.finished_run import played
from tests.support.viewed import BAD, GOOD, commit_more, library, new_episode
from tests.ui.browser import DESKTOP, PHONE
from tests.ui.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


def episode_at(run: str, intent: str = "general", well: bool = True) -> str:
    made = library()
    task = made.one(intent)  # type: ignore[arg-type]
    row = played(made, task, agent=GOOD if well else BAD, well=well)[1]
    return address("run", run, "episode", row["episode_id"])


# -- finding one's way -------------------------------------------------------------------------------------------------
async def test_from_the_runs_to_a_conversation_by_mouse(site: Site) -> None:
    page = await site.open("/")
    assert await page.count(".run") == 6
    assert await page.leads(lambda: page.click(".run h2 a")) == "/run/small"
    at = await page.leads(lambda: page.click(".matrix tbody tr:nth-child(2) td a"))
    assert at.startswith("/run/small/episodes?agent=")
    assert "&intent=" in at
    shown = await page.count(".episodes .row")
    assert shown > 0
    assert (await page.text(".count")).startswith(f"{shown} episodes")
    at = await page.leads(lambda: page.click(".episodes .row:nth-child(2) .open"))
    assert "/episode/" in at
    assert await page.count(".turn.customer") > 0
    assert await page.count(".call.write .grew ins") > 0
    assert "Passed" in await page.text(".verdict")
    assert await page.leads(lambda: page.click("a[rel=up]")) != "/"
    assert await page.count(".episodes .row") == shown


async def test_filters_are_in_the_address_and_can_be_shared(site: Site) -> None:
    page = await site.open("/run/small/episodes")
    for label in ("not passed", "general"):
        links = "[...document.querySelectorAll('.facet a')]"
        await page.ask(f"{links}.find((link) => link.innerText.startsWith({label!r})).setAttribute('id', 'chosen')")
        at = await page.leads(lambda: page.click("#chosen"))
    assert at == "/run/small/episodes?result=not+passed&intent=general"
    first = await page.text(".episodes")
    assert first.count("not passed") == await page.count(".episodes .row") > 0
    await site.open("/")
    await site.open(at)
    assert await page.text(".episodes") == first
    assert await page.count(".facet a.on") == 2


async def test_search_finds_words_and_marks_them(site: Site) -> None:
    page = await site.open("/run/small/episodes")
    await page.key("/")
    await page.type("go ahead")
    at = await page.leads(lambda: page.key("Enter"))
    assert at == "/run/small/episodes?q=go+ahead"
    assert "Searched" in await page.text(".looked")
    assert await page.count(".episodes .row") > 3
    await page.leads(lambda: page.click(".episodes .row .open"))
    assert await page.ask("CSS.highlights.get('found').size") > 0


async def test_keys(site: Site) -> None:
    page = await site.open("/run/small/episodes?result=passed")
    for key in "jjjk":
        await page.key(key)
    assert await page.ask("[...document.querySelectorAll('.row')].findIndex(r => r.matches('.selected'))") == 1
    first = await page.leads(lambda: page.key("Enter"))
    after = await page.leads(lambda: page.key("n"))
    assert after != first
    assert "result=passed" in after
    assert await page.leads(lambda: page.key("p")) == first
    assert not await page.ask("document.querySelector('details.got')?.open ?? false")
    await page.key("o")
    assert await page.ask("[...document.querySelectorAll('.chat details')].every(d => d.open)")
    await page.key("j")
    assert await page.count(".turn.selected") == 1
    await page.key("?")
    assert await page.ask("document.querySelector('#keys').open")
    await page.key("Escape")
    assert not await page.ask("document.querySelector('#keys').open")
    assert await page.leads(lambda: page.key("u")) == "/run/small/episodes?result=passed"
    assert await page.leads(lambda: page.key("u")) == "/run/small"
    # In a field, keys are letters.
    await site.open("/run/small/episodes")
    await page.click("#search")
    await page.key("j")
    assert await page.count(".selected") == 0


async def test_two_agents_on_one_task(site: Site) -> None:
    task = library().one("ambiguous")
    page = await site.open(address("run", "small", "task", task.task_id))
    at = await page.leads(lambda: page.click(".choose button"))
    assert at.startswith("/compare?a=small%2Fep-")
    assert await page.count(".compare .side") == 2
    boxes = await page.ask("[...document.querySelectorAll('.side')].map(s => s.getBoundingClientRect().x)")
    assert boxes[1] > boxes[0] + 300
    heads = await page.text(".compare")
    assert GOOD in heads
    assert BAD in heads
    assert "not made" in heads


async def test_a_certificate_is_drawn(site: Site) -> None:
    made = library()
    for intent, marks in (
        ("ambiguous", "svg.drawing path.right"),
        ("changing", "svg.drawing .node.right"),
        ("infeasible", ".rule"),
    ):
        page = await site.open(address("run", "small", "task", made.one(intent).task_id))  # type: ignore[arg-type]
        assert await page.count(f".certificate {marks}") >= 1
        box = await page.ask(f"document.querySelector('.certificate {marks}').getBoundingClientRect().width")
        assert box > 20
    page = await site.open(address("run", "small", "task", made.one("changing").task_id))
    assert await page.count(".columns.states > div") == 2
    assert await page.count(".columns.states .record") >= 2


async def test_a_long_conversation_comes_in_pages(site: Site) -> None:
    page = await site.open("/run/long/episode/ep-long?intent=ambiguous")
    assert await page.count(".turn") == 150
    assert "250 more turns" in await page.text(".talk")
    await page.leads(lambda: page.click(".talk > .count a"))
    assert "message number 150" in await page.text(".turn")
    await page.leads(lambda: page.click(".talk > .count:last-child a"))
    assert await page.count(".turn") == 100
    assert not await page.ask("document.querySelector('.thought').open")
    await page.click(".thought summary")
    assert "why not" in await page.text(".thought")
    assert "m-7b · 1.2 s · 3,120 → 41 tokens · length" in await page.text(".cost")
    await site.shoot("costs")


async def test_a_live_run_shows_what_comes_without_a_reload(site: Site) -> None:
    page = await site.open("/run/growing/episodes?order=newest")
    await page.key("j")
    await page.ask("window.same = 1")
    before = await page.count(".row")
    made = library()
    commit_more(site.folder / "growing", [new_episode(made, made.verified()[0], 30)])
    await page.until(f"document.querySelectorAll('.row').length === {before + 1}")
    assert "#31" in await page.text(".row")
    assert await page.ask("window.same") == 1
    assert await page.count(".row.selected") == 1
    await page.ask("document.querySelector('#search').focus()")
    await page.type("half a word")
    commit_more(site.folder / "growing", [new_episode(made, made.verified()[0], 31)])
    await asyncio.sleep(3.5)
    assert await page.ask("document.querySelector('#search').value") == "half a word"


async def test_the_page_is_locked_without_the_cookie_and_opens_with_the_token(site: Site) -> None:
    page = site.page
    try:
        await page.do("Network.clearBrowserCookies")
        await site.open("/run/small/episodes?result=passed")
        assert "locked" in await page.text("h1")
        await site.shoot("locked")
        assert await page.count(".row") == 0
        await page.click("input[name=token]")
        await page.type("wrong")
        await page.leads(lambda: page.key("Enter"))
        assert "Wrong token" in await page.text("h1")
        await page.click("input[name=token]")
        await page.type(site.token)
        assert await page.leads(lambda: page.key("Enter")) == "/run/small/episodes?result=passed"
        assert await page.count(".row") > 0
    finally:
        await page.open(f"{site.base}/?token={site.token}")


# -- hostile transcripts -----------------------------------------------------------------------------------------------
async def test_nothing_of_a_hostile_transcript_runs_and_the_page_can_be_used(site: Site) -> None:
    page = site.page
    where = episode_at("hostile")
    for path in (
        "/",
        "/run/hostile",
        "/run/hostile/episodes",
        where,
        f"/compare?a=hostile/{where.split('/')[-1]}&b=hostile/{where.split('/')[-1]}",
    ):
        for screen in (DESKTOP, PHONE):
            await page.screen(screen)
            await site.open(path)
            assert await page.ask("window.hurt") is None, path
            assert await page.ask("document.scripts.length") == 1
            assert (
                await page.count(
                    "main img, main iframe, main style, main base, main form[action^='//'], main a[href^=javascript]"
                )
                == 0
            )
            assert await page.ask("document.documentElement.scrollWidth") <= screen[0], path
            assert await page.ask("!!document.querySelector('#keys')"), path
    await page.screen(DESKTOP)
    await site.open(where)
    await site.shoot("hostile")
    assert await page.ask("performance.getEntriesByType('navigation')[0].duration") < 5000
    text = await page.text(".talk")
    assert all(markup.replace("\x00", "NUL") in text for markup in hostile.MARKUP if "\n" not in markup)
    assert "U+202E" in text
    assert "ESC[31m" in text
    assert f"{len(hostile.MEGABYTE):,} characters" in text
    await page.key("?")
    await site.shoot("keys")
    await page.key("Escape")
    for key in "jjjo":
        await page.key(key)
    assert await page.count(".turn.selected") == 1
    # Piled marks stay within their own message.
    assert await page.ask("[...document.querySelectorAll('.say')].every(s => getComputedStyle(s).overflowY === 'clip')")
    at = await page.leads(lambda: page.click(".more"))
    assert "/text/" in at
    assert await page.ask("window.hurt") is None


# -- how it looks ------------------------------------------------------------------------------------------------------
SCREENS = {
    "runs": "/",
    "run": "/run/small",
    "tasks": "/run/small/tasks",
    "episodes": "/run/small/episodes?result=not+passed",
    "search": "/run/small/episodes?q=hold",
    "nothing": "/run/small/episodes?q=nobody+says+this",
    "empty": "/run/empty",
    "broken": "/run/broken/episodes",
    "missing": "/run/none",
    "general": address("run", "small", "task", library().one("general").task_id),
    "ambiguous": address("run", "small", "task", library().one("ambiguous").task_id),
    "changing": address("run", "small", "task", library().one("changing").task_id),
    "infeasible": address("run", "small", "task", library().one("infeasible").task_id),
    "passed": episode_at("small"),
    "not-passed": episode_at("small", "ambiguous", well=False),
    "compare": "/compare?a={}&b={}".format(
        *(episode_at("small", "ambiguous", well).replace("/run/", "").replace("/episode", "") for well in (True, False))
    ),
    "text": episode_at("small") + "/text/1/content",
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_every_screen_fits_and_can_be_read(site: Site, size: tuple[int, int], dark: bool) -> None:
    page = site.page
    await page.screen(size, dark)
    for name, path in SCREENS.items():
        await site.open(path)
        await site.shoot(f"{name}-{size[0]}-{'dark' if dark else 'light'}")
        assert await page.ask("document.documentElement.scrollWidth") <= size[0], name
        unfit = await page.ask(
            "[...document.querySelectorAll('main *')].filter(e => { const b = e.getBoundingClientRect();"
            " return b.width > 0 && (b.right > innerWidth + 1 || b.left < -1) && !e.closest('.wide, .vh, pre, .got');"
            " }).map(e => e.outerHTML.slice(0, 80))"
        )
        assert unfit == [], name
        faint = await page.ask(CONTRAST)
        assert faint == [], name


#: Texts whose colour stands out too little from what is behind them (WCAG AA: 4.5 to 1, large or bold ones 3 to 1).
CONTRAST = """
(() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => { const f = (c) => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > .5) return c; } return [255, 255, 255]; };
  const faint = [];
  for (const e of document.querySelectorAll('main *, .top *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
    if (e.closest('svg, .vh, .off, [hidden], .got[open]')) continue;
    const style = getComputedStyle(e), a = light(rgb(style.color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05), size = parseFloat(style.fontSize);
    if (ratio < (size >= 18.6 ? 3 : 4.5))
      faint.push(`${e.className || e.tagName} ${ratio.toFixed(1)} ${e.innerText.slice(0, 30)}`);
  }
  return [...new Set(faint)].slice(0, 8);
})()
"""
