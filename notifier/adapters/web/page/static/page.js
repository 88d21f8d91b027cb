// What the page does beyond its HTML: the reader's time zone, ages that tick, and renewing itself when something changed.

const SOON_MS = 300; // what belongs together comes in one go
const AT_MOST_MS = 2000; // between two renewals, however much happens
const ANYWAY_MS = 30_000; // what time alone changes
const AGAIN_MS = 5000; // after the stream was refused

const two = (number) => String(number).padStart(2, "0");
let ahead = 0; // of the reader's clock, ms

function written(at) {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function span(ms) {
  const seconds = Math.max(Math.floor(ms / 1000), 0);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  while (parts.length > 1 && parts[0][0] === 0) parts.shift();
  const two = parts.slice(0, 2).filter(([number]) => number > 0);
  return two.map(([number, unit]) => `${number}${unit}`).join(" ") || "0s";
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function enhance(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const utc = time.dateTime.replace("T", " ").replace("Z", " UTC");
    time.title = time.dataset.form === "age" ? `${written(new Date(time.dateTime))} (${utc})` : utc;
    if (time.dataset.form !== "age") put(time, written(new Date(time.dateTime)));
  }
  tick(root);
  prefill(root);
}

function tick(root) {
  const now = Date.now() - ahead;
  for (const time of root.querySelectorAll('time[data-form="age"]')) put(time, span(now - Date.parse(time.dateTime)));
}

// --- Who acts is asked for a name each time; here it is remembered ------------------------------------------------

function remembered() {
  try {
    return localStorage.getItem("by") || "";
  } catch {
    return ""; // the browser keeps nothing
  }
}

function prefill(root) {
  for (const field of root.querySelectorAll("input[name=by]")) field.value ||= remembered();
}

addEventListener("submit", (event) => {
  const field = event.target.elements.by;
  try {
    if (field?.value) localStorage.setItem("by", field.value);
  } catch {
    // same
  }
});

// --- Renewing: each part of the page whose HTML is another is put in the place of the one before -------------------

const board = document.getElementById("board");
const said = document.getElementById("said");
let before = new Map();

const parts = (root) => new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.id, part]));
const shapes = (found) => new Map([...found].map(([id, part]) => [id, part.outerHTML]));

function memory(root) {
  const open = new Map([...root.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
  const typed = new Map();
  for (const field of root.querySelectorAll("input[id], select[id]")) {
    typed.set(field.id, field.type === "checkbox" ? field.checked : field.value);
  }
  const active = document.activeElement;
  const focus = root.contains(active) ? (active.id || active.dataset.focus || "") : "";
  return { open, typed, focus };
}

function restore(root, { open, typed, focus }) {
  for (const [id, was] of open) {
    const details = document.getElementById(id);
    if (details && root.contains(details)) details.open = was;
  }
  for (const [id, value] of typed) {
    const field = document.getElementById(id);
    if (!field || !root.contains(field)) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
  }
  if (!focus) return;
  const again = document.getElementById(focus) || root.querySelector(`[data-focus="${CSS.escape(focus)}"]`);
  if (again) again.focus({ preventScroll: true });
}

function swap(old, renewed) {
  const kept = memory(old);
  old.replaceWith(renewed);
  enhance(renewed);
  restore(renewed, kept);
}

// A page may have been made for somebody else a moment ago; `asked` is when this one was asked for.
function take(text, asked) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("board");
  if (!fresh) return location.reload(); // a login form, say
  const found = parts(fresh);
  const now = shapes(found);
  ahead = Date.now() - Date.parse(fresh.dataset.sent);
  if (asked - (Date.parse(fresh.dataset.sent) - Date.parse(fresh.dataset.at)) < heard) renew();
  const here = parts(board);
  if ([...now.keys()].join() === [...here.keys()].join()) {
    for (const [id, part] of found) {
      if (now.get(id) !== before.get(id)) swap(here.get(id), part);
    }
  } else {
    const kept = memory(board);
    board.replaceChildren(...fresh.childNodes);
    enhance(board);
    restore(board, kept);
  }
  before = now;
  const headline = fresh.dataset.headline;
  if (headline && headline !== board.dataset.headline) {
    board.dataset.headline = headline;
    put(said, headline);
    document.title = fresh.dataset.title;
  }
}

let renewing = false;
let wanted = 0;
let last = 0;
let heard = 0; // when something last happened

function renew() {
  if (document.hidden || wanted) return;
  wanted = setTimeout(fetchPage, Math.max(SOON_MS, last + AT_MOST_MS - Date.now()));
}

function hear() {
  heard = Date.now();
  renew();
}

async function fetchPage() {
  wanted = 0;
  if (renewing) return renew();
  renewing = true;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-cache" });
    if (answer.ok) take(await answer.text(), last);
    else if (answer.status === 401 || answer.status === 404) location.reload();
  } catch {
    // The stream says so too, and is what knows when it is over.
  } finally {
    renewing = false;
  }
}

// --- The stream of what happens, and the sign that says whether it is heard ----------------------------------------

const sign = document.getElementById("live");

function show(state) {
  sign.dataset.state = state;
  put(sign.querySelector("span"), state);
}

function listen(tries = 0) {
  const stream = new EventSource(board.dataset.events);
  stream.addEventListener("open", () => {
    tries = 0;
    show("live");
    hear(); // something may have happened between the page and its stream
  });
  for (const name of board.dataset.names.split(" ")) stream.addEventListener(name, hear);
  stream.addEventListener("error", () => {
    show(tries > 2 ? "not live" : "reconnecting");
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(listen, AGAIN_MS * Math.min(tries + 1, 6), tries + 1);
  });
  addEventListener("pagehide", () => stream.close(), { once: true });
}

if (board) {
  ahead = Date.now() - Date.parse(board.dataset.sent);
  before = shapes(parts(board));
}
enhance(document);
setInterval(tick, 1000, document);
if (board?.dataset.events) {
  sign.hidden = false;
  document.getElementById("still")?.remove();
  show("reconnecting");
  listen();
  setInterval(renew, ANYWAY_MS);
  document.addEventListener("visibilitychange", renew);
}
// A page that comes back from the browser's memory has lost its stream.
addEventListener("pageshow", (event) => event.persisted && location.reload());
