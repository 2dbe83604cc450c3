/** Types of relay-client.js; the contract behind it is docs/protocol.md, version 1. */

export type State = "connecting" | "websocket" | "polling" | "static" | "closed";
export type Level = "info" | "success" | "warning" | "error";

interface Common {
  project_id: string;
  /** The producer's clock, Unix seconds. */
  timestamp: number;
  /** Cursor of the event; without it a message is not in the log. */
  id?: string;
  /** The relay's clock, Unix seconds. */
  received_at?: number;
  agent?: string;
  parent_id?: string;
  root_id?: string;
  key?: string;
  /** What models used since the last report. */
  usage?: Report;
  dialect?: string;
  synthetic?: boolean;
}

/** Numbers of tokens, of the input those out of a cache, of the output those for reasoning; others are summed by name. */
export interface Report {
  input_tokens?: number;
  output_tokens?: number;
  total_tokens?: number;
  cached_input_tokens?: number;
  reasoning_tokens?: number;
  /** In the relay's currency. */
  cost?: number;
  model?: string;
  provider?: string;
  /** Where it was several models, what each of them used. */
  models?: Report[];
  [name: string]: unknown;
}

/** What agents or models used in all, by name. */
export type UsedBy = Record<string, Report & { unpriced_tokens?: number }>;

/** How much of a budget is used; a share of 1 is all of it. */
export interface Share {
  used: number;
  budget: number;
  share: number;
}

/** What a snapshot says of what the project uses; the notice `SPENDING` says it anew when it has changed. */
export interface Spending {
  usage_by?: { agents: UsedBy; models: UsedBy };
  spending?: {
    tokens: number;
    tokens_per_minute?: number;
    cost?: number;
    currency?: string;
    /** False when some tokens have no price, so that the cost is too low. */
    cost_complete?: boolean;
    unpriced_tokens?: number;
    cost_per_minute?: number;
  };
  budget?: { tokens?: Share; cost?: Share };
}

export interface ProjectStarted extends Common {
  type: "project_started";
  name?: string;
  description?: string;
  project_type?: string;
  owner?: string;
  team?: string;
  agents?: string[];
  estimated_duration_seconds?: number;
  budget?: { tokens?: number; cost?: number };
}

export interface ProjectProgress extends Common {
  type: "project_progress";
  progress: number;
  message: string;
  stage?: string;
}

export interface AgentStatusUpdate extends Common {
  type: "agent_status_update";
  agent: string;
  status: "idle" | "working" | "completed" | "failed";
  progress: number;
  task?: string;
  activity?: "thinking" | "using_tool" | "waiting_for_human" | "waiting";
}

/** How an agent that should be at work seems to be; in a snapshot's `agents[name].liveness`. */
export interface Liveness {
  state: "working" | "waiting_for_human" | "waiting_on_tool" | "quiet" | "maybe_stuck" | "lost";
  /** Since the last evidence of work, as of when it was said. */
  idle_seconds: number;
  evidence: string;
  reason: string;
}

/** Something that should have been said and was not. */
export interface Missing {
  what: "start" | "end" | "agent";
  cause: "not_seen" | "agents_lost" | "silent" | "project_completed" | "project_failed";
  synthetic: true;
  agent?: string;
}

/** The `data` of a notice `LIVENESS`; an agent that is not named is as it was, and so is the lifecycle without one. */
export interface LivenessData {
  agents: Record<string, Liveness>;
  lifecycle?: Missing[];
}

export interface WorkflowStageUpdate extends Common {
  type: "workflow_stage_update";
  stage: string;
  message: string;
  status?: "pending" | "running" | "completed" | "failed";
}

export interface WorkflowLog extends Common {
  type: "workflow_log";
  level: Level;
  message: string;
  emoji?: string;
  source?: string;
  fields?: Record<string, unknown>;
}

export interface ProjectCompleted extends Common {
  type: "project_completed";
  url?: string;
  completion_url?: string;
  deployment_url?: string;
  message?: string;
  duration_seconds?: number;
}

export interface ProjectError extends Common {
  type: "project_error";
  error: string;
  code?: string;
  fatal?: boolean;
}

