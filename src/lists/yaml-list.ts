/** The images of a YAML or JSON file: compose files and Kubernetes objects. */
import { dirname, resolve } from "node:path";
import { TpullError } from "../../store/index.js";
import { composeImages, isCompose } from "./compose.js";
import { ComposeFiles } from "./compose-files.js";
import { definedOf } from "./env-file.js";
import { FORMS } from "./form.js";
import { isKubernetes, kubernetesImages } from "./kubernetes.js";
import { type ImageList, invalidList } from "./listed.js";
import { VariableMissingError } from "./variables.js";
import { yamlDocuments } from "./yaml-documents.js";

export interface YamlOptions {
  /** Of compose files; what `COMPOSE_PROFILES` says by default. */
  readonly profiles?: readonly string[];
  readonly ignoreBuildable?: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/**
 * @param path where the content was read; `-` for standard input
 * @throws TpullError `IMAGE_LIST_INVALID`, also where no document is of a form that is known
 */
export async function yamlImages(
  path: string,
  content: string,
  options: YamlOptions,
): Promise<ImageList> {
  const list: ImageList = { images: [], skipped: [] };
  let known = false;
  for (const document of await yamlDocuments(content, options.signal)) {
    known ||= isCompose(document) || isKubernetes(document);
    const found = isCompose(document)
      ? await composeList(document, path, options)
      : kubernetesImages(document);
    list.images.push(...found.images);
    list.skipped.push(...found.skipped);
  }
  if (!known && list.images.length === 0) throw unknownForm();
  return list;
}

async function composeList(
  document: Parameters<typeof composeImages>[0],
  path: string,
  { profiles, ignoreBuildable = false, env, signal }: YamlOptions,
): Promise<ImageList> {
  const files = new ComposeFiles(signal);
  try {
    const outer = definedOf(env);
    const beside =
      path === "-" ? {} : await files.besides(dirname(resolve(path)), outer);
    const variables = { ...beside, ...outer };
    const named = (variables["COMPOSE_PROFILES"] ?? "").split(",");
    return await composeImages(document, path, variables, files, {
      profiles:
        profiles ?? named.map((each) => each.trim()).filter((each) => each),
      ignoreBuildable,
    });
  } catch (error) {
    if (error instanceof VariableMissingError) {
      throw invalidList("variables", error.message);
    }
    throw error;
  }
}

function unknownForm(): TpullError {
  return new TpullError(
    "IMAGE_LIST_INVALID",
    "names no image in any form that is known",
    {
      hint: `It has to be ${FORMS}. Charts and kustomizations have to be rendered first.`,
    },
  );
}
