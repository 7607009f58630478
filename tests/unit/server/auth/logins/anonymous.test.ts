import { expect, test } from '@jest/globals';
import { anonymousAuthenticator } from '../../../../../server/src/auth/logins/anonymous.js';
import { presented } from '../credentials.js';

test('accepts a client without credentials', async () => {
  const anonymous = { name: 'anonymous', anonymous: true, claims: {} };
  expect(await anonymousAuthenticator.authenticate(presented())).toEqual(anonymous);
  expect(await anonymousAuthenticator.authenticate(presented({ headers: { login: '', passcode: '' } }))).toEqual(
    anonymous,
  );
  expect(await anonymousAuthenticator.authenticate(presented({ httpHeaders: { cookie: 'theme=dark' } }))).toEqual(
    anonymous,
  );
});

test.each([
  { headers: { login: 'ann' } },
  { headers: { passcode: 'guess' } },
  { headers: { authorization: 'Bearer x' } },
  { headers: { Authorization: 'Bearer x' } },
  { httpHeaders: { authorization: 'Basic x' } },
  { httpHeaders: { 'sec-websocket-protocol': 'v12.stomp, bearer.x' } },
])('does not know a client with %j', async (credentials) => {
  expect(await anonymousAuthenticator.authenticate(presented(credentials))).toBeUndefined();
});
