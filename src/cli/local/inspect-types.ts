/**
 * The types of what `docker image inspect` gives to templates, which decide what
 * they print and which fields there are. (docker/cli 28.2, vendored
 * docker/api/types/image.)
 */
import type { Zone } from "../format/local-zone.js";
import {
  ANY,
  BOOL,
  embedded,
  field,
  type GoType,
  INT,
  INT64,
  mapOf,
  pointerTo,
  sliceOf,
  STRING,
  structOf,
} from "../template/types.js";
import { DURATION, timeType } from "../template/times.js";

const STRINGS = sliceOf(STRING);
/** `map[string]struct{}`: a set. */
const SET = mapOf({ kind: "struct", fields: [] });

const HEALTHCHECK = structOf("v1.HealthcheckConfig", [
  field("Test", STRINGS, ",omitempty"),
  field("Interval", DURATION, ",omitempty"),
  field("Timeout", DURATION, ",omitempty"),
  field("StartPeriod", DURATION, ",omitempty"),
  field("StartInterval", DURATION, ",omitempty"),
  field("Retries", INT, ",omitempty"),
]);

const OCI_CONFIG = structOf("v1.ImageConfig", [
  field("User", STRING, "User,omitempty"),
  field("ExposedPorts", SET, "ExposedPorts,omitempty"),
  field("Env", STRINGS, "Env,omitempty"),
  field("Entrypoint", STRINGS, "Entrypoint,omitempty"),
  field("Cmd", STRINGS, "Cmd,omitempty"),
  field("Volumes", SET, "Volumes,omitempty"),
  field("WorkingDir", STRING, "WorkingDir,omitempty"),
  field("Labels", mapOf(STRING), "Labels,omitempty"),
  field("StopSignal", STRING, "StopSignal,omitempty"),
  field("ArgsEscaped", BOOL, "ArgsEscaped,omitempty"),
]);

const DOCKER_CONFIG = structOf("v1.DockerOCIImageConfigExt", [
  field("Healthcheck", pointerTo(HEALTHCHECK), ",omitempty"),
  field("OnBuild", STRINGS, ",omitempty"),
  field("Shell", STRINGS, ",omitempty"),
]);

const CONFIG = structOf("v1.DockerOCIImageConfig", [
  embedded("ImageConfig", OCI_CONFIG),
  embedded("DockerOCIImageConfigExt", DOCKER_CONFIG),
]);

/** @param zone of this system, which times may be in */
export function imageInspectType(zone: Zone): GoType {
  return structOf("image.InspectResponse", [
    field("ID", STRING, "Id"),
    field("RepoTags", STRINGS),
    field("RepoDigests", STRINGS),
    field("Parent", STRING),
    field("Comment", STRING),
    field("Created", STRING, ",omitempty"),
    field("Container", STRING, ",omitempty"),
    // Always nil by now, so that it does not matter what it points to.
    field("ContainerConfig", pointerTo(ANY), ",omitempty"),
    field("DockerVersion", STRING),
    field("Author", STRING),
    field("Config", pointerTo(CONFIG)),
    field("Architecture", STRING),
    field("Variant", STRING, ",omitempty"),
    field("Os", STRING),
    field("OsVersion", STRING, ",omitempty"),
    field("Size", INT64),
    field("VirtualSize", INT64, "VirtualSize,omitempty"),
    field(
      "GraphDriver",
      structOf("storage.DriverData", [
        field("Data", mapOf(STRING), "Data"),
        field("Name", STRING, "Name"),
      ]),
    ),
    field(
      "RootFS",
      structOf("image.RootFS", [
        field("Type", STRING, ",omitempty"),
        field("Layers", STRINGS, ",omitempty"),
      ]),
    ),
    field(
      "Metadata",
      structOf("image.Metadata", [
        field("LastTagTime", timeType(zone), ",omitempty"),
      ]),
    ),
    field("Descriptor", pointerTo(ANY), "Descriptor,omitempty"),
    field("Manifests", sliceOf(ANY), "Manifests,omitempty"),
  ]);
}
