// The console's page: who may see it, its parts as tabs, the polls of the status, and what is said when Weir is away.
// The engine's side is docs/admin-api.md; what comes from events goes into the page as text only (dom.js).
import { get, post, request, whenLoggedOut } from "./api.js";
import { chainShow, chainStart } from "./chain.js";
import { chartsStart, chartsTake } from "./charts.js";
import { announce, byId, make, setAttribute, setText } from "./dom.js";
import { engineShow, engineStart } from "./engine.js";
import { showExplanation } from "./explanation.js";
import { fullTime } from "./format.js";
import { verdictsForget, verdictsShown, verdictsStart, verdictsTakeModules, verdictsWanted } from "./verdicts.js";

const POLL_MS = 2000;
const TABS = ["verdicts", "chain", "engine", "try", "backtest"];

let inside = false;
let needed = false;
let reached = true;
let tab = "verdicts";
let status = null;
let now = null;
let timer = 0;
let polling = false;

// ---- what is told at the top

function tellState(kind, text) {
  const state = byId("state");
  setAttribute(state, "data-kind", kind);
  setText(state, text);
}

function tellStatus() {
  const held = (status.writers ?? []).filter((writer) => writer.state === "fetching").length;
  if (!status.redis?.connected) tellState("bad", "No Redis");
  else if (!status.ready) tellState("bad", `Not ready: ${status.missing ?? "it starts"}`);
  else if (!status.works) tellState("wait", `${status.role}: another engine works`);
  else if (status.configuration?.last && !status.configuration.last.loaded) tellState("bad", "The last reload was refused");
  else if (held || status.catch_up?.busy) tellState("wait", "Fetches what was missed");
  else tellState("good", "Works");
  setText(byId("whose"), `${status.server_name} · ${status.instance}`);
  document.title = `${status.server_name} – Weir`;
}

// ---- polls

function show() {
  verdictsTakeModules(status.chain?.modules ?? []);
  if (tab === "chain") chainShow(status);
  if (tab === "engine") engineShow(status, now);
  if (tab === "backtest") backtestShow();
}

async function poll() {
  clearTimeout(timer);
  if (!inside || polling || document.hidden) return;
  polling = true;
  try {
    status = await get("/v1/status");
    if (!inside) return;
    if (!reached) announce("Weir is back");
    reached = true;
    now = chartsTake(status);
    tellStatus();
    show();
    verdictsWanted(true);
  } catch (refusal) {
    if (!inside) return;
    if (reached) announce("The connection is lost");
    reached = false;
    tellState("bad", refusal.status ? refusal.message : "Connection lost, tries again");
  } finally {
    polling = false;
    document.body.classList.toggle("lost", inside && !reached);
    if (inside && !document.hidden) timer = setTimeout(poll, POLL_MS);
  }
}

// ---- tabs

function choose(name, focus) {
  tab = TABS.includes(name) ? name : TABS[0];
  for (const one of TABS) {
    const button = byId(`tab-${one}`);
    button.setAttribute("aria-selected", one === tab);
    button.tabIndex = one === tab ? 0 : -1;
    byId(`panel-${one}`).hidden = one !== tab;
  }
  if (focus) byId(`tab-${tab}`).focus();
  // A slash, so that no browser takes it for the ID of something to scroll to.
  if (location.hash !== `#/${tab}`) history.replaceState(null, "", `#/${tab}`);
  if (status) show();
  if (tab === "verdicts") verdictsShown();
}

function moveTab(event) {
  const at = TABS.indexOf(tab);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(TABS[(to + TABS.length) % TABS.length], true);
}

// ---- log-in

function enter() {
  inside = true;
  byId("login").hidden = true;
  byId("inside").hidden = false;
  byId("leave").hidden = !needed;
  tellState("wait", "Connecting");
  poll();
}

function askForSecret() {
  inside = false;
  clearTimeout(timer);
  verdictsForget();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  byId("inside").hidden = true;
  byId("leave").hidden = true;
  byId("login").hidden = false;
  tellState("wait", "Logged out");
  byId("secret").value = "";
  byId("secret").focus();
}

async function logIn(event) {
  event.preventDefault();
  const problem = byId("login-problem");
  problem.textContent = "";
  try {
    await post("/console/session", { secret: byId("secret").value });
    needed = true;
    byId("secret").value = "";
    enter();
    byId(`tab-${tab}`).focus();
  } catch (refusal) {
    problem.textContent = refusal.status === 403 ? "That is not the secret." :
      refusal.status === 429 ? "Too many tries. Wait a little, then try again." : `${refusal.message}.`;
    byId("secret").select();
  }
}

