/**
 * A runnable nginx image of seven layers, the shape of the Hub's: Debian's
 * base, nginx and its libraries, and five small layers on top that remove,
 * hide, link and replace what is below them.
 */
import {
  archive,
  directory,
  file,
  hardlink,
  symlink,
  type Member,
} from "../tar-writer.js";
import {
  BASE_PACKAGES,
  DOCUMENTATION,
  fetchPackages,
  packPackages,
} from "./debian-packages.js";
import { cachedImage } from "./image-cache.js";
import type { Image } from "../image-builder.js";

const NGINX_PACKAGES: readonly string[] = [
  "nginx",
  "nginx-common",
  "libssl3",
  "libperl5.36",
];

/** Every Debian package the image needs. */
export const NGINX_IMAGE_PACKAGES: readonly string[] = [
  ...BASE_PACKAGES,
  ...NGINX_PACKAGES,
];

const ENTRYPOINT = `#!/bin/sh
set -e
for script in /docker-entrypoint.d/*.sh; do "$script"; done
exec "$@"
`;

const SMALL_LAYERS: readonly (readonly Member[])[] = [
  [
    directory("etc/"),
    directory("etc/nginx/"),
    file("etc/nginx/.wh.sites-enabled", ""),
    file("etc/nginx/.wh.fastcgi.conf", ""),
    directory("usr/"),
    directory("usr/share/"),
    directory("usr/share/nginx/"),
    directory("usr/share/nginx/html/"),
    file("usr/share/nginx/html/.wh..wh..opq", ""),
    file("usr/share/nginx/html/index.html", "<h1>It works</h1>\n"),
    hardlink(
      "usr/share/nginx/html/50x.html",
      "usr/share/nginx/html/index.html",
    ),
  ],
  [file("docker-entrypoint.sh", ENTRYPOINT, { mode: 0o755 })],
  [
    directory("docker-entrypoint.d/"),
    file("docker-entrypoint.d/10-listen.sh", "#!/bin/sh\n", { mode: 0o775 }),
  ],
  [
    directory("docker-entrypoint.d/"),
    file("docker-entrypoint.d/20-envsubst.sh", "#!/bin/sh\n", { mode: 0o775 }),
    directory("var/"),
    directory("var/log/"),
    directory("var/log/nginx/", { uid: 33, gid: 4, mode: 0o1775 }),
    symlink("var/log/nginx/access.log", "/dev/stdout"),
    symlink("var/log/nginx/error.log", "/dev/stderr"),
  ],
  [
    directory("etc/"),
    file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
    directory("var/"),
    directory("var/lib/"),
    file("var/lib/.wh.dpkg", ""),
    directory("var/cache/"),
    file("var/cache/.wh..wh..opq", ""),
    directory("var/cache/nginx/", { uid: 33, gid: 33 }),
  ],
];

/** The image, made from Debian packages the first time. */
export async function nginxImage(): Promise<Image> {
  const base = await fetchPackages(BASE_PACKAGES);
  const nginx = await fetchPackages(NGINX_PACKAGES);
  return await cachedImage(
    "nginx",
    [base, nginx, DOCUMENTATION, SMALL_LAYERS],
    [
      (pack) => packPackages(pack, base, DOCUMENTATION),
      (pack) => packPackages(pack, nginx, DOCUMENTATION),
      ...SMALL_LAYERS.map((members) => archive(members)),
    ],
    {
      settings: {
        Entrypoint: ["/docker-entrypoint.sh"],
        Cmd: ["nginx", "-g", "daemon off;"],
      },
    },
  );
}
