// The same on an image of real programs: Debian's nginx on Debian's base.
import { packagesMissing } from "../helpers/images/debian-packages.js";
import {
  nginxImage,
  NGINX_IMAGE_PACKAGES,
} from "../helpers/images/nginx-image.js";
import { missingFor } from "../helpers/peers.js";
import { describePulls, SUITE_PEERS, tpullPuller } from "./suite.js";

// Only a machine that could run the tests is asked to fetch packages.
const able = missingFor(SUITE_PEERS, { root: true }).length === 0;
const reasons = able ? await packagesMissing(NGINX_IMAGE_PACKAGES) : [];

const nginx = {
  name: "library/nginx",
  build: nginxImage,
  command: ["/usr/sbin/nginx", "-v"],
};

describePulls("tpull's pull of nginx", [nginx], tpullPuller, { reasons });
