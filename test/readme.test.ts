import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { helpText } from "#src/cli/help.js";
import { EVENT_SCHEMA } from "#src/events.js";

const top = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(top, path), "utf8");
const readme = read("README.md");

function sources(folder: string): string[] {
  return readdirSync(join(top, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(join(folder, name)));
}

/** Quoted capitals in the sources that are no code of an error or a warning. */
const OTHER_CAPITALS =
  /^(TPULL_\w+|NO_COLOR|LC_\w+|XDG_\w+|DOCKER_\w+|COMPOSE_\w+|REGISTRY_AUTH_FILE|\w+_PROXY|PROXY_FAILURE|REQUEST_METHOD|CERT\w*_\w+|DEPTH_\w+|UND_\w+|HTTP_\w+|HEADERS_TIMEOUT|CONNECT_TIMEOUT|PAGINATION_NUMBER_INVALID|RANGE_INVALID|NAME_INVALID|ERR_\w+|E[A-Z0-9]+)$/;

function codesOfTheSources(): string[] {
  const codes = new Set<string>();
  for (const text of [...sources("src"), ...sources("store")]) {
    for (const [, code = ""] of text.matchAll(/"([A-Z]\w*_[A-Z0-9_]+)"/g)) {
      if (/^[A-Z0-9_]+$/.test(code) && !OTHER_CAPITALS.test(code)) {
        codes.add(code);
      }
    }
  }
  return [...codes].toSorted();
}

describe("the README", () => {
  it("lists every code, and none that is gone", () => {
    const section = readme.slice(readme.indexOf("## Errors"));
    const listed = new Set(
      [...section.matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`/g)].map(
        ([, code]) => code ?? "",
      ),
    );
    expect([...listed].toSorted()).toEqual(codesOfTheSources());
  });

  it("shows the help as it is", () => {
    expect(readme).toContain(helpText("pull").trimEnd());
  });

  it("lists every type of event and the schema's version", () => {
    const types = [...read("src/events.ts").matchAll(/type: "(\w+)"/g)].map(
      ([, type]) => type,
    );
    const listed = [...readme.matchAll(/^\| `(\w+)` +\|/gm)].map(
      ([, type]) => type,
    );
    expect(listed).toEqual(expect.arrayContaining(types));
    expect(readme).toContain(`\`schema\` (${EVENT_SCHEMA})`);
  });

  it("has no place left to fill", () => {
    expect(readme).not.toContain("<!--");
  });
});
