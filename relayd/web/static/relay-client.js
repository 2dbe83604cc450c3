// @ts-check
/**
 * relay-client: what happens in a relayd project, live in a browser, over whatever the network lets through.
 *
 *     import { RelayClient } from "./relay-client.js";
 *     const relay = new RelayClient("shop-1", { base: "https://relay.example", token: () => myToken() });
 *     relay.on("workflow_log", (message) => console.log(message.level, message.message));
 *     relay.start();
 *
 * Three levels: a WebSocket; after three failed attempts long poll, while the socket is still tried; and the static
 * view, what was seen last, while nothing answers.  It goes back up by itself.  Whatever the level, it resumes behind
 * the last message seen, so nothing is lost and nothing is shown twice.
 *
 * One file, no dependency.  The contract it speaks is docs/protocol.md, version 1.
 */

// -- addresses -------------------------------------------------------------------------------------------------------

const API = "/v1/public/agent-swarms";
const SOCKET = "/ws/admin/agent-swarm";

/** Whether this browser can open WebSockets at all. */
export function isWebSocketAvailable() {
  return typeof WebSocket === "function";
}

/**
 * The address of a project's socket, or of the socket for many projects; without a base, of the relay behind this page.
 * @param {string} [projectId] @param {string | URL} [base] @returns {string}
 */
export function getWebSocketUrl(projectId, base = location.origin) {
  const url = new URL(base);
  url.protocol = url.protocol === "http:" || url.protocol === "ws:" ? "ws:" : "wss:";
  const path = projectId === undefined ? SOCKET : `${SOCKET}/${encodeURIComponent(projectId)}`;
  return url.origin.replace(/^http/, "ws") + url.pathname.replace(/\/$/, "") + path;
}

/** @param {string | URL} base @param {string} path */
function apiUrl(base, path) {
  const url = new URL(base);
  return url.origin + url.pathname.replace(/\/$/, "") + API + path;
}

// -- errors and endings ----------------------------------------------------------------------------------------------

/** What a person is told, by code. */
export const MESSAGES = Object.freeze({
  WEBSOCKET_NOT_SUPPORTED: "This browser has no WebSockets; updates come by polling.",
  CONNECTION_FAILED: "The live connection could not be made; updates come by polling.",
  AUTH_FAILED: "Your session has ended. Please log in again.",
  FORBIDDEN: "You have no access to this project.",
  TIMEOUT: "The server took too long to answer.",
  NETWORK_ERROR: "The network is not reachable. What you see may be out of date.",
  SERVER_ERROR: "The server has a problem. We keep trying.",
  RATE_LIMITED: "Too much was asked at once. We go on in a moment.",
  TOO_MANY_CONNECTIONS: "All your connections are in use. Close another tab.",
  REPLACED: "This view was opened somewhere else.",
  BAD_REQUEST: "The server did not understand this page. Reload it.",
});

/** Something that a person may have to know; `retried` tells whether the client goes on trying by itself. */
export class RelayError extends Error {
  /** @param {keyof typeof MESSAGES} code @param {string} detail @param {boolean} retried */
  constructor(code, detail, retried) {
    super(detail || MESSAGES[code]);
    this.name = "RelayError";
    this.code = code;
    this.userMessage = MESSAGES[code];
    this.retried = retried;
  }
}

/** @typedef {"again" | "wait" | "login" | "refresh" | "stop"} Advice */
/** @typedef {{advice: Advice, code: keyof typeof MESSAGES, detail: string, retryAfter: number | null, served: boolean}} Ending */

/** What to do with an ending, by its close code or HTTP status (docs/protocol.md, section 6); our session is nobody else's, so only we replace ourselves. @type {Record<number, [Advice, keyof typeof MESSAGES]>} */
const ENDINGS = {
  1002: ["stop", "BAD_REQUEST"], 1007: ["stop", "BAD_REQUEST"], 1009: ["stop", "BAD_REQUEST"],
  1012: ["again", "CONNECTION_FAILED"], 1013: ["wait", "SERVER_ERROR"],
  4400: ["stop", "BAD_REQUEST"], 4401: ["login", "AUTH_FAILED"], 4403: ["stop", "FORBIDDEN"],
  4408: ["again", "TIMEOUT"], 4409: ["again", "REPLACED"], 4410: ["refresh", "AUTH_FAILED"],
  4411: ["wait", "SERVER_ERROR"],
  4429: ["wait", "TOO_MANY_CONNECTIONS"], 4430: ["wait", "RATE_LIMITED"], 4431: ["again", "CONNECTION_FAILED"],
  4500: ["wait", "SERVER_ERROR"],
  400: ["stop", "BAD_REQUEST"], 401: ["login", "AUTH_FAILED"], 403: ["stop", "FORBIDDEN"], 404: ["wait", "SERVER_ERROR"],
  409: ["again", "REPLACED"], 429: ["wait", "TOO_MANY_CONNECTIONS"],
};

