/** zstd streams put together by hand (RFC 8878): no encoder is needed for stored and run-length blocks. */

const MAGIC = Buffer.from("28b52ffd", "hex");

export interface FrameOptions {
  /** Exponent and mantissa byte of the window; without one the frame is a single segment. */
  readonly window?: number;
  /** Most bytes of a stored block. */
  readonly block?: number;
}

/** A frame of stored blocks. */
export function storedFrame(
  content: Buffer,
  options: FrameOptions = {},
): Buffer {
  const most = options.block ?? 1000;
  const blocks: Buffer[] = [];
  for (let at = 0; at < content.length || at === 0; at += most) {
    const data = content.subarray(at, at + most);
    const last = at + most >= content.length;
    blocks.push(blockHeader(data.length, 0, last), data);
  }
  return Buffer.concat([
    frameHeader(content.length, options.window),
    ...blocks,
  ]);
}

/** A frame of run-length blocks: 4 bytes each for 128 KiB of zeros. */
export function zerosFrame(blocks: number): Buffer {
  const block = 128 * 1024;
  const parts = Array.from({ length: blocks }, (_, i) => [
    blockHeader(block, 1, i === blocks - 1),
    Buffer.alloc(1),
  ]);
  return Buffer.concat([frameHeader(0, 7 << 3), ...parts.flat()]);
}

/** A frame that decoders pass over. */
export function skippableFrame(length: number, kind = 3): Buffer {
  const frame = Buffer.alloc(8 + length, 0x28);
  frame.writeUInt32LE(0x184d2a50 + kind, 0);
  frame.writeUInt32LE(length, 4);
  return frame;
}

export function frameHeader(contentBytes: number, window?: number): Buffer {
  if (window !== undefined)
    return Buffer.concat([MAGIC, Buffer.from([0, window])]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(contentBytes);
  return Buffer.concat([MAGIC, Buffer.from([0xa0]), size]);
}

function blockHeader(length: number, type: number, last: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((length << 3) | (type << 1) | (last ? 1 : 0), 0, 3);
  return header;
}

/** What `zstd -19` makes of {@link COMPRESSED_TEXT}, with its checksum. */
export const COMPRESSED: Buffer = Buffer.from(
  [
    "KLUv/QRofS8AqprIEBGwV3LQlCIaJpVLZMsKLI6YSw4BAgEKAb0DF61wHIObNE7bZrbX3ubt",
    "FhzcLNQm3mi9rEVVjRO1Sdo0/yt/fvXhHu8Ldbljpn898brDbzi7tNHHh08bwswtIYwfwSNk",
    "kLEodD7jmDKYM4s3Uq1Z6YeOPOG8hOAQxEFokeBQaThDInQmDKtkQXoV5tC7dMefNtgStYWs",
    "2Ffr+xFuJ+gxxCw55E3jUkeMvIwgjoVFqBDxzso1DKkCKZM5kYSSqXyr4PQiQ73RFYpSx9e+",
    "s2gY6wXUU2WPbiIWgguIgElsDS1CY8xfSFesc3bC8AyBDjaFFjpIeUqwU3LtKFWc4ytj9mGY",
    "hZ6QMn/dvVg7btwmTdu8njc4LBSvj3IDUACBQYACDgYECgYKAndIo33LUdpJazVuHH3N6LzD",
    "BkdZC8WK57UX16hG5VR1klSJkx+v+JhrJoLXCQs1IQ6H6MsQUY+DmzomzaFvDBJvQ2LuN4Iv",
    "DQvZEMtE9NOIKBfBOTAmlaHZKsY7XswZi+BwhYVWiAMVPX9GR06uPCd9qLBZhi85nM8EBosE",
    "WshA8cfsLWa0NDleOMlCeRsKX7+c12VwRGmhSvFCsFeDUS3IachJQko2kXz1cS6PwYvRQo3i",
    "CGLfilFP5Ga+Sf7UjfG91Td3mAW/Mws5E8vD+nFYlA3jvLBJ9xRb7b0T3pzzgsPILLRMHELW",
    "c7LoTMfV3aR24uZ1Lx+bj2PB0piFjIl/Ln54tBHOMfiT5muxqfz19POyDw7HLVRcvPK9Zo+K",
    "Oyfrk6RLMfXzambm4kzwHMZChRFHPX1HJmrKcOPOpHV0jhLz9py5gxP8sLGQG7FY0480UcoD",
    "50+Y1AkarhPCOwxhzuAQHOZgoSWIgyT0lIboPALXRph0BgXOwfByFubDhWAJChZSQXzfvXdH",
    "6zHHjSc5WOZGwa/Fnld2cIjYQonFk7qX6qgkzEnhSUJLOIl+JfNcmoMnsoWSxSGXvrpELSPc",
    "aGSSg6gcF+StLXPPEnyLWEgRsYRKP6xEOSGcI2TSKQqupbzzyZwyCQ6aWGiJOEzSM7zR4ct1",
    "ppM6FTk/9KWEzkehwWLXQrriB2kDABMve9WRzeUgC95YZqEsEwdF1reVRe2QcTOUTRpleowx",
    "2VuRbO7wLvifzkJOJ5aGrh+7i/LScZ50k9pOE6uje2fYzTl2wSHWWWh14jCP9dxj0YmJcXWI",
    "TbpjCjHPsZeV2HzcWLA8YhYyYuKXsd5hsWi1GMdQbJLPybGZ4V5vuHkbuOAI5iyUOfFCuF4u",
    "F9WD48TgJgk5SUwz7tXGzVVxwQvfLNQ3ccRsfR22qO+NG3qbZNnUGN/tLbvNLbEFf7hZSG5i",
    "kW39jLYoqY2zXJv00RSxcrR3JGhz3lpwoDULLZo4vFrPqBYdh8ZVoU0qNTHmMO3lps2i0oJl",
    "fgv5iy/zPoMeqBIAFiVK7D0Dwo8q6RIgGCRMgR+QNsXX0qb4suztn2yh4LNsK7g++bF6lDis",
    "HiUu7K9kSyEq2VJEpfmdxVvBZ3kruLZ9IvMq8axeJS7fX8mWIirZUohK8zvLW8Fn8VZwbad8",
    "VGvDys7vb9nz/Bq9Q1DcwawRij5n0Xt/0xmLTKfYvW/rOUfOIUzlbdYIo89Z6L2/ecYi01Ls",
    "3t96zhHnEKZ6mzWC0ecseu9vPGOR6RS7t28958g5hEm9zRph9DkTvfc3z1hkdIrd+1vPOeQc",
    "wlRvs4Yw+pxF7/2ZZywynWL3/K3nHDmHMKq3WSOMPsei9/7mGYuMTrF7f+s5i5xDmOptlhFG",
    "n7PovXfzjEWmU+y6vy/qwrWQnQk1utWHAIo6Oy5UKR+Fizp7XKhSPgoXdXZcqFJ9FC7q7LhQ",
    "pXwULtrZcaFK+Shc1NlxoZXyUbios+NClfJRdFFnx4Uq5aNwUWfHC01ohZGTIpMWkaVteXz+",
    "DUEcDQiNhuhXDbemIXGygRXZkPIE7cPiV32Vt571l6te9SpvPdZfrnrVq7z1rL9c5QUqCv+o",
    "bE93rISS5OodmmUwCGC4FeJNp4U=",
  ].join(""),
  "base64",
);
export const COMPRESSED_TEXT: Buffer = Buffer.from(
  Array.from({ length: 400 }, (_, i) => `member ${i} of ${i * i}\n`).join(""),
);
