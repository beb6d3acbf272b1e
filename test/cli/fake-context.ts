// The process as `main` sees it, with streams that remember and a pull that does as it is told.
import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import type { CliContext } from "#src/cli/context.js";
import type { CliInput } from "#src/cli/prompt.js";

export class FakeStream extends EventEmitter {
  text = "";
  readonly isTTY: boolean;
  columns = 80;
  rows = 24;

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  write(content: string | Uint8Array): boolean {
    this.text +=
      typeof content === "string" ? content : Buffer.from(content).toString();
    return true;
  }
}

type PullAll = Awaited<ReturnType<CliContext["loadPull"]>>["pullAll"];
type Prefetch = Awaited<ReturnType<CliContext["loadPrefetch"]>>["prefetch"];
type Login = Awaited<ReturnType<CliContext["loadLogin"]>>;
type RunDemo = Awaited<ReturnType<CliContext["loadDemo"]>>["runDemo"];

export interface Fakes {
  stdout: FakeStream;
  stderr: FakeStream;
  signals: EventEmitter;
  /** Statuses with which the process was ended at once. */
  exits: number[];
  context: CliContext;
}

export function fakes(
  parts: {
    pullAll?: PullAll;
    prefetch?: Prefetch;
    runDemo?: RunDemo;
    loadAnswer?: CliContext["loadAnswer"];
    login?: Partial<Login>;
    /** Nothing, and no terminal, by default. */
    stdin?: CliInput;
    env?: Record<string, string>;
  } = {},
): Fakes {
  const stdout = new FakeStream();
  const stderr = new FakeStream();
  const signals = new EventEmitter();
  const exits: number[] = [];
  const refuse = (): never => {
    throw new Error("nothing was to be loaded");
  };
  const context: CliContext = {
    stdout,
    stderr,
    signals,
    env: parts.env ?? {},
    user: () => ({ uid: 1000, home: "/home/u" }),
    exit: (status) => exits.push(status),
    now: () => 0,
    loadPull: async () => ({ pullAll: parts.pullAll ?? refuse() }),
    stdin: () => parts.stdin ?? Readable.from([]),
    loadLogin: async () => ({
      login: parts.login?.login ?? (async () => refuse()),
      logout: parts.login?.logout ?? (async () => refuse()),
    }),
    loadPrefetch: async () => ({ prefetch: parts.prefetch ?? refuse() }),
    loadLoad: refuse,
    loadDemo: async () => ({ runDemo: parts.runDemo ?? refuse() }),
    loadAnswer: parts.loadAnswer ?? refuse,
  };
  return { stdout, stderr, signals, exits, context };
}
