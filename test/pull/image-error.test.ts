import { describe, expect, it } from "vitest";
import { inImage } from "#src/image-error.js";
import { parseReference } from "#store/reference/reference.js";
import { TpullError } from "#store/index.js";

const DIGEST = `sha256:${"a".repeat(64)}`;

function messageOf(message: string, image: string): string {
  const error = new TpullError("SOME_CODE", message);
  return inImage(error, image, parseReference(image)).message;
}

describe("the message of an image's error", () => {
  it.each([
    ["nginx", "it is broken", "nginx: it is broken"],
    ["nginx", "nginx: it is broken", "nginx: it is broken"],
    ["nginx", "nginx is no image", "nginx is no image"],
    ["nginx", "nginxes are gone", "nginx: nginxes are gone"],
    [
      "nginx",
      "docker.io/library/nginx has no tag latest",
      "nginx: the repository has no tag latest",
    ],
    [
      "nginx",
      "docker.io/library/nginx: not found, or private",
      "nginx: not found, or private",
    ],
    ["nginx", "docker.io/library/nginx:latest: too large", "nginx: too large"],
    [
      "nginx",
      `docker.io/library/nginx@${DIGEST}: too large`,
      `nginx: the manifest ${DIGEST}: too large`,
    ],
    [
      "nginx",
      `docker.io/library/nginx, blob ${DIGEST}, at byte 0: cut`,
      `nginx: blob ${DIGEST}, at byte 0: cut`,
    ],
    [
      "nginx",
      "docker.io/library/nginx-extra has no tag",
      "nginx: docker.io/library/nginx-extra has no tag",
    ],
    [
      `r.io/a:1@${DIGEST}`,
      `r.io/a@${DIGEST}: gone`,
      `r.io/a:1@${DIGEST}: gone`,
    ],
    ["r.io/a:1", "r.io/a has no blob", "r.io/a:1: the repository has no blob"],
    ["r.io:5000/a", "r.io:5000/a: gone", "r.io:5000/a: gone"],
  ])("of %s, %s", (image, message, expected) => {
    expect(messageOf(message, image)).toBe(expected);
  });

  it("keeps everything else", () => {
    const cause = new Error("why");
    const error = new TpullError("SOME_CODE", "gone", {
      hint: "do this",
      cause,
      retryable: true,
      details: { layer: DIGEST },
    });
    expect(inImage(error, "a", parseReference("a"))).toMatchObject({
      code: "SOME_CODE",
      message: "a: gone",
      hint: "do this",
      cause,
      retryable: true,
      details: { layer: DIGEST, image: "a" },
    });
  });

  it("is left alone where the text is no reference: it quotes that", () => {
    const error = new TpullError("REFERENCE_INVALID", 'invalid "A": why');
    expect(inImage(error, "A", undefined).message).toBe(error.message);
  });
});
