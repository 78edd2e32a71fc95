"""The viewer over real HTTP: who may look, what every page answers, and what is shown of incomplete runs."""

from __future__ import annotations

import asyncio
import html
import re
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import ToolCall, Turn
from t2t_dist.synthesis.intents import REGISTRY
from t2t_dist.view.episode import diagnosed
from t2t_dist.view.guard import HEADERS
from t2t_dist.view.query import Query, address
from t2t_dist.view.server import serving
from t2t_dist.view.text import PAGE
from tests.support import hostile
from tests.support.finished_run import failed, played, rows_of, write_run
from tests.support.library_domain import Library
from tests.support.made import Made, make
from tests.support.view_client import Client, viewing, words
from tests.support.viewed import GOOD, episode_of, library, row_of, small_run


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "small"
    small_run(folder)
    return folder


@pytest.fixture(scope="module")
def mixed() -> Made:
    return make(Library(), 14, difficulty=5)


# -- who may look ------------------------------------------------------------------------------------------------------
async def test_nothing_is_shown_without_the_token(small: Path) -> None:
    task = library().verified()[0]
    async with viewing(small, known=False) as client:
        for path in ("/", "/run/small", f"/run/small/task/{task.task_id}", "/live", "/compare", "/nothing?token=wrong"):
            status, text, _ = await client.get(path)
            assert status == 401, path
            assert task.task_id not in text.replace(path, "")
            assert client.token not in text


async def test_the_token_gives_a_cookie_and_leaves_the_address(small: Path) -> None:
    async with viewing(small, known=False) as client:
        path = "/run/small/episodes?intent=general&token="
        status, _, response = await client.get(path + client.token, allow_redirects=False)
        assert status == 303
        assert response.headers["Location"] == "/run/small/episodes?intent=general"
        cookie = response.headers["Set-Cookie"].lower()
        assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/"))
        assert (await client.get("/"))[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1234", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("LOCALHOST", 200),
        ("example.com", 403),
        ("127.0.0.1.example.com", 403),
        ("localhost.example.com:80", 403),
        ("example.com@127.0.0.1", 403),
        ("0.0.0.0", 403),
        ("", 403),
    ],
)
async def test_it_answers_to_loopback_names_only(small: Path, host: str, status: int) -> None:
    async with viewing(small) as client:
        for path in ("/", "/static/x/view.js"):
            assert (await client.get(path, headers={"Host": host}))[0] == status
        assert (await client.get("/", headers={"Host": host, "X-Forwarded-Host": "localhost"}))[0] == status


async def test_there_is_nothing_but_reading(small: Path) -> None:
    async with viewing(small) as client:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            async with client.session.request(method, client.base + "/") as response:
                assert response.status == 405
        async with client.session.head(client.base + "/") as response:
            assert response.status == 200


async def test_every_answer_has_the_policy(small: Path) -> None:
    async with viewing(small) as client:
        for path in ("/", "/live", "/nothing", "/run/none", "/static/x/view.css", "/static/x/none", "/%ff%00"):
            response = (await client.get(path))[2]
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy
            assert "*" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert ("no-store" in response.headers["Cache-Control"]) == (path != "/static/x/view.css")


async def test_each_intent_has_its_colours_and_says_what_it_is(small: Path) -> None:
    async with viewing(small) as client:
        _, sheet, _ = await client.get("/static/x/view.css")
        _, page, _ = await client.get("/run/small")
    for name, spec in REGISTRY.items():
        assert f".intent.{name} {{ color: {spec.colours.text}; background: {spec.colours.background}; }}" in sheet
        assert spec.colours.dark_text in sheet.split("@media (prefers-color-scheme: dark)")[-1]
        assert f'<span class="intent {name}" title="{html.escape(spec.summary)}">{name}</span>' in page


