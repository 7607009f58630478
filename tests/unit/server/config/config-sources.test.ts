import { expect, test } from '@jest/globals';
import { flagsWithPassword } from '../../../../server/src/config/config-sources.js';

test.each([
  ['amqp://relay:secret@rabbit', true],
  ['amqps://relay:s%40cret@rabbit:5671/vhost', true],
  ['amqp://rabbit-1, amqp://relay:secret@rabbit-2', true],
  ['amqp://guest:secret@rabbit', true],
  ['amqp://guest:guest@rabbit', false],
  ['amqp://rabbit', false],
  ['amqp://relay@rabbit', false],
  ['memory:', false],
  ['no address', false],
])('the flag --broker %s has a password: %s', (broker, expected) => {
  const found = flagsWithPassword({ broker, port: '0', allowAnonymous: true }).map(({ variable }) => variable);
  expect(found).toEqual(expected ? ['RELAY_BROKER'] : []);
});
