// dockerd as the one who pulls: these tests must hold for it, or they are no
// measure for tpull.
import { PULLABLE } from "./images.js";
import { describePulls, dockerdPuller } from "./suite.js";

const images = PULLABLE.filter(({ name }) => name !== "deepest");

describePulls("dockerd's own pulls", images, dockerdPuller, {
  peers: ["busybox"],
});
