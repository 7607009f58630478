/** Runs once: builds the relay from what is in the tree, and names the run, by which its RabbitMQ nodes are known. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

export default function setUp(): void {
  process.env['RELAY_TEST_RUN'] ??= `relay-test-${randomBytes(4).toString('hex')}`;
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
