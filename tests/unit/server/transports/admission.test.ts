import { describe, expect, test } from '@jest/globals';
import { createHostCheck, createOriginCheck, createPageCheck } from '../../../../server/src/transports/admission.js';

describe('the page of a request', () => {
  const host = 'relay.example';
  const isTrusted = createPageCheck(['same', 'https://app.example']);

  test.each([
    { host, origin: 'https://app.example' },
    { host, origin: 'https://relay.example' },
    { host, origin: 'https://app.example', 'sec-fetch-site': 'cross-site' },
    { host, 'sec-fetch-site': 'same-origin' },
  ])('is trusted: %j', (headers) => {
    expect(isTrusted(headers)).toBe(true);
  });

  test.each([
    { host },
    { host, origin: '' },
    { host, origin: 'null' },
    { host, origin: 'https://evil.example' },
    { host, origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    { host, 'sec-fetch-site': 'same-site' },
    { host, 'sec-fetch-site': 'cross-site' },
    { host, 'sec-fetch-site': 'none' },
  ])('is not trusted: %j', (headers) => {
    expect(isTrusted(headers)).toBe(false);
  });
});

test('an Origin or Host that is too long is refused before it is parsed', () => {
  const host = `${'a'.repeat(600)}.example`;
  expect(createOriginCheck('same')({ host, origin: `https://${host}` })).toMatch(/may not connect/);
  expect(createHostCheck([host], undefined)({ host })).toMatch(/is not one of/);
});