async def test_it_listens_on_the_loopback_interface_only(small: Path) -> None:
    async with viewing(small) as client:
        import psutil

        port = int(client.base.rsplit(":", 1)[1])
        listening = [c.laddr for c in psutil.Process().net_connections("tcp") if c.status == "LISTEN"]
        assert [address.ip for address in listening if address.port == port] == ["127.0.0.1"]


async def test_a_port_that_is_taken_is_bad_input(small: Path) -> None:
    async with viewing(small) as client:
        port = int(client.base.rsplit(":", 1)[1])
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1: .*another --port"):
            async with serving([str(small)], port):
                pass


def test_no_template_holds_a_script_a_style_or_markup_in_an_attribute() -> None:
    folder = resources.files("t2t_dist.view") / "templates"
    names = [entry for entry in folder.iterdir() if entry.name.endswith(".html")]
    assert len(names) > 8
    for entry in names:
        text = entry.read_text("utf-8")
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe", text), entry.name
        # Only text may hold the spans that |v makes.
        assert not re.search(r'="[^"]*\|\s*v\b', text), entry.name


# -- pages -------------------------------------------------------------------------------------------------------------
async def test_from_the_runs_to_a_message(small: Path) -> None:
    made = library()
    task = made.one("ambiguous")
    row = played(made, task)[1]
    async with viewing(small) as client:
        assert "24 tasks" not in await client.read("/")
        overview = await client.read("/run/small")
        assert all(word in overview for word in (GOOD, "scripted:silent", "engine timeout"))
        tasks = await client.read("/run/small/tasks?intent=ambiguous&verdict=verified")
        assert task.user.goals[0].request in tasks
        page = await client.read(address("run", "small", "task", task.task_id))
        assert "calls satisfy the opening request" in page
        assert task.certificate is not None
        assert all(candidate.final[:7] in page for candidate in task.certificate.candidates)
        assert task.user.known_info.split(".")[0] in page
        page = await client.read(address("run", "small", "episode", row["episode_id"]))
        assert "Passed" in page
        assert task.user.goals[0].request in page
        for call in task.grader.gold:
            assert call.name in page


async def test_the_rule_is_cited_with_its_text(small: Path) -> None:
    task = library().one("infeasible")
    assert task.certificate is not None
    async with viewing(small) as client:
        page = await client.read(address("run", "small", "task", task.task_id))
        assert f"R{task.certificate.rule}" in page
        assert " ".join((task.certificate.clause or "?").split()) in page


async def test_a_filter_is_an_address_and_its_counts_are_links(small: Path) -> None:
    made = library()
    async with viewing(small) as client:
        text = (await client.get("/run/small/episodes?result=not+passed&intent=general"))[1]
        assert 'href="/run/small/episodes?intent=general&amp;result=passed"' in text
        good = [t for t in made.tasks[:24] if t.verdict == "verified" and t.intent == "general"]
        assert f"{2 * len(good)} episodes of" in words(text)
        for name, value in (("result", "nonsense"), ("page", "99999"), ("page", "-1"), ("order", "x"), ("x", "y")):
            assert (await client.get(f"/run/small/episodes?{name}={value}"))[0] == 200


async def test_what_an_agent_passed_of_each_level_leads_to_its_episodes(small: Path) -> None:
    levels = {task.level for task in library().tasks[:24] if task.verdict == "verified"}
    assert len(levels) > 1
    async with viewing(small) as client:
        text = (await client.get("/run/small"))[1]
        for level in levels:
            link = address("run", "small", "episodes", query=f"?agent={quote(GOOD)}&amp;difficulty={level}")
            assert link in text
            page = (await client.get(f"/run/small/episodes?agent={quote(GOOD)}&difficulty={level}"))[1]
            of_level = [t for t in library().tasks[:24] if t.verdict == "verified" and t.level == level]
            assert f"{2 * len(of_level)} episodes of" in words(page)
            tasks = (await client.get(f"/run/small/tasks?difficulty={level}"))[1]
            assert f"{len(of_level)} task" in words(tasks)


