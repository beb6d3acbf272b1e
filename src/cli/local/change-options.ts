/** What all commands that change a root hand on. */
import type { ManageOptions } from "../../../store/manage/managing.js";
import type { AnswerContext } from "../answers/answer.js";

/** Waiting ends with the command, and what is doubtful about the root is told. */
export function changeOptions({ query }: AnswerContext): ManageOptions {
  return {
    signal: query.signal,
    onWarning: ({ code, message }) =>
      query.onEvent?.({ type: "warning", code, message }),
  };
}
