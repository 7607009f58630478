/** Runs after the last test: ends the node, and fails the run if a server or a virtual host is left. */

export default async function globalTeardown(): Promise<void> {
  const { callManagement } = await import('./rabbitmq-api.js');
  const { guardedProcesses } = await import('./watchdog.js');
  const run = process.env['RELAY_TEST_RUN'];
  const provided = globalThis.relayTestRabbit;
  if (provided === undefined || run === undefined) return;
  const vhosts = (await callManagement(provided, 'GET', '/vhosts')) as { name: string }[];
  const left = vhosts.map((vhost) => vhost.name).filter((name) => name.startsWith(run));
  for (const name of left) await callManagement(provided, 'DELETE', `/vhosts/${name}`);
  await provided.stop();
  const processes = guardedProcesses(run);
  if (processes.length > 0) {
    throw new Error(`servers are still running after the tests; a test did not stop its own:\n${processes.join('\n')}`);
  }
  if (left.length > 0) throw new Error(`tests left vhosts behind: ${left.join(', ')}`);
}
