// The part with the verdicts: as they come, or a search in the past, both under one filter.
import { get } from "./api.js";
import { announce, byId, make, setText } from "./dom.js";
import { count, rate } from "./format.js";
import { VerdictList } from "./list.js";
import { openVerdict } from "./verdict.js";

const FILTERS = ["room", "sender", "module", "code", "text", "dry_run"];
const PAGE = 100;
const KEPT_PAGES = 20;

let list, form;
let mode = "live";
let source = null;
let retry = 0;
let retryTimer = 0;
let wanted = false; // whether verdicts are to come at all: logged in, and the page can be seen
let applied = {}; // the filter of what the list shows
let next = null;
let search = 0;
let loaded = 0;
let filled = false;

function filter() {
  const parameters = {};
  for (const name of FILTERS) {
    const value = form.elements[name].value.trim();
    if (value) parameters[name] = value;
  }
  return parameters;
}

function describeFilter() {
  const active = Object.keys(applied).length;
  setText(byId("filter-open"), active ? `Filter (${active})` : "Filter");
  byId("filter-open").classList.toggle("active", active > 0);
}

const nothing = () => (Object.keys(applied).length ? "Nothing that fits the filter so far" : "No verdict so far");

// ---- live

function closeSource() {
  clearTimeout(retryTimer);
  source?.close();
  source = null;
}

function openSource() {
  closeSource();
  if (!wanted || mode !== "live") return;
  const query = new URLSearchParams(applied).toString();
  const mine = new EventSource(query ? `/v1/verdicts?${query}` : "/v1/verdicts");
  source = mine;
  mine.addEventListener("open", () => {
    retry = 0;
    fill();
  });
  mine.addEventListener("verdicts", (event) => {
    const told = JSON.parse(event.data);
    list.add(told.rows, told.left_out);
    tell(told);
  });
  mine.addEventListener("error", () => {
    // A browser tries again by itself only after a lost connection, not after an answer such as 503.
    if (mine.readyState !== EventSource.CLOSED || mine !== source) return;
    retry = Math.min(retry + 1, 5);
    retryTimer = setTimeout(openSource, 1000 * 2 ** (retry - 1));
  });
}

const told = { since: 0, judged: 0, denied: 0, leftOut: 0, rows: 0 };

// What goes by, in words, once a second: more often nobody could read it.
function tell({ rows, left_out: leftOut, judged, denied }) {
  told.judged += judged;
  told.denied += denied;
  told.leftOut += leftOut;
  told.rows += rows.length;
  const now = performance.now();
  const passed = (now - told.since) / 1000;
  if (passed < 1) return;
  if (told.since && passed < 5) {
    const left = told.leftOut ? `, ${count(told.leftOut)} of ${count(told.leftOut + told.rows)} left out` : "";
    setText(byId("flow"), `${rate(told.judged / passed)} judged, ${rate(told.denied / passed)} denied a second${left}`);
  }
  Object.assign(told, { since: now, judged: 0, denied: 0, leftOut: 0, rows: 0 });
}

// What is stored, beside what comes: a list begins with it, so that nobody looks at an empty page in a quiet hour, and one
// that was away gets what it missed, as far as a page of it goes back. Asked only when the live ones come, so that none
// falls in between.
async function fill() {
  const mine = search;
  try {
    const answer = await get("/v1/log", { ...applied, limit: PAGE });
    if (mine !== search) return;
    if (filled) list.add(answer.rows.reverse(), 0);
    else list.append(answer.rows);
    filled = true;
    list.say(nothing());
  } catch (refusal) {
    if (mine === search) list.say(`What is stored cannot be read: ${refusal.message}`);
  }
}

function beginLive() {
  search++;
  filled = false;
  list.clear("Reads the newest verdicts");
  openSource();
}

// ---- the past

async function searchPast(before) {
  const mine = ++search;
  const older = byId("older");
  if (!before) {
    list.clear("Searches");
    loaded = 0;
  }
  older.disabled = true;
  const parameters = { ...applied, limit: PAGE };
  if (form.elements.since.value) parameters.since = form.elements.since.value;
  if (before) parameters.before = before;
  try {
    const answer = await get("/v1/log", parameters);
    if (mine !== search) return;
    const first = list.append(answer.rows);
    loaded += answer.rows.length;
    next = answer.next;
    list.say(next ? "Nothing so far; there is more to look through" : "Nothing was found");
    older.hidden = !next || loaded >= PAGE * KEPT_PAGES;
    const said = `${count(loaded)} found${loaded >= PAGE * KEPT_PAGES ? ", as many as are shown at once: narrow the filter" : ""}`;
    setText(byId("flow"), `${said}; looked at ${count(answer.scanned)} verdicts`);
    announce(said);
    if (before && first) {
      list.choose(first);
      first.firstElementChild.focus();
    }
  } catch (refusal) {
    if (mine === search) list.say(`The search failed: ${refusal.message}`);
    announce(`The search failed: ${refusal.message}`);
  } finally {
    older.disabled = false;
  }
}

