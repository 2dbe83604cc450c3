// @ts-check
/**
 * Custom elements that show a project; no build step, and usable from plain HTML, React or Vue.
 *
 *     <agent-swarm-view project="shop-1" base="https://relay.example"></agent-swarm-view>
 *
 * `<agent-swarm-view>` has the whole of it and a connection of its own; the parts can be used alone, given a `client`
 * (RelayClient) and a `model` (Project).
 */

import { Project, span } from "./model.js";
import { RelayClient } from "./relay-client.js";
import { share, short, summary } from "./spending.js";
import { make } from "./terminal.js";

const BADGES = {
  connecting: ["grey", "Connecting…"],
  websocket: ["green", "WebSocket (Real-time)"],
  polling: ["yellow", "HTTP Polling (5s delay)"],
  static: ["red", "Static View"],
  closed: ["red", "Closed"],
};

const LINK = /^https?:\/\//;

/** Redraws at most once a frame, whenever its model or its client changes, and every second where time is shown. */
class Part extends HTMLElement {
  /** @type {Project | null} */
  #model = null;
  /** @type {RelayClient | null} */
  #client = null;
  #frame = 0;
  #timer = 0;
  /** Milliseconds until it is drawn again though nothing happened; 0: never. */
  every = 0;

  connectedCallback() {
    if (this.every) this.#timer = setInterval(this.soon, this.every);
    this.soon();
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  get model() {
    return this.#model;
  }

  set model(model) {
    this.#model?.removeEventListener("change", this.soon);
    this.#model = model;
    model?.addEventListener("change", this.soon);
    this.soon();
  }

  get client() {
    return this.#client;
  }

  set client(client) {
    for (const kind of ["state", "beat"]) {
      this.#client?.removeEventListener(kind, this.soon);
      client?.addEventListener(kind, this.soon);
    }
    this.#client = client;
    this.soon();
  }

  soon = () => {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.isConnected) this.draw();
    });
  };

  draw() {}
}

/** @param {Element} element @param {string} text */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** How the connection is. */
class Badge extends Part {
  #dot = make("span", "dot");
  #text = make("span");

