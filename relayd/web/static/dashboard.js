// @ts-check
/** The page at `/`: who may come in, which projects there are, and what is looked at. */

import "./elements.js";
import { span } from "./model.js";
import { RelayClient } from "./relay-client.js";
import { button, make } from "./terminal.js";
import "./together.js";

const API = "/v1/public/agent-swarms";
const TOKEN = "relayd:token";
const TABS = "relayd:tabs";
const LIST_SECONDS = 5;

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {Map<string, {client: RelayClient, view: import("./elements.js").View}>} */
const open = new Map();
let token = "";
let shown = "";

/** Take a token out of the address, where `relayd` or another page has put it; it never goes to a server. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  const fresh = given.get("token");
  if (fresh !== null) {
    given.delete("token");
    history.replaceState(null, "", `${location.pathname}${location.search}${given.size ? `#${given}` : ""}`);
    sessionStorage.setItem(TOKEN, fresh);
  }
  token = fresh ?? sessionStorage.getItem(TOKEN) ?? "";
}

/** Who a token says it is: tabs of different people share nothing. */
function viewer() {
  try {
    return String(JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub);
  } catch {
    return "";
  }
}

/** @param {string} path @returns {Promise<any>} */
async function ask(path) {
  const answer = await fetch(API + path, { headers: token ? { Authorization: `Bearer ${token}` } : {}, cache: "no-store" });
  if (answer.status === 401) logIn("Your session has ended. Please log in again.");
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer.json();
}

/** @param {string} [why] */
function logIn(why = "") {
  find("why").textContent = why;
  asking(true);
  find("token").focus();
}

/** @param {boolean} asks */
function asking(asks) {
  find("login").hidden = !asks;
  find("main").classList.toggle("asking", asks);
}

find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = /** @type {HTMLInputElement} */ (find("token")).value.trim();
  sessionStorage.setItem(TOKEN, token);
  asking(false);
  const [where, tabs] = [location.href, JSON.stringify([...open.keys()])];
  for (const project of [...open.keys()]) shut(project);
  // Everything anew with this token, and what was looked at before.
  history.replaceState(null, "", where);
  sessionStorage.setItem(TABS, tabs);
  void begin();
});

// -- which projects there are

/** @returns {Promise<any[]>} */
async function list() {
  try {
    const { projects, total } = await ask("/projects?limit=100");
    asking(false);
    find("total").textContent = total === 0 ? "No project yet" : `${total} ${total === 1 ? "project" : "projects"}`;
    draw(projects);
    return projects;
  } catch {
    // The badge of what is open tells; a list that is a little old does no harm.
    return [];
  }
}

/** @param {any[]} projects */
function draw(projects) {
  const list = find("projects");
  const now = Date.now() / 1_000;
  projects.forEach((project, index) => {
    let row = /** @type {HTMLElement} */ (list.children[index]);
    if (!row) {
      row = make("li");
      const press = button("", () => look(row.dataset.id ?? ""));
      press.append(make("span", "name"), make("span", "state"), make("span", "when"), make("progress"));
      row.append(press);
      list.append(row);
    }
    row.dataset.id = project.id;
    row.dataset.status = project.status;
    row.classList.toggle("shown", project.id === shown);
    const [name, state, when, bar] = /** @type {any} */ (row.firstElementChild).children;
    name.textContent = project.name || project.id;
    state.textContent = String(project.status).replaceAll("_", " ");
    const seconds = typeof project.updatedAt === "number" ? project.updatedAt : Date.parse(project.updatedAt) / 1_000;
    when.textContent = Number.isFinite(seconds) ? `${span(now - seconds)} ago` : "";
    bar.max = 100;
    bar.value = project.progress;
    bar.setAttribute("aria-label", `Progress of ${project.name || project.id}`);
  });
  while (list.childElementCount > projects.length) list.lastElementChild?.remove();
}

// -- what is looked at

/** @param {string} project */
function look(project) {
  if (!open.has(project)) start(project, {});
  shown = project;
  for (const [name, { view }] of open) view.hidden = name !== project;
  for (const row of find("projects").children) row.classList.toggle("shown", /** @type {HTMLElement} */ (row).dataset.id === project);
  find("empty").hidden = true;
  document.body.classList.remove("listing");
  remember();
  tabs();
}

/** @param {string} project @param {any} filter @param {string} [event] */
function start(project, filter, event) {
  const client = new RelayClient(project, {
    token: (/** @type {string} */ reason) => {
      // Who is refused with this token can only be given another by a person.
      if (reason === "refused") logIn("Your session has ended. Please log in again.");
      return token;
    },
    filter, viewer: viewer(), ...(event ? { tail: 1_000, storage: null } : {}),
  });
  const view = /** @type {import("./elements.js").View} */ (document.createElement("agent-swarm-view"));
  view.setAttribute("project", project);
  view.client = client;
  view.addEventListener("filter", () => setTimeout(remember));
  view.addEventListener("permalink", (pressed) => {
    const id = /** @type {CustomEvent} */ (pressed).detail;
    view.terminal.reveal(id);
    remember(id);
    // Where the browser does not allow it, the address bar has it.
    void navigator.clipboard?.writeText(location.href).catch(() => {});
  });
  find("views").append(view);
  view.terminal.setFilter(filter);
  together(project, client, view);
  client.on("error", ({ code }) => {
    if (code === "AUTH_FAILED") logIn("Your session has ended. Please log in again.");
  });
  client.start();
  open.set(project, { client, view });
}

