/** How registries are reached, as the command line and configuration say it. */

/** One mirror of one registry. */
export interface MirrorSetting {
  /** As references name it, e.g. `docker.io`. */
  readonly registry: string;
  /** Base URL of the mirror, without user, query and fragment. */
  readonly url: string;
}

/** Beside what the system and the user's configuration files say; all of it may be left out. */
export interface NetworkSettings {
  /** Files of PEM certificates that are trusted beside the system's. */
  readonly caFiles?: readonly string[];
  /** host[:port] or networks (`10.0.0.0/8`): any certificate will do there, and plain HTTP where nobody speaks TLS. */
  readonly insecureRegistries?: readonly string[];
  /** host[:port]: plain HTTP from the start. */
  readonly plainHttp?: readonly string[];
  /** Directories with a directory for each registry, looked at before the usual ones. */
  readonly hostsDirs?: readonly string[];
  /** Asked before their registry, in this order. */
  readonly mirrors?: readonly MirrorSetting[];
  /** Bytes a second that all downloads together may take. */
  readonly limitRate?: number;
  /** Docker's configuration directory; the default is `$DOCKER_CONFIG`, else `~/.docker`. */
  readonly configDir?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment by which docker's configuration is found. */
export function dockerEnvironment(
  { configDir }: NetworkSettings,
  env: Environment = process.env,
): Environment {
  return configDir === undefined ? env : { ...env, DOCKER_CONFIG: configDir };
}
