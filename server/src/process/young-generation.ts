/**
 * Imported first by each process of the relay, for its side effect: V8's young generation keeps its initial size.
 * Otherwise it grows to 48 MiB when many objects survive, such as when thousands of sessions connect; that is half of
 * the apparent memory of an idle session. A small young generation is collected more often and in less time; the rate
 * of deliveries stays the same (docs/performance.md).
 *
 * The library does not import it, because the process belongs to the application.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1'); // V8 reads the flag each time before it grows
