/** `tpull rmi IMAGE...` */
import type { Removal } from "../../../store/manage/removal.js";
import { removeImages } from "../../../store/manage/remove-images.js";
import { openStore } from "../../../store/store.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { describeError, errorText } from "../report-error.js";
import { oneLine, shownJson } from "../terminal-text.js";
import { changeOptions } from "./change-options.js";

export const answerRmi: Answer = async (context) => {
  const { images, flags, output, isTTY } = context;
  const store = await openStore(context.root());
  const { removed, failed, freedBytes } = await removeImages(store, images, {
    ...changeOptions(context),
    force: flags.force,
    noPrune: flags["no-prune"],
  });
  const failures = failed.map(({ name, error }) => ({
    name,
    error: describeError(error),
  }));
  if (flags.json) {
    const document = { removed, failed: failures, freedBytes };
    output.out(shownJson(jsonDocument(document), isTTY));
  } else {
    if (!flags.quiet) output.out(removed.map(removalLines).join(""));
    for (const { error } of failures) output.err(errorText(error));
  }
  // Like docker: who forces the removal of what is not there has what they want.
  const matter = failures.filter(
    ({ error }) => !flags.force || error.code !== "IMAGE_NOT_FOUND",
  );
  return matter.length > 0 ? 1 : 0;
};

/** As `docker rmi` prints it. */
function removalLines({ untagged, deleted }: Removal): string {
  return [
    ...untagged.map((name) => `Untagged: ${oneLine(name)}\n`),
    ...deleted.map((id) => `Deleted: ${id}\n`),
  ].join("");
}
