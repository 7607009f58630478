/** CONNECT, CONNECTED, sub-protocols, and frames that are refused before or after CONNECT. */
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

const version = (name: string, accept: string | undefined): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.open('alice');
    alice.send('CONNECT', { ...stage.credentials, ...(accept === undefined ? {} : { 'accept-version': accept }) });
    await alice.connected('version');
  });

const subProtocol = (name: string, subprotocols: readonly string[]): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.open('alice', { subprotocols });
    alice.note(`sub-protocol ${alice.client.subProtocol || 'none'}`);
  });

export const scenarios: readonly Scenario[] = [
  version('connecting: the highest of three versions', '1.0,1.1,1.2'),
  version('connecting: the highest of two versions', '1.1,1.0'),
  version('connecting: no accept-version means 1.0', undefined),
  version('connecting: unknown versions among known ones', '9.9,1.1'),
  version('connecting: only unknown versions', '9.9'),
  version('connecting: spaces in accept-version', '1.0, 1.1, 1.2'),

  subProtocol('connecting: the highest of the offered sub-protocols', ['v10.stomp', 'v11.stomp', 'v12.stomp']),
  subProtocol('connecting: the only sub-protocol', ['v11.stomp']),
  subProtocol('connecting: no sub-protocol', []),

  scenario('connecting: STOMP instead of CONNECT', async (stage) => {
    const alice = await stage.open('alice');
    alice.send('STOMP', { ...stage.credentials, 'accept-version': '1.2' });
    await alice.connected('version');
  }),
  scenario('connecting: CONNECTED names session and server', async (stage) => {
    const alice = await stage.open('alice');
    alice.send('CONNECT', { ...stage.credentials, 'accept-version': '1.2' });
    const { headers } = await alice.connected();
    alice.note(`session ${Boolean(headers['session'])}, server ${Boolean(headers['server'])}`);
  }),
  scenario('connecting: over TCP', async (stage) => {
    const alice = await stage.open('alice', { transport: 'tcp' });
    alice.send('CONNECT', { ...stage.credentials, 'accept-version': '1.2' });
    await alice.connected('version');
  }),
  scenario('connecting: the STOMP version does not depend on the sub-protocol', async (stage) => {
    const alice = await stage.open('alice', { subprotocols: ['v10.stomp'] });
    alice.send('CONNECT', { ...stage.credentials, 'accept-version': '1.2' });
    await alice.connected('version');
  }),
  scenario('connecting: no host header', async (stage) => {
    const alice = await stage.open('alice');
    const { login, passcode } = stage.credentials;
    alice.send('CONNECT', { login: login ?? '', passcode: passcode ?? '', 'accept-version': '1.2' });
    await alice.connected('version');
  }),
  scenario('connecting: an unknown host', async (stage) => {
    const alice = await stage.open('alice');
    alice.send('CONNECT', { ...stage.credentials, host: 'www.example.com', 'accept-version': '1.2' });
    await alice.connected('version');
  }),
  scenario('connecting: a wrong passcode', async (stage) => {
    const alice = await stage.open('alice');
    alice.send('CONNECT', { ...stage.credentials, passcode: 'wrong', 'accept-version': '1.2' });
    await alice.connected('version');
  }),
  scenario('connecting: neither login nor passcode', async (stage) => {
    const alice = await stage.open('alice');
    alice.send('CONNECT', { host: stage.server.vhost.name, 'accept-version': '1.2' });
    await alice.connected('version');
  }),
  scenario('connecting: SEND before CONNECT', async (stage) => {
    const alice = await stage.open('alice');
    alice.send('SEND', { destination: '/topic/a' }, 'x');
    await alice.refusal();
  }),
  scenario('connecting: a second CONNECT', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('CONNECT', { ...stage.credentials, 'accept-version': '1.2' });
    await alice.refusal();
  }),
  scenario('connecting: an unknown command', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('WRONGCOMMAND', { destination: 'a', exchange: 'amq.fanout' });
    await alice.refusal();
  }),
  scenario('connecting: a command in lower case', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('send', { destination: '/topic/a' }, 'x');
    await alice.refusal();
  }),
];
