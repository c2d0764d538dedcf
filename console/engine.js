// The engine: where it stands with each writer, what it is connected with, and its configuration.
import { post, Refusal } from "./api.js";
import { announce, byId, make, setAttribute, setText } from "./dom.js";
import { bytes, count, NOTHING, seconds, span, time } from "./format.js";

const yesNo = (value) => (value ? "yes" : "no");

// The cards: a title, and what stands in it: a name, the text from the status, and whether that is bad news.
const CARDS = [
  { title: "Work", of: (status) => [
    ["Ready", status.ready ? "yes" : `no: ${status.missing ?? "it starts"}`, !status.ready],
    ["Role", status.works ? status.role : `${status.role}, does not work now`, false],
    ["Up for", span((status.now - status.started) / 1000)],
    ["Judged", count(status.events.judged)],
    ["Passed", count(status.events.passed)],
    ["Denied", count(status.events.denied)],
    ["Failed", count(status.events.failed), status.events.failed > 0],
    ["Line to verdict, p50 / p99", `${seconds(status.latency?.p50)} / ${seconds(status.latency?.p99)}`],
  ] },
  { title: "Redis and event bodies", of: ({ redis, bodies }) => redis && [
    ["Address", redis.address],
    ["Connected", yesNo(redis.connected), !redis.connected],
    ["Subscribed", yesNo(redis.subscribed), !redis.subscribed],
    ["Rows that wait for it", count(redis.waiting), redis.waiting > 1000],
    ["Refused transactions", count(redis.refused), redis.refused > 0],
    ["Bodies from", bodies?.source ?? "nowhere"],
    ...(bodies?.source ? [
      ["Ready", yesNo(bodies.ready), !bodies.ready],
      ["Events that wait for theirs", count(bodies.waiting)],
      ["Not found", count(bodies.missing), bodies.missing > 0],
    ] : []),
  ] },
  { title: "Requests", of: ({ requests }, now) => requests && [
    ["Over", [requests.redis ? "Redis" : "", requests.http ? "HTTP" : ""].filter(Boolean).join(", ") || "nothing"],
    ["Answered", `${count(requests.answered)}${Number.isFinite(now?.answers) ? `, ${now.answers.toFixed(1)} a second` : ""}`],
    ["p50 / p99", `${seconds(requests.p50)} / ${seconds(requests.p99)}`],
    ["Waiting", count(requests.waiting)],
    ["Overloaded", count(requests.overloaded), requests.overloaded > 0],
    ["Too late", count(requests.expired), requests.expired > 0],
  ] },
  { title: "Process", of: (status) => [
    ["Version", status.version],
    ["Memory", bytes(status.memory?.resident)],
    ["Processor", `${seconds(status.processor_seconds)}, ${(100 * status.processor_seconds / Math.max(1, (status.now - status.started) / 1000)).toFixed(1)} % of one`],
    ["Instance", status.instance],
  ] },
];

const STATES = { live: "live", fetching: "fetches what was missed", waiting: "waits for its position" };
const cards = [];
let shownWriters = "";
let writers = [];
let changed = () => {};

export function engineStart(whenChanged) {
  changed = whenChanged;
  for (const card of CARDS) {
    const list = make("dl", { class: "facts" });
    byId("cards").append(make("section", { class: "card" }, make("h3", {}, card.title), list));
    cards.push({ ...card, list, terms: [] });
  }
  byId("reload").addEventListener("click", reload);
}

function showCard(card, entries) {
  if (card.terms.length !== entries.length) {
    card.terms = entries.map(([name]) => ({ name: make("dt", {}, name), value: make("dd") }));
    card.list.replaceChildren(...card.terms.flatMap((term) => [term.name, term.value]));
  }
  entries.forEach(([, text, bad], index) => {
    setText(card.terms[index].value, text ?? NOTHING);
    card.terms[index].value.classList.toggle("bad", Boolean(bad));
  });
}

function writerLine() {
  const cells = [["State", ""], ["Position", "number"], ["Behind", "number"], ["Lag", "number"], ["Held", "number"]]
    .map(([name, className]) => make("td", { role: "cell", "data-name": name, class: className }));
  return { cells };
}

