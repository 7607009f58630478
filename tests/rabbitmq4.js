// `npm run test:rabbitmq4 [-- JEST-ARGUMENTS]`: the contract and integration tests on RabbitMQ 4. RABBITMQ4_BIN names the folder
// of its rabbitmq-server; without it, the one on the PATH has to be a version 4.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '..');
const folder = process.env.RABBITMQ4_BIN;
const env = { ...process.env, ...(folder && { PATH: `${folder}${path.delimiter}${process.env.PATH}` }) };

const { stdout, status } = spawnSync('rabbitmqctl', ['version'], { env, encoding: 'utf8' });
const version = status === 0 ? (/^\d+\.\d+\.\d+/m.exec(stdout)?.[0] ?? 'unknown') : 'none';
if (!version.startsWith('4.')) {
  console.error(
    `RabbitMQ 4 is needed, and ${folder ?? 'the PATH'} has: ${version}. Set RABBITMQ4_BIN to the folder of its ` +
      'rabbitmq-server. On Debian 12: debootstrap --variant=minbase --include=rabbitmq-server trixie FOLDER',
  );
  process.exit(1);
}
console.log(`RabbitMQ ${version}`);
const jest = ['jest', '--ci', ...process.argv.slice(2), '--selectProjects', 'contract', 'integration'];
process.exit(spawnSync('npx', jest, { cwd: ROOT, env, stdio: 'inherit' }).status ?? 1);
