/** Before the contract and integration tests, once for all of them: finds or starts RabbitMQ and says where it is. */
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

/** Jest applies its moduleNameMapper to tests, not to this file and what it imports: `./x.js` is our `./x.ts`. */
function resolveTypeScript(): void {
  const loader = Module as unknown as { _resolveFilename: Resolve };
  const original = loader._resolveFilename;
  loader._resolveFilename = (request, parent, ...rest) => {
    const ours = parent?.filename.endsWith('.ts') === true && /^\.{1,2}\/.*\.js$/.test(request);
    return original.call(Module, ours ? request.replace(/\.js$/, '.ts') : request, parent, ...rest);
  };
}
