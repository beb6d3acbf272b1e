/** `tpull verify BUNDLE` */
import { checkArchive } from "../../archive/check.js";
import { checkChecksums } from "../../bundle/checksums.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { formatBytes } from "../bars/units.js";
import { oneLine } from "../terminal-text.js";

export const answerVerifyArchive: Answer = async ({
  images,
  flags,
  query,
  output,
}) => {
  const archives = [];
  for (const path of images) {
    if (flags.checksum) {
      // Blobs are read below, and compared with their names.
      const { signal } = query;
      await checkChecksums(path, { signal, trustNames: true });
    }
    const check = await checkArchive(path, { signal: query.signal });
    archives.push({ path, ...check });
    if (flags.json) continue;
    for (const { code, message } of check.findings) {
      output.out(`${oneLine(path)}: ${oneLine(message)} (${code})\n`);
    }
    if (check.findings.length > 0 || flags.quiet) continue;
    const size = formatBytes(check.bytes);
    output.out(
      `${oneLine(path)}: sound: images: ${check.images}, blobs: ${check.blobs}, ${size}\n`,
    );
  }
  if (flags.json) output.out(jsonDocument({ archives }));
  return archives.some(({ findings }) => findings.length > 0) ? 1 : 0;
};
