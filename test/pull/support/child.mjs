// A program that pulls, as a user of the API would write it. It must come to
// its end by itself: nothing here ends the process.
import { pullAll } from "#src/index.js";

const { references, abortOn, ...options } = JSON.parse(process.argv[2]);
const controller = new AbortController();
process.on("warning", ({ name }) => console.error(name));
try {
  const { results, failures } = await pullAll(references, {
    ...options,
    signal: controller.signal,
    onEvent: ({ type }) => {
      if (type === abortOn) controller.abort();
    },
  });
  const codes = failures.map(({ error }) => error.code);
  console.log(JSON.stringify({ pulled: results.length, codes }));
} catch (error) {
  console.log(JSON.stringify({ code: error.code }));
}
