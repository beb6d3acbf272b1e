/** Damage to archive records. */
import { lstatSync, truncateSync, unlinkSync } from "node:fs";
import { flipped } from "../scene.js";
import { flip } from "../files.js";
import { mutation, type Mutation } from "./mutation.js";

const isFile = ({ type, size }: { type: number; size?: number }): boolean =>
  type === 1 && (size ?? 0) > 0;
const isSegment = ({ type }: { type: number }): boolean => type === 2;

export const RECORDS: readonly Mutation[] = [
  mutation("a record that is gone", "TAR_SPLIT_DAMAGED", (s) =>
    unlinkSync(s.entry(1, "tar-split.json.gz")),
  ),
  mutation("a record cut short", "TAR_SPLIT_DAMAGED", (s) => {
    const path = s.entry(1, "tar-split.json.gz");
    truncateSync(path, lstatSync(path).size - 9);
  }),
  mutation("a record that is empty", "TAR_SPLIT_DAMAGED", (s) =>
    truncateSync(s.entry(1, "tar-split.json.gz")),
  ),
  mutation("zeros behind a record", "TAR_SPLIT_DAMAGED", (s) =>
    s.write(
      s.entry(1, "tar-split.json.gz"),
      Buffer.concat([
        Buffer.from(s.read(s.entry(1, "tar-split.json.gz")), "latin1"),
        Buffer.alloc(100),
      ]),
    ),
  ),
  mutation("a bit of a record", "TAR_SPLIT_DAMAGED", (s) =>
    flip(s.entry(0, "tar-split.json.gz")),
  ),
  mutation("a record that is not compressed", "TAR_SPLIT_DAMAGED", (s) => {
    let text = "";
    s.record(1, (lines) => {
      text = lines.join("\n");
      return lines;
    });
    s.write(s.entry(1, "tar-split.json.gz"), text);
  }),
  mutation("a checksum in a record", "TAR_SPLIT_DAMAGED", (s) =>
    s.recordEntry(
      0,
      isFile,
      (entry) => (entry.payload = flipped(entry.payload)),
    ),
  ),
  mutation("a header in a record", "TAR_SPLIT_DAMAGED", (s) =>
    s.recordEntry(
      0,
      isSegment,
      (entry) => (entry.payload = flipped(entry.payload)),
    ),
  ),
  mutation(
    "two entries that changed places",
    ["TAR_SPLIT_DAMAGED", "TAR_SPLIT_WRONG"],
    (s) =>
      s.record(0, (lines) => {
        const [a = "", b = ""] = [lines[3], lines[5]];
        return lines
          .with(3, b.replace('"position":5', '"position":3'))
          .with(5, a.replace('"position":3', '"position":5'));
      }),
  ),
  mutation("a position in a record", "TAR_SPLIT_WRONG", (s) =>
    s.recordEntry(
      0,
      ({ position }) => position === 2,
      (entry) => (entry.position = 7),
    ),
  ),
  mutation("the name of a file in a record", "TAR_SPLIT_DAMAGED", (s) =>
    s.recordEntry(0, isFile, (entry) => (entry.name = "no/such")),
  ),
  mutation("the name of a directory in a record", "TAR_SPLIT_WRONG", (s) =>
    s.recordEntry(
      0,
      ({ type }) => type === 1,
      (entry) => (entry.name = "no/such"),
    ),
  ),
  mutation("the size of a file in a record", "TAR_SPLIT_WRONG", (s) =>
    s.recordEntry(0, isFile, (entry) => (entry.size = entry.size! + 1)),
  ),
  mutation("a type in a record", "TAR_SPLIT_DAMAGED", (s) =>
    s.recordEntry(0, isFile, (entry) => (entry.type = 3)),
  ),
  mutation("a line of a record that is no JSON", "TAR_SPLIT_DAMAGED", (s) =>
    s.record(0, (lines) => lines.with(2, "{")),
  ),
  mutation("a payload that is no base64", "TAR_SPLIT_DAMAGED", (s) =>
    s.recordEntry(0, isSegment, (entry) => (entry.payload = "*")),
  ),
  mutation("the end of a record", "TAR_SPLIT_DAMAGED", (s) =>
    s.record(0, (lines) => [...lines.slice(0, -2), ""]),
  ),
  mutation(
    "an entry too many at the end of a record",
    ["TAR_SPLIT_DAMAGED", "TAR_SPLIT_WRONG"],
    (s) =>
      s.record(0, (lines) => [
        ...lines.slice(0, -1),
        `{"type":1,"name":"etc/empty","payload":null,"position":${lines.length - 1}}`,
        "",
      ]),
  ),
  mutation("an entry that is not there", ["TAR_SPLIT_WRONG"], (s) =>
    s.record(0, (lines) =>
      lines.filter((line) => !line.includes('"name":"etc/empty"')),
    ),
  ),
];