function showWriters(all) {
  const key = all.map((writer) => `${writer.stream} ${writer.writer}`).join("\n");
  if (key !== shownWriters || !writers.length) {
    shownWriters = key;
    writers = all.map((writer) => {
      const line = writerLine();
      line.row = make("tr", { role: "row" }, make("th", { role: "rowheader", scope: "row" }, writer.stream),
        make("td", { role: "cell", "data-name": "Writer" }, writer.writer), ...line.cells);
      return line;
    });
    byId("writers").tBodies[0].replaceChildren(...(writers.length ? writers.map((line) => line.row)
      : [make("tr", { role: "row" }, make("td", { role: "cell", colspan: "7" }, "No writer has told its position yet"))]));
  }
  all.forEach((writer, index) => {
    const line = writers[index];
    const texts = [STATES[writer.state] ?? writer.state, count(writer.position), count(writer.behind), seconds(writer.lag), count(writer.held)];
    texts.forEach((text, at) => setText(line.cells[at], text));
    setAttribute(line.row, "class", writer.state === "live" ? "" : "trial");
  });
}

function showLast(configuration) {
  const last = configuration?.last;
  const said = !last ? "Loaded at the start; not reloaded since"
    : `${last.loaded ? "Loaded" : "Refused"} at ${time(last.at)} by ${last.cause}, in ${seconds(last.seconds)}`;
  setText(byId("reload-last"), `${configuration?.path ?? ""} – ${said}. ${count(configuration?.reloads ?? 0)} reloads, ${count(configuration?.refused ?? 0)} refused.`);
  byId("reload-last").classList.toggle("bad", Boolean(last && !last.loaded));
  if (last && !last.loaded && !byId("reload-result").childElementCount) showResult(false, "The last reload was refused; what ran before goes on", last);
}

export function engineShow(status, now) {
  for (const card of cards) {
    const entries = card.of(status, now);
    card.list.parentElement.hidden = !entries;
    if (entries) showCard(card, entries);
  }
  showWriters(status.writers ?? []);
  const catchUp = status.catch_up;
  setText(byId("catch-up"), !catchUp ? "" : catchUp.busy
    ? `Fetches what was missed: ${count(catchUp.rows)} rows so far, ${count(catchUp.ranges)} ranges left${catchUp.since ? `, since ${time(catchUp.since)}` : ""}`
    : `Nothing is being fetched. ${count(catchUp.rows)} missed rows were fetched since the start.`);
  showLast(status.configuration);
}

// ---- reload

// `/etc/weir/weir.yaml:12:9: what is wrong`: the place apart, since it is what one types into an editor.
function problem(line) {
  const parts = /^(.+?:\d+(?::\d+)?): (.*)$/s.exec(line);
  return parts ? make("li", {}, make("code", { class: "spot" }, parts[1]), make("span", {}, parts[2])) : make("li", {}, line);
}

function showResult(loaded, text, { errors = [], warnings = [] } = {}) {
  byId("reload-result").replaceChildren(
    make("p", { class: loaded ? "outcome passed" : "outcome denied" }, text),
    errors.length ? make("ol", { class: "problems" }, ...errors.map(problem)) : "",
    warnings.length ? make("h4", {}, "To be known") : "",
    warnings.length ? make("ol", { class: "problems" }, ...warnings.map(problem)) : "");
}

async function reload() {
  const button = byId("reload");
  button.disabled = true;
  byId("reload-result").replaceChildren(make("p", { class: "outcome wait" }, "Loads; the old chain goes on until then"));
  try {
    const result = await post("/v1/reload", undefined, { patience: 120_000 });
    showResult(true, `Loaded: ${count(result.modules)} modules in ${seconds(result.seconds)}`, result);
  } catch (refusal) {
    const refused = refusal instanceof Refusal && refusal.body?.errors;
    showResult(false, refused ? "Refused; what ran before goes on" : `Not loaded: ${refusal.message}`, refused ? refusal.body : {});
    if (!refused) announce(refusal.message);
  }
  button.disabled = false;
  button.focus();
  changed();
}