/** @param {number} status @param {string} detail @param {number | null} retryAfter @param {boolean} served @returns {Ending} */
function ending(status, detail, retryAfter, served) {
  const [advice, code] = ENDINGS[status] ?? ["wait", status >= 500 && status < 600 ? "SERVER_ERROR" : "CONNECTION_FAILED"];
  return { advice, code, detail, retryAfter, served };
}

/** The same of an answer over HTTP. @param {Response} answer @param {any} body */
function refusal(answer, body) {
  const seconds = answer.headers.get("Retry-After");
  // Two endings share 429: too many connections, which a person can close, and too many requests, which pass.
  const status = body.code === "RATE_LIMITED" ? 4430 : answer.status;
  return ending(status, body.detail ?? "", seconds === null ? null : Number(seconds) * 1_000, false);
}

/** The sentence and the wait in a close reason: `NAME: sentence; retry_after_ms=N`. @param {string} reason */
function readReason(reason) {
  const wait = /; retry_after_ms=(\d+)$/.exec(reason);
  const sentence = reason.replace(/; retry_after_ms=\d+$/, "").replace(/^[A-Z_]+: /, "");
  return { sentence, retryAfter: wait ? Number(wait[1]) : null };
}

// -- time ------------------------------------------------------------------------------------------------------------

const TIMEOUT = 10_000;
const WAITS = [1_000, 1_500, 2_250]; // Behind each failed attempt; then polling begins.
const PING = 25_000;
const REFRESH = 10_000; // Between two tokens that are shown in time, for those who get only tokens that expire at once.
const POLL_SECONDS = 25;
const FAILED_POLLS = 3; // Then what was seen last is all there is.
const PROBES = [5_000, 10_000, 20_000, 40_000, 60_000]; // While polling, so long until the socket is tried again.

/** Spread, so that a thousand browsers do not come back in the same instant. @param {number} ms */
const jittered = (ms) => ms * (0.8 + 0.4 * Math.random());

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} Ends early, and quietly, when aborted. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}

// -- one project -----------------------------------------------------------------------------------------------------

const SEEN = 4_000; // Ids by which repeats are recognised; more than two levels can have in common.
const KEPT = 100; // Messages for the static view and the next page load.
const RECENT = 1_000; // Messages that a leading tab can tell a new one.

/** What is known of one project: where the viewer stands in the log, and what was shown last. */
class Feed {
  /** @param {string} project */
  constructor(project) {
    this.project = project;
    /** @type {string | null} The last place passed; what is resumed from. */
    this.cursor = null;
    /** @type {any} The last `connection_established`. */
    this.established = null;
    /** @type {any} */
    this.snapshot = null;
    /** @type {any[]} */
    this.recent = [];
    /** @type {Set<string>} */
    this.seen = new Set();
    this.savedAt = 0;
  }

  /** Whether a message is new; one that was seen already is not. @param {any} message */
  take(message) {
    if (message.id !== undefined) {
      if (this.seen.has(message.id)) return false;
      this.seen.add(message.id);
      if (this.seen.size > SEEN) for (const oldest of this.seen) { this.seen.delete(oldest); break; }
    }
    this.recent.push(message);
    if (this.recent.length > 2 * RECENT) this.recent.splice(0, this.recent.length - RECENT);
    return true;
  }

  /** Begin anew, as a subscription does. @param {any} established */
  begin(established) {
    this.established = established;
    if (established.cursor) this.cursor = established.cursor;
    if (established.snapshot) this.snapshot = established.snapshot;
    if (established.replay !== "resume") this.forget();
  }

  forget() {
    this.recent = [];
    this.seen = new Set();
  }
}

/** What outlives the page: for each project the newest messages, the snapshot and the cursor. */
class Memory {
  /** @param {Storage | null} storage @param {string} scope */
  constructor(storage, scope) {
    this.storage = storage;
    this.scope = scope;
  }

  /** @param {Feed} feed */
  save(feed) {
    try {
      const { project, cursor, snapshot } = feed;
      const kept = { cursor, snapshot, messages: feed.recent.slice(-KEPT), savedAt: Date.now() };
      this.storage?.setItem(`${this.scope}:${project}`, JSON.stringify(kept));
    } catch {
      // Full, or forbidden: the view lives without.
    }
  }

  /** @param {Feed} feed @returns {boolean} Whether there was anything. */
  restore(feed) {
    try {
      const kept = JSON.parse(this.storage?.getItem(`${this.scope}:${feed.project}`) ?? "null");
      if (!kept || !Array.isArray(kept.messages)) return false;
      feed.cursor = kept.cursor;
      feed.snapshot = kept.snapshot;
      feed.savedAt = kept.savedAt;
      for (const message of kept.messages) feed.take(message);
      return true;
    } catch {
      return false;
    }
  }
}

