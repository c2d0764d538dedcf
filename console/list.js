// The list of verdicts: bounded, drawn once a frame at most, and still while somebody reads in it. A flood of 10,000
// verdicts a second comes as 200 lines a second; they wait in a queue of the list's own length until they are drawn.
import { byId, make, setText } from "./dom.js";
import { count } from "./format.js";
import { verdictLine } from "./verdict.js";

const KEPT = 500;
const DRAWN_AT_ONCE = 100; // in one frame; the next ones take the rest

const keyOf = ({ token, row }) => `${token} ${row.event_id} ${row.module} ${row.callback} ${row.dry_run}`;

export class VerdictList {
  // `open` is told which verdict was chosen, `changed` that the list has other lines now.
  constructor(open, changed) {
    this.list = byId("verdicts");
    this.heldButton = byId("held");
    this.empty = byId("verdicts-empty");
    this.changed = changed;
    this.waiting = [];
    this.leftOut = 0;
    this.keys = new Set();
    this.paused = false;
    this.frame = 0;
    this.list.addEventListener("click", (event) => {
      const line = event.target.closest("li.verdict");
      if (line) {
        this.choose(line);
        open(line.verdict);
      }
    });
    this.list.addEventListener("keydown", (event) => this.move(event));
    this.list.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.list.addEventListener("focusout", () => this.schedule());
    addEventListener("scroll", () => this.schedule(), { passive: true });
    this.heldButton.addEventListener("click", () => this.release());
  }

  // One stop for the Tab key; arrows go from line to line.
  choose(line) {
    this.list.querySelector("button[tabindex='0']")?.setAttribute("tabindex", "-1");
    line?.firstElementChild.setAttribute("tabindex", "0");
  }

  move(event) {
    const lines = [...this.list.querySelectorAll("li.verdict")];
    const at = lines.indexOf(event.target.closest("li"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const line = lines[Math.min(lines.length - 1, Math.max(0, to))];
    this.choose(line);
    line.firstElementChild.focus();
  }

  clear(text) {
    this.waiting = [];
    this.leftOut = 0;
    this.keys.clear();
    this.list.replaceChildren();
    this.heldButton.hidden = true;
    this.say(text);
    this.changed();
  }

  say(text) {
    setText(this.empty, text ?? "");
    this.empty.hidden = !text || this.list.childElementCount > 0;
  }

  // Verdicts as they come, the newest last.
  add(verdicts, leftOut) {
    for (const verdict of verdicts) {
      const key = keyOf(verdict);
      if (this.keys.has(key)) continue;
      this.keys.add(key);
      this.waiting.push(verdict);
    }
    this.leftOut += leftOut;
    if (this.waiting.length > KEPT) {
      for (const verdict of this.waiting.splice(0, this.waiting.length - KEPT)) {
        this.keys.delete(keyOf(verdict));
        this.leftOut++;
      }
    }
    this.schedule();
  }

  // A page of the past, the newest first, below what is there.
  append(verdicts) {
    const fresh = verdicts.filter((verdict) => !this.keys.has(keyOf(verdict)));
    for (const verdict of fresh) this.keys.add(keyOf(verdict));
    const lines = fresh.map(verdictLine);
    this.list.append(...lines);
    if (!this.list.querySelector("button[tabindex='0']")) this.choose(this.list.querySelector("li.verdict"));
    this.empty.hidden = this.list.childElementCount > 0;
    this.changed();
    return lines[0];
  }

  setPaused(paused) {
    this.paused = paused;
    if (paused) this.schedule();
    else this.release();
  }

  // Whether somebody reads: new lines would push theirs away.
  isRead() {
    return this.paused || byId("verdict").open || this.list.scrollTop > 8 || this.list.getBoundingClientRect().top < 40 ||
      this.list.querySelector(":focus-visible") !== null;
  }

  schedule() {
    if (!this.frame && (this.waiting.length || this.leftOut)) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    if (!this.list.childElementCount || !this.isRead()) {
      this.release(false);
      return;
    }
    const held = this.waiting.length;
    this.heldButton.hidden = held === 0 || this.paused;
    setText(this.heldButton, `Show ${count(held)} new`);
  }

  release(goUp = true) {
    const waiting = this.waiting.splice(0, DRAWN_AT_ONCE);
    const leftOut = this.leftOut;
    this.leftOut = 0;
    this.heldButton.hidden = true;
    if (goUp && this.list.scrollTop > 0) this.list.scrollTop = 0;
    if (!waiting.length) return;
    const lines = document.createDocumentFragment();
    for (let index = waiting.length - 1; index >= 0; index--) lines.append(verdictLine(waiting[index]));
    if (leftOut) lines.append(make("li", { class: "left-out" }, `${count(leftOut)} more were not sent`));
    this.list.prepend(lines);
    while (this.list.childElementCount > KEPT) {
      const last = this.list.lastElementChild;
      if (last.verdict) this.keys.delete(keyOf(last.verdict));
      last.remove();
    }
    this.choose(this.list.querySelector("li.verdict"));
    this.empty.hidden = true;
    this.changed();
    this.schedule();
  }

  verdicts() {
    return Array.from(this.list.children, (line) => line.verdict).filter(Boolean);
  }
}
