/** A home of its own with credential files and helper programs, and the environment that leads there. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { Cleanups } from "./run.js";

/** What a helper was asked, in order. */
export interface HelperCall {
  action: string;
  input: string;
}

export class CredentialHome {
  readonly path: string;
  /** Changes to it count for what is started afterwards. */
  readonly env: Record<string, string>;

  constructor(path: string) {
    this.path = path;
    this.env = {
      HOME: path,
      PATH: this.in("bin"),
      DOCKER_CONFIG: this.in("docker"),
      XDG_RUNTIME_DIR: this.in("run"),
      XDG_CONFIG_HOME: this.in("config"),
    };
  }

  in(name: string): string {
    return join(this.path, name);
  }

  get configPath(): string {
    return this.in("docker/config.json");
  }

  /** Writes a file, whole folders included; what is no text is written as JSON. */
  async write(name: string, content: unknown): Promise<string> {
    const path = this.in(name);
    await mkdir(dirname(path), { recursive: true });
    const text =
      typeof content === "string" ? content : JSON.stringify(content);
    await writeFile(path, text);
    return path;
  }

  /** Writes docker's config.json. */
  async config(content: unknown): Promise<string> {
    return await this.write("docker/config.json", content);
  }

  async readConfig(): Promise<string> {
    return await readFile(this.configPath, "utf8");
  }

  /** Installs `docker-credential-<name>`: a shell script, or a program that works with {@link kept}. */
  async helper(name: string, script?: string): Promise<void> {
    const program = await this.write(
      `bin/docker-credential-${name}`,
      script === undefined
        ? keeper(this.in(name))
        : `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`,
    );
    await chmod(program, 0o755);
  }

  /** What a helper without a script of its own keeps: by server a user name and a secret. */
  async kept(name: string): Promise<Record<string, [string, string]>> {
    return JSON.parse(await readFile(this.in(`${name}.json`), "utf8"));
  }

  async keep(
    name: string,
    content: Record<string, [string, string]>,
  ): Promise<void> {
    await this.write(`${name}.json`, content);
  }

  async calls(name: string): Promise<HelperCall[]> {
    const text = await readFile(this.in(`${name}.calls`), "utf8").catch(
      () => "",
    );
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as HelperCall);
  }
}

/** Makes a home that is removed when the test ends. */
export async function credentialHome(): Promise<CredentialHome> {
  const cleanups = new Cleanups();
  onTestFinished(() => cleanups.close());
  return new CredentialHome(await cleanups.tempDir());
}

/** As docker writes an entry. */
export function authEntry(username: string, password: string): object {
  return { auth: Buffer.from(`${username}:${password}`).toString("base64") };
}

function keeper(file: string): string {
  return `#!${process.execPath}
const { appendFileSync, readFileSync, writeFileSync } = require("node:fs");
const file = ${JSON.stringify(file)};
const action = process.argv[2];
const input = readFileSync(0, "utf8");
appendFileSync(file + ".calls", JSON.stringify({ action, input }) + "\\n");
let kept = {};
try { kept = JSON.parse(readFileSync(file + ".json", "utf8")); } catch {}
const missing = () => {
  process.stdout.write("credentials not found in native keychain\\n");
  process.exitCode = 1;
};
if (action === "get") {
  const found = kept[input];
  if (found === undefined) missing();
  else process.stdout.write(JSON.stringify({ ServerURL: input, Username: found[0], Secret: found[1] }));
} else if (action === "store") {
  const { ServerURL, Username, Secret } = JSON.parse(input);
  kept[ServerURL] = [Username, Secret];
  writeFileSync(file + ".json", JSON.stringify(kept));
} else if (action === "erase") {
  if (!(input in kept)) missing();
  delete kept[input];
  writeFileSync(file + ".json", JSON.stringify(kept));
}
`;
}