export interface ConnectionEstablished extends Common {
  type: "connection_established";
  message: string;
  cursor?: string;
  head?: string;
  recovered?: boolean;
  replay?: "tail" | "resume" | "gap" | "none";
  snapshot?: Record<string, unknown>;
  server_time?: number;
  token_expires_at?: number;
}

export type Message =
  | ProjectStarted | ProjectProgress | AgentStatusUpdate | WorkflowStageUpdate | WorkflowLog | ProjectCompleted | ProjectError;

export interface Filter {
  types?: Message["type"][];
  level?: Level;
  agent?: string[];
  /** Text that a message contains, in any case; at most 64 characters. */
  q?: string;
}

export interface Options {
  /** The relay's address; without it, that of the page. */
  base?: string | URL;
  /** A token, or who gives one: asked with `connect`, `expiring`, `expired` or `refused`. */
  token?: string | ((reason: "connect" | "expiring" | "expired" | "refused") => string | Promise<string>);
  filter?: Filter;
  /** Messages of history for a fresh viewer. */
  tail?: number;
  /** One connection for all tabs of this browser; needs Web Locks and BroadcastChannel, else each has its own. */
  share?: boolean;
  /** Whose tabs share; a user's id. */
  viewer?: string;
  /** Where the last view is kept; null: nowhere. */
  storage?: Storage | null;
  /** Open sockets with a ticket in the address, fetched with the token, instead of the token in a sub-protocol. */
  tickets?: boolean;
  /** Milliseconds until an attempt counts as failed. */
  timeout?: number;
  /** Milliseconds behind each failed attempt at a socket; then polling begins. */
  waits?: number[];
  /** Milliseconds until a socket is tried again while polling. */
  probes?: number[];
}

export type ErrorCode =
  | "WEBSOCKET_NOT_SUPPORTED" | "CONNECTION_FAILED" | "AUTH_FAILED" | "FORBIDDEN" | "TIMEOUT" | "NETWORK_ERROR" | "SERVER_ERROR"
  | "RATE_LIMITED" | "TOO_MANY_CONNECTIONS" | "REPLACED" | "BAD_REQUEST";

/** What a person is told, by code. */
export const MESSAGES: Readonly<Record<ErrorCode, string>>;

export class RelayError extends Error {
  readonly code: ErrorCode;
  readonly userMessage: string;
  /** The client goes on trying by itself. */
  readonly retried: boolean;
}

export interface Heard {
  state: { state: State; previous: State | null; reason: string | null };
  established: { project: string; established: ConnectionEstablished };
  messages: { project: string; messages: Message[]; sentAt: number | null; collapsed: number };
  restored: { project: string; snapshot: Record<string, unknown> | null; messages: Message[]; savedAt: number };
  static: { project: string; snapshot: Record<string, unknown> | null; messages: Message[]; savedAt: number };
  notice: { type: "notice"; code: string; project_id?: string; detail?: string; cursor?: string; data?: Record<string, unknown> };
  beat: { lag: number | null; serverTime: number; head: string | null };
  lead: { leads: boolean };
  error: RelayError;
  message: Message;
  connection_established: ConnectionEstablished;
  project_started: ProjectStarted;
  project_progress: ProjectProgress;
  agent_status_update: AgentStatusUpdate;
  workflow_stage_update: WorkflowStageUpdate;
  workflow_log: WorkflowLog;
  project_completed: ProjectCompleted;
  project_error: ProjectError;
}

export class RelayClient extends EventTarget {
  constructor(projects: string | string[], options?: Options);
  readonly state: State;
  readonly projects: string[];
  /** This tab holds the connection that its browser's other tabs hear through. */
  readonly leads: boolean;
  start(): this;
  close(): void;
  subscribe(project: string): void;
  unsubscribe(project: string): void;
  /** What was shown is shown anew, as the relay selects it. */
  setFilter(filter: Filter): void;
  /** False while there is no socket. */
  say(frame: object): boolean;
  /** Show the others of a project what is looked at here, null to end that; they get it as a notice `VIEW`. */
  show(project: string, state: object | null): boolean;
  /** Returns what ends it. */
  on<Kind extends keyof Heard>(type: Kind, listener: (detail: Heard[Kind]) => void): () => void;
}

export function isWebSocketAvailable(): boolean;
export function getWebSocketUrl(projectId?: string, base?: string | URL): string;
