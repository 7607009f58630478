import { setImmediate } from 'node:timers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects garbage, and returns the references whose object is still alive. */
export async function alive(refs: readonly WeakRef<object>[]): Promise<WeakRef<object>[]> {
  await new Promise((resolve) => setImmediate(resolve)); // a WeakRef keeps its object for a turn
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return refs.filter((each) => each.deref() !== undefined);
}
