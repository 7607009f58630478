/** Heart-beats: negotiation, sending and silence. */
import { eventually } from '../../../support/deadline.js';
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

const connected = (name: string, heartBeat: string | undefined): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.open('alice');
    const headers = heartBeat === undefined ? {} : { 'heart-beat': heartBeat };
    alice.send('CONNECT', { ...stage.credentials, 'accept-version': '1.2', ...headers });
    await alice.connected('version');
  });

export const scenarios: readonly Scenario[] = [
  connected('heart-beats: no header', undefined),
  connected('heart-beats: 0,0', '0,0'),
  connected('heart-beats: 10000,10000', '10000,10000'),
  connected('heart-beats: a space after the comma', '10000, 10000'),
  connected('heart-beats: only one number', '10000'),
  connected('heart-beats: not numbers', 'often,seldom'),
  connected('heart-beats: negative numbers', '-1,-1'),
  scenario('heart-beats: the header of CONNECTED', async (stage) => {
    const alice = await stage.open('alice');
    alice.send('CONNECT', { ...stage.credentials, 'accept-version': '1.2', 'heart-beat': '20000,30000' });
    await alice.connected('heart-beat');
  }),
  scenario('heart-beats: the server sends heart-beats', async (stage) => {
    const alice = await stage.connect('alice', { headers: { 'heart-beat': '0,1000' } });
    const { beats } = alice.client;
    const two = () => (alice.client.beats >= beats + 2 ? true : undefined);
    await eventually(two, 10_000, () => 'no heart-beats');
    alice.note('heart-beats arrive');
  }),
  scenario('heart-beats: a silent client that promised heart-beats', async (stage) => {
    const alice = await stage.connect('alice', { headers: { 'heart-beat': '1000,0' } });
    await alice.client.expectClose(undefined, 20_000);
    await alice.end();
  }),
  scenario('heart-beats: a client that sends the promised heart-beats', async (stage) => {
    const alice = await stage.connect('alice', { headers: { 'heart-beat': '1000,1000' } });
    // the client answers each beat of the server with its own, about one a second
    const start = alice.client.beats;
    for (let n = 1; n <= 5; n++) {
      await eventually(
        () => (alice.client.beats >= start + n ? true : undefined),
        10_000,
        () => 'no heart-beats',
      );
      alice.client.send('\n');
    }
    await alice.request('SEND', { destination: `/topic/${stage.name()}` }, 'still here');
  }),
];
