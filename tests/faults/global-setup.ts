/** Runs once: builds the relay from the working tree, and gives the run a name that identifies its RabbitMQ nodes. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

export default function setUp(): void {
  process.env['RELAY_TEST_RUN'] ??= `relay-test-${randomBytes(4).toString('hex')}`;
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
