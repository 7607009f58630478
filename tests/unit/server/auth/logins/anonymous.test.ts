import { expect, test } from '@jest/globals';
import { anonymousAuthenticator } from '../../../../../server/src/auth/logins/anonymous.js';
import { presented } from '../credentials.js';

test('lets in who presents nothing', async () => {
  const guest = { name: 'anonymous', anonymous: true, claims: {} };
  expect(await anonymousAuthenticator.authenticate(presented())).toEqual(guest);
  expect(await anonymousAuthenticator.authenticate(presented({ headers: { login: '', passcode: '' } }))).toEqual(guest);
  expect(await anonymousAuthenticator.authenticate(presented({ httpHeaders: { cookie: 'theme=dark' } }))).toEqual(
    guest,
  );
});

test.each([
  { headers: { login: 'ann' } },
  { headers: { passcode: 'guess' } },
  { headers: { authorization: 'Bearer x' } },
  { headers: { Authorization: 'Bearer x' } },
  { httpHeaders: { authorization: 'Basic x' } },
  { httpHeaders: { 'sec-websocket-protocol': 'v12.stomp, bearer.x' } },
])('does not know who presents %j', async (credentials) => {
  expect(await anonymousAuthenticator.authenticate(presented(credentials))).toBeUndefined();
});
