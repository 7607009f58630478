/**
 * Imported first by what is a process of ours, for its effect: V8's young generation stays as small as it is then. It would
 * grow to 48 MiB where many objects survive, as when thousands of sessions connect: half of what an idle session seems to
 * take. Small, it is collected more often and in less time; deliveries a second stay the same (docs/performance.md).
 *
 * Not for the library: the process is somebody else's then.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1'); // V8 looks at it each time that it would grow
