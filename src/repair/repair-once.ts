/** One pass of a repair with what registries have: `repairStore`, and a network. */
import {
  type Finding,
  type Repaired,
  repairStore,
  type RepairOptions as StoreRepairOptions,
  type Store,
} from "../../store/index.js";
import { type RunOptions, RunSession } from "../run-session.js";
import { RegistrySupplier } from "./registry-supplier.js";

export interface RepairOnceOptions
  extends
    RunOptions,
    Omit<StoreRepairOptions, "supplier" | "onWarning" | "signal"> {
  /** Fetches nothing: only what follows from the rest is mended. */
  offline?: boolean;
}

/**
 * Mends what a check of a data root has found, as far as that comes to light
 * by it.
 * @throws TpullError as `repairStore`; `OPTION_INVALID`, `TIMEOUT`
 */
export async function repairOnce(
  store: Store,
  report: { readonly findings: readonly Finding[] },
  options: RepairOnceOptions,
): Promise<Repaired> {
  await using session = new RunSession(options);
  const { deadline, signal } = session;
  try {
    return await repairStore(store, report, {
      confirm: options.confirm,
      dryRun: options.dryRun,
      concurrency: options.concurrency,
      onStep: options.onStep,
      onProgress: options.onProgress,
      supplier: options.offline ? undefined : new RegistrySupplier(session),
      signal,
      onWarning: (warning) => session.warn(warning),
      onWait: options.onWait,
    });
  } catch (error) {
    throw deadline.explain(error, store.root);
  }
}
