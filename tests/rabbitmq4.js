// `npm run test:rabbitmq4 [-- JEST-ARGUMENTS]`: the contract and integration tests on RabbitMQ 4. With `-- --folder` it
// only prints the folder of its programs, which is empty if they are on the PATH.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { findRabbitMq4 } from './support/rabbitmq4.js';

const args = process.argv.slice(2);
try {
  const { folder, version } = findRabbitMq4();
  if (args[0] === '--folder') console.log(folder);
  else process.exitCode = runJest(folder, version);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

function runJest(folder, version) {
  console.log(`RabbitMQ ${version}`);
  const env = { ...process.env, PATH: [folder, process.env.PATH].filter(Boolean).join(path.delimiter) };
  const jest = ['jest', '--ci', ...args, '--selectProjects', 'contract', 'integration'];
  const cwd = path.resolve(import.meta.dirname, '..');
  return spawnSync('npx', jest, { cwd, env, stdio: 'inherit' }).status ?? 1;
}
