/** The images of a compose file (compose-spec, 05-services and 14-include). */
import { realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { printable } from "../../store/reference/printable.js";
import { ComposeFiles, isRemote, type Variables } from "./compose-files.js";
import { mergedService, wholeService } from "./compose-service.js";
import {
  type FieldText,
  imageVolumes,
  isSet,
  notPulled,
  otherProfile,
} from "./compose-choice.js";
import { expandedText } from "./compose-values.js";
import { type ImageList, invalidList } from "./listed.js";
import { isMapping, type Mapping } from "./mapping.js";

export interface ComposeOptions {
  /** Services with profiles are taken only if one of theirs is here; `*` is every one. */
  readonly profiles: readonly string[];
  /** Leaves out services that can be built as well as pulled. */
  readonly ignoreBuildable: boolean;
}

/** A compose file on the way to its images. */
interface Project {
  readonly document: Mapping;
  /** What its paths are relative to. */
  readonly directory: string;
  readonly variables: Variables;
  /** What it was included by, itself last; links are followed. */
  readonly chain: readonly string[];
  /** Before the places in it: empty for the file that was named. */
  readonly prefix: string;
}

/** Whether a YAML document is a compose file, which has no mark of its own. */
export function isCompose(document: unknown): document is Mapping {
  return (
    isMapping(document) &&
    document["apiVersion"] === undefined &&
    (document["services"] !== undefined || Array.isArray(document["include"]))
  );
}

/**
 * Takes the images of services, those of included files as well.
 * @param file where the document was read; `-` for standard input
 * @throws TpullError `IMAGE_LIST_INVALID`
 */
export async function composeImages(
  document: Mapping,
  file: string,
  variables: Variables,
  files: ComposeFiles,
  options: ComposeOptions,
): Promise<ImageList> {
  const list: ImageList = { images: [], skipped: [] };
  const project: Project = {
    document,
    directory: file === "-" ? process.cwd() : dirname(resolve(file)),
    variables,
    chain: file === "-" ? [] : [await realpath(file)],
    prefix: "",
  };
  await new Reader(list, files, options).project(project);
  return list;
}

class Reader {
  readonly #list: ImageList;
  readonly #files: ComposeFiles;
  readonly #options: ComposeOptions;

  constructor(list: ImageList, files: ComposeFiles, options: ComposeOptions) {
    this.#list = list;
    this.#files = files;
    this.#options = options;
  }

  async project(project: Project): Promise<void> {
    const { document, prefix } = project;
    const services = document["services"] ?? {};
    if (!isMapping(services)) {
      throw invalidList(`${prefix}services`, "is no mapping");
    }
    const include = document["include"] ?? [];
    if (!Array.isArray(include)) {
      throw invalidList(`${prefix}include`, "is no list");
    }
    for (const one of include) await this.#include(one, project);
    for (const name of Object.keys(services)) {
      await this.#service(name, services, project);
    }
  }

  /** Each include is a project with a directory and variables of its own; several files of one are laid over each other. */
  async #include(given: unknown, project: Project): Promise<void> {
    const { directory, variables, prefix, chain } = project;
    const where = `${prefix}include`;
    const entry = isMapping(given) ? given : { path: given };
    const text = (value: unknown, field: string): string =>
      expandedText(value, `${where}, ${field}`, variables);
    const texts = (value: unknown, field: string): string[] =>
      (Array.isArray(value) ? value : [value ?? []].flat()).map((each) =>
        text(each, field),
      );
    const paths = texts(entry["path"], "path");
    const remote = paths.find(isRemote);
    if (remote !== undefined) {
      const why = `${printable(remote)} would have to be fetched: name a copy of it`;
      this.#list.skipped.push({ from: where, why });
      return;
    }
    const [first] = paths;
    if (first === undefined) throw invalidList(where, "names no file");
    const main = resolve(directory, first);
    const home = entry["project_directory"];
    const own =
      home === undefined || home === null
        ? dirname(main)
        : resolve(directory, text(home, "project_directory"));
    const documents: Mapping[] = [];
    let real = main;
    for (const [at, path] of paths.entries()) {
      const read = await this.#files.compose(resolve(directory, path));
      documents.push(read.document);
      if (at === 0) real = read.path;
    }
    if (chain.includes(real)) {
      throw invalidList(where, `${first} includes itself`);
    }
    const envFiles = texts(entry["env_file"], "env_file").map((path) =>
      resolve(directory, path),
    );
    const env =
      envFiles.length > 0
        ? await this.#files.variables(envFiles, variables)
        : await this.#files.besides(own, variables);
    await this.project({
      document: documents.reduce(laidOver),
      directory: own,
      variables: { ...env, ...variables },
      chain: [...chain, real],
      prefix: `${prefix}include ${printable(first)}, `,
    });
  }

  async #service(
    name: string,
    services: Mapping,
    project: Project,
  ): Promise<void> {
    const from = `${project.prefix}service ${printable(name)}`;
    const service = await wholeService(name, {
      services,
      directory: project.directory,
      variables: project.variables,
      files: this.#files,
      prefix: project.prefix,
    });
    const { fields } = service;
    const text: FieldText = (given, field) =>
      expandedText(given, `${from}, ${field}`, project.variables);
    const inactive = otherProfile(fields, text, from, this.#options.profiles);
    if (inactive !== undefined) {
      this.#list.skipped.push({ from, why: inactive });
      return;
    }
    const platform = isSet(fields["platform"])
      ? { platform: text(fields["platform"], "platform") }
      : {};
    const why = notPulled(service, text, this.#options.ignoreBuildable);
    if (why !== undefined) this.#list.skipped.push({ from, why });
    else {
      this.#list.images.push({
        reference: text(fields["image"], "image"),
        ...platform,
        from: isSet(fields["build"])
          ? `${from} (which can be built, too)`
          : from,
      });
    }
    for (const reference of imageVolumes(fields, text, services)) {
      this.#list.images.push({
        reference,
        ...platform,
        from: `${from} volume`,
      });
    }
  }
}

/** One file over another: what the services of both say in the second one counts. */
function laidOver(below: Mapping, above: Mapping): Mapping {
  const services: Record<string, unknown> = { ...asMapping(below["services"]) };
  for (const [name, one] of Object.entries(asMapping(above["services"]))) {
    const base = services[name];
    services[name] =
      isMapping(base) && isMapping(one) ? mergedService(base, one) : one;
  }
  const includes = [below, above].flatMap(({ include }) => include ?? []);
  return { ...below, ...above, services, include: includes };
}

function asMapping(value: unknown): Mapping {
  return isMapping(value) ? value : {};
}