async function logOut() {
  try {
    await request("DELETE", "/console/session");
  } catch (refusal) {
    // The cookie may be gone already; the form is shown in any case.
    if (!refusal.status) {
      askForSecret();
      return;
    }
  }
  location.reload(); // what was shown must not stay behind the form
}

async function begin() {
  try {
    const session = await get("/console/session");
    needed = session.needed;
    if (session.open) enter();
    else askForSecret();
  } catch (refusal) {
    tellState("bad", refusal.status ? refusal.message : "Connection lost, tries again");
    setTimeout(begin, POLL_MS);
  }
}

// ---- an event that is tried

const SAMPLE = { type: "m.room.message", sender: "@somebody:elsewhere.example", room_id: "!room:elsewhere.example",
  content: { msgtype: "m.text", body: "Get cheap followers at https://evil-casino.example now" } };

function question(text) {
  if (/^\$\S+$/.test(text)) return { event_id: text };
  const event = JSON.parse(text);
  if (event === null || typeof event !== "object" || Array.isArray(event)) throw new SyntaxError("it is not an object");
  return { event };
}

async function tryEvent(event) {
  event.preventDefault();
  const place = byId("try-result");
  const problem = (text) => {
    place.replaceChildren(make("p", { class: "outcome denied" }, text));
    announce(text);
  };
  place.hidden = false;
  const text = byId("try-text").value.trim();
  try {
    const asked = question(text);
    // The text itself is sent, so that numbers stay as they were written.
    const body = asked.event_id ? JSON.stringify(asked) : `{"event":${text}}`;
    const explanation = await request("POST", "/v1/explain", { body, patience: 20_000 });
    showExplanation(place, explanation);
    announce(place.firstElementChild.textContent);
  } catch (failure) {
    problem(failure instanceof SyntaxError ? `That is no event: ${failure.message}` : `No explanation: ${failure.message}`);
  }
}

// ---- the last backtest

let backtestAt = null;

function backtestShow() {
  const at = status.backtest?.at ?? null;
  const place = byId("backtest-place");
  if (place.childElementCount && at === backtestAt) return;
  const newer = place.querySelector("iframe") && at !== null;
  byId("backtest-again").hidden = !newer;
  if (newer) return;
  backtestLoad();
}

function backtestLoad() {
  backtestAt = status?.backtest?.at ?? null;
  byId("backtest-again").hidden = true;
  setText(byId("backtest-when"), backtestAt === null ? "" : `Made ${fullTime(backtestAt)}`);
  byId("backtest-place").replaceChildren(backtestAt === null
    ? make("div", { class: "card wide" }, make("p", {}, "There is no report yet. This makes one, which then stands here:"),
      make("pre", { tabindex: "0" }, "weir backtest -c new.yaml --against /etc/weir/weir.yaml RECORDING --events BODIES --html PAGE"))
    : make("iframe", { class: "report", title: "The last backtest", sandbox: true, src: `/v1/backtest?at=${backtestAt}` }));
}

// ---- colours

const THEMES = ["system", "light", "dark"];

function setTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  setText(byId("theme"), `Colours: ${theme}`);
}

function themeStart() {
  let theme = "system";
  try {
    theme = localStorage.getItem("weir-colours") ?? theme;
  } catch {
    // A browser that keeps nothing shows the system's colours.
  }
  if (!THEMES.includes(theme)) theme = "system";
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
    try {
      localStorage.setItem("weir-colours", theme);
    } catch {
      // As above.
    }
  });
}

// ---- start

themeStart();
chartsStart(byId("gauges"));
chainStart(poll);
engineStart(poll);
verdictsStart();
whenLoggedOut(() => { if (inside) askForSecret(); });
byId("login-form").addEventListener("submit", logIn);
byId("leave").addEventListener("click", logOut);
byId("tabs").addEventListener("keydown", moveTab);
for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => choose(name));
addEventListener("hashchange", () => { if (TABS.includes(location.hash.slice(2))) choose(location.hash.slice(2)); });
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  (inside ? byId("main") : byId("secret")).focus();
});
byId("try-form").addEventListener("submit", tryEvent);
byId("try-sample").addEventListener("click", () => {
  byId("try-text").value = JSON.stringify(SAMPLE, null, 2);
  byId("try-text").focus();
});
byId("backtest-again").addEventListener("click", backtestLoad);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) verdictsWanted(false);
  else poll();
});
choose(location.hash.slice(2));
begin();
