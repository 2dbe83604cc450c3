// @ts-check
/** <agent-swarm-together>: who is watching a project, and looking at the same thing together. */

import { button, make } from "./terminal.js";

const API = "/v1/public/agent-swarms";
const WHO_SECONDS = 10;
const SAID_EVERY = 3_000; // Who begins to follow later learns the view with the next one.
const GONE = 4_000; // Another filter is another connection: who shares is not gone at once.

/** Shows who watches; `share` offers this view, and a press on somebody who does follows theirs. */
export class Together extends HTMLElement {
  /** @type {import("./relay-client.js").RelayClient | null} */
  client = null;
  /** What is looked at here. @type {() => object} */
  look = () => ({});
  /** Look at what somebody else does. @type {(state: any) => void} */
  apply = () => {};
  /** @type {() => Promise<any[]>} */
  ask = async () => [];

  #who = make("span", "who");
  #share = button("Share my view", () => this.share(!this.#sharing));
  #offers = make("span", "offers");
  #sharing = false;
  /** @type {Map<string, {user: string, connection: string, gone: number}>} By the id that stands in their states. */
  #shown = new Map();
  #id = crypto.randomUUID();
  #following = "";
  #last = "";
  #timers = /** @type {number[]} */ ([]);
  #off = () => {};

  connectedCallback() {
    this.append(this.#who, this.#share, this.#offers);
    this.#offers.setAttribute("role", "status");
    this.#off = this.client?.on("notice", (notice) => this.#hear(notice)) ?? (() => {});
    this.#timers = [
      setInterval(() => void this.#count(), WHO_SECONDS * 1_000),
      setInterval(() => this.#tell(), 500),
      setInterval(() => (this.#last = ""), SAID_EVERY),
    ];
    void this.#count();
  }

  disconnectedCallback() {
    this.#timers.forEach(clearInterval);
    this.#off();
  }

  get project() {
    return this.getAttribute("project") ?? "";
  }

  async #count() {
    const viewers = await this.ask().catch(() => null);
    if (viewers === null) return; // It is asked again.
    const users = new Set(viewers.map(({ user }) => user));
    this.#who.textContent = users.size === 1 ? "only you" : users.size ? `${users.size} are watching` : "";
    this.#who.title = [...users].sort().join(", ");
  }

  /** Show the others what is looked at here. @param {boolean} sharing */
  share(sharing) {
    this.#sharing = sharing;
    this.#share.textContent = sharing ? "Stop sharing" : "Share my view";
    this.#share.setAttribute("aria-pressed", String(sharing));
    this.#last = "";
    if (sharing) this.follow("");
    else this.client?.show(this.project, null);
  }

  #tell() {
    if (!this.#sharing) return;
    const state = { ...this.look(), id: this.#id };
    const said = JSON.stringify(state);
    if (said !== this.#last && this.client?.show(this.project, state)) this.#last = said;
  }

  /** @param {any} notice */
  #hear({ code, project_id: project, data }) {
    if (code !== "VIEW" || project !== this.project) return;
    const { user, connection_id: connection, state } = data;
    if (state === null) {
      for (const [id, one] of this.#shown) if (one.connection === connection) one.gone = setTimeout(() => this.#lose(id), GONE);
      return;
    }
    const id = String(state.id ?? connection);
    clearTimeout(this.#shown.get(id)?.gone);
    this.#shown.set(id, { user, connection, gone: 0 });
    if (this.#following === id) this.apply(state);
    this.#draw();
  }

  /** @param {string} id */
  #lose(id) {
    this.#shown.delete(id);
    if (this.#following === id) this.#following = "";
    this.#draw();
  }

  /** Look at what somebody shows, or, with no id, at what one likes oneself. @param {string} id */
  follow(id) {
    this.#following = id;
    if (id && this.#sharing) this.share(false);
    this.#draw();
  }

  #draw() {
    this.#offers.replaceChildren(...[...this.#shown].map(([id, { user }]) => {
      const followed = id === this.#following;
      const press = button(followed ? `Following ${user}` : `Follow ${user}`, () => this.follow(followed ? "" : id));
      press.setAttribute("aria-pressed", String(followed));
      return press;
    }));
  }
}

customElements.define("agent-swarm-together", Together);
