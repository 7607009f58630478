/** Runs once before the contract and integration tests: finds or starts RabbitMQ, and passes on its addresses. */
import { randomBytes } from 'node:crypto';
import Module from 'node:module';
import type { Provided } from './rabbitmq-provider.js';

declare global {
  var relayTestRabbit: Provided | undefined;
}

export default async function globalSetup(): Promise<void> {
  resolveTypeScript();
  const { provideRabbit } = await import('./rabbitmq-provider.js');
  const { VARIABLES } = await import('./rabbitmq.js');
  process.env['RELAY_TEST_RUN'] ??= `relay-test-${randomBytes(4).toString('hex')}`;
  const provided = await provideRabbit(process.env['RELAY_TEST_RUN']);
  globalThis.relayTestRabbit = provided;
  for (const [field, variable] of Object.entries(VARIABLES) as [keyof typeof VARIABLES, string][]) {
    process.env[variable] = String(provided[field]);
  }
}

type Resolve = (request: string, parent: { filename: string } | undefined, ...rest: unknown[]) => string;

/** Jest does not apply its moduleNameMapper to this file and its imports, so this resolves `./x.js` to `./x.ts`. */
function resolveTypeScript(): void {
  const loader = Module as unknown as { _resolveFilename: Resolve };
  const original = loader._resolveFilename;
  loader._resolveFilename = (request, parent, ...rest) => {
    const isSource = parent?.filename.endsWith('.ts') === true && /^\.{1,2}\/.*\.js$/.test(request);
    return original.call(Module, isSource ? request.replace(/\.js$/, '.ts') : request, parent, ...rest);
  };
}
