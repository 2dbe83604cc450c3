// @ts-check
/**
 * <agent-swarm-terminal>: the lines of a project as they come.
 *
 * Whatever a line says reaches the page as text, never as HTML.  Lines are kept in blocks of a hundred, which the browser
 * passes over while they are out of sight; beyond the bound the oldest block goes.
 */

import { line } from "./model.js";

const LINES = 10_000;
const BLOCK = 100;
const LEVELS = ["info", "success", "warning", "error"];

/** @typedef {{at: number, level: string, agent: string, type: string, text: string, id: string}} Line */

/** @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {string} [name] @param {string} [text] @returns {HTMLElementTagNameMap[K]} */
export function make(tag, name = "", text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}

/** @param {number} at */
const clock = (at) => new Date(at * 1_000).toLocaleTimeString([], { hour12: false });

export class SwarmTerminal extends HTMLElement {
  /** @type {Line[]} */
  lines = [];
  /** @type {any[]} What came and is not shown yet. */
  #waiting = [];
  /** @type {HTMLElement[]} */
  #blocks = [];
  #frame = 0;
  #paused = false;
  #following = true;
  #top = 0; // Where the list was scrolled to last.
  #built = false;
  #search = "";
  #bar = make("div", "bar");
  #list = make("div", "lines");
  #more = make("button", "more");
  #pause = make("button", "pause", "Pause");
  #count = make("span", "count");
  #find = make("input", "find");
  #level = make("select");
  #agent = make("select");
  #type = make("select");

