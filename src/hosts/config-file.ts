/** Reading of configuration files: ordinary ones, of a size that such files have. */
import { readFile, stat } from "node:fs/promises";
import { printable } from "../../store/reference/printable.js";
import { errorCode, type Report } from "./report.js";

/** A bundle of all the world's authorities has a quarter of this. */
const MAX_BYTES = 1024 * 1024;

/** @throws TpullError as the report has it */
export async function readBytes(file: string, report: Report): Promise<Buffer> {
  let bytes: Buffer;
  try {
    const found = await stat(file);
    if (!found.isFile()) throw report.fail(`${printable(file)} is not a file`);
    if (found.size > MAX_BYTES) {
      throw report.fail(`${printable(file)} is over ${MAX_BYTES} bytes long`);
    }
    bytes = await readFile(file);
  } catch (error) {
    if ((error as { code?: unknown }).code === "HOSTS_CONFIG_INVALID")
      throw error;
    throw unreadable(file, error, report);
  }
  return bytes;
}

function unreadable(file: string, error: unknown, report: Report): Error {
  const code = errorCode(error);
  return code === "ENOENT"
    ? report.fail(`there is no file ${printable(file)}`, undefined, error)
    : report.fail(
        `${printable(file)} cannot be read (${code})`,
        code === "EACCES" ? "Run tpull as a user who may read it." : undefined,
        error,
      );
}

/** A file in UTF-8, with or without a byte order mark. */
export async function readText(file: string, report: Report): Promise<string> {
  const bytes = await readBytes(file, report);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw report.fail("not UTF-8", undefined, error);
  }
}