async def test_a_task_that_combines_intents_shows_the_evidence_for_each(mixed: Made, tmp_path: Path) -> None:
    tasks = [task for task in mixed.verified() if task.combination][:6]
    write_run(tmp_path / "mixed", [*rows_of(tasks), *(played(mixed, task) for task in tasks if not task.world)])
    claims = {
        "ambiguous": "calls satisfy the opening request",
        "changing": "The customer first wants A.",
        "infeasible": "asks for is not to be done",
    }
    async with viewing(tmp_path / "mixed") as client:
        for task in tasks:
            text = words((await client.get(f"/run/mixed/task/{task.task_id}"))[1])
            assert {name for name, claim in claims.items() if claim in text} == set(task.intents)
        run = (await client.get("/run/mixed"))[1]
        for name in {task.combination for task in tasks if not task.world}:
            assert f">{name}</th>" in run
            found = (await client.get(f"/run/mixed/episodes?combination={quote(name or '')}"))[1]
            of_it = sum(task.combination == name and not task.world for task in tasks)
            assert f"{of_it} episode" in words(found)


async def test_every_link_of_every_kind_of_page_leads_somewhere(small: Path) -> None:
    """A walk over the pages by their links, one of each kind."""
    async with viewing(small) as client:
        seen: set[str] = set()
        waiting, kinds = ["/"], dict[str, int]()
        while waiting:
            path = waiting.pop()
            kind = re.sub(r"(task|ep|traj)-[0-9a-f]+", "ID", path.split("?")[0]) + "?" * ("?" in path)
            if path in seen or kinds.get(kind, 0) >= 4:
                continue
            seen.add(path)
            kinds[kind] = kinds.get(kind, 0) + 1
            status, text, _ = await client.get(path)
            assert status == 200, path
            waiting += [html.unescape(link).split("#")[0] or "/" for link in re.findall(r'href="(/[^"]*)"', text)]
        assert len(kinds) >= 8
        assert any("/episode/ID" in kind for kind in kinds)


async def test_an_episode_leads_to_the_next_of_the_list_it_came_from(small: Path) -> None:
    async with viewing(small) as client:
        query = "?result=not+passed"
        listed = re.findall(r'href="(/run/small/episode/[^"]*)"', (await client.get(f"/run/small/episodes{query}"))[1])
        at, walked = html.unescape(listed[0]), [listed[0]]
        for _ in range(3):
            link = re.search(r'rel="next"[^>]*href="([^"]*)"', (await client.get(at))[1])
            assert link is not None
            walked.append(link[1])
            at = html.unescape(link[1])
        assert walked == listed[:4]


async def test_the_diagnosis_of_an_episode_that_failed_is_shown(small: Path) -> None:
    made = library()
    task = made.one("general")
    row = played(made, task, agent="scripted:silent", well=False)[1]
    found = diagnosed(row, task, made.domain)
    async with viewing(small) as client:
        page = await client.read(address("run", "small", "episode", row["episode_id"]))
    assert found
    assert all(reason.title in page and " ".join(reason.detail.split()) in page for reason in found)


async def test_two_episodes_side_by_side_across_runs(small: Path, tmp_path: Path) -> None:
    made = library()
    task = made.one("changing")
    write_run(tmp_path / "eval", [played(made, task, agent="other")], kind="evaluate", source=str(small))
    async with viewing(small, tmp_path / "eval") as client:
        page = (await client.get(address("run", "small", "task", task.task_id)))[1]
        options = re.findall(r'<option value="([^"]+)"', page)
        mine = next(o for o in options if o.startswith("small/"))
        other = next(o for o in options if o.startswith("eval/"))
        both = await client.read(f"/compare?a={quote(mine)}&b={quote(other)}")
        assert GOOD in both
        assert "other" in both
        assert both.count("Gold beside actual") == 2


