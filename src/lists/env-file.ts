/** The `.env` file of compose: `NAME=value` a line. */

/** Lines that are none such are passed over. */
export function parseEnvFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const [, name = "", given = ""] =
      /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (name === "" || name === "__proto__") continue;
    const quoted = /^(["'])(.*?)\1\s*(#.*)?$/.exec(given)?.[2];
    values[name] = quoted ?? given.replace(/(^|\s)#.*$/, "").trim();
  }
  return values;
}
