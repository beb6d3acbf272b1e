/** Questions about images that were named one by one: what is known of some does not suffer from the others. */
import { isTpullError, type TpullError } from "../../../store/errors.js";
import type { Damage } from "../../../store/survey/damage.js";
import { type Survey, surveyed } from "../../../store/survey/survey.js";
import type { Store } from "../../../store/store.js";
import { describeError, type ErrorReport } from "../report-error.js";

export interface Answers<Value> {
  /** In the order of the names. */
  readonly values: Value[];
  /** Of the names that there is no answer for. Damage has its own code here. */
  readonly errors: ErrorReport[];
  /** What else was found damaged. */
  readonly damage: Damage[];
}

/** Asks the same of each image, in one look at the root. */
export async function askOfEach<Value>(
  store: Store,
  names: readonly string[],
  question: (survey: Survey, name: string) => Value,
): Promise<Answers<Value>> {
  const { result, damage } = await surveyed(store, (survey) =>
    names.map((name) => attempted(() => question(survey, name))),
  );
  const { values, errors } = sorted(result);
  const own = ({ message }: TpullError): Damage | undefined =>
    damage.find((one) => one.message === message);
  const told = new Set(errors.map(own));
  return {
    values,
    errors: errors.map((error) => {
      const { code = error.code } = own(error) ?? {};
      return { ...describeError(error), code };
    }),
    damage: damage.filter((one) => !told.has(one)),
  };
}

/** What came out of it, or the expected error that it ended with. */
export function attempted<Value>(work: () => Value): Value | TpullError {
  try {
    return work();
  } catch (error) {
    if (isTpullError(error)) return error;
    throw error;
  }
}

export function sorted<Value>(results: readonly (Value | TpullError)[]): {
  readonly values: Value[];
  readonly errors: TpullError[];
} {
  const values: Value[] = [];
  const errors: TpullError[] = [];
  for (const result of results) {
    if (isTpullError(result)) errors.push(result);
    else values.push(result);
  }
  return { values, errors };
}
