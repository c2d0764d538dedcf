// One verdict: its line in the list, and the sheet that opens for it.
import { post } from "./api.js";
import { byId, make } from "./dom.js";
import { showExplanation } from "./explanation.js";
import { fullTime, time } from "./format.js";

// What a row's result comes to, by the tag of its value (docs/http.md).
export function kindOf(row) {
  const result = row.result;
  if (row.dry_run) return "trial";
  if (result === "NOT_SPAM" || result === null || result === undefined) return "passed";
  if (typeof result !== "object") return "denied";
  if ("raise" in result) return "failed";
  if (Array.isArray(result.tuple)) return result.tuple[0] === true ? (result.tuple[1] ? "changed" : "passed") : "denied";
  if ("bool" in result) return result.bool ? "passed" : "denied";
  return "denied";
}

const WORDS = { trial: "dry run", passed: "passed", denied: "denied", failed: "failed", changed: "changed" };

const codeOf = (row) => row.result?.code ?? row.result?.raise?.errcode ?? "";

const because = (row) => [row.rule, row.reason].filter(Boolean).join(" · ") || codeOf(row) || row.callback || "";

// A line of the list. What it tells of is its property `verdict`.
export function verdictLine(verdict) {
  const row = verdict.row;
  const kind = kindOf(row);
  const line = make("li", { class: `verdict ${kind}` },
    make("button", { type: "button", tabindex: "-1" },
      make("span", { class: "at" }, time(verdict.at)),
      make("span", { class: `tag ${kind}` }, WORDS[kind]),
      make("span", { class: "by" }, row.module ?? "–"),
      make("span", { class: "why" }, because(row)),
      make("span", { class: "who" }, row.sender ?? ""),
      make("span", { class: "in" }, row.room_id ?? "")));
  line.verdict = verdict;
  return line;
}

function term(name, value) {
  return value === null || value === undefined || value === "" ? [] : [make("dt", {}, name), make("dd", {}, String(value))];
}

let opened = 0;

async function explain(eventId, place) {
  const mine = ++opened;
  place.replaceChildren(make("p", { class: "hint" }, "Asks the chain about it"));
  try {
    const explanation = await post("/v1/explain", { event_id: eventId }, { patience: 20_000 });
    if (mine === opened) showExplanation(place, explanation);
  } catch (refusal) {
    if (mine === opened) place.replaceChildren(make("p", { class: "hint" }, `No explanation: ${refusal.message}. What the verdict itself tells stands above.`));
  }
}

// Opens the sheet; `filterBy(name, value)` is what its buttons do.
export function openVerdict(verdict, filterBy) {
  const row = verdict.row;
  const kind = kindOf(row);
  const only = (name, value, label) => (value ? make("button", { type: "button", on: { click: () => { byId("verdict").close(); filterBy(name, value); } } }, label) : null);
  const place = make("div", { class: "explanation", "aria-live": "polite" });
  byId("verdict-body").replaceChildren(
    make("p", { class: `outcome ${kind}` }, `${kind === "trial" ? "Would be denied (dry run)" : WORDS[kind][0].toUpperCase() + WORDS[kind].slice(1)}`,
      row.module ? ` by ${row.module}` : "", codeOf(row) ? `: ${codeOf(row)}` : ""),
    make("dl", { class: "facts" },
      ...term("Rule", row.rule), ...term("Reason", row.reason), ...term("Sender", row.sender), ...term("Room", row.room_id),
      ...term("Event", row.event_id), ...term("Type", row.type), ...term("Callback", row.callback),
      ...term("Time", Number.isFinite(verdict.at) ? fullTime(verdict.at) : null),
      ...term("From", row.stream ? `${row.stream} ${row.instance ?? ""} ${row.token ?? ""}` : null),
      ...term("Way in", row.origin), ...term("Actions", row.actions?.join?.(", "))),
    make("p", { class: "bar" }, ...[only("sender", row.sender, "Only this sender"), only("room", row.room_id, "Only this room"),
      only("module", row.module, "Only this module")].filter(Boolean)),
    make("h3", {}, "What the chain says of it now"), place);
  byId("verdict").showModal();
  byId("verdict-body").scrollTop = 0;
  if (row.event_id) explain(row.event_id, place);
  else place.replaceChildren(make("p", { class: "hint" }, "The event was refused before it had an ID, so nobody stored it: the verdict is its only trace."));
}
