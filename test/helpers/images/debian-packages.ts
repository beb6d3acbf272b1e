/** Debian packages from the configured mirror as raw material for layers. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { normalize } from "node:path/posix";
import { pipeline } from "node:stream/promises";
import { extract, type Pack } from "tar-stream";
import { cacheFolder } from "./image-cache.js";
import { missingFor, requirePeer } from "../peers.js";
import { childEnv, removeTree, runOk } from "../run.js";

/** The packages of Debian's own base image, those it cannot do without first. */
export const BASE_PACKAGES: readonly string[] =
  `base-files base-passwd libc6 libc-bin libgcc-s1 gcc-12-base dash bash coreutils
   debianutils diffutils findutils grep gzip hostname sed tar mawk perl-base util-linux bsdutils
   libacl1 libattr1 libaudit-common libaudit1 libblkid1 libbz2-1.0 libcap-ng0 libcap2 libcom-err2
   libcrypt1 libdb5.3 libdebconfclient0 libext2fs2 libffi8 libgcrypt20 libgmp10 libgnutls30
   libgpg-error0 libhogweed6 libidn2-0 liblz4-1 liblzma5 libmd0 libmount1 libnettle8 libp11-kit0
   libpam-modules libpam-modules-bin libpam-runtime libpam0g libpcre2-8-0 libseccomp2 libselinux1
   libsemanage-common libsemanage2 libsepol2 libsmartcols1 libss2 libstdc++6 libsystemd0 libtasn1-6
   libtinfo6 libudev1 libunistring2 libuuid1 libxxhash0 libzstd1 zlib1g adduser apt debconf
   debian-archive-keyring dpkg e2fsprogs gpgv init-system-helpers libapt-pkg6.0 login logsave mount
   ncurses-base ncurses-bin passwd sysvinit-utils tzdata usr-is-merged util-linux-extra`.split(
    /\s+/,
  );

/** What slim images leave out. */
export const DOCUMENTATION: readonly string[] = [
  "usr/share/doc/",
  "usr/share/man/",
  "usr/share/info/",
  "usr/share/locale/",
  "usr/share/lintian/",
];

/**
 * Paths of the packages' files, in the order asked for; what is not in the
 * cache is downloaded. @throws Error with apt's words when that fails
 */
export async function fetchPackages(
  names: readonly string[],
): Promise<string[]> {
  const aptGet = requirePeer("apt-get");
  const folder = join(await cacheFolder(), "packages");
  await mkdir(folder, { recursive: true });
  const plan = await runOk(aptGet, ["download", "--print-uris", ...names]);
  // One line a package: 'URI' FILE SIZE HASH
  const files = plan
    .split("\n")
    .map((line) => line.split(" ")[1])
    .filter((name) => name?.endsWith(".deb")) as string[];
  const wanted = names.map((name) => {
    const found = files.find((f) => f.startsWith(`${name}_`));
    if (found === undefined) throw new Error(`apt-get knows no ${name}`);
    return found;
  });
  const present = new Set(await readdir(folder));
  const absent = names.filter((_, i) => !present.has(wanted[i] ?? ""));
  if (absent.length > 0) await download(aptGet, absent, folder);
  return wanted.map((name) => join(folder, name));
}

/** Downloads beside the cache and renames, so that a package in the cache is whole. */
async function download(
  aptGet: string,
  names: readonly string[],
  folder: string,
): Promise<void> {
  const partial = await mkdtemp(join(folder, "partial-"));
  try {
    const options = ["-q", "-o", "APT::Sandbox::User=root"];
    await runOk(aptGet, [...options, "download", ...names], {
      cwd: partial,
      timeoutMs: 900_000,
    });
    for (const name of await readdir(partial))
      await rename(join(partial, name), join(folder, name));
  } finally {
    await removeTree(partial);
  }
}

/**
 * Why Debian packages cannot be had here, as reasons for a skip; empty when
 * all of them are in the cache (where this call puts them).
 */
export async function packagesMissing(
  names: readonly string[],
): Promise<string[]> {
  if (missingFor(["apt-get", "dpkg-deb"]).length > 0)
    return ["Debian's apt-get and dpkg-deb"];
  try {
    await fetchPackages(names);
    return [];
  } catch {
    return ["a reachable Debian mirror"];
  }
}

/**
 * Adds the files of packages to an archive. A path that several packages bring
 * (a directory, mostly) is taken from the first: a layer may name it only once.
 * @param leaveOut prefixes of paths that are not taken
 */
export async function packPackages(
  pack: Pack,
  packageFiles: readonly string[],
  leaveOut: readonly string[] = [],
): Promise<void> {
  const seen = new Set(["."]);
  for (const packageFile of packageFiles) {
    const reader = spawn(
      requirePeer("dpkg-deb"),
      ["--fsys-tarfile", packageFile],
      { env: childEnv(), stdio: ["ignore", "pipe", "inherit"] },
    );
    const members = extract();
    const reading = pipeline(reader.stdout, members);
    for await (const member of members) {
      const { header } = member;
      const name = normalize(header.name).replace(/\/$/, "");
      const left = leaveOut.some((prefix) => `${name}/`.startsWith(prefix));
      if (seen.has(name) || left) {
        member.resume();
        continue;
      }
      seen.add(name);
      const suffix = header.type === "directory" ? "/" : "";
      const entry = pack.entry({ ...header, name: name + suffix, pax: null });
      await pipeline(member, entry);
    }
    await reading;
  }
}
