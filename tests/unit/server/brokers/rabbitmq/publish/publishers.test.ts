import { describe, expect, test } from '@jest/globals';
import { hashOf } from '../../../../../../server/src/brokers/rabbitmq/publish/publishers.js';

describe('users are spread over the channels', () => {
  test.each<[string, (index: number) => string]>([
    ['numbered', (index) => `user-${index}`],
    ['addresses', (index) => `person.${index * 8}@example.com`],
    ['ids of sessions', (index) => `~${index.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`],
    ['one letter apart', (index) => String.fromCodePoint(0x100 + index * 16)],
  ])('evenly: %s', (_, nameOf) => {
    const counts = Array.from({ length: 8 }, () => 0);
    for (let index = 0; index < 800; index++) counts[hashOf(nameOf(index)) % 8]!++;
    for (const count of counts) {
      expect(count).toBeGreaterThan(60);
      expect(count).toBeLessThan(145);
    }
  });

  test('consistently', () => {
    expect(hashOf('alice')).toBe(hashOf(['al', 'ice'].join('')));
    expect(hashOf('')).toBeGreaterThanOrEqual(0);
    expect(Number.isSafeInteger(hashOf('\ud800🙂'))).toBe(true);
  });
});
