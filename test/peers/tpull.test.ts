// A dockerd takes what tpull pulled for its own, and would have written the same.
import { NOT_PULLABLE, PULLABLE } from "./images.js";
import { describePulls, tpullPuller } from "./suite.js";

describePulls("tpull's pulls", PULLABLE, tpullPuller, { peers: ["busybox"] });

describePulls("tpull's pulls of zstd layers", NOT_PULLABLE, tpullPuller, {
  peers: ["busybox", "zstd"],
});
