// @ts-check
/** What a project has come to, folded in the browser as the relay does it: a snapshot, and every message behind it. */

/**
 * `worked` is the time of the relay's clock at which `idle_seconds` would be 0.
 * @typedef {{state: string, evidence: string, reason: string, worked: number}} Liveness
 * @typedef {{status: string, progress: number, task?: string, activity?: string, last_seen: number, liveness?: Liveness}} Agent
 */

const LAST = 10; // Errors and warnings that are remembered.

/** The state of one project; tells of a `change`, however often a second. */
export class Project extends EventTarget {
  /** @param {string} id */
  constructor(id) {
    super();
    this.id = id;
    /** The relay's clock less ours, in seconds. */
    this.skew = 0;
    /** When the newest event came to the relay, in seconds of the relay's clock. */
    this.newest = 0;
    /** Up to this time of the relay's clock everything is in the snapshot. */
    this.since = 0;
    this.reset({});
  }

  /** @param {any} snapshot */
  reset(snapshot) {
    this.name = snapshot.name ?? "";
    this.description = snapshot.description ?? "";
    this.status = snapshot.status ?? "initializing";
    this.progress = snapshot.progress ?? 0;
    this.message = snapshot.message ?? "";
    /** @type {string | null} */
    this.stage = snapshot.stage ?? null;
    /** @type {string[]} */
    this.stagesCompleted = snapshot.stages_completed ?? [];
    /** @type {Map<string, Agent>} */
    this.agents = new Map(Object.entries(snapshot.agents ?? {}).map(([name, agent]) => [name, { ...agent, liveness: undefined }]));
    /** What is missing in the project's life, as the relay says it. @type {{what: string, cause: string, agent?: string}[]} */
    this.lifecycle = snapshot.lifecycle ?? [];
    /** @type {number | null} */
    this.startedAt = snapshot.started_at ?? null;
    /** @type {number | null} */
    this.completedAt = snapshot.completed_at ?? null;
    /** @type {number | null} */
    this.estimated = snapshot.estimated_duration_seconds ?? null;
    /** @type {any[]} */
    this.errors = snapshot.errors ?? [];
    /** @type {string[]} */
    this.warnings = snapshot.warnings ?? [];
    /** @type {Record<string, string>} */
    this.urls = snapshot.urls ?? {};
    /** @type {Record<string, number>} */
    this.counts = { ...snapshot.counts };
    this.spend(snapshot);
    this.newest = Math.max(this.newest, snapshot.updated_at ?? 0);
    this.#changed();
  }

  /** Take over what the relay says of what is used; see spending.js. @param {any} told */
  spend(told) {
    /** @type {import("./spending.js").Spending | null} */
    this.spending = told.spending ?? null;
    /** @type {Record<string, import("./spending.js").Share>} */
    this.budget = told.budget ?? {};
    /** What agents used, by name. @type {Record<string, {total_tokens?: number, cost?: number}>} */
    this.usedBy = told.usage_by?.agents ?? {};
    /** When that was, in milliseconds of our clock. */
    this.spentAt = Date.now();
    this.#changed();
  }

  /** Begin with what the relay says first. @param {any} established */
  begin(established) {
    if (established.server_time) this.skew = established.server_time - Date.now() / 1_000;
    if (established.snapshot) this.reset(established.snapshot);
    // A view that was kept is of another day.
    if (!established.server_time) this.spentAt = 0;
    // What the clock says of a view that was kept is no longer so.
    if (established.type) this.judge({ agents: judged(established.snapshot) });
    else this.lifecycle = [];
    // The tail that follows a snapshot is older than it: it is shown, and not folded a second time.
    this.since = established.snapshot?.updated_at ?? 0;
  }

  /** Take over how agents seem to be, from a snapshot or a notice `LIVENESS`. @param {any} data */
  judge({ agents = {}, lifecycle }) {
    const now = Date.now() / 1_000 + this.skew;
    for (const [name, { state, evidence, reason, idle_seconds: idle }] of Object.entries(/** @type {any} */ (agents))) {
      const agent = this.agents.get(name);
      if (agent) agent.liveness = { state, evidence, reason, worked: now - idle };
    }
    if (lifecycle) this.lifecycle = lifecycle;
    this.#changed();
  }

  /** @param {any[]} messages */
  add(messages) {
    for (const message of messages) {
      if (message.received_at > this.newest) this.newest = message.received_at;
      if (message.received_at > this.since) this.#fold(message);
    }
    this.#changed();
  }