async def test_episodes_without_a_result_say_why(small: Path, tmp_path: Path) -> None:
    made = library()
    task = made.verified()[0]
    table, row = failed(task)
    explored = row | {"episode_id": "ep-lost", "stage": "explore", "task_id": "", "intent": "", "agent": "", "trial": 0}
    write_run(tmp_path / "failed", [*rows_of([task]), (table, row), (table, explored)])
    async with viewing(tmp_path / "failed") as client:
        page = await client.read(address("run", "failed", "episode", row["episode_id"]))
        assert all(part in page for part in ("No result", "engine timeout after 3 attempts", "no answer", "not made"))
        page = await client.read("/run/failed/episode/ep-lost")
        assert all(part in page for part in ("No result", "explore", "No message was exchanged", "no task"))
        assert "2 episodes of 2" in await client.read("/run/failed/episodes?failure=engine_timeout")


async def test_two_viewers_on_one_host_don_t_lock_each_other(small: Path) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        serving([str(small)]) as one,
        serving([str(small)]) as two,
        aiohttp.ClientSession(cookie_jar=jar) as session,
    ):
        for url in (one, two, one.split("?")[0], two.split("?")[0]):
            async with session.get(url) as response:
                assert response.status == 200


async def test_what_is_not_there_is_said(small: Path) -> None:
    async with viewing(small) as client:
        for path in (
            "/run/none",
            "/run/small/task/task-0",
            "/run/small/episode/ep-0",
            "/run/small/episode/ep-0/text/0/content",
            "/compare",
            "/compare?a=small/ep-0&b=small/ep-0",
            "/nothing",
            "/static/x/../../server.py",
            "/static/x/..%2f..%2fserver.py",
            "/run/..%2f..%2fetc/tasks",
            "/run/small/episode/" + quote(hostile.MARKUP[0], safe=""),
        ):
            status, text, _ = await client.get(path)
            assert status == 404, path
            assert "<script>" not in text


# -- hostile transcripts -----------------------------------------------------------------------------------------------
async def test_hostile_text_comes_out_as_text(tmp_path: Path) -> None:
    made = library()
    task = made.one("general")
    spoiled = hostile.spoiled(episode_of(played(made, task)[1]))
    write_run(tmp_path / "bad", [*rows_of([task]), row_of(spoiled)])
    async with viewing(tmp_path / "bad") as client:
        where = address("run", "bad", "episode", spoiled.episode_id)
        paths = ["/", "/run/bad", "/run/bad/episodes", "/run/bad/tasks", where, where + "?from=5"]
        paths += ["/run/bad/episodes" + Query({"agent": spoiled.agent}).string(), "/run/bad/episodes?q=megabyte"]
        paths += ["/run/bad/episodes?q=" + quote(text) for text in hostile.MARKUP]
        paths += [
            address("run", "bad", "task", task.task_id),
            f"/compare?a=bad/{spoiled.episode_id}&b=bad/{spoiled.episode_id}",
        ]
        for path in paths:
            status, text, _ = await client.get(path)
            assert status == 200, path
            assert len(text) < 1_500_000, path
            scripts = re.findall(r"<script[^>]*>", text)
            assert len(scripts) == 1
            assert re.fullmatch(r'<script src="/static/[0-9a-f]+/view.js" defer>', scripts[0])
            assert not re.search(r"<[^>]*\s(onerror|onload|onmouseover|srcdoc)=", re.sub(r'"[^"]*"', '""', text)), path
            assert not re.search(r"<(img|iframe|base|plaintext|style)\b", text)
            assert not set("\u202e\u2066\x1b\x07\x00") & set(re.sub(r'(value|href|title)="[^"]*"', "", text)), path
        page = words((await client.get(where))[1])
        assert "U+202E" in page
        assert "<script>window.hurt = 1; alert(1)</script>" in page


