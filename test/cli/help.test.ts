import { availableParallelism } from "node:os";
import { describe, expect, it, test } from "vitest";
import { helpText } from "#src/cli/help.js";
import { DEFAULT_CONCURRENCY } from "#src/pull-session.js";
import {
  COMMANDS,
  managementGroup,
  type CommandName,
} from "#src/cli/commands.js";
import { OPTIONS } from "#src/cli/options.js";

const commands = Object.keys(COMMANDS) as CommandName[];

test("tpull --help", () => {
  expect(helpText())
    .toBe(`tpull - pull container images into a docker data root, without a daemon,
and look after what is there

Usage:
  tpull [pull] [options] IMAGE...
  tpull [pull] [options] --all-tags REPOSITORY...
  tpull COMMAND [options] [ARGUMENT...]

Commands that ask registries:
  pull        pull images (the word may be left out)
  prefetch    pull many images by one plan, for timers and cron
  plan        say what a pull would fetch and store, and do nothing
  manifest    print an image's manifest or index as the registry has it
  resolve     print the digests that an image's name stands for
  tags        print the tags of a repository
  login       log in to a registry, as docker keeps it
  logout      forget the log-in to a registry

Commands for what is in a data root:
  images      list the images in a data root
  inspect     print all that is known of images, as docker's JSON
  history     print the steps that made an image
  layers      print where each layer of an image comes from and lies
  info        say whose data root this is, and what dockerd makes of it
  df          say what takes the space in a data root
  tag         give an image another name
  rmi         remove images, or names of images
  prune       remove what nobody uses
  verify      check a data root against what it claims to hold, and mend it

Commands that carry images elsewhere:
  serve       be a read-only registry for images that are here
  save        save images from a data root as one archive
  load        load images from an archive into a data root
  bundle      fetch images into an archive to be carried elsewhere
  lock        write down which bytes the names of a list stand for now
  inventory   list the layers of a data root, for bundles without them
  images-of   list the images that a file names, as --file takes them

Other commands:
  completion  print a completion script for a shell
  demo        pull a small image from a registry inside tpull, explained
  help        explain tpull or one command
  version     print the version

docker's forms are the same commands: tpull image
ls|pull|inspect|history|tag|rm|prune|save|load, tpull system df|info, and tpull
ls. 'tpull COMMAND --help' explains one command.

Arguments:
  IMAGE       [host[:port]/]repository[:tag][@digest], read as docker reads it:
              docker.io, library/ and :latest may be left out
  REPOSITORY  [host[:port]/]repository, without tag and digest

Options of tpull pull:
      --root DIR           data root to write to (default: $TPULL_ROOT, else
                           /var/lib/tpull as root and
                           \${XDG_DATA_HOME:-~/.local/share}/tpull otherwise)
      --platform P[,P...]  os/arch[/variant] of the image to choose; several
                           with commas between, or all (default: this machine's)
  -f, --file LIST          take the images of this file, too: one a line, or a
                           lock file, a compose file, Kubernetes objects, a
                           Dockerfile; - is standard input (may be repeated)
      --profile NAME       of a compose file: take the services of this profile,
                           too; * for every one (may be repeated)
      --ignore-buildable   of a compose file: leave out services that can be
                           built as well as pulled
  -a, --all-tags           every tag of the repository
      --concurrency N      layers in flight at once, 1 to 64 (default: one more
                           than cores, 3 to 8)
      --keep-blobs         keep the layers' blobs as the registry has them, too,
                           so that 'tpull save' and 'tpull serve' give its own
                           digests (default: $TPULL_KEEP_BLOBS, else no)
      --keep-blobs-limit SIZE
                           with --keep-blobs: keep at most so much in the data
                           root, and remove what was used longest ago (default:
                           10GB)
  -q, --quiet              print only the canonical name of each image (and
                           errors)
      --progress MODE      auto, tty (bars), plain (docker's transcript), json
                           (one event a line), or none (results only) (default:
                           auto: tty on a terminal, plain elsewhere and where
                           $CI is set)
      --timeout TIME       give up after 30s, 10m, 1h, 1h30m; what is stored by
                           then stays
      --version            print the version
  -h, --help               print this help

Options of tpull pull for registries:
      --config DIR       docker's configuration, for the credentials in it
                         (default: $DOCKER_CONFIG, else ~/.docker)
      --mirror REGISTRY=URL
                         ask this mirror of the registry first (may be repeated)
      --hosts-dir DIR    look for HOST/hosts.toml and certificates here, before
                         the usual places (may be repeated)
      --ca-file FILE     trust these PEM certificates, too (may be repeated)
      --insecure-registry HOST|CIDR
                         take any certificate of these registries, and plain
                         HTTP where they do not speak TLS (may be repeated)
      --plain-http HOST  speak plain HTTP with this registry (may be repeated)
      --limit-rate RATE  take at most so many bytes a second in all: 500k, 10m,
                         1.5M

Examples:
  tpull nginx:latest                      # from docker.io/library
  tpull --root /srv/data nginx redis:7    # two into one data root
  tpull -q --platform linux/arm64 alpine  # prints only the name
  tpull --platform all alpine             # every platform it has
  tpull --keep-blobs nginx                # to be saved or served as it was
  tpull --progress json alpine >events    # for programs

Environment:
  TPULL_ROOT        data root when --root is not given
  DOCKER_CONFIG     docker's configuration when --config is not given
  TPULL_KEEP_BLOBS  1 is --keep-blobs, a size like 20GB also the limit for it
  TPULL_DEBUG       1 prints the stack of what is a defect in tpull

Exit status:
  0         every image is in the data root
  1         an image failed; the others are there nevertheless
  2         the command line is wrong; nothing was done
  130, 143  stopped by Ctrl-C, by SIGTERM (141: nobody reads stdout)
`);
});

