/** Archives of images as their readers see them. */
import { once } from "node:events";
import { extract } from "tar-stream";

/** The members of a tar that are regular files, by name, in their order. */
export async function readArchive(bytes: Buffer): Promise<Map<string, Buffer>> {
  const members = new Map<string, Buffer>();
  const reader = extract();
  reader.on("entry", (header, stream, next) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk) => chunks.push(chunk as Buffer));
    stream.on("end", () => {
      if (header.type === "file") {
        members.set(header.name, Buffer.concat(chunks));
      }
      next();
    });
  });
  reader.end(bytes);
  await once(reader, "finish");
  return members;
}

/** One of its members as JSON. */
export function jsonMember<Shape>(
  members: ReadonlyMap<string, Buffer>,
  name: string,
): Shape {
  return JSON.parse(members.get(name)?.toString() ?? "null") as Shape;
}
