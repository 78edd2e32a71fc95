// Keys, news of a run that is being written, marks of what was searched for. Every page works without it.
"use strict";

const $ = (selector) => document.querySelector(selector);

// -- keys --------------------------------------------------------------------------------------------------------------
const items = () => [...document.querySelectorAll("#main [data-item]")];

function move(step) {
  const all = items();
  if (!all.length) return;
  const at = all.findIndex((item) => item.classList.contains("selected"));
  let next = at + step;
  if (at < 0) {
    // Begin with what is on the screen.
    const seen = all.findIndex((item) => item.getBoundingClientRect().bottom > 60);
    next = step > 0 ? Math.max(seen, 0) : Math.max(seen - 1, 0);
  }
  next = Math.min(Math.max(next, 0), all.length - 1);
  all.forEach((item, number) => item.classList.toggle("selected", number === next));
  all[next].scrollIntoView({ block: all[next].offsetHeight > innerHeight - 120 ? "start" : "nearest" });
}

function open() {
  const item = $("#main .selected");
  const link = item && (item.matches("a") ? item : item.querySelector("a.open, h2 a"));
  if (link) return link.click();
  const details = item && item.querySelectorAll("details");
  if (details) details.forEach((each) => (each.open = !each.open));
}

function follow(rel) {
  const link = document.querySelector(`a[rel~="${rel}"]`);
  if (link) link.click();
}

function unfold() {
  const all = [...document.querySelectorAll("#main .chat details")];
  const open = all.some((each) => !each.open);
  all.forEach((each) => (each.open = open));
}

async function copy() {
  const news = $("#news");
  try {
    await navigator.clipboard.writeText(location.href);
    say("link copied");
  } catch {
    say(location.href);
  }
  function say(text) {
    news.textContent = text;
    news.hidden = false;
    setTimeout(() => (news.hidden = true), 2000);
  }
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  Enter: open,
  n: () => follow("next"),
  p: () => follow("prev"),
  u: () => follow("up"),
  o: unfold,
  y: copy,
  "/": () => { const box = $("#search"); if (box) { box.focus(); box.select(); } },
  "?": () => { const list = $("#keys"); list.open ? list.close() : list.showModal(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  if ($("#keys").open && event.key !== "?") return;
  const act = keys[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});
$("#help").addEventListener("click", () => $("#keys").showModal());

// -- a run that is being written -----------------------------------------------------------------------------------------
const EVERY = 2000;

async function look() {
  const { runs, version, live } = document.body.dataset;
  if (runs === undefined) return;
  let again = true;
  try {
    if (!document.hidden) {
      const names = runs.split("&").map((name) => `run=${name}`).join("&");
      const said = await (await fetch(`/live?${names}`)).json();
      again = said.live || said.version !== version;
      if (said.version !== version) {
        if (live !== undefined) await renew(said.version);
        else tell();
      }
    }
  } catch {
    // The viewer was stopped, or is busy: the next look may do better.
  }
  setTimeout(look, again ? EVERY : 5 * EVERY);
}

// The same page again, put in place of this one's content; where one stands in a list is kept.
async function renew(version) {
  const typing = document.activeElement && document.activeElement.closest("#main input, #main select");
  if (typing) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const fresh = page.getElementById("main");
  if (!fresh) return;
  const at = items().findIndex((item) => item.classList.contains("selected"));
  const filters = $("#narrow") && $("#narrow").checked;
  const opened = [...document.querySelectorAll("#main > details")].map((each) => each.open);
  $("#main").replaceChildren(...fresh.childNodes);
  if (at >= 0 && items()[at]) items()[at].classList.add("selected");
  if (filters && $("#narrow")) $("#narrow").checked = true;
  document.querySelectorAll("#main > details").forEach((each, number) => (each.open = Boolean(opened[number])));
  document.body.dataset.version = page.body.dataset.version || version;
}

function tell() {
  const news = $("#news");
  news.textContent = "";
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = "new rows: reload";
  news.append(link);
  news.hidden = false;
}

if (document.body.dataset.runs !== undefined) setTimeout(look, EVERY);

// -- what was searched for -----------------------------------------------------------------------------------------------
function mark(text) {
  if (!text || !("highlights" in CSS)) return;
  const wanted = text.toLowerCase(), ranges = [];
  const walker = document.createTreeWalker($("#main .talk"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node && ranges.length < 500; node = walker.nextNode()) {
    const plain = node.data.toLowerCase();
    for (let at = plain.indexOf(wanted); at >= 0; at = plain.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, Math.min(at + wanted.length, node.data.length));
      ranges.push(range);
    }
  }
  if (!ranges.length) return;
  CSS.highlights.set("found", new Highlight(...ranges));
  const first = ranges[0].startContainer.parentElement;
  const fold = first.closest("details");
  if (fold) fold.open = true;
  if (!location.hash) first.scrollIntoView({ block: "center" });
}
if ($("#main .talk")) mark(new URLSearchParams(location.search).get("q"));
