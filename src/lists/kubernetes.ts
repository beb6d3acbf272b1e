/** The images of Kubernetes objects: of whatever has containers, at any depth. */
import { isTpullError, parseReference } from "../../store/index.js";
import { type ImageList, invalidList } from "./listed.js";
import { isMapping, type Mapping } from "./mapping.js";

/** The fields of a PodSpec that hold containers. */
const CONTAINERS = ["initContainers", "containers", "ephemeralContainers"];
/** Far deeper than any object is. */
const DEEPEST = 100;

/** Whether a YAML document is an object of Kubernetes, with containers or without. */
export function isKubernetes(document: unknown): document is Mapping {
  return (
    isMapping(document) &&
    typeof document["apiVersion"] === "string" &&
    typeof document["kind"] === "string"
  );
}

/**
 * Takes the images of all containers in an object, a template of pods
 * anywhere in it included, which custom resources have, too; of image volumes;
 * and the `spec.image` of custom resources. `List` objects are what is in them.
 * @param document one YAML document
 * @throws TpullError `IMAGE_LIST_INVALID`
 */
export function kubernetesImages(document: unknown): ImageList {
  const list: ImageList = { images: [], skipped: [] };
  if (isMapping(document)) walk(document, nameOf(document), list, 0);
  return list;
}

function walk(
  node: unknown,
  owner: string,
  list: ImageList,
  depth: number,
): void {
  if (depth > DEEPEST) throw invalidList(owner, "is nested too deep");
  if (Array.isArray(node)) {
    for (const each of node) walk(each, owner, list, depth + 1);
    return;
  }
  if (!isMapping(node)) return;
  const isObject =
    depth > 0 &&
    typeof node["kind"] === "string" &&
    isMapping(node["metadata"]);
  const here = isObject ? nameOf(node) : owner;
  for (const [field, value] of Object.entries(node)) {
    if (CONTAINERS.includes(field) && Array.isArray(value)) {
      for (const container of value) take(container, here, list);
    } else if (field === "volumes" && Array.isArray(value)) {
      for (const volume of value) takeVolume(volume, here, list);
    } else if (field === "spec" && (isObject || depth === 0)) {
      if (isMapping(value)) takeOwn(value["image"], here, list);
    }
    walk(value, here, list, depth + 1);
  }
}

function take(container: unknown, owner: string, list: ImageList): void {
  if (!isMapping(container)) return;
  const { name, image } = container;
  const from = `${owner} container ${typeof name === "string" ? name : "without a name"}`;
  if (image === undefined || image === null || image === "") {
    list.skipped.push({ from, why: "has no image" });
  } else if (typeof image !== "string") {
    throw invalidList(from, "its image is no text");
  } else list.images.push({ reference: image, from });
}

/**
 * What operators run for an object of theirs (`spec.image`, of a Prometheus for
 * one). Kubernetes itself has no such field, and what another one means by it
 * is unknown: it is taken if it can be a reference, and else named.
 */
function takeOwn(image: unknown, owner: string, list: ImageList): void {
  if (image === undefined || image === null || image === "") return;
  const from = `${owner} spec.image`;
  if (typeof image !== "string") {
    const why = "is no reference, but has a form of its own";
    list.skipped.push({ from, why });
    return;
  }
  try {
    parseReference(image);
    list.images.push({ reference: image, from });
  } catch (error) {
    if (!isTpullError(error)) throw error;
    list.skipped.push({ from, why: "is no reference of a container image" });
  }
}

/** A volume whose content is an image (`volumes[].image.reference`). */
function takeVolume(volume: unknown, owner: string, list: ImageList): void {
  if (!isMapping(volume) || !isMapping(volume["image"])) return;
  const reference = volume["image"]["reference"];
  if (typeof reference !== "string" || reference === "") return;
  const name = volume["name"];
  list.images.push({
    reference,
    from: `${owner} volume ${typeof name === "string" ? name : ""}`.trim(),
  });
}

function nameOf(object: Mapping): string {
  const kind = typeof object["kind"] === "string" ? object["kind"] : "object";
  const metadata = object["metadata"];
  const name = isMapping(metadata)
    ? (metadata["name"] ?? metadata["generateName"])
    : undefined;
  return typeof name === "string" ? `${kind}/${name}` : kind;
}
