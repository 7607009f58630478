import { readFileSync } from 'node:fs';

/** The version in the package's manifest, which has the same relative path from the sources and from the build. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
