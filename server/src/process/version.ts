import { readFileSync } from 'node:fs';

/** The package's version, from its manifest: the same path in the sources and in the build. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