async def test_a_megabyte_is_cut_and_read_on_page_by_page(tmp_path: Path) -> None:
    made = library()
    task = made.one("general")
    episode = hostile.spoiled(episode_of(played(made, task)[1]))
    number = next(n for n, turn in enumerate(episode.turns) if turn.content == hostile.MEGABYTE)
    write_run(tmp_path / "bad", [*rows_of([task]), row_of(episode)])
    async with viewing(tmp_path / "bad") as client:
        where = address("run", "bad", "episode", episode.episode_id)
        page = (await client.get(where))[1]
        assert f"{len(hostile.MEGABYTE):,} characters" in words(page)
        link = f"{where}/text/{number}/content"
        assert f'href="{link}"' in page
        texts = []
        for at in range(1, -(-len(hostile.MEGABYTE) // PAGE) + 1):
            text = (await client.get(f"{link}?page={at}"))[1]
            found = re.search(r'<pre class="whole"[^>]*>(.*?)</pre>', text, re.S)
            assert found is not None
            texts.append(html.unescape(found[1]))
        assert "".join(texts) == hostile.MEGABYTE


# -- odd requests ------------------------------------------------------------------------------------------------------
async def raw(client: Client, *lines: bytes) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of the response to a request of these bytes."""
    port = int(client.base.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        answer = await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in rest), body


HOST = b"Host: localhost"
ODD = {
    "cookie": [b"GET / HTTP/1.1", HOST, b"Cookie: a=\xff\xfe; KEY=\xff"],
    "header": [b"GET / HTTP/1.1", HOST, b"X-Thing: \xff\xfe"],
    "header name": [b"GET / HTTP/1.1", HOST, b"X-\xff: 1"],
    "host": [b"GET / HTTP/1.1", b"Host: \xff"],
    "no host": [b"GET / HTTP/1.1"],
    "path": [b"GET /run/\xff\xfe HTTP/1.1", HOST],
    "path of percents": [b"GET /run/%ff%fe HTTP/1.1", HOST],
    "surrogate": [b"GET /run/%ed%a0%80 HTTP/1.1", HOST],
    "query": [b"GET /?q=\xff HTTP/1.1", HOST],
    "query of percents": [b"GET /?q=%ff HTTP/1.1", HOST],
    "token": [b"GET /?token=%ff HTTP/1.1", HOST],
    "control": [b"GET /run/\x01 HTTP/1.1", HOST],
    "NUL": [b"GET / HTTP/1.1", HOST, b"X: \x00"],
    "no HTTP": [b"\x16\x03\x01\x02\x00\x01"],
    "method": [b"B\xffD / HTTP/1.1", HOST],
    "version": [b"GET / HTTP/9.9", HOST],
    "long line": [b"GET /" + b"a" * 20_000 + b" HTTP/1.1", HOST],
    "many headers": [b"GET / HTTP/1.1", HOST, *(b"X-%d: 1" % n for n in range(500))],
    "length": [b"GET / HTTP/1.1", HOST, b"Content-Length: x"],
    "both lengths": [b"GET / HTTP/1.1", HOST, b"Content-Length: 1", b"Transfer-Encoding: chunked"],
    "expect": [b"GET / HTTP/1.1", HOST, b"Expect: a miracle"],
}


@pytest.mark.parametrize("what", ODD)
async def test_odd_bytes_are_refused_with_the_same_headers(
    small: Path, what: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with viewing(small) as client:
        (cookie,) = client.session.cookie_jar
        lines = [line.replace(b"KEY", cookie.key.encode()) for line in ODD[what]]
        status, headers, body = await raw(client, *lines)
    assert 400 <= status < 500
    for name, value in HEADERS.items():
        assert headers[name.lower()] == value.lower()
    assert b"Traceback" not in body
    assert not caplog.records
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_the_cookies_of_another_server_lock_nobody_out(small: Path) -> None:
    async with viewing(small) as client:
        (cookie,) = client.session.cookie_jar
        mine = f"{cookie.key}={cookie.value}".encode()
        assert (await raw(client, b"GET / HTTP/1.1", HOST, b"Cookie: other=\xff\xe4; " + mine))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example", "//evil.example/", "///evil.example", "/\\evil.example", "/\\/evil.example",
        "\\\\evil.example",
        "/%5cevil.example", "/%5Cevil.example", "/%2fevil.example", "/%09/evil.example", "/%0d%0aevil.example",
        "/.//evil.example", "/..//evil.example", "/run//evil.example", "http://evil.example/", "//evil.example/%2e%2e",
        "https:evil.example", "/@evil.example", "/;//evil.example",
    ],
)  # fmt: skip
async def test_the_token_leads_to_no_other_host(small: Path, path: str) -> None:
    """Whatever is asked for: a page of ours, or the first one; the page of a wrong token links nowhere else either."""
    async with viewing(small, known=False) as client:
        for token, where in ((client.token, "location"), ("wrong", "page")):
            line = f"GET {path}?token={token} HTTP/1.1".encode()
            status, headers, body = await raw(client, line, HOST)
            if where == "location" and status == 303:
                assert headers["location"] == "/"
            else:
                assert 400 <= status < 500
                links = re.findall(r'href="([^"]*)"', body.decode())
                assert all(re.match(r"/(static/|$)", html.unescape(link)) for link in links)


async def test_the_token_leads_to_the_page_that_was_asked_for(small: Path) -> None:
    async with viewing(small, known=False) as client:
        for path in ("/run/small/tasks", "/run/small/episode/a%5Cb%2F%2Fc", "/compare", "/"):
            _, _, response = await client.get(f"{path}?q=a%26b&token={client.token}", allow_redirects=False)
            assert response.headers["Location"] == f"{path}?q=a%26b"


# -- long conversations ------------------------------------------------------------------------------------------------
CALLS = 3_000


@pytest.mark.parametrize("form", ["one message", "a message each", "long ones"])
async def test_a_page_has_a_size_however_many_calls_there_are(small: Path, tmp_path: Path, form: str) -> None:
    """All of them are reached page by page."""
    made = library()
    task = made.one("general")
    episode = episode_of(played(made, task)[1])
    size = {"one message": CALLS, "a message each": 1, "long ones": 10}[form]
    total = CALLS if form != "long ones" else 20
    about = "\x07<&>" * 800 if form == "long ones" else ""
    for start in range(0, total, size):
        numbers = range(start, start + size)
        calls = [ToolCall(f"c{n}", "list_holds", f'{{"reader_id":"r{n}x{about}"}}') for n in numbers]
        episode.turns.append(Turn("agent", "assistant", None, tool_calls=calls))
        episode.turns += [
            Turn("agent", "tool", f"Error: no {n} {about}", tool_call_id=f"c{n}", error=True) for n in numbers
        ]
    write_run(tmp_path / "long", [*rows_of([task]), row_of(episode)])
    async with viewing(tmp_path / "long") as client:
        where, seen, pages = address("run", "long", "episode", episode.episode_id), set[int](), 0
        status, text, _ = await client.get(f"/compare?a=long/{episode.episode_id}&b=long/{episode.episode_id}")
        assert (status, len(text) < 3_000_000) == (200, True)
        path = where
        while path and pages < 20:
            status, text, _ = await client.get(path)
            assert status == 200
            assert len(text) < 1_500_000
            shown = [int(n) for n in re.findall(r'class="got[^>]*>(?:<summary>)?<span>Error: no (\d+) ', text)]
            assert shown
            assert not seen & set(shown)
            seen |= set(shown)
            pages += 1
            after = re.search(r'<a href="([^"]*)">Later turns', text)
            path = html.unescape(after[1]) if after else ""
            if pages == 2 and total == CALLS:
                path = f"{where}?from={CALLS - 100}"  # the end is there too
        assert max(seen) == total - 1
        if form == "long ones":
            assert seen == set(range(total))
        if form == "one message":
            number = len(episode.turns) - CALLS - 1
            link = re.search(r"calls ([\d,]+) to 3,000 of 3,000", words(text))
            assert link is not None
            assert (await client.get(f"{where}/text/{number}/result-{CALLS - 1}"))[0] == 200