  connectedCallback() {
    if (this.#built) return;
    this.#built = true;
    this.#buildBar();
    this.#list.setAttribute("role", "log");
    this.#list.setAttribute("aria-label", "Messages");
    // A busy swarm would talk without end; what matters is announced by the page.
    this.#list.setAttribute("aria-live", "off");
    this.#list.tabIndex = 0;
    this.#list.addEventListener("click", ({ target }) => {
      const id = target instanceof HTMLElement && target.tagName === "TIME" ? target.parentElement?.dataset.id : undefined;
      if (id) this.dispatchEvent(new CustomEvent("permalink", { detail: id, bubbles: true }));
    });
    this.#list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#more.type = "button";
    this.#more.hidden = true;
    this.#more.addEventListener("click", () => this.follow());
    // Another width wraps the lines anew.
    new ResizeObserver(() => this.#following && this.follow()).observe(this.#list);
    this.append(this.#bar, this.#list, this.#more);
  }

  #buildBar() {
    const [, ...levels] = LEVELS;
    fill(this.#level, "Least level", [["", "all levels"], ...levels.map((level) => [level, `${level} and up`])]);
    fill(this.#agent, "Agent", [["", "all agents"]]);
    fill(this.#type, "Kind of message", [
      ["", "all messages"], ["workflow_log", "log"], ["agent_status_update", "agents"], ["workflow_stage_update", "stages"],
      ["project_progress", "progress"], ["project_error", "errors"],
    ]);
    for (const one of [this.#level, this.#agent, this.#type]) one.addEventListener("change", () => this.#choose());
    this.#find.type = "search";
    this.#find.placeholder = "Search";
    this.#find.setAttribute("aria-label", "Search in the messages");
    this.#find.addEventListener("input", () => this.search(this.#find.value));
    this.#find.addEventListener("keydown", ({ key }) => {
      if (key === "Enter") this.#choose();
    });
    this.#pause.type = "button";
    this.#pause.addEventListener("click", () => this.pause(!this.#paused));
    const clear = button("Clear", () => this.clear());
    const saves = make("span", "saves");
    for (const format of ["JSON", "CSV", "TXT"]) saves.append(button(format, () => this.download(format.toLowerCase()), `Download as ${format}`));
    this.#count.setAttribute("role", "status");
    this.#bar.append(this.#type, this.#level, this.#agent, this.#find, this.#count, this.#pause, clear, saves);
  }

  /** Tell whoever holds the connection which messages are wanted: the relay selects them. */
  #choose() {
    const filter = {
      ...(this.#type.value ? { types: [this.#type.value] } : {}), ...(this.#level.value ? { level: this.#level.value } : {}),
      ...(this.#agent.value ? { agent: [this.#agent.value] } : {}),
      ...(this.#find.value.trim() ? { q: this.#find.value.trim().slice(0, 64) } : {}),
    };
    this.dispatchEvent(new CustomEvent("filter", { detail: filter, bubbles: true }));
  }

  /** Show a filter that was set elsewhere. @param {any} filter */
  setFilter({ types, level, agent, q }) {
    this.#type.value = types?.[0] ?? "";
    this.#level.value = level ?? "";
    if (agent?.[0]) this.#name(agent[0]);
    this.#agent.value = agent?.[0] ?? "";
    this.#find.value = q ?? "";
  }

  /** Take messages in; they are shown with the next frame, or when the reader goes on. @param {any[]} messages */
  add(messages) {
    for (const message of messages) this.#waiting.push(message);
    // Waiting has a bound, too: what is beyond it would be dropped from the screen in the same moment.
    if (this.#waiting.length > 2 * LINES) this.#waiting.splice(0, this.#waiting.length - LINES);
    if (this.#paused) this.#tellWaiting();
    else this.#soon();
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#show();
    });
  }

  #show() {
    const messages = this.#waiting;
    this.#waiting = [];
    for (const message of messages) this.#append(message);
    while (this.lines.length > LINES && this.#blocks.length > 1) {
      const oldest = /** @type {HTMLElement} */ (this.#blocks.shift());
      this.lines.splice(0, oldest.childElementCount);
      oldest.remove();
    }
    if (this.#following) this.#list.scrollTop = this.#list.scrollHeight;
    else this.#more.hidden = false;
    this.#tellCount();
  }

  /** @param {any} message */
  #append(message) {
    const { level, text } = line(message);
    const agent = message.agent ?? "";
    const kept = { at: message.received_at ?? message.timestamp, level, agent, type: message.type, text, id: message.id ?? "" };
    this.lines.push(kept);
    let block = this.#blocks.at(-1);
    if (!block || block.childElementCount === BLOCK) {
      block = make("div", "block");
      this.#blocks.push(block);
      this.#list.append(block);
    }
    block.append(this.#row(kept));
    if (agent) this.#name(agent);
  }

  /** @param {Line} kept */
  #row({ at, level, agent, text, id }) {
    const row = make("div", `line ${level}`);
    const time = make("time", "", clock(at));
    time.dateTime = new Date(at * 1_000).toISOString();
    if (id) time.title = "Link to this line";
    row.append(time, make("span", "who", agent), make("span", "text", text));
    if (id) row.dataset.id = id;
    if (this.#search) row.hidden = !matches(this.#search, text, agent);
    return row;
  }

  /** @param {string} agent */
  #name(agent) {
    if ([...this.#agent.options].some(({ value }) => value === agent)) return;
    this.#agent.append(option(agent, agent));
  }

  /** Stop showing, or go on with what waited; nothing is lost. @param {boolean} paused */
  pause(paused) {
    this.#paused = paused;
    this.#pause.textContent = paused ? "Resume" : "Pause";
    this.#pause.setAttribute("aria-pressed", String(paused));
    if (paused) this.#tellWaiting();
    else this.#soon();
  }

  #tellWaiting() {
    this.#count.textContent = `${this.#waiting.length.toLocaleString()} waiting`;
  }

  #tellCount() {
    const lines = this.lines.length.toLocaleString();
    this.#count.textContent = this.#search ? `${this.#list.querySelectorAll(".line:not([hidden])").length.toLocaleString()} of ${lines}` : `${lines} lines`;
  }

  /** Show only lines with a text; what is typed searches what is here, Enter asks the relay. @param {string} text */
  search(text) {
    this.#search = text.trim().toLowerCase();
    const rows = this.#list.querySelectorAll(".line");
    this.lines.forEach((kept, index) => {
      /** @type {HTMLElement} */ (rows[index]).hidden = this.#search !== "" && !matches(this.#search, kept.text, kept.agent);
    });
    if (this.#following) this.#list.scrollTop = this.#list.scrollHeight;
    this.#tellCount();
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#list;
    // Only who goes up leaves the end: it also moves away from a reader when the list gets lower, or its lines longer.
    this.#following = scrollHeight - scrollTop - clientHeight < 24 || (this.#following && scrollTop >= this.#top);
    this.#top = scrollTop;
    if (this.#following) this.#more.hidden = true;
    this.#more.textContent = "Newest lines ↓";
  }

  /** The first line in sight, null while the newest are. @returns {string | null} */
  get place() {
    if (this.#following) return null;
    const { left, top } = this.#list.getBoundingClientRect();
    const row = document.elementFromPoint(left + 40, top + 12)?.closest(".line");
    return row instanceof HTMLElement ? row.dataset.id ?? null : null;
  }

  /** Go to the newest line and stay there. */
  follow() {
    this.#following = true;
    this.#more.hidden = true;
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** Show a line by its cursor. @param {string} id @returns {boolean} Whether it is here. */
  reveal(id) {
    const row = this.#list.querySelector(`[data-id="${CSS.escape(id)}"]`);
    if (!row) return false;
    this.#following = false;
    this.#more.hidden = false;
    this.#more.textContent = "Newest lines ↓";
    for (const other of this.#list.querySelectorAll(".marked")) other.classList.remove("marked");
    row.scrollIntoView({ block: "center" });
    row.classList.add("marked");
    return true;
  }

  clear() {
    this.lines = [];
    this.#waiting = [];
    this.#blocks = [];
    this.#list.replaceChildren();
    this.follow();
    if (this.#paused) this.#tellWaiting();
    else this.#tellCount();
  }

  /** Save the lines that are shown. @param {string} format `json`, `csv` or `txt`. */
  download(format) {
    const shown = this.lines.filter(({ text, agent }) => matches(this.#search, text, agent));
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([written(shown, format)], { type: KINDS[format] }));
    link.download = `${this.getAttribute("project") ?? "log"}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
  }
}

/** @type {Record<string, string>} */
const KINDS = { json: "application/json", csv: "text/csv", txt: "text/plain" };

/** Lines as a file. @param {Line[]} lines @param {string} format */
export function written(lines, format) {
  const iso = (/** @type {number} */ at) => new Date(at * 1_000).toISOString();
  if (format === "json") return JSON.stringify(lines.map(({ at, ...rest }) => ({ time: iso(at), ...rest })), null, 1);
  const who = (/** @type {string} */ agent) => (agent ? `${agent}: ` : "");
  if (format === "txt") return lines.map(({ at, level, agent, text }) => `${iso(at)} ${level.padEnd(7)} ${who(agent)}${text}`).join("\n");
  const rows = lines.map(({ at, level, agent, type, text, id }) => [iso(at), level, agent, type, text, id].map(cell).join(","));
  return ["time,level,agent,type,text,id", ...rows].join("\r\n");
}

/** A cell of a table; what a spreadsheet would take for a formula becomes a text. @param {string} text */
function cell(text) {
  return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

/** @param {string} search @param {string} text @param {string} agent */
function matches(search, text, agent) {
  return search === "" || text.toLowerCase().includes(search) || agent.toLowerCase().includes(search);
}

/** @param {string} label @param {() => void} press @param {string} [title] */
export function button(label, press, title = "") {
  const element = make("button", "", label);
  element.type = "button";
  if (title) element.title = title;
  element.addEventListener("click", press);
  return element;
}

/** @param {string} value @param {string} label */
function option(value, label) {
  const element = make("option", "", label);
  element.value = value;
  return element;
}

/** @param {HTMLSelectElement} select @param {string} label @param {string[][]} options */
function fill(select, label, options) {
  select.setAttribute("aria-label", label);
  select.append(...options.map(([value, text]) => option(value, text)));
}

customElements.define("agent-swarm-terminal", SwarmTerminal);