// ---- both

function begin() {
  applied = filter();
  describeFilter();
  if (!wanted) return;
  if (mode === "live") beginLive();
  else searchPast(null);
}

function setMode(to) {
  mode = to;
  byId("mode-live").setAttribute("aria-pressed", to === "live");
  byId("mode-past").setAttribute("aria-pressed", to === "past");
  byId("pause").hidden = to !== "live";
  byId("older").hidden = true;
  for (const part of document.querySelectorAll(".past-only")) part.hidden = to !== "past";
  setText(byId("flow"), "");
  setPaused(false);
  closeSource();
  begin();
}

function setPaused(paused) {
  const button = byId("pause");
  const was = button.getAttribute("aria-pressed") === "true";
  button.setAttribute("aria-pressed", paused);
  setText(button, paused ? "Go on" : "Pause");
  list.setPaused(paused);
  if (was !== paused) announce(paused ? "Paused: what comes is kept until you go on" : "Goes on");
}

function filterBy(name, value) {
  form.elements[name].value = value;
  begin();
}

const MOST = [
  { label: "Sender", filter: "sender", of: (row) => row.sender },
  { label: "Room", filter: "room", of: (row) => row.room_id },
  { label: "Rule", filter: "text", of: (row) => row.rule },
];
let mostTimer = 0;

// Who and what stands most often in the list: in a wave of spam that is the first question.
function showMost() {
  mostTimer = 0;
  const verdicts = list.verdicts();
  const parts = MOST.map(({ label, filter: name, of }) => {
    const counts = new Map();
    for (const { row } of verdicts) if (of(row)) counts.set(of(row), (counts.get(of(row)) ?? 0) + 1);
    const [best] = [...counts].sort((left, right) => right[1] - left[1]);
    return best && best[1] > 1 ? { label, name, value: best[0], times: best[1] } : null;
  }).filter(Boolean);
  const place = byId("most");
  const key = parts.map((part) => `${part.name} ${part.value}`).join("\n");
  if (place.dataset.key !== key) {
    place.dataset.key = key;
    place.replaceChildren(...parts.map((part) => make("button", { type: "button", class: "chip", title: `Only ${part.value}`,
      on: { click: () => filterBy(part.name, part.value) } },
    make("span", { class: "chip-label" }, part.label), make("span", { class: "chip-value" }, part.value), make("span", { class: "chip-times" }))));
  }
  parts.forEach((part, index) => setText(place.children[index].lastElementChild, `${count(part.times)}×`));
}

export function verdictsStart() {
  form = byId("filters");
  list = new VerdictList((verdict) => openVerdict(verdict, filterBy), () => { mostTimer ||= setTimeout(showMost, 500); });
  byId("verdict-close").addEventListener("click", () => byId("verdict").close());
  byId("verdict").addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });
  byId("verdict").addEventListener("close", () => list.schedule());
  byId("mode-live").addEventListener("click", () => setMode("live"));
  byId("mode-past").addEventListener("click", () => setMode("past"));
  byId("pause").addEventListener("click", () => setPaused(byId("pause").getAttribute("aria-pressed") !== "true"));
  byId("older").addEventListener("click", () => searchPast(next));
  byId("filter-open").addEventListener("click", () => {
    const open = byId("filters").classList.toggle("open");
    byId("filter-open").setAttribute("aria-expanded", open);
  });
  let typing = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(begin, event.target instanceof HTMLSelectElement ? 0 : 350);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    begin();
  });
  form.addEventListener("reset", () => setTimeout(begin));
}

// Verdicts come while somebody may see them.
export function verdictsWanted(yes) {
  if (wanted === yes) return;
  wanted = yes;
  if (!yes) closeSource();
  else if (!list.list.childElementCount) begin();
  else if (mode === "live") openSource();
}

// The list can be seen again.
export function verdictsShown() {
  list.schedule();
}

// Nobody may see them any more.
export function verdictsForget() {
  verdictsWanted(false);
  search++;
  list.clear("");
}

// The modules that the filter offers.
export function verdictsTakeModules(modules) {
  const select = form.elements.module;
  const names = [...new Set(modules.map((module) => module.module))].sort();
  if (select.dataset.names === names.join(" ")) return;
  const chosen = select.value;
  select.dataset.names = names.join(" ");
  if (chosen && !names.includes(chosen)) names.push(chosen);
  select.replaceChildren(make("option", { value: "" }, "any"), ...names.map((name) => make("option", { value: name }, name)));
  select.value = chosen;
}