// -- the line: one viewer's way to the relay, over three levels --------------------------------------------------------

/** Runs the levels for some projects and tells `hear(kind, detail)` what it hears. */
class Line {
  #abort = new AbortController();
  /** @type {WebSocket | null} */
  #socket = null;
  #poked = new AbortController();
  #fresh = false; // The token is one that the provider gave after a refusal.
  #shown = ""; // The token that the relay was shown last.
  #refreshAt = 0;
  #session = `${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`.slice(0, 32);

  /** @param {any} options @param {Map<string, Feed>} feeds @param {(kind: string, detail: any) => void} hear */
  constructor(options, feeds, hear) {
    this.options = options;
    this.feeds = feeds;
    this.hear = hear;
    this.state = "connecting";
  }

  /** Run until stopped, or until trying on makes no sense. */
  async run() {
    this.#enter("connecting", null);
    /** @type {WebSocket | null} */
    let socket = null;
    if (!isWebSocketAvailable()) this.#tell("WEBSOCKET_NOT_SUPPORTED", "", true);
    for (let failures = 0; !this.#abort.signal.aborted; ) {
      if (socket === null && (!isWebSocketAvailable() || failures === this.options.waits.length)) {
        const found = await this.#poll();
        if (found === null) return;
        socket = found;
        failures = 0;
      }
      const end = socket === null ? await this.#dial() : await this.#serve(socket);
      if (end instanceof WebSocket) {
        socket = end;
        continue;
      }
      socket = null;
      if (this.#abort.signal.aborted || !(await this.#heed(end))) return;
      this.#enter("connecting", end);
      // One that has served us is no failure, and neither is a relay that told when to come again.
      if (end.served || end.advice !== "wait" || end.retryAfter === null) failures = end.served ? 0 : failures + 1;
      const wait = this.options.waits[Math.max(0, failures - 1)] ?? this.options.waits.at(-1);
      await pause(end.retryAfter ?? (end.served && end.advice !== "wait" ? jittered(wait / 4) : jittered(wait)), this.#signal());
    }
  }

  stop() {
    this.#abort.abort();
    this.#socket?.close(1000);
    this.#enter("closed", null);
  }

  /** Try at once what would be tried later: the network is back, the page is looked at again. */
  poke() {
    this.#poked.abort();
    this.#poked = new AbortController();
  }

  /** Say something over the socket; false while there is none. @param {object} frame */
  say(frame) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** @param {Feed} feed */
  add(feed) {
    this.feeds.set(feed.project, feed);
    // A socket for one project can't carry two: it is made anew, as one for many.
    if (this.#many) this.#subscribe(feed);
    else this.#socket?.close(1000);
    this.poke();
  }

  /** @param {string} project */
  remove(project) {
    this.feeds.delete(project);
    this.say({ type: "unsubscribe", project_id: project });
  }

  #many = false;
  /** @type {Promise<WebSocket | Ending> | null} */
  #dialing = null;

  #signal() {
    return AbortSignal.any([this.#abort.signal, this.#poked.signal]);
  }

  /** @param {string} state @param {Ending | null} end */
  #enter(state, end) {
    if (this.state === state && state !== "connecting") return;
    const previous = this.state;
    this.state = state;
    this.hear("state", { state, previous, reason: end?.detail || null });
  }

  /** @param {keyof typeof MESSAGES} code @param {string} detail @param {boolean} retried */
  #tell(code, detail, retried) {
    this.hear("error", { code, detail, retried });
  }

  /** @param {string} reason @returns {Promise<string>} */
  async #token(reason) {
    const { token } = this.options;
    return (typeof token === "function" ? await token(reason) : token) ?? "";
  }

  /** Do what an ending asks for; false where it is the last. @param {Ending} end */
  async #heed(end) {
    const renewable = typeof this.options.token === "function" && !this.#fresh;
    if (end.advice === "stop" || (end.advice === "login" && !renewable)) {
      this.#tell(end.code, end.detail, false);
      this.#abort.abort();
      this.#enter("closed", end);
      return false;
    }
    if (end.advice === "login" || end.advice === "refresh") {
      // Asked once: a provider that hands out the refused token again would be asked for ever.
      this.#fresh = end.advice === "login";
      this.renew = end.advice === "login" ? "refused" : "expired";
    } else if (end.code !== "CONNECTION_FAILED" || !end.served) {
      this.#tell(end.code, end.detail, true);
    }
    return true;
  }

  // -- WebSocket