  /** @param {any} message */
  #fold(message) {
    const known = this.agents.get(message.agent);
    const works = known && showsWork(message, known, this);
    this.counts[message.type] = (this.counts[message.type] ?? 0) + 1;
    if (message.type !== "project_started") this.#alive(message.timestamp);
    switch (message.type) {
      case "project_started":
        this.#start(message);
        break;
      case "project_progress":
        if (this.status !== "completed") this.progress = message.progress;
        this.message = message.message;
        if (message.stage) this.#enter(message.stage);
        break;
      case "agent_status_update": {
        const { agent, status, progress, task, activity } = message;
        const liveness = status === "working" || activity === "waiting_for_human" ? known?.liveness : undefined;
        this.agents.set(agent, { status, progress, task, activity, last_seen: message.received_at, liveness });
        break;
      }
      case "workflow_stage_update":
        if (message.status === "completed") this.#complete(message.stage);
        else if (message.status !== "pending") this.#enter(message.stage);
        this.message = message.message;
        break;
      case "workflow_log":
        if (message.level === "warning") this.warnings = [...this.warnings, message.message].slice(-LAST);
        break;
      case "project_completed":
        this.status = "completed";
        this.progress = 100;
        this.completedAt = message.timestamp;
        if (message.message) this.message = message.message;
        if (this.stage) this.#complete(this.stage);
        for (const name of ["url", "completion_url", "deployment_url"]) if (message[name]) this.urls[name] = message[name];
        break;
      case "project_error":
        this.errors = [...this.errors, message].slice(-LAST);
        if (message.fatal === false) break;
        this.status = "failed";
        this.completedAt = message.timestamp;
        this.message = message.error;
    }
    const agent = this.agents.get(message.agent);
    // Work that the relay knew of when it judged tells nothing new; any other makes all well, until it judges again.
    if (works && agent?.liveness && message.received_at > agent.liveness.worked) agent.liveness = undefined;
  }

  /** @param {any} message */
  #start(message) {
    const { counts, newest, spending, budget, usedBy } = this;
    this.reset({
      spending, budget, usage_by: { agents: usedBy },
      name: message.name ?? this.name, description: message.description ?? this.description, started_at: message.timestamp,
      estimated_duration_seconds: message.estimated_duration_seconds, counts, updated_at: newest,
    });
  }

  /** @param {number} timestamp */
  #alive(timestamp) {
    if (this.status === "initializing") this.status = "in_progress";
    this.startedAt ??= timestamp;
  }

  /** @param {string} stage */
  #enter(stage) {
    if (this.stage && this.stage !== stage) this.#complete(this.stage);
    this.stage = stage;
  }

  /** @param {string} stage */
  #complete(stage) {
    if (!this.stagesCompleted.includes(stage)) this.stagesCompleted = [...this.stagesCompleted, stage];
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Whether a message is evidence that its agent works, as the relay sees it: what only repeats is not. @param {any} message @param {Agent} card @param {Project} project */
function showsWork(message, card, project) {
  const spent = Object.values(message.usage ?? {}).some((value) => typeof value === "number" && value > 0);
  switch (message.type) {
    case "agent_status_update":
      return spent || ["status", "activity", "progress", "task"].some((name) => message[name] !== card[/** @type {keyof Agent} */ (name)]);
    case "project_progress":
      return spent || message.progress !== project.progress || message.message !== project.message;
    default:
      return true;
  }
}

/** The agents of a snapshot that were judged. @param {any} snapshot */
function judged(snapshot) {
  const agents = Object.entries(/** @type {Record<string, any>} */ (snapshot?.agents ?? {}));
  return Object.fromEntries(agents.filter(([, agent]) => agent.liveness).map(([name, agent]) => [name, agent.liveness]));
}

/** One line of text for each message, in the words of the dashboard. @param {any} message @returns {{level: string, text: string}} */
export function line(message) {
  switch (message.type) {
    case "project_started":
      return { level: "info", text: message.name ? `Project started: ${message.name}` : "Project started" };
    case "project_progress":
      return { level: "info", text: `Progress: ${message.progress}% - ${message.message}` };
    case "agent_status_update":
      return { level: message.status === "failed" ? "error" : "info",
               text: `${message.status}, ${message.progress}%` + (message.task ? ` - ${message.task}` : "") + (message.activity ? ` (${message.activity.replaceAll("_", " ")})` : "") };
    case "workflow_stage_update":
      return { level: message.status === "failed" ? "error" : "info", text: `${message.stage}: ${message.message}` };
    case "workflow_log":
      return { level: message.level, text: (message.emoji ? `${message.emoji} ` : "") + message.message };
    case "project_completed":
      return { level: "success", text: message.message ?? "Project completed" };
    case "project_error":
      return { level: "error", text: (message.code ? `${message.code}: ` : "") + message.error };
    default:
      return { level: "info", text: message.message ?? message.type };
  }
}

/** Seconds as a person says them: `0.4 s`, `37 s`, `4 min 05 s`, `2 h 10 min`. @param {number} seconds */
export function span(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 1_440)} days`;
}