  connectedCallback() {
    this.setAttribute("role", "status");
    this.append(this.#dot, this.#text);
    super.connectedCallback();
  }

  draw() {
    const state = this.client?.state ?? "connecting";
    const [colour, text] = BADGES[/** @type {keyof typeof BADGES} */ (state)];
    this.dataset.state = state;
    this.dataset.colour = colour;
    say(this.#text, text);
  }
}

/** How old the newest event is, and whether that is the swarm's quiet or a broken pipe. */
class Freshness extends Part {
  every = 500;
  #lag = /** @type {number | null} */ (0);
  #off = () => {};

  set client(client) {
    super.client = client;
    this.#off();
    this.#off = client?.on("beat", ({ lag }) => (this.#lag = lag)) ?? (() => {});
  }

  get client() {
    return super.client;
  }

  draw() {
    const newest = this.model?.newest ?? 0;
    if (newest === 0) return say(this, "nothing yet");
    const age = Math.max(0, Date.now() / 1_000 + (this.model?.skew ?? 0) - newest);
    const cut = this.client?.state === "static" || this.client?.state === "closed";
    const late = this.#lag === null || this.#lag > 1;
    this.dataset.late = String(cut || late);
    if (cut) say(this, `as of ${span(age)} ago`);
    else if (late) say(this, this.#lag === null ? "behind" : `${span(this.#lag)} behind`);
    else say(this, `${span(age)} ago`);
  }
}

/** For how long a project has been running, and how long it may still take. */
class Timer extends Part {
  every = 1_000;

  draw() {
    const { startedAt, completedAt, estimated, skew } = this.model ?? {};
    if (!startedAt) return say(this, "not started");
    const ran = (completedAt ?? Date.now() / 1_000 + (skew ?? 0)) - startedAt;
    const left = completedAt || !estimated ? "" : ran < estimated ? `, about ${span(estimated - ran)} left` : `, ${span(ran - estimated)} over the estimate`;
    say(this, `${span(ran).replace(/^(\d+)\.\d s/, "$1 s")}${left}`);
  }
}

/** What was used so far, how fast, and how much of a budget that is. */
class Spending extends Part {
  every = 10_000;

  draw() {
    if (!this.model) return;
    const used = share(this.model.budget) ?? 0;
    this.dataset.used = used >= 1 ? "up" : used >= 0.8 ? "much" : "";
    say(this, summary(this.model, Date.now()));
  }
}

/** The stages passed, and the one that is on. */
class Stages extends Part {
  #list = make("ol");

  connectedCallback() {
    this.#list.setAttribute("aria-label", "Stages");
    this.append(this.#list);
    super.connectedCallback();
  }

  draw() {
    const { stagesCompleted = [], stage = null, status = "" } = this.model ?? {};
    const done = stagesCompleted.filter((name) => name !== stage).map((name) => [name, "done"]);
    const last = stage === null ? [] : [[stage, stagesCompleted.includes(stage) ? "done" : status === "failed" ? "failed" : "on"]];
    const stages = [...done, ...last];
    while (this.#list.childElementCount > stages.length) this.#list.lastElementChild?.remove();
    stages.forEach(([name, state], index) => {
      const item = this.#list.children[index] ?? this.#list.appendChild(make("li"));
      item.className = state;
      say(item, name.replaceAll("_", " "));
      if (state === "on") item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
  }
}

/** A card for each agent. */
class Agents extends Part {
  every = 1_000;
  #lag = 0;
  #off = () => {};

  set client(client) {
    super.client = client;
    this.#off();
    this.#off = client?.on("beat", ({ lag }) => (this.#lag = lag ?? 0)) ?? (() => {});
  }

  get client() {
    return super.client;
  }

  /** @type {Map<string, AgentCard>} */
  #cards = new Map();

  connectedCallback() {
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "Agents");
    super.connectedCallback();
  }

  draw() {
    const now = Date.now() / 1_000 + (this.model?.skew ?? 0);
    const agents = this.model?.agents ?? new Map();
    this.tabIndex = agents.size > 0 ? 0 : -1; // It scrolls where there are many, so the keyboard has to get there.
    for (const [name, card] of this.#cards) {
      if (agents.has(name)) continue;
      card.remove();
      this.#cards.delete(name);
    }
    for (const [name, agent] of agents) {
      let card = this.#cards.get(name);
      if (!card) {
        card = new AgentCard(name);
        this.#cards.set(name, card);
        this.append(card.root);
      }
      card.draw(agent, now, this.#lag);
      card.spend(this.model?.usedBy[name]?.total_tokens ?? 0);
    }
  }
}

/** What stands on the card of an agent that seems to be other than it says. */
const DOUBTS = /** @type {Record<string, string>} */ ({
  waiting_on_tool: "waits on a tool", quiet: "quiet", maybe_stuck: "maybe stuck", lost: "lost",
});

class AgentCard {
  #status = make("span", "status");
  #task = make("p", "task");
  #reason = make("p", "reason");
  #seen = make("span", "seen");
  #bar = make("progress");
  #used = make("span", "used");
  root = make("article", "agent");

  /** @param {string} name */
  constructor(name) {
    const head = make("header");
    head.append(make("h3", "", name), this.#status);
    this.#bar.max = 100;
    this.#bar.setAttribute("aria-label", `Progress of ${name}`);
    this.root.append(head, this.#task, this.#bar, this.#seen, this.#used, this.#reason);
  }

  /** @param {import("./model.js").Agent} agent @param {number} now @param {number} lag */
  draw({ status, progress, task = "", activity, last_seen: seen, liveness }, now, lag) {
    const doubt = liveness && DOUBTS[liveness.state];
    const says = doubt ?? activity?.replaceAll("_", " ") ?? status;
    this.root.dataset.status = activity === "waiting_for_human" ? "waits" : status;
    this.root.dataset.liveness = liveness?.state ?? "";
    say(this.#status, says);
    say(this.#task, task);
    this.#bar.value = progress;
    const age = now - seen;
    // One number: how long it has been idle while the relay could have heard of it.
    const idle = doubt && liveness && `no work for ${span(Math.max(0, now - lag - liveness.worked))}`;
    const when = age < 10 ? "just now" : `${span(age)} ago`;
    say(this.#seen, `${Math.round(progress)}% · ${idle ?? `seen ${when}`}`);
    say(this.#reason, doubt && liveness ? liveness.reason : "");
  }

  /** @param {number} tokens */
  spend(tokens) {
    say(this.#used, tokens ? `${short(tokens)} tokens` : "");
  }

  remove() {
    this.root.remove();
  }
}

/** What is missing in a project's life, as a sentence for people; an end may yet come. @param {{what: string, cause: string, agent?: string}[]} lifecycle */
function gaps(lifecycle) {
  const end = lifecycle.find(({ what }) => what === "end");
  if (end) return `It may have ended without a word: ${end.cause === "silent" ? "nobody has said anything for long" : "all its agents are lost"}.`;
  const agents = lifecycle.filter(({ what }) => what === "agent").map(({ agent }) => agent);
  const some = agents.length > 3 ? [...agents.slice(0, 3), `${agents.length - 3} more`] : agents;
  return agents.length ? `No word that they had ended came of: ${some.join(", ")}.` : "";
}

/** Everything of one project. */
class View extends HTMLElement {
  /** @type {RelayClient | null} */
  client = null;
  model = new Project(this.getAttribute("project") ?? "");
  #built = false;
  #owns = false;
  #offs = /** @type {(() => void)[]} */ ([]);
  #title = make("h2");
  #status = make("span", "status");
  #bar = make("progress");
  #message = make("p", "message");
  #missing = make("p", "missing");
  #trouble = make("p", "trouble");
  #links = make("p", "links");

  connectedCallback() {
    if (!this.#built) this.#build();
    if (!this.client) {
      this.#owns = true;
      this.client = new RelayClient(this.project, {
        base: this.getAttribute("base") ?? location.origin, token: this.getAttribute("token") ?? "",
      });
    }
    this.#listen(this.client);
    if (this.#owns) this.client.start();
  }

  disconnectedCallback() {
    for (const off of this.#offs) off();
    if (this.#owns) this.client?.close();
  }

  get project() {
    return this.getAttribute("project") ?? "";
  }

  /** React and Vue set what is a property as such. */
  set project(project) {
    this.setAttribute("project", project);
  }

  get terminal() {
    return /** @type {import("./terminal.js").SwarmTerminal} */ (this.querySelector("agent-swarm-terminal"));
  }

  #build() {
    this.#built = true;
    this.model = new Project(this.project);
    this.#trouble.setAttribute("role", "alert");
    this.#bar.max = 100;
    this.#bar.setAttribute("aria-label", "Progress of the project");
    const head = make("header", "head");
    const facts = make("div", "facts");
    facts.append(this.#status, ...["timer", "spending", "freshness", "badge"].map((name) => document.createElement(`agent-swarm-${name}`)));
    head.append(this.#title, facts, this.#bar, this.#message, this.#missing, this.#links, this.#trouble);
    const terminal = document.createElement("agent-swarm-terminal");
    terminal.setAttribute("project", this.project);
    terminal.addEventListener("filter", (event) => this.client?.setFilter(/** @type {CustomEvent} */ (event).detail));
    this.append(head, document.createElement("agent-swarm-stages"), document.createElement("agent-swarm-agents"), terminal);
    this.model.addEventListener("change", () => this.#draw());
  }

  /** @param {RelayClient} client */
  #listen(client) {
    for (const name of ["badge", "freshness", "timer", "spending", "stages", "agents"]) {
      const part = /** @type {Part} */ (this.querySelector(`agent-swarm-${name}`));
      part.model = this.model;
      part.client = client;
    }
    const mine = (/** @type {(detail: any) => void} */ hear) => (/** @type {any} */ detail) => {
      if (detail.project === this.project) hear(detail);
    };
    this.#offs = [
      client.on("restored", mine(({ snapshot, messages }) => this.#show(snapshot, messages))),
      client.on("established", mine(({ established }) => {
        this.model.begin(established);
        if (established.replay !== "resume") this.terminal.clear();
        this.#say(established.replay === "gap" ? "Some older messages are no longer available." : "");
      })),
      client.on("messages", mine(({ messages }) => {
        this.model.add(messages);
        this.terminal.add(messages);
      })),
      client.on("notice", (notice) => {
        if (notice.code === "LIVENESS" && notice.project_id === this.project) this.model.judge(notice.data ?? {});
      }),
      client.on("static", mine(({ snapshot, messages }) => {
        if (this.terminal.lines.length === 0) this.#show(snapshot, messages);
      })),
      client.on("notice", ({ code, project_id: project, data }) => {
        if (code === "SPENDING" && project === this.project) this.model.spend(data);
      }),
      client.on("error", ({ userMessage }) => this.#say(userMessage)),
      client.on("state", ({ state }) => {
        if (state === "websocket") this.#say("");
      }),
    ];
    this.#draw();
  }

  /** @param {any} snapshot @param {any[]} messages */
  #show(snapshot, messages) {
    if (snapshot) this.model.begin({ snapshot });
    this.model.add(messages);
    this.terminal.add(messages);
  }

  /** @param {string} trouble */
  #say(trouble) {
    say(this.#trouble, trouble);
    this.#trouble.hidden = trouble === "";
  }

  #draw() {
    const { name, status, progress, message, urls } = this.model;
    say(this.#title, name || this.project);
    say(this.#status, status.replaceAll("_", " "));
    this.#status.dataset.status = status;
    this.#bar.value = progress;
    say(this.#message, message ? `${Math.round(progress)}% · ${message}` : `${Math.round(progress)}%`);
    say(this.#missing, gaps(this.model.lifecycle));
    const safe = Object.entries(urls).filter(([, url]) => LINK.test(url));
    if (this.#links.childElementCount === safe.length) return;
    this.#links.replaceChildren(...safe.map(([what, url]) => {
      const link = make("a", "", what.replaceAll("_", " "));
      link.href = url;
      link.rel = "noopener noreferrer";
      link.target = "_blank";
      return link;
    }));
  }
}

customElements.define("agent-swarm-badge", Badge);
customElements.define("agent-swarm-freshness", Freshness);
customElements.define("agent-swarm-timer", Timer);
customElements.define("agent-swarm-spending", Spending);
customElements.define("agent-swarm-stages", Stages);
customElements.define("agent-swarm-agents", Agents);
customElements.define("agent-swarm-view", View);

export { View };