  /** Open a socket and wait for its first word; a socket that answers, or why there is none. @returns {Promise<WebSocket | Ending>} */
  async #dial() {
    const { base, timeout } = this.options;
    const only = this.feeds.size === 1 ? [...this.feeds.values()][0] : null;
    const url = new URL(getWebSocketUrl(only?.project, base));
    url.searchParams.set("session", this.#session);
    if (only !== null) for (const [name, value] of this.#query(only)) url.searchParams.set(name, value);
    let token;
    try {
      token = this.#shown = await this.#token(this.renew ?? "connect");
      this.renew = undefined;
    } catch (error) {
      return ending(0, `the token provider failed: ${error}`, null, false);
    }
    if (this.options.tickets && token) {
      const ticket = await this.#ticket(only?.project, token);
      if (typeof ticket !== "string") return ticket;
      url.searchParams.set("ticket", ticket);
      token = "";
    }
    return new Promise((resolve) => {
      const socket = new WebSocket(url, token ? ["relayd.v1", `bearer.${token}`] : ["relayd.v1"]);
      const late = setTimeout(() => over({ ...ending(4408, "no answer in time", null, false), advice: "wait" }), timeout);
      const aborted = () => over(ending(1000, "", null, false));
      this.#abort.signal.addEventListener("abort", aborted);
      const over = (/** @type {Ending | WebSocket} */ result) => {
        clearTimeout(late);
        this.#abort.signal.removeEventListener("abort", aborted);
        socket.onclose = socket.onmessage = socket.onopen = null;
        if (result !== socket) socket.close();
        resolve(result);
      };
      // A socket for many projects says nothing until it is asked to, so its answer to a ping is its first word.
      socket.onopen = () => {
        if (only === null) socket.send('{"type":"ping"}');
      };
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (only === null && frame.type === "notice") return;
        this.#first = frame;
        over(socket);
      };
      socket.onclose = ({ code, reason }) => {
        const { sentence, retryAfter } = readReason(reason);
        over(ending(code, sentence || "the socket could not be opened", retryAfter, false));
      };
    });
  }

