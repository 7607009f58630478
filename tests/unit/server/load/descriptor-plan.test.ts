import { describe, expect, test } from '@jest/globals';
import { createConfig } from '../../../../server/src/config.js';
import { planDescriptors } from '../../../../server/src/load/descriptor-plan.js';

describe('the plan of descriptors', () => {
  test('has a reserve of some hundreds, and leaves all the rest to clients', () => {
    const { reserve, clientsMax } = planDescriptors(1_048_576, createConfig());
    expect(reserve).toBeGreaterThan(200);
    expect(reserve).toBeLessThan(1_000);
    expect(clientsMax).toBe(1_048_576 - reserve);
  });

  test('leaves the reserve, and gives the rest to clients', () => {
    const { limit, clientsMax, adminMax, closingMax } = planDescriptors(1_024, createConfig());
    expect(limit).toBe(1_024);
    expect(clientsMax + adminMax + 2 * closingMax).toBe(1_024 - 48);
    expect([adminMax, closingMax]).toEqual([64, 64]);
  });

  test('reserves connections to RabbitMQ and to services for logins', () => {
    const users = { kind: 'users' as const, users: [] };
    const service = { kind: 'http' as const, url: 'https://login.example', checksMax: 20 };
    const of = (config: Parameters<typeof createConfig>[0]) => planDescriptors(2_000, createConfig(config)).clientsMax;
    expect(of({ auth: { authenticators: [users] } })).toBe(of({}));
    expect(of({ auth: { authenticators: [service] } })).toBe(of({}) - 20);
    expect(of({ broker: 'amqp://localhost', rabbitmq: { connectionsMax: 30 } })).toBeLessThan(of({}) - 30);
  });

  test('leaves a quarter to clients where the reserve would take more', () => {
    expect(planDescriptors(64, createConfig()).clientsMax).toBe(16);
    expect(planDescriptors(64, createConfig()).adminMax).toBe(4);
  });

  test('has no bound where the limit is not known', () => {
    expect(planDescriptors(undefined, createConfig())).toMatchObject({ clientsMax: Infinity, adminMax: 100 });
  });
});