/** Let people look at a project together. @param {string} project @param {RelayClient} client @param {import("./elements.js").View} view */
function together(project, client, view) {
  const part = /** @type {import("./together.js").Together} */ (document.createElement("agent-swarm-together"));
  part.setAttribute("project", project);
  part.client = client;
  part.ask = async () => (await ask(`/projects/${encodeURIComponent(project)}/viewers`)).viewers;
  part.look = () => ({ filter: client.options.filter, event: view.terminal.place });
  part.apply = ({ filter, event }) => {
    if (JSON.stringify(filter) !== JSON.stringify(client.options.filter)) {
      view.terminal.setFilter(filter);
      client.setFilter(filter);
    }
    if (event) view.terminal.reveal(event);
    else view.terminal.follow();
  };
  view.querySelector(".facts")?.append(part);
}

/** @param {string} project */
function shut(project) {
  const one = open.get(project);
  if (!one) return;
  one.client.close();
  one.view.remove();
  open.delete(project);
  if (shown !== project) return tabs();
  shown = "";
  const next = [...open.keys()].at(-1);
  if (next) look(next);
  else {
    find("empty").hidden = false;
    remember();
    tabs();
  }
}

function tabs() {
  find("tabs").replaceChildren(...[...open.keys()].map((project) => {
    const tab = make("span", project === shown ? "tab shown" : "tab");
    const close = button("×", () => shut(project), `Close ${project}`);
    close.setAttribute("aria-label", `Close ${project}`);
    const choose = button(project, () => look(project));
    if (project === shown) choose.setAttribute("aria-current", "page");
    tab.append(choose, close);
    return tab;
  }));
}

/** Keep what is looked at in the address, so that it can be sent to somebody, and over a new page load. */
function remember(event = "") {
  sessionStorage.setItem(TABS, JSON.stringify([...open.keys()]));
  const filter = open.get(shown)?.client.options.filter ?? {};
  const where = new URLSearchParams(shown ? { project: shown } : {});
  for (const [name, value] of Object.entries(filter)) where.set(name, String(value));
  if (event) where.set("event", event);
  history.replaceState(null, "", where.size ? `#${where}` : location.pathname);
}

/** Open what the address says, and what was open before. */
function restore() {
  const where = new URLSearchParams(location.hash.slice(1));
  const kept = /** @type {string[]} */ (JSON.parse(sessionStorage.getItem(TABS) ?? "[]"));
  const project = where.get("project") ?? kept.at(-1);
  const event = where.get("event") ?? "";
  for (const name of kept) if (!open.has(name) && name !== project) start(name, {});
  if (!project) return;
  if (!open.has(project)) start(project, wanted(where), event);
  look(project);
  if (event) seek(project, event);
}

/** Go to the line that the address names, as soon as it is there. @param {string} project @param {string} event */
function seek(project, event) {
  const one = open.get(project);
  const off = one?.client.on("messages", () => requestAnimationFrame(() => requestAnimationFrame(() => {
    if (one.view.terminal.reveal(event)) off?.();
  })));
  remember(event);
}

/** @param {URLSearchParams} where */
function wanted(where) {
  return {
    ...(where.has("types") ? { types: where.get("types")?.split(",") } : {}),
    ...(where.has("agent") ? { agent: where.get("agent")?.split(",") } : {}),
    ...(where.has("level") ? { level: where.get("level") } : {}), ...(where.has("q") ? { q: where.get("q") } : {}),
  };
}

// -- keyboard, theme, beginning

addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey || (target instanceof HTMLElement && /INPUT|SELECT|TEXTAREA/.test(target.tagName))) return;
  const terminal = open.get(shown)?.view.terminal;
  const names = [...open.keys()];
  if (key === "/") {
    event.preventDefault();
    /** @type {HTMLInputElement | null} */ (terminal?.querySelector(".find") ?? null)?.focus();
  } else if (key === "p") /** @type {HTMLButtonElement | null} */ (terminal?.querySelector(".pause") ?? null)?.click();
  else if (key === "g") terminal?.follow();
  else if (key === "t") flip();
  else if (/^[1-9]$/.test(key) && names[Number(key) - 1]) look(names[Number(key) - 1]);
});

function flip() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
  localStorage.setItem("relayd:theme", document.documentElement.dataset.theme);
}

find("theme").addEventListener("click", flip);
find("menu").addEventListener("click", () => document.body.classList.toggle("listing"));

async function begin() {
  const projects = await list();
  if (!find("login").hidden) return;
  restore();
  if (shown === "" && projects.length > 0) look(projects[0].id);
}

const theme = localStorage.getItem("relayd:theme");
if (theme) document.documentElement.dataset.theme = theme;
takeToken();
void begin();
setInterval(() => void (document.visibilityState === "visible" && find("login").hidden && list()), LIST_SECONDS * 1_000);
addEventListener("hashchange", () => {
  takeToken();
  void begin();
});
