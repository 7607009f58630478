/** Heart-beats: what is agreed, and who keeps to it. */
import { eventually } from '../../../support/deadline.js';
import { scenario, type Scenario } from '../stage.js';

const connected = (name: string, heartBeat: string | undefined): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.open('alice');
    const headers = heartBeat === undefined ? {} : { 'heart-beat': heartBeat };
    alice.tell('CONNECT', { ...stage.credentials, 'accept-version': '1.2', ...headers });
    await alice.connected('version');
  });

export const scenarios: readonly Scenario[] = [
  connected('heart-beats: none', undefined),
  connected('heart-beats: 0,0', '0,0'),
  connected('heart-beats: 10000,10000', '10000,10000'),
  connected('heart-beats: a space after the comma', '10000, 10000'),
  connected('heart-beats: one number', '10000'),
  connected('heart-beats: no numbers', 'often,seldom'),
  connected('heart-beats: negative', '-1,-1'),
  scenario('heart-beats: what CONNECTED says about the server', async (stage) => {
    const alice = await stage.open('alice');
    alice.tell('CONNECT', { ...stage.credentials, 'accept-version': '1.2', 'heart-beat': '20000,30000' });
    await alice.connected('heart-beat');
  }),
  scenario('heart-beats: come from the server', async (stage) => {
    const alice = await stage.connect('alice', { headers: { 'heart-beat': '0,1000' } });
    const { beats } = alice.client;
    const two = () => (alice.client.beats >= beats + 2 ? true : undefined);
    await eventually(two, 10_000, () => 'no heart-beats');
    alice.note('heart-beats come');
  }),
  scenario('heart-beats: a client that owes them and is silent', async (stage) => {
    const alice = await stage.connect('alice', { headers: { 'heart-beat': '1000,0' } });
    await alice.client.expectClose(undefined, 20_000);
    await alice.end();
  }),
  scenario('heart-beats: a client that keeps its promise', async (stage) => {
    const alice = await stage.connect('alice', { headers: { 'heart-beat': '1000,1000' } });
    // its own beat answers each of the server's: about one a second
    const start = alice.client.beats;
    for (let n = 1; n <= 5; n++) {
      await eventually(
        () => (alice.client.beats >= start + n ? true : undefined),
        10_000,
        () => 'no heart-beats',
      );
      alice.client.send('\n');
    }
    await alice.ask('SEND', { destination: `/topic/${stage.name()}` }, 'still here');
  }),
];