describe.each([undefined, ...commands])("help of %s", (command) => {
  it("fits 80 columns and ends every line cleanly", () => {
    for (const line of helpText(command).split("\n")) {
      expect(line.length, line).toBeLessThanOrEqual(80);
      expect(line).toBe(line.trimEnd());
    }
  });

  it("shows the options that the command takes, and no others", () => {
    const text = helpText(command);
    for (const [name, spec] of Object.entries(OPTIONS)) {
      const takers: readonly string[] = spec.commands;
      const takes = takers.length === 0 || takers.includes(command ?? "pull");
      // In its own row: texts and examples may speak of other commands.
      const row = new RegExp(`^ {2}(?:-\\w, | {4})--${name}(?: |$)`, "m");
      expect(row.test(text), name).toBe(takes);
    }
  });
});

test("the default of --concurrency is the pull's", () => {
  expect(OPTIONS.concurrency.default).toBe("one more than cores, 3 to 8");
  const cores = availableParallelism();
  expect(DEFAULT_CONCURRENCY).toBe(Math.min(8, Math.max(3, cores + 1)));
});

test("the demo has a default root of its own", () => {
  expect(helpText("demo")).not.toContain("TPULL_ROOT");
});

describe("docker's forms", () => {
  it("explains a management word by the commands behind it", () => {
    expect(helpText("system"))
      .toBe(`tpull system - docker's form of other commands

Usage:
  tpull system COMMAND [options] [ARGUMENT...]

Commands:
  df    tpull df: say what takes the space in a data root
  info  tpull info: say whose data root this is, and what dockerd makes of it

'tpull system COMMAND --help' explains one of them.
`);
  });

  it("lists every second word, in 80 columns", () => {
    const text = helpText("image");
    for (const word of Object.keys(managementGroup("image") ?? {})) {
      expect(text).toMatch(new RegExp(`^ {2}${word} +tpull `, "m"));
    }
    for (const line of text.split("\n")) expect(line.length).toBeLessThan(81);
  });
});

test("each command is listed once, and as one of a group", () => {
  const lines = helpText().split("\n");
  for (const name of commands) {
    const rows = lines.filter((line) => line.startsWith(`  ${name} `));
    expect(rows, name).toHaveLength(1);
  }
});

test("a letter means one option of a command", () => {
  for (const command of commands) {
    const letters = [...helpText(command).matchAll(/^ {2}-(\w), --/gm)].map(
      ([, letter]) => letter,
    );
    expect(letters, command).toEqual([...new Set(letters)]);
  }
});