  /** A ticket that opens one socket, or why there is none. @param {string | undefined} project @param {string} token @returns {Promise<string | Ending>} */
  async #ticket(project, token) {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(this.options.timeout)]);
    try {
      const answer = await fetch(apiUrl(this.options.base, "/tickets"), { method: "POST", headers, signal, body: JSON.stringify({ project_id: project }) });
      const body = await answer.json();
      return answer.ok ? body.ticket : refusal(answer, body);
    } catch (error) {
      return ending(0, String(error), null, false);
    }
  }

  /** @type {any} */
  #first = null;

  /** Listen to an open socket until it ends. @param {WebSocket} socket @returns {Promise<Ending>} */
  #serve(socket) {
    this.#socket = socket;
    this.#fresh = false;
    const only = this.feeds.size === 1 ? [...this.feeds.keys()][0] : undefined;
    const { pathname } = new URL(socket.url);
    this.#many = pathname.endsWith(SOCKET);
    // While it was opened others were added: a socket for one project can't carry them.
    if (!this.#many && pathname !== new URL(getWebSocketUrl(only, this.options.base)).pathname) return this.#again(socket);
    this.#enter("websocket", null);
    if (this.#many) for (const feed of this.feeds.values()) this.#subscribe(feed);
    return new Promise((resolve) => {
      let heard = Date.now();
      const beat = setInterval(() => {
        // The browser hides pings of the relay, so silence is only known by asking.
        if (Date.now() - heard > 2.5 * PING) over(ending(4408, "the relay fell silent", null, true));
        else this.say({ type: "ping" });
      }, PING);
      const over = (/** @type {Ending} */ end) => {
        clearInterval(beat);
        socket.onclose = socket.onmessage = null;
        socket.close();
        this.#socket = null;
        this.#many = false;
        resolve(end);
      };
      socket.onmessage = ({ data }) => {
        heard = Date.now();
        this.#read(JSON.parse(data), only);
      };
      socket.onclose = ({ code, reason }) => {
        const { sentence, retryAfter } = readReason(reason);
        over(code === 1000 ? { ...ending(1012, "", 0, true) } : ending(code, sentence, retryAfter, true));
      };
      this.#read(this.#first, only);
      this.#first = null;
    });
  }

  /** Let a socket go for another one. @param {WebSocket} socket @returns {Promise<Ending>} */
  async #again(socket) {
    socket.onclose = socket.onmessage = this.#socket = null;
    socket.close(1000);
    return { ...ending(1012, "", 0, true) };
  }

  /** @param {Feed} feed */
  #subscribe(feed) {
    const { project, cursor } = feed;
    this.say({ type: "subscribe", project_id: project, filter: this.options.filter, ...(cursor ? { after: cursor } : {}) });
  }

  /** What a project is asked for in an address. @param {Feed} feed @returns {[string, string][]} */
  #query({ cursor }) {
    const { types, level, agent, q } = this.options.filter;
    /** @type {[string, string][]} */
    const query = cursor ? [["after", cursor]] : [["tail", String(this.options.tail)]];
    if (types?.length) query.push(["types", types.join(",")]);
    if (agent?.length) query.push(["agent", agent.join(",")]);
    if (level) query.push(["level", level]);
    if (q) query.push(["q", q]);
    return query;
  }

  /** Take one frame apart. @param {any} frame @param {string | undefined} only The project of a socket for one. */
  #read(frame, only) {
    switch (frame.type) {
      case "batch":
        this.#take(frame.messages, frame);
        for (const [project, cursor] of Object.entries(frame.cursors ?? (only ? { [only]: frame.cursor } : {}))) {
          const feed = this.feeds.get(project);
          if (feed) feed.cursor = cursor;
        }
        break;
      case "pong":
        if (only && frame.cursor) /** @type {Feed} */ (this.feeds.get(only)).cursor = frame.cursor;
        this.hear("beat", { lag: frame.lag_seconds ?? null, serverTime: frame.server_time, head: frame.head ?? null });
        break;
      case "notice":
        this.#notice(frame);
        break;
      default:
        this.#take([frame], frame);
        if (frame.id) {
          const feed = this.feeds.get(frame.project_id);
          if (feed) feed.cursor = frame.id;
        }
    }
  }

  /** @param {any} notice */
  async #notice(notice) {
    this.hear("notice", notice);
    if (notice.code !== "TOKEN_EXPIRING" || typeof this.options.token !== "function") return;
    const wait = Math.max(0, this.#refreshAt - Date.now());
    this.#refreshAt = Date.now() + wait + REFRESH;
    await pause(wait, this.#abort.signal);
    try {
      const token = await this.#token("expiring");
      // The relay answers with the next notice: with the same token it would go round and round.
      if (token === this.#shown) return;
      this.#shown = token;
      this.say({ type: "refresh", token });
    } catch {
      // Then it expires, and is asked for again.
    }
  }

  /** Give messages to their projects, those of one project together. @param {any[]} messages @param {any} frame */
  #take(messages, frame) {
    /** @type {Map<string, any[]>} */
    const news = new Map();
    for (const message of messages) {
      const feed = this.feeds.get(message.project_id);
      if (!feed) continue;
      if (message.type === "connection_established") {
        this.#flush(news, frame);
        feed.begin(message);
        this.hear("established", { project: feed.project, established: message });
      } else if (feed.take(message)) {
        const list = news.get(feed.project);
        if (list) list.push(message);
        else news.set(feed.project, [message]);
      }
    }
    this.#flush(news, frame);
  }

  /** @param {Map<string, any[]>} news @param {any} frame */
  #flush(news, frame) {
    for (const [project, messages] of news) {
      this.hear("messages", { project, messages, sentAt: frame.sent_at ?? null, collapsed: frame.collapsed ?? 0 });
    }
    news.clear();
  }

  // -- long poll, and the static view behind it

  /** Poll until a socket comes about again; that socket, or null when all is over. @returns {Promise<WebSocket | null>} */
  async #poll() {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#abort.signal]);
    const polls = this.#pollAll(signal);
    const socket = await Promise.race([this.#probe(signal), polls]);
    over.abort();
    return socket instanceof WebSocket ? socket : null;
  }

  /** Try the socket again and again. @param {AbortSignal} signal @returns {Promise<WebSocket | null>} */
  async #probe(signal) {
    for (let round = 0; !signal.aborted; round += 1) {
      await pause(jittered(this.options.probes[Math.min(round, this.options.probes.length - 1)]), AbortSignal.any([signal, this.#signal()]));
      if (signal.aborted || !isWebSocketAvailable()) continue;
      this.#dialing = this.#dial();
      const socket = await this.#dialing;
      if (socket instanceof WebSocket) return socket;
    }
    return null;
  }

  /** Poll all projects in turn, until aborted or told to stop. @param {AbortSignal} signal @returns {Promise<null>} */
  async #pollAll(signal) {
    let failed = 0;
    let held = true; // Some proxies end a request that is not answered at once.
    while (!signal.aborted) {
      let wait = 30_000;
      for (const feed of [...this.feeds.values()]) {
        // With several projects a held poll of one would keep the others waiting.
        const hold = held && this.feeds.size === 1 ? POLL_SECONDS : 0;
        // The first is answered at once: only then is it known that polls get through.
        const waits = this.state === "polling" ? hold : 0;
        const end = await this.#pollOnce(feed, waits, signal);
        if (signal.aborted) return null;
        if (typeof end === "number") {
          failed = 0;
          wait = waits < hold ? 0 : Math.min(wait, end);
          continue;
        }
        if (end.code === "TIMEOUT") held = false;
        if (end.code === "REPLACED") {
          // By our own attempt at a socket, which has the same session: polling on would replace that one in turn.
          wait = 0;
          await this.#dialing;
          break;
        }
        if (!(await this.#heed(end))) return null;
        failed += 1;
        if (failed === FAILED_POLLS) this.#lose(end);
        wait = end.retryAfter ?? jittered(this.options.waits[Math.min(failed, this.options.waits.length) - 1] * (failed > FAILED_POLLS ? 4 : 1));
        break;
      }
      await pause(wait, AbortSignal.any([signal, this.#signal()]));
    }
    return null;
  }

  /** Nothing answers: what was seen last is all there is. @param {Ending} end */
  #lose(end) {
    if (this.state === "static") return;
    this.#enter("static", end);
    for (const feed of this.feeds.values()) {
      this.hear("static", { project: feed.project, snapshot: feed.snapshot, messages: feed.recent.slice(-KEPT), savedAt: feed.savedAt });
    }
  }

  /** Poll one project; the milliseconds until the next poll, or why there was no answer. @param {Feed} feed @param {number} wait @param {AbortSignal} signal @returns {Promise<number | Ending>} */
  async #pollOnce(feed, wait, signal) {
    const url = new URL(apiUrl(this.options.base, `/projects/${encodeURIComponent(feed.project)}/events`));
    for (const [name, value] of [...this.#query(feed), ["wait", String(wait)], ["session", this.#session]]) url.searchParams.set(name, value);
    const late = AbortSignal.timeout(wait * 1_000 + this.options.timeout);
    try {
      const token = await this.#token(this.renew ?? "connect");
      this.renew = undefined;
      const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
      const answer = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.any([signal, late]) });
      const body = await answer.json();
      if (!answer.ok) return refusal(answer, body);
      this.#fresh = false;
      this.#enter("polling", null);
      this.#polled(feed, body);
      return body.next_poll_ms;
    } catch (error) {
      if (late.aborted) return { ...ending(0, "no answer in time", null, false), code: "TIMEOUT" };
      return { ...ending(0, String(error), null, false), code: "NETWORK_ERROR" };
    }
  }

  /** @param {Feed} feed @param {any} body */
  #polled(feed, body) {
    if (body.replay !== "none" && body.replay !== "resume") {
      const established = { type: "connection_established", project_id: feed.project, ...body, messages: undefined };
      feed.begin(established);
      this.hear("established", { project: feed.project, established });
    } else if (!feed.established) {
      feed.established = { type: "connection_established", project_id: feed.project, replay: body.replay };
      this.hear("established", { project: feed.project, established: feed.established });
    }
    this.#take(body.messages, body);
    feed.cursor = body.cursor;
    // A poll hears no notices: what this one would say stands in its answer.
    if (body.liveness) this.hear("notice", { type: "notice", code: "LIVENESS", project_id: feed.project, data: body.liveness });
  }
}

// -- many tabs, one connection -----------------------------------------------------------------------------------------

/** Tabs of the same viewer share one line: one of them leads, and the others hear what it hears. */
class Tabs {
  #abort = new AbortController();
  #id = crypto.randomUUID();
  /** @type {Line | null} */
  line = null;
  /** @type {Map<string, Set<string>>} What other tabs want, by tab. */
  #wanted = new Map();

  /** @param {string} name @param {any} options @param {Map<string, Feed>} feeds @param {(kind: string, detail: any) => void} hear */
  constructor(name, options, feeds, hear) {
    this.name = name;
    this.options = options;
    this.feeds = feeds;
    this.hear = hear;
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }) => this.#heed(data);
    // Held as long as this tab lives: by waiting for it a leader learns that the tab is gone.
    void navigator.locks.request(`${name}:${this.#id}`, { signal: this.#abort.signal }, () => this.#end()).catch(() => {});
    void navigator.locks.request(name, { signal: this.#abort.signal }, () => this.#lead()).catch(() => {});
    this.#want();
  }

  get leads() {
    return this.line !== null;
  }

  stop() {
    this.#abort.abort();
    this.line?.stop();
    this.channel.close();
  }

  /** @param {Feed} feed */
  add(feed) {
    this.feeds.set(feed.project, feed);
    if (this.line) this.line.add(feed);
    else this.#want();
  }

  /** Say something over the leader's socket. @param {object} frame */
  say(frame) {
    if (this.line) return this.line.say(frame);
    this.channel.postMessage({ kind: "say", frame });
    return true;
  }

  /** @param {string} project */
  remove(project) {
    const others = [...this.#wanted.values()].some((projects) => projects.has(project));
    if (this.line && !others) this.line.remove(project);
    else if (!this.line) {
      this.feeds.delete(project);
      this.#want();
    }
  }

  #end() {
    return new Promise((resolve) => this.#abort.signal.addEventListener("abort", resolve));
  }

  #want() {
    this.channel.postMessage({ kind: "want", tab: this.#id, projects: [...this.feeds.keys()] });
  }

  /** Lead until this tab is closed. */
  async #lead() {
    // What the last leader heard was heard here, too, so the line begins where that one ended.
    this.line = new Line(this.options, new Map(this.feeds), (kind, detail) => {
      this.channel.postMessage({ kind: "heard", what: kind, detail });
      this.#hearOwn(kind, detail);
    });
    this.channel.postMessage({ kind: "lead" });
    this.hear("lead", { leads: true });
    void this.line.run();
    await this.#end();
  }

  /** @param {string} kind @param {any} detail */
  #hearOwn(kind, detail) {
    if (detail.project === undefined || this.feeds.has(detail.project)) this.hear(kind, detail);
  }

  /** @param {any} data */
  #heed(data) {
    if (data.kind === "lead") this.#want();
    else if (data.kind === "want" && this.line) this.#admit(data.tab, data.projects, this.line);
    else if (data.kind === "past" && data.tab === this.#id) this.#catchUp(data);
    else if (data.kind === "say") this.line?.say(data.frame);
    else if (data.kind === "heard" && !this.line) this.#follow(data.what, data.detail);
  }

  /** Take a tab in. @param {string} tab @param {string[]} projects @param {Line} line */
  #admit(tab, projects, line) {
    if (!this.#wanted.has(tab)) void navigator.locks.request(`${this.name}:${tab}`, { signal: this.#abort.signal }, () => this.#lose(tab)).catch(() => {});
    const known = this.#wanted.get(tab) ?? new Set();
    this.#wanted.set(tab, new Set(projects));
    for (const project of projects) {
      const feed = line.feeds.get(project);
      if (!feed) line.add(new Feed(project));
      else if (!known.has(project) && feed.established) {
        const { established, snapshot, cursor, recent } = feed;
        this.channel.postMessage({ kind: "past", tab, project, established: { ...established, snapshot }, cursor, messages: recent.slice(-RECENT) });
      }
    }
    this.channel.postMessage({ kind: "heard", what: "state", detail: { state: line.state, previous: null, reason: null } });
    this.#tidy(line);
  }

  /** @param {string} tab */
  #lose(tab) {
    this.#wanted.delete(tab);
    if (this.line) this.#tidy(this.line);
  }

  /** Let go of projects that no tab looks at. @param {Line} line */
  #tidy(line) {
    const wanted = new Set([...this.feeds.keys(), ...[...this.#wanted.values()].flatMap((projects) => [...projects])]);
    for (const project of line.feeds.keys()) if (!wanted.has(project)) line.remove(project);
  }

  /** Hear from the leader what it has of a project. @param {any} past */
  #catchUp({ project, established, cursor, messages }) {
    const feed = this.feeds.get(project);
    if (!feed) return;
    const joins = feed.recent.length > 0 && messages.some((/** @type {any} */ message) => message.id && feed.seen.has(message.id));
    const replay = joins ? "resume" : feed.recent.length > 0 ? "gap" : "tail";
    this.#follow("established", { project, established: { ...established, replay, cursor: undefined } });
    this.#follow("messages", { project, messages, sentAt: null, collapsed: 0 });
    feed.cursor = cursor;
  }

  /** Keep up with what the leader hears, so that this tab could take over. @param {string} kind @param {any} detail */
  #follow(kind, detail) {
    const feed = this.feeds.get(detail.project);
    if (detail.project !== undefined && !feed) return;
    if (kind === "established") feed?.begin(detail.established);
    if (kind === "messages" && feed) {
      const messages = detail.messages.filter((/** @type {any} */ message) => feed.take(message));
      if (messages.length === 0) return;
      const last = messages.findLast((/** @type {any} */ message) => message.id);
      if (last) feed.cursor = last.id;
      detail = { ...detail, messages };
    }
    this.hear(kind, detail);
  }
}

// -- the client ----------------------------------------------------------------------------------------------------------

/** A viewer of one project or several. */
export class RelayClient extends EventTarget {
  /** @type {Map<string, Feed>} */
  #feeds = new Map();
  /** @type {Tabs | Line | null} */
  #way = null;
  #saving = 0;
  #state = "connecting";

  /**
   * @param {string | string[]} projects
   * @param {{base?: string | URL, token?: string | ((reason: string) => string | Promise<string>), filter?: object, tail?: number,
   *   share?: boolean, storage?: Storage | null, tickets?: boolean, timeout?: number, waits?: number[], probes?: number[], viewer?: string}} [options]
   */
  constructor(projects, options = {}) {
    super();
    this.options = {
      base: location.origin, token: "", filter: {}, tail: 100, share: true, storage: stored(), timeout: TIMEOUT,
      waits: WAITS, probes: PROBES, viewer: "", tickets: false, ...options,
    };
    for (const project of [projects].flat()) this.#feeds.set(project, new Feed(project));
  }

  /** `connecting`, `websocket`, `polling`, `static` or `closed`. */
  get state() {
    return this.#state;
  }

  get projects() {
    return [...this.#feeds.keys()];
  }

  /** Whether this tab holds the connection that its browser's other tabs hear through. */
  get leads() {
    return !(this.#way instanceof Tabs) || this.#way.leads;
  }

  /** Begin; what an earlier page of this tab saw is shown at once, and resumed from. */
  start() {
    for (const feed of this.#feeds.values()) this.#restore(feed);
    this.#begin();
    addEventListener("online", this.#poke);
    addEventListener("pagehide", this.#save);
    document.addEventListener("visibilitychange", this.#poke);
    return this;
  }

  /** End for good. */
  close() {
    removeEventListener("online", this.#poke);
    removeEventListener("pagehide", this.#save);
    document.removeEventListener("visibilitychange", this.#poke);
    this.#save();
    this.#way?.stop();
    this.#way = null;
    this.#hear("state", { state: "closed", previous: this.#state, reason: null });
  }

  /** Look at one more project. @param {string} project */
  subscribe(project) {
    if (this.#feeds.has(project)) return;
    const feed = new Feed(project);
    this.#feeds.set(project, feed);
    this.#restore(feed);
    this.#way?.add(feed);
  }

  /** Look at a project no longer. @param {string} project */
  unsubscribe(project) {
    this.#feeds.delete(project);
    this.#way?.remove(project);
  }

  /** Ask for other messages; what was shown is shown anew, as the relay selects it. @param {object} filter */
  setFilter(filter) {
    this.options = { ...this.options, filter };
    this.#way?.stop();
    for (const project of this.#feeds.keys()) this.#feeds.set(project, new Feed(project));
    this.#begin();
  }

  /** Say something to the relay; false while there is no socket. @param {object} frame */
  say(frame) {
    return this.#way?.say(frame) ?? false;
  }

  /** Show the others of a project what is looked at here, null to end that. @param {string} project @param {object | null} state */
  show(project, state) {
    return this.say({ type: "view", project_id: project, ...(state ? { state } : {}) });
  }

  /**
   * Listen to one of the eight messages by its type, to all of them as `message`, or to an event of the client: `state`,
   * `established`, `messages` (many at once), `static`, `notice`, `beat`, `error`, `lead`.
   * @param {string} type @param {(detail: any) => void} listener @returns {() => void} Ends it.
   */
  on(type, listener) {
    const heard = (/** @type {any} */ event) => listener(event.detail);
    this.addEventListener(type, heard);
    return () => this.removeEventListener(type, heard);
  }

  #begin() {
    const { share, base, viewer, filter } = this.options;
    const hear = (/** @type {string} */ kind, /** @type {any} */ detail) => this.#hear(kind, detail);
    if (share && typeof BroadcastChannel === "function" && navigator.locks !== undefined) {
      this.#way = new Tabs(`relayd:${base}:${viewer}:${JSON.stringify(filter)}`, this.options, this.#feeds, hear);
    } else {
      const line = new Line(this.options, this.#feeds, hear);
      this.#way = line;
      void line.run();
    }
  }

  /** @param {string} kind @param {any} detail */
  #hear(kind, detail) {
    if (kind === "error") detail = new RelayError(detail.code, detail.detail, detail.retried);
    if (kind === "state") this.#state = detail.state;
    this.#emit(kind, detail);
    if (kind === "messages") {
      for (const message of detail.messages) {
        this.#emit(message.type, message);
        this.#emit("message", message);
      }
    }
    if (kind === "established") this.#emit("connection_established", detail.established);
    if (kind === "messages" || kind === "established") this.#saving ||= setTimeout(this.#save, 1_000);
  }

  /** @param {string} type @param {any} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #memory() {
    const { storage, base, viewer, filter } = this.options;
    return new Memory(storage, `relayd:${base}:${viewer}:${JSON.stringify(filter)}`);
  }

  /** @param {Feed} feed */
  #restore(feed) {
    if (!this.#memory().restore(feed)) return;
    this.#emit("restored", { project: feed.project, snapshot: feed.snapshot, messages: [...feed.recent], savedAt: feed.savedAt });
  }

  #save = () => {
    clearTimeout(this.#saving);
    this.#saving = 0;
    for (const feed of this.#feeds.values()) if (feed.cursor) this.#memory().save(feed);
  };

  #poke = () => {
    const line = this.#way instanceof Tabs ? this.#way.line : this.#way;
    if (document.visibilityState === "visible") line?.poke();
  };
}

/** This tab's own storage, null where the browser refuses it. */
function stored() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
