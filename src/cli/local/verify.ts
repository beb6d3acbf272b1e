/** `tpull verify [IMAGE...]` */
import {
  type Finding,
  FINDING_KINDS,
  isDamage,
  openStore,
  type Verification,
  verifyStore,
  type VerifyOptions,
} from "../../../store/index.js";
import { Deadline } from "../../deadline.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { tellHolder } from "./notices.js";
import { requireRoot } from "./require-root.js";
import { startProgress } from "./verify-progress.js";
import { findingLine, reportText } from "./verify-text.js";

export const answerVerify: Answer = async (context) => {
  const { images, flags, query, output, root } = context;
  const store = await openStore(root());
  requireRoot(store.root);
  if (!flags.quiet) tellHolder(output, store.layout);
  using deadline = new Deadline(query.signal, query.timeoutMs);
  const progress = startProgress(context);
  const options: VerifyOptions = {
    images,
    quick: flags.quick === true,
    signal: deadline.signal,
  };
  let found: Verification;
  try {
    found = await verifyStore(store, {
      ...options,
      onProgress: (far) => progress.show(far),
    });
  } catch (error) {
    throw deadline.explain(error, store.root, progress.far);
  } finally {
    progress.close();
  }
  const { findings } = found;
  if (flags.repair && findings.some(isDamage)) {
    const { repairFound } = await import("./repair.js");
    const recheck = async (
      concerned: readonly Finding[],
    ): Promise<readonly Finding[]> => {
      const contentOf = new Set(
        concerned.flatMap(({ chainId }) => chainId ?? []),
      );
      return (await verifyStore(store, { ...options, contentOf })).findings;
    };
    return await repairFound(context, store, findings, recheck);
  }
  if (flags.json) {
    output.out(jsonDocument(verificationJson(store.root, found, options)));
  } else if (progress.asEvents) progress.end(found);
  else if (flags.quiet) output.out(findings.map(findingLine).join(""));
  else output.out(reportText(found, options.quick === true));
  return findings.some(isDamage) ? 1 : 0;
};

/** The document of `--json`. Findings are those of the API, with what mends each. */
function verificationJson(
  root: string,
  { findings, notChecked, ...counts }: Verification,
  { quick }: VerifyOptions,
): unknown {
  return {
    root,
    sound: !findings.some(isDamage),
    quick,
    ...counts,
    durationMs: Math.round(counts.durationMs),
    findings: findings.map(({ code, ...finding }) => ({
      code,
      remedy: FINDING_KINDS[code].remedy,
      ...finding,
    })),
    notChecked,
  };
}
